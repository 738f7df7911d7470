//! The address and token of a running system with an SQLite file, for commands on the same machine.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Only its owner may read this file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunFile {
    pub address: SocketAddr,
    pub token: String,
    pub pid: u32,
}

impl RunFile {
    /// Has a new random token.
    pub fn new(address: SocketAddr) -> Self {
        let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        Self { address, token, pid: std::process::id() }
    }

    pub fn path(database: &Path) -> PathBuf {
        database.with_extension("run")
    }

    pub fn write(&self, database: &Path) -> Result<()> {
        use std::io::Write;
        let path = Self::path(database);
        let fresh = path.with_extension("run.new");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // A file that an earlier run left may be readable by others.
        std::fs::remove_file(&fresh).ok();
        let written = || format!("cannot write {}", path.display());
        let mut file = options.open(&fresh).with_context(written)?;
        file.write_all(&serde_json::to_vec(self)?).with_context(written)?;
        // Renaming is atomic: a reader finds the whole file or none.
        std::fs::rename(&fresh, &path).with_context(written)
    }

    pub fn read(database: &Path) -> Result<Self> {
        let path = Self::path(database);
        let text = std::fs::read(&path).with_context(|| {
            format!("no running system was found for {}; start one with `checkout dev`", database.display())
        })?;
        Ok(serde_json::from_slice(&text)?)
    }
}
