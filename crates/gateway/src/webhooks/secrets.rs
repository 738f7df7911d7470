//! The secrets under which we believe a payment provider's events.

use settings::Settings;
use tokio::sync::Mutex;
use webhook::{standard, stripe};

pub(crate) struct Secrets {
    pub(super) standard: standard::Secrets,
    pub(super) stripe: stripe::Secrets,
    /// Held by the one request that looks for a payment by the name of its charge.
    pub(super) turn: Mutex<()>,
}

impl Secrets {
    pub(crate) fn of(settings: &Settings) -> Self {
        let (standard, stripe) = (settings.webhook_secret.clone(), settings.stripe_webhook_secret.clone());
        Self { standard, stripe, turn: Mutex::default() }
    }
}
