//! `workers/` decides, `src/` does: everything in here touches the world, and nothing in here makes a rule.

pub mod adapter;
pub mod app;
pub mod audit;
pub mod batch;
pub mod broker;
pub mod cli;
pub mod config;
mod dead;
pub mod doctor;
pub mod door;
mod fail;
pub mod gateway;
pub mod import;
pub mod metrics;
pub mod pause;
pub mod probe;
pub mod refill;
pub mod retry;
pub mod run;
pub mod store;
pub mod telemetry;
pub mod timers;
pub mod view;
