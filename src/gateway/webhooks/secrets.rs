//! The secrets under which we believe a payment provider's events.

use crate::config::Settings;
use crate::webhook::{standard, stripe};

pub(crate) struct Secrets {
    pub(super) standard: standard::Secrets,
    pub(super) stripe: stripe::Secrets,
}

impl Secrets {
    pub(crate) fn of(settings: &Settings) -> Self {
        let (standard, stripe) = (settings.webhook_secret.clone(), settings.stripe_webhook_secret.clone());
        Self { standard, stripe }
    }
}
