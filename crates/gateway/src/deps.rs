//! The parts of a system that the gateway stands before.

use std::sync::Arc;

use adapters::mock::MockWorld;
use broker::Broker;
use engine::ingress::Ingress;
use engine::preview::DryRun;
use engine::probe::Probe;
use playground::chaos::Chaos;
use store::Store;
use tokio_util::sync::CancellationToken;

pub struct Deps {
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    pub ingress: Ingress,
    pub probe: Arc<Probe>,
    /// The workers that would decide, for previews.
    pub dry_run: DryRun,
    /// Everybody outside, whose books are compared with ours.
    pub world: Arc<MockWorld>,
    pub chaos: Option<Arc<Chaos>>,
    pub stop: CancellationToken,
}
