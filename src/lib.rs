//! `workers/` decides, `src/` does: everything in here touches the world, and nothing in here makes a rule.

pub mod adapter;
pub mod broker;
pub mod store;
