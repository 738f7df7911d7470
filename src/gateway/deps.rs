//! The parts of a system that the gateway stands before.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::adapter::mock::MockWorld;
use crate::broker::Broker;
use crate::chaos::Chaos;
use crate::door::Door;
use crate::preview::Company;
use crate::probe::Probe;
use crate::store::Store;

pub struct Deps {
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    pub door: Door,
    pub probe: Arc<Probe>,
    /// The workers that would decide, for previews.
    pub company: Company,
    /// Everybody outside, whose books are compared with ours.
    pub world: Arc<MockWorld>,
    pub(crate) chaos: Option<Arc<Chaos>>,
    pub stop: CancellationToken,
}
