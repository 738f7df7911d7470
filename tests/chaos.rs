//! Real processes on a real broker and a real database are killed, cut off and sent every message twice, and every
//! promise still holds afterwards.
//!
//! After each test the system comes to rest by itself, every queue is empty, and the audit is clean. A test whose
//! fault did not occur fails.

mod copies;
mod deadlines;
mod deaths;
mod load;
mod nasty;
mod poison;
mod purged;
mod servers;
mod wires;
