//! A program that does not outlive its test, however the test ends.

use std::process::{Child, Command, ExitStatus};

use super::ended;

pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// `None` while it runs.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// With SIGTERM, as a user or a supervisor does.
    pub(crate) fn ask_to_stop(&self) {
        let asked = Command::new("kill").args(["-TERM", &self.id().to_string()]).status().unwrap();
        assert!(asked.success());
    }

    /// Its exit code, once it was asked to stop.
    pub(crate) fn terminate(&mut self, what: &str) -> i32 {
        self.ask_to_stop();
        let status = self.ended(&format!("{what} after SIGTERM"));
        status.code().unwrap_or_else(|| panic!("SIGTERM must end it gracefully, not kill it: {status}"))
    }

    pub(crate) fn kill_9(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub(crate) fn ended(&mut self, what: &str) -> ExitStatus {
        ended(&mut self.0, what)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only a test that failed leaves one running.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
