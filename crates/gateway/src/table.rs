//! The table of all routes; each module contributes its own.

use super::route::Route;
use super::{admin, cart, dashboard, intents, operator, orders, pages, payments, wallet, webhooks};

pub(crate) fn table() -> Vec<Route> {
    let modules = [
        orders::routes(),
        cart::routes(),
        wallet::routes(),
        payments::routes(),
        intents::routes(),
        webhooks::routes(),
        admin::routes(),
        operator::routes(),
        pages::routes(),
        dashboard::routes(),
    ];
    modules.into_iter().flatten().collect()
}
