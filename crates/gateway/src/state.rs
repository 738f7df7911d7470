//! The state that all handlers share.

use std::sync::{Arc, LazyLock};

use adapters::mock::MockWorld;
use anyhow::Result;
use broker::Broker;
use contract::KeySecret;
use engine::ingress::Ingress;
use engine::preview::DryRun;
use engine::probe::Probe;
use playground::chaos::Chaos;
use settings::{Listen, Origins, Settings};
use store::Database;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::admission::Admission;
use super::auth::keys::Keys;
use super::auth::{self, Authenticator};
use super::board::Board;
use super::deps::Deps;
use super::hub::Hub;
use super::limits::Limits;
use super::products::ProductCache;
use super::run_file::RunFile;
use super::webhooks::secrets::Secrets;

/// The customer of a demo shop (`checkout dev`), for whom a token is made there.
pub const CUSTOMER: &str = "customer-42";

pub struct Gateway {
    pub(crate) store: Arc<dyn Database>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) ingress: Ingress,
    pub(crate) probe: Arc<Probe>,
    pub(crate) hub: Hub,
    pub(crate) products: ProductCache,
    pub(crate) admission: Admission,
    /// The workers' own decide functions, for previews.
    pub(crate) dry_run: DryRun,
    /// Ends event streams and other endless responses at shutdown.
    pub(crate) stop: CancellationToken,
    pub(super) authenticator: Authenticator,
    pub(super) limits: Limits,
    /// Where `/metrics` is served; if nowhere else, the gateway serves it.
    pub(super) ops_listen: Listen,
    pub(super) cors_origins: Origins,
    pub(super) webhooks: Secrets,
    pub(crate) board: Board,
    pub(crate) world: Arc<MockWorld>,
    /// Only in a demo shop. There, a browser on the same machine is an admin without a token.
    pub(crate) chaos: Option<Arc<Chaos>>,
    /// The token of the demo shop's customer.
    pub(crate) shop_token: Option<String>,
    /// Random for each run: pages that were opened without a token derive their form token from it.
    pub(crate) page_secret: String,
    /// The OpenAPI document, built at the first request for it.
    pub(super) openapi: LazyLock<String>,
    /// Loaded at the first request that has an idempotency key.
    key_secret: OnceCell<KeySecret>,
}

impl Gateway {
    /// Fails when the settings name no key, or one that cannot be used.
    pub(super) async fn new(
        settings: &Settings,
        deps: Deps,
        run: Option<&RunFile>,
        openapi: fn() -> String,
    ) -> Result<Self> {
        let board = Board::new(&deps);
        let Deps { store, broker, ingress, probe, dry_run, world, chaos, stop } = deps;
        let keys = Keys::of(settings).await?;
        let shop_token =
            chaos.as_ref().and_then(|_| auth::tokens(settings, CUSTOMER)).map(|(customer, _)| customer);
        let run_token = run.map(|run| run.token.as_str().into());
        let authenticator = Authenticator { keys, run_token, store: store.clone() };
        Ok(Self {
            store,
            broker,
            ingress,
            probe,
            hub: Hub::default(),
            products: ProductCache::default(),
            admission: Admission::of(settings),
            dry_run,
            stop,
            authenticator,
            limits: Limits::new(settings.rate_per_customer, settings.rate_per_address),
            ops_listen: settings.ops_listen,
            cors_origins: settings.cors_origins.clone(),
            webhooks: Secrets::of(settings),
            board,
            world,
            chaos,
            shop_token,
            page_secret: uuid::Uuid::new_v4().to_string(),
            openapi: LazyLock::new(openapi),
            key_secret: OnceCell::new(),
        })
    }

    /// The secret from which message and order ids are derived, together with an idempotency key.
    pub(super) async fn key_secret(&self) -> Result<&KeySecret, store::Error> {
        self.key_secret.get_or_try_init(|| self.store.key_secret()).await
    }
}
