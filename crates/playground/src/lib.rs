//! A shop to play with: faults on demand, and scenes that show what the system can do.

pub mod chaos;
pub mod scenes;
