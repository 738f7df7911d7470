//! Moves messages: the consumer loop, the ways in, and everything beside them that publishes or pauses messages.

pub mod dead;
mod fail;
pub mod import;
pub mod ingress;
pub mod operator;
pub mod part;
pub mod pause;
pub mod preview;
pub mod probe;
pub mod redelivery;
pub mod refill;
pub mod run;
pub mod timers;
