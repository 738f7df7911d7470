//! How many messages a role takes at once. A large batch costs least per message; but it keeps the disk and a processor
//! from the customers who wait for this process to accept their orders.

use std::time::Duration;

use tuning::{BACKPRESSURE_DIVISOR, RUSH_LASTS};

use crate::ingress::Backpressure;

#[derive(Clone)]
pub struct BatchSize {
    max: usize,
    backpressure: Backpressure,
    /// The batch is this many times smaller in a rush.
    rush_divisor: usize,
}

impl BatchSize {
    /// At most `max`, whatever waits at the ingress.
    pub fn up_to(max: usize) -> Self {
        Self::under(Backpressure::default(), max, BACKPRESSURE_DIVISOR)
    }

    /// At most `max`; a quarter of it under backpressure, and its `rush_divisor`th part in a rush.
    pub fn under(backpressure: Backpressure, max: usize, rush_divisor: usize) -> Self {
        Self { max, backpressure, rush_divisor }
    }

    pub(super) fn next(&self) -> usize {
        self.size(self.backpressure.lasting())
    }

    fn size(&self, waiting_for: Option<Duration>) -> usize {
        let divisor = match waiting_for {
            None => 1,
            Some(rush) if rush < RUSH_LASTS => self.rush_divisor,
            Some(_) => BACKPRESSURE_DIVISOR,
        };
        (self.max / divisor).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rush_of_customers_is_accepted_first_and_a_lasting_one_is_not() {
        let batch_size = BatchSize::under(Backpressure::default(), 256, 16);
        assert_eq!(batch_size.size(None), 256);
        assert_eq!(batch_size.size(Some(Duration::ZERO)), 16);
        assert_eq!(batch_size.size(Some(RUSH_LASTS - Duration::from_millis(1))), 16);
        assert_eq!(batch_size.size(Some(RUSH_LASTS)), 64);
    }

    #[test]
    fn at_least_one_message_is_taken() {
        assert_eq!(BatchSize::up_to(0).next(), 1);
        assert_eq!(BatchSize::under(Backpressure::default(), 8, 16).size(Some(Duration::ZERO)), 1);
    }
}
