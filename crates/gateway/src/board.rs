//! What the dashboard's pages of one process share: one look at the whole, one check of the promises, one bulk action.

pub(crate) mod auditor;
pub(crate) mod bulk;
pub(crate) mod sampler;

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::deps::Deps;
use auditor::Auditor;
use bulk::BulkActions;
use sampler::Sampler;

/// Open pages that follow what happens. Each costs a connection and some markup every two seconds; past it, a page stands
/// still and can be loaded again.
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
