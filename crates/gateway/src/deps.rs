//! The parts of the system that the gateway needs.

use std::sync::Arc;

use adapters::mock::MockWorld;
use broker::Broker;
use engine::ingress::Ingress;
use engine::preview::DryRun;
use engine::probe::Probe;
use playground::chaos::Chaos;
use store::Database;
use tokio_util::sync::CancellationToken;

pub struct Deps {
    pub store: Arc<dyn Database>,
    pub broker: Arc<dyn Broker>,
    pub ingress: Ingress,
    pub probe: Arc<Probe>,
    /// The workers' own decide functions, for previews.
    pub dry_run: DryRun,
    /// Plays the outside parties (provider, mailboxes, phones); the audit compares its books with ours.
    pub world: Arc<MockWorld>,
    pub chaos: Option<Arc<Chaos>>,
    pub stop: CancellationToken,
}
