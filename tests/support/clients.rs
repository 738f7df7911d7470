//! Clients in other languages. Their packages are installed below the folder that this program was built in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Folder, Run};

/// Long enough to install packages, or for every wait of an example.
pub(crate) const LONG: Duration = Duration::from_secs(180);

pub(crate) fn run(folder: &Folder, command: Command, input: &[u8], what: &str) -> Run {
    let run = folder.run_within(command, input, LONG);
    assert_eq!(run.code, 0, "{what}\n{}\n{}", run.out, run.err);
    run
}

pub(crate) fn below_target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A Python with the packages of that requirements file.
pub(crate) fn python(folder: &Folder, name: &str, requirements: &Path) -> PathBuf {
    let at = below_target(name);
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&at);
    run(folder, make, b"", "making a venv (the tests need Python 3 with venv)");
    let python = at.join("bin/python");
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(requirements);
    run(folder, install, b"", "installing Python packages");
    python
}
