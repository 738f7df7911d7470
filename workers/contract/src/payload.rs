//! What each message carries. A command carries all that its reader needs to know which records to load.

mod facts;
mod inside;
mod outside;
mod words;

pub use facts::*;
pub use inside::*;
pub use outside::*;
pub use words::*;
