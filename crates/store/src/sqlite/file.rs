//! A database file can be read by its owner alone: it holds addresses and what people bought. One that was wider,
//! copied or restored, is narrowed before it is opened.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Error;

/// Creates the file and its folder if they are not there. SQLite gives its side files the same mode when it makes
/// them; those that are there already keep theirs, so that each is looked at.
pub fn create(path: &Path) -> Result<(), Error> {
    let failed = |error| Error::Unavailable(format!("cannot create {}: {error}", path.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            #[cfg(unix)]
            sides(path).for_each(|side| narrow(&side));
            Ok(())
        }
        Err(error) => Err(failed(error)),
    }
}

/// A file that cannot be narrowed (it is another user's, or lies where files have no modes) is worked on all the
/// same: the log says what its owner has to do.
#[cfg(unix)]
fn narrow(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(found) = std::fs::metadata(path) else { return };
    let mode = found.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return;
    }
    match std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & !0o077)) {
        Ok(()) => tracing::warn!(
            "{} had mode {mode:03o}, so that others on this machine may have read it; it is its owner's alone now",
            path.display()
        ),
        Err(why) => tracing::warn!(
            "{} has mode {mode:03o}, so that others on this machine may read it, and that cannot be changed: {why}",
            path.display()
        ),
    }
}

/// The database, and what SQLite keeps beside it while it is open.
fn sides(path: &Path) -> impl Iterator<Item = PathBuf> {
    ["", "-wal", "-shm"].into_iter().map(|side| {
        let mut name = path.as_os_str().to_os_string();
        name.push(side);
        PathBuf::from(name)
    })
}

pub(super) fn must_exist(path: &Path) -> Result<(), Error> {
    if path.is_file() {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "there is no database at {}; start the system once, or give the path that it was started with",
        path.display()
    )))
}

/// Removes a database and its side files when it is dropped.
pub(super) struct Scratch(pub(super) PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        for side in sides(&self.0) {
            // Gone already, or in use on a system that does not let go: it is in the temporary folder.
            std::fs::remove_file(side).ok();
        }
    }
}
