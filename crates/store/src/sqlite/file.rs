//! A database file can be read by its owner alone, because it holds addresses and what people bought. A copied or
//! restored file with a wider mode is restricted before it is opened.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Error;

/// Creates the file and its folder if they do not exist. SQLite creates its side files with the mode of the database;
/// existing side files keep their own, so each of them is checked.
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
            side_files(path).for_each(|file| restrict_mode(&file));
            Ok(())
        }
        Err(error) => Err(failed(error)),
    }
}

/// A file whose mode cannot be changed (it belongs to another user, or its file system has no modes) is used all the
/// same, with a warning in the log.
#[cfg(unix)]
fn restrict_mode(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(found) = std::fs::metadata(path) else { return };
    let mode = found.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return;
    }
    match std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & !0o077)) {
        Ok(()) => tracing::warn!(
            "{} had mode {mode:03o}, so that other users of this machine could read it; now only its owner can",
            path.display()
        ),
        Err(why) => tracing::warn!(
            "{} has mode {mode:03o}, so that other users of this machine can read it, and it cannot be changed: {why}",
            path.display()
        ),
    }
}

/// The database file, and the files that SQLite keeps beside it while it is open.
fn side_files(path: &Path) -> impl Iterator<Item = PathBuf> {
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
        for file in side_files(&self.0) {
            // Fails if it is gone, or on a system that does not delete open files; it is in the temporary folder.
            std::fs::remove_file(file).ok();
        }
    }
}
