//! Who sits at which role's queues.

use std::sync::Arc;

use adapters::email::EmailAdapter;
use adapters::mock::MockWorld;
use adapters::provider::ProviderAdapter;
use adapters::sms::SmsAdapter;
use contract::Role;
use engine::part::WORKERS;
use engine::preview::Company;
use engine::run::{Decides, Hand, Reaches};
use notification::NotificationWorker;
use order::OrderWorker;
use payment::PaymentWorker;
use saga::{Patience, SagaWorker};
use settings::Settings;
use stock::StockWorker;

/// `None` for roles that have no queues, and without a world for those that reach out into it.
pub(super) fn hand(role: Role, settings: &Settings, world: Option<&Arc<MockWorld>>) -> Option<Arc<dyn Hand>> {
    let patience = Patience {
        stock_s: settings.stock_patience_s,
        payment_s: settings.payment_patience_s,
        ship_s: settings.ship_patience_s,
        cod_s: settings.cod_patience_s,
    };
    let hand: Arc<dyn Hand> = match role {
        Role::Order => Arc::new(Decides(OrderWorker)),
        Role::Payment => Arc::new(Decides(PaymentWorker)),
        Role::Stock => Arc::new(Decides(StockWorker)),
        Role::Notification => Arc::new(Decides(NotificationWorker)),
        Role::Saga => Arc::new(Decides(SagaWorker { patience })),
        Role::Provider => Arc::new(Reaches(ProviderAdapter(world?.clone()))),
        Role::Email => Arc::new(Reaches(EmailAdapter(Arc::new(world?.email())))),
        Role::Sms => Arc::new(Reaches(SmsAdapter(Arc::new(world?.sms())))),
        Role::Gateway | Role::Operator => return None,
    };
    Some(hand)
}

/// Those that decide, for whoever wants to know what they would.
pub fn company(settings: &Settings) -> Company {
    Company::of(WORKERS.iter().filter_map(|(role, _)| hand(*role, settings, None)))
}
