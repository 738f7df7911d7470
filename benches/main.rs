//! What the parts cost, each alone: `scripts/bench parts`, which brings up a Postgres and a RabbitMQ if they are not
//! there. What all of them reach together is `checkout load`, and `scripts/bench` puts it beside what the machine can do.

#![allow(clippy::unwrap_used)]

mod brokers;
mod decisions;
mod history;
mod pipeline;
mod stores;
mod words;

/// As many messages as a batch may have.
const BATCHES: [usize; 4] = [1, 8, 64, 256];

fn main() {
    divan::main();
}

/// One for all of them: opening one costs more than what is measured.
fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: std::sync::OnceLock<tokio::runtime::Runtime> = std::sync::OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().unwrap())
}
