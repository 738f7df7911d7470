//! Counts of orders and sagas by state.

use std::ops::AddAssign;

use async_trait::async_trait;
use contract::Time;

use super::Error;

#[async_trait]
pub trait Reports: Send + Sync {
    /// Counts by state the orders and sagas that were created at `from` or later and before `to`. It reads them all:
    /// call it rarely.
    async fn census(&self, from: Time, to: Time) -> Result<Census, Error>;

    /// The same counts for orders and sagas that have not ended; it reads only these.
    async fn census_under_way(&self) -> Result<Census, Error>;
}

/// The number of orders in each state, and of sagas at each place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub orders: Vec<(String, u64)>,
    pub sagas: Vec<SagaCount>,
}

/// The number of sagas with the same definition, status, phase and steps done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SagaCount {
    pub definition: String,
    pub version: u32,
    pub status: String,
    /// As JSON, copied from their records.
    pub phase: String,
    pub steps: String,
    pub count: u64,
}

impl Census {
    /// Only the orders and sagas that have ended.
    pub fn ended(mut self) -> Self {
        self.orders.retain(|(status, _)| !matches!(status.as_str(), "created" | "paid"));
        self.sagas.retain(|saga| saga.has_ended());
        self
    }
}

impl SagaCount {
    pub fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "undone")
    }

    fn same_place(&self, other: &Self) -> bool {
        let place = |of: &Self| {
            (of.version, of.definition.clone(), of.status.clone(), of.phase.clone(), of.steps.clone())
        };
        place(self) == place(other)
    }
}

impl AddAssign for Census {
    fn add_assign(&mut self, other: Self) {
        for (status, count) in other.orders {
            match self.orders.iter_mut().find(|(known, _)| *known == status) {
                Some((_, known)) => *known += count,
                None => self.orders.push((status, count)),
            }
        }
        for saga in other.sagas {
            match self.sagas.iter_mut().find(|known| known.same_place(&saga)) {
                Some(known) => known.count += saga.count,
                None => self.sagas.push(saga),
            }
        }
    }
}
