//! One test binary for everything that needs more than one part of the system. Test helpers are tested too.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod asyncapi;
mod audit;
mod bad_input;
mod broker_contract;
mod chaos;
mod command_line;
mod compose;
mod crash;
mod dashboard;
mod denial;
mod documents;
mod examples;
mod failover;
mod fences;
mod gateway;
mod ingress;
mod inline_dispatch;
mod journeys;
mod logins;
mod outsiders;
mod rabbitmq;
mod readme;
mod saga_properties;
mod secrets_kept;
mod served;
mod simulation;
mod store_contract;
mod support;
mod trust;
mod webhooks;
mod world;
