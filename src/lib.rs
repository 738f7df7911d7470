//! Puts the system together and gives it a command line. `workers/` decides, `crates/` does, this package assembles.

pub mod app;
pub mod cli;
pub mod doctor;
pub mod telemetry;
