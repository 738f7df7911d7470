//! Real processes on a real broker and a real database are killed, cut off and told everything twice, and every
//! promise holds afterwards.
//!
//! After each test the system comes to rest by itself, every queue is empty, and the audit is clean. A fault that
//! never happened fails its test.

mod copies;
mod deadlines;
mod deaths;
mod load;
mod nasty;
mod poison;
mod purged;
mod servers;
mod wires;
