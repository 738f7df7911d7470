//! What to do when something fails: how long to wait before trying again, and which host to try next. The only file that
//! knows the `backoff` crate.
//!
//! `backoff` is unmaintained and was asked for by name; it is used for the sequence of delays alone. Its
//! successor `backon` would replace it here without touching another file.

pub mod hosts;

use std::time::Duration;

use backoff::backoff::Backoff;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};

/// Growing, jittered delays without end: for a database or broker that is away.
pub struct Delays(ExponentialBackoff);

impl Delays {
    pub fn new() -> Self {
        Self(
            ExponentialBackoffBuilder::new()
                .with_initial_interval(Duration::from_millis(50))
                .with_multiplier(2.0)
                .with_max_interval(Duration::from_secs(5))
                .with_max_elapsed_time(None)
                .build(),
        )
    }

    pub fn next_delay(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(Duration::from_secs(5))
    }
}

impl Default for Delays {
    fn default() -> Self {
        Self::new()
    }
}

/// How long a message that fails alone waits before each retry. After the last it becomes a dead letter.
pub const RETRY_DELAYS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(600)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_bound_and_never_end() {
        let mut delays = Delays::new();
        let all: Vec<_> = (0..100).map(|_| delays.next_delay()).collect();
        assert!(all[0] < Duration::from_millis(100));
        assert!(
            all[50..].iter().all(|delay| (Duration::from_secs(2)..Duration::from_secs(8)).contains(delay))
        );
    }
}
