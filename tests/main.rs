//! One test binary for all that needs more than one part of the system. Helpers of tests are tests too.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod audit;
mod bad_input;
mod broker_contract;
mod chaos;
mod crash;
mod fences;
mod journeys;
mod readme;
mod saga_properties;
mod served;
mod simulation;
mod store_contract;
mod support;
mod world;
