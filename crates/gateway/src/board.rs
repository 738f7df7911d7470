//! What all dashboard pages of one process share: one sampler, one audit, one bulk action.

pub(crate) mod auditor;
pub(crate) mod bulk;
pub(crate) mod sampler;

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::deps::Deps;
use auditor::Auditor;
use bulk::BulkActions;
use sampler::Sampler;

/// The most pages that get live updates. Each costs a connection and some HTML every two seconds; a page past the limit
/// is static and can be reloaded.
pub(crate) const WATCHERS_MAX: usize = 64;

pub(crate) struct Board {
    pub(crate) sampler: Arc<Sampler>,
    pub(crate) auditor: Arc<Auditor>,
    pub(crate) watchers: Arc<Semaphore>,
    pub(crate) bulk: Arc<BulkActions>,
}

impl Board {
    pub(super) fn new(deps: &Deps) -> Self {
        Self {
            sampler: Sampler::new(deps),
            auditor: Auditor::new(deps),
            watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
            bulk: Arc::default(),
        }
    }
}
