//! `workers/` decides, `src/` does: everything in here touches the world, and nothing in here makes a rule.

pub mod adapter;
pub mod app;
pub mod audit;
pub mod batch;
pub mod broker;
mod chaos;
pub mod cli;
pub mod config;
pub mod dead;
pub mod doctor;
pub mod door;
pub mod echo;
mod fail;
pub mod gateway;
pub mod import;
pub mod metrics;
pub mod operator;
mod outside;
pub mod part;
pub mod pause;
pub mod preview;
pub mod probe;
pub mod refill;
pub mod retry;
pub mod run;
mod scenes;
pub mod store;
pub mod telemetry;
#[cfg(test)]
mod tests;
pub mod timers;
pub mod view;
pub mod webhook;
