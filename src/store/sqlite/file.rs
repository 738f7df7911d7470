//! A database file that we create can be read by nobody else: it holds addresses and what people bought.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Error;

/// Creates the file and its folder if they are not there. SQLite gives its side files the same mode.
pub(crate) fn create(path: &Path) -> Result<(), Error> {
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
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
    }
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
        for side in ["", "-wal", "-shm"] {
            let mut name = self.0.clone().into_os_string();
            name.push(side);
            // Gone already, or in use on a system that does not let go: it is in the temporary folder.
            std::fs::remove_file(name).ok();
        }
    }
}
