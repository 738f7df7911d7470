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

use crate::support::http_client::HttpClient;
use crate::support::shop::Shop;

/// A running shop that accepts tokens signed by the tests, and clients for its gateway.
pub(crate) struct GatewayTest {
    pub(crate) shop: Shop,
}

impl GatewayTest {
    pub(crate) fn open() -> Self {
        Self::open_with(&[])
    }

    pub(crate) fn open_with(settings: &[&str]) -> Self {
        let secret = format!("--jwt-secret={}", crate::support::served::SECRET);
        let settings: Vec<&str> = [secret.as_str()].into_iter().chain(settings.iter().copied()).collect();
        Self { shop: Shop::open_with(&settings) }
    }

    pub(crate) fn stranger(&self) -> HttpClient {
        HttpClient::stranger(self.shop.system.ingress().address())
    }

    pub(crate) fn customer(&self, id: &str) -> HttpClient {
        HttpClient::customer(self.shop.system.ingress().address(), id)
    }

    pub(crate) fn admin(&self) -> HttpClient {
        HttpClient::admin(self.shop.system.ingress().address())
    }

    pub(crate) fn with_token(&self, token: &str) -> HttpClient {
        HttpClient::with_token(self.shop.system.ingress().address(), token)
    }
}
