//! What each message carries. A command carries all that its reader needs to know which records to load.

mod cart;
mod facts;
mod inside;
mod outside;
mod wallet;
mod words;

pub use cart::*;
pub use facts::*;
pub use inside::*;
pub use outside::*;
pub use wallet::*;
pub use words::*;
