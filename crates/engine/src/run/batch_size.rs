//! How many messages a role takes at once. A large batch costs least for each of them; but whoever is let in by the same
//! process waits for its turn at the disk, and for a processor.

use std::time::Duration;

use crate::ingress::Backpressure;

/// So long many customers at once are a rush: they are answered first, and what they bring is done when it is over. What
/// lasts longer is no rush, and it must not leave more and more undone.
const RUSH: Duration = Duration::from_secs(10);

/// The share of a portion that a role takes while many wait at the door.
const IN_A_CROWD: usize = 4;

#[derive(Clone)]
pub struct BatchSize {
    most: usize,
    backpressure: Backpressure,
    in_a_rush: usize,
}

impl BatchSize {
    /// As much as there is, up to so much.
    pub fn up_to(most: usize) -> Self {
        Self::beside(Backpressure::default(), most, IN_A_CROWD)
    }

    /// A quarter of that while there is a crowd, and a share of it in a rush.
    pub fn beside(backpressure: Backpressure, most: usize, in_a_rush: usize) -> Self {
        Self { most, backpressure, in_a_rush }
    }

    pub(super) fn next(&self) -> usize {
        self.portion(self.backpressure.here_for())
    }

    fn portion(&self, crowd_for: Option<Duration>) -> usize {
        let share = match crowd_for {
            None => 1,
            Some(rush) if rush < RUSH => self.in_a_rush,
            Some(_) => IN_A_CROWD,
        };
        (self.most / share).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rush_is_let_in_first_and_a_crowd_that_stays_is_not() {
        let batch_size = BatchSize::beside(Backpressure::default(), 256, 16);
        assert_eq!(batch_size.portion(None), 256);
        assert_eq!(batch_size.portion(Some(Duration::ZERO)), 16);
        assert_eq!(batch_size.portion(Some(RUSH - Duration::from_millis(1))), 16);
        assert_eq!(batch_size.portion(Some(RUSH)), 64);
    }

    #[test]
    fn nobody_asks_for_nothing() {
        assert_eq!(BatchSize::up_to(0).next(), 1);
        assert_eq!(BatchSize::beside(Backpressure::default(), 8, 16).portion(Some(Duration::ZERO)), 1);
    }
}
