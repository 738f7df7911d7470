//! The secrets that payment providers sign their events with.

use settings::Settings;
use tokio::sync::Mutex;
use webhook::{standard, stripe};

pub(crate) struct Secrets {
    pub(super) standard: standard::Secrets,
    pub(super) stripe: stripe::Secrets,
    /// Held while a request searches for a payment by its charge, so that only one does.
    pub(super) turn: Mutex<()>,
}

impl Secrets {
    pub(crate) fn of(settings: &Settings) -> Self {
        let (standard, stripe) = (settings.webhook_secret.clone(), settings.stripe_webhook_secret.clone());
        Self { standard, stripe, turn: Mutex::default() }
    }
}
