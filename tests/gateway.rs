//! The gateway, seen by customers, admins and strangers. Each test has a system of its own, and speaks HTTP to it.

mod actions;
mod admin;
mod admission;
mod away;
mod carts;
mod document;
mod early;
mod frame;
mod goods;
mod intents;
mod kept;
mod key_owners;
mod keys;
mod methods;
mod orders;
mod payments;
mod preview;
mod refusals;
mod replicas;
mod secrets;
mod sold;
mod story;
mod tokens;

use crate::support::shop::Shop;
use crate::support::web::Web;

/// A running shop that accepts tokens signed by the tests, and clients for its gateway.
pub(crate) struct Gate {
    pub(crate) shop: Shop,
}

impl Gate {
    pub(crate) fn open() -> Self {
        Self::open_with(&[])
    }

    pub(crate) fn open_with(settings: &[&str]) -> Self {
        let secret = format!("--jwt-secret={}", crate::support::served::SECRET);
        let settings: Vec<&str> = [secret.as_str()].into_iter().chain(settings.iter().copied()).collect();
        Self { shop: Shop::open_with(&settings) }
    }

    pub(crate) fn stranger(&self) -> Web {
        Web::stranger(self.shop.system.ingress().address())
    }

    pub(crate) fn customer(&self, id: &str) -> Web {
        Web::customer(self.shop.system.ingress().address(), id)
    }

    pub(crate) fn admin(&self) -> Web {
        Web::admin(self.shop.system.ingress().address())
    }

    pub(crate) fn with_token(&self, token: &str) -> Web {
        Web::with_token(self.shop.system.ingress().address(), token)
    }
}
