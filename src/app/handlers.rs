//! Which handler runs at which role's queues.

use std::sync::Arc;

use adapters::email::EmailAdapter;
use adapters::mock::MockWorld;
use adapters::provider::ProviderAdapter;
use adapters::sms::SmsAdapter;
use contract::Role;
use engine::part::WORKERS;
use engine::preview::DryRun;
use engine::run::{AdapterHandler, Handler, WorkerHandler};
use notification::NotificationWorker;
use order::OrderWorker;
use payment::PaymentWorker;
use saga::{Patience, SagaWorker};
use settings::Settings;
use stock::StockWorker;

/// `None` for roles without queues, and for adapters when there is no world.
pub(super) fn handler(
    role: Role,
    settings: &Settings,
    world: Option<&Arc<MockWorld>>,
) -> Option<Arc<dyn Handler>> {
    let patience = Patience {
        stock_s: settings.stock_patience_s,
        payment_s: settings.payment_patience_s,
        ship_s: settings.ship_patience_s,
        cod_s: settings.cod_patience_s,
    };
    let handler: Arc<dyn Handler> = match role {
        Role::Order => Arc::new(WorkerHandler(OrderWorker)),
        Role::Payment => Arc::new(WorkerHandler(PaymentWorker)),
        Role::Stock => Arc::new(WorkerHandler(StockWorker)),
        Role::Notification => Arc::new(WorkerHandler(NotificationWorker)),
        Role::Saga => Arc::new(WorkerHandler(SagaWorker { patience })),
        Role::Provider => Arc::new(AdapterHandler(ProviderAdapter(world?.clone()))),
        Role::Email => Arc::new(AdapterHandler(EmailAdapter(Arc::new(world?.email())))),
        Role::Sms => Arc::new(AdapterHandler(SmsAdapter(Arc::new(world?.sms())))),
        Role::Gateway | Role::Operator => return None,
    };
    Some(handler)
}

/// The deciding workers only, for previews.
pub fn dry_run(settings: &Settings) -> DryRun {
    DryRun::of(WORKERS.iter().filter_map(|(role, _)| handler(*role, settings, None)))
}
