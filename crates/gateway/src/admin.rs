//! The routes for admins: all orders, the catalogue and stock, sagas and dead letters. A write sends a message; a read
//! shows a view.

mod applied;
mod given;
mod goods;
mod letters;
mod orders;
mod sagas;
mod shelves;

use super::orders::Order;
use super::route::{Route, Who};
use engine::dead::BulkResult;
use schemars::JsonSchema;
use serde_json::Value;
use view::story::Story;

const KEY: &str =
    "1 to 255 visible characters of your own; the same key and the same body are the same request";
const PREFER: &str = "`wait=N`: rather wait up to N seconds (30 at most) for the outcome";

/// A page of a list.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct Items {
    items: Vec<Value>,
    /// The `cursor` of the next page.
    next: Option<String>,
}

pub(super) fn routes() -> Vec<Route> {
    let all = [order_routes(), goods_routes(), shelf_routes(), saga_routes(), letter_routes()];
    all.into_iter().flatten().map(|route| route.by(Who::Admin)).collect()
}

fn order_routes() -> Vec<Route> {
    let asks = |route: Route| {
        route
            .header("Idempotency-Key", KEY)
            .header("Prefer", PREFER)
            .answers::<Order>(200, "done")
            .answers::<Order>(202, "it is safe; the order shows what comes of it")
            .problem(400, "IDEMPOTENCY_KEY_INVALID")
            .problem(404, "ORDER_NOT_FOUND")
            .problem(422, "IDEMPOTENCY_KEY_REUSED")
    };
    let status = Route::put("/admin/orders/{id}/status", "set_order_status", |call| {
        Box::pin(orders::set_status(call))
    });
    let refund =
        Route::post("/admin/orders/{id}/refund", "refund_order", |call| Box::pin(orders::refund(call)));
    vec![
        Route::get("/admin/orders", "list_all_orders", |call| Box::pin(orders::list(call)))
            .about("Everybody's orders, newest first, without their audit trails")
            .asks::<orders::Wanted>()
            .answers::<Items>(200, "a page, perhaps empty")
            .problem(400, "CURSOR_INVALID"),
        Route::get("/admin/orders/{id}/story", "show_story", |call| Box::pin(orders::story(call)))
            .about(
                "What happened, message by message, from the journal: who said what to whom, what came of it, how long it \
                 waited, what died, and what is still waited for",
            )
            .asks::<orders::Sees>()
            .answers::<Story>(200, "the story")
            .problem(404, "ORDER_NOT_FOUND"),
        asks(status)
            .about(
                "Where an order should go: it is cancelled, refunded, archived or (on delivery) paid by the message \
                 that stands for it. With evidence, a step that waits for an operator counts as settled outside",
            )
            .takes::<orders::NewStatus>()
            .problem(402, "PAYMENT_DECLINED")
            .problem(409, "ORDER_INVALID_TRANSITION"),
        asks(refund)
            .about("Take back a fulfilled order, or some of its items, and give back that share of the money")
            .may_take::<orders::Refund>()
            .problem(409, "ORDER_NOT_REFUNDABLE"),
    ]
}

fn goods_routes() -> Vec<Route> {
    let applies = |route: Route| {
        route
            .header("Idempotency-Key", KEY)
            .answers::<Value>(200, "as it is now")
            .answers::<Value>(202, "it is safe, and will be applied")
            .problem(400, "IDEMPOTENCY_KEY_INVALID")
            .problem(422, "IDEMPOTENCY_KEY_REUSED")
    };
    let product = Route::put("/admin/products/{sku}", "put_product", |call| Box::pin(goods::product(call)));
    let retire =
        Route::delete("/admin/products/{sku}", "retire_product", |call| Box::pin(goods::retire(call)));
    let stock =
        Route::post("/admin/stock/{sku}/adjust", "adjust_stock", |call| Box::pin(goods::adjust(call)));
    let discount =
        Route::put("/admin/discounts/{code}", "put_discount", |call| Box::pin(goods::discount(call)));
    vec![
        applies(product)
            .about("The catalogue's title and price, and if given the counted stock")
            .takes::<goods::Product>()
            .problem(422, "PRODUCT_INVALID")
            .problem(422, "STOCK_TOO_LARGE"),
        applies(retire)
            .about("Sell a product no more; orders that exist keep their lines")
            .may_take::<goods::Retirement>()
            .problem(422, "PRODUCT_UNKNOWN"),
        applies(stock)
            .about("A stock-take found more, or less")
            .takes::<goods::Adjustment>()
            .problem(422, "PRODUCT_UNKNOWN")
            .problem(422, "REASON_INVALID")
            .problem(422, "STOCK_BELOW_ZERO")
            .problem(422, "STOCK_TOO_LARGE"),
        applies(discount)
            .about("A code that takes something off: a percentage or an amount")
            .takes::<goods::Discount>()
            .problem(422, "DISCOUNT_INVALID"),
    ]
}

fn shelf_routes() -> Vec<Route> {
    let list = |route: Route| route.asks::<shelves::Wanted>().problem(400, "CURSOR_INVALID");
    vec![
        list(Route::get("/admin/products", "list_products", |call| Box::pin(shelves::products(call))))
            .about("The catalogue, by sku")
            .answers::<shelves::Page<shelves::Product>>(200, "a page, perhaps empty"),
        Route::get("/admin/products/{sku}", "show_product", |call| Box::pin(shelves::product(call)))
            .about("One product")
            .answers::<shelves::Product>(200, "the product")
            .problem(404, "PRODUCT_NOT_FOUND"),
        list(Route::get("/admin/stock", "list_stock", |call| Box::pin(shelves::stocks(call))))
            .about("How many there are of everything, by sku")
            .answers::<shelves::Page<shelves::Stock>>(200, "a page, perhaps empty"),
        Route::get("/admin/stock/{sku}", "show_stock", |call| Box::pin(shelves::stock(call)))
            .about("How many there are of one thing")
            .answers::<shelves::Stock>(200, "its stock")
            .problem(404, "STOCK_NOT_FOUND"),
        list(Route::get("/admin/discounts", "list_discounts", |call| Box::pin(shelves::discounts(call))))
            .about("All discounts, by code")
            .answers::<shelves::Page<shelves::Discount>>(200, "a page, perhaps empty"),
        Route::get("/admin/discounts/{code}", "show_discount", |call| Box::pin(shelves::discount(call)))
            .about("One discount")
            .answers::<shelves::Discount>(200, "the discount")
            .problem(404, "DISCOUNT_NOT_FOUND"),
    ]
}

fn saga_routes() -> Vec<Route> {
    let by_hand = |route: Route| {
        route
            .header("Idempotency-Key", KEY)
            .answers::<Value>(200, "the saga as it is now")
            .answers::<Value>(202, "it is safe, and will be looked at")
            .problem(400, "IDEMPOTENCY_KEY_INVALID")
            .problem(404, "SAGA_NOT_FOUND")
            .problem(409, "NOT_POSSIBLE")
            .problem(422, "IDEMPOTENCY_KEY_REUSED")
    };
    let retry = Route::post("/admin/sagas/{id}/retry", "retry_saga", |call| Box::pin(sagas::retry(call)));
    let deadline =
        Route::post("/admin/sagas/{id}/deadline", "change_deadline", |call| Box::pin(sagas::deadline(call)));
    let resolve =
        Route::post("/admin/sagas/{id}/resolve", "resolve_saga", |call| Box::pin(sagas::resolve(call)));
    vec![
        Route::get("/admin/sagas", "list_sagas", |call| Box::pin(sagas::list(call)))
            .about("Sagas, newest first; `status=needs_attention` are those that wait for you")
            .asks::<sagas::Wanted>()
            .answers::<Items>(200, "a page, perhaps empty")
            .problem(400, "CURSOR_INVALID"),
        Route::get("/admin/sagas/{id}", "show_saga", |call| Box::pin(sagas::show(call)))
            .about("Where an order's saga stands, and what can be done if it waits")
            .asks::<sagas::Which>()
            .answers::<Value>(200, "the saga")
            .problem(404, "SAGA_NOT_FOUND"),
        by_hand(retry).about("Ask for the waiting step again").may_take::<sagas::Retry>(),
        by_hand(deadline)
            .about("Let the deadline of the step come now, give it another time, or wait without one")
            .takes::<sagas::Deadline>(),
        by_hand(resolve)
            .about("Say, with evidence, how the waiting step ended in the world outside")
            .takes::<sagas::Resolve>(),
    ]
}

fn letter_routes() -> Vec<Route> {
    let in_group = |route: Route| {
        route
            .takes::<letters::Group>()
            .answers::<BulkResult>(200, "how many were dealt with, and which were not")
    };
    vec![
        Route::get("/admin/dead-letters", "list_dead_letters", |call| Box::pin(letters::list(call)))
            .about("Messages that could not be handled, newest first")
            .asks::<letters::Wanted>()
            .answers::<Items>(200, "as many as were asked for"),
        Route::get("/admin/dead-letters/groups", "list_dead_groups", |call| Box::pin(letters::groups(call)))
            .about("The open ones by what they died of, the largest group first")
            .answers::<Items>(200, "the groups, perhaps none"),
        in_group(Route::post("/admin/dead-letters/replay", "replay_group", |call| {
            Box::pin(letters::replay_group(call))
        }))
        .about("Send a group to their queues again, oldest first; customers are not told twice"),
        in_group(Route::post("/admin/dead-letters/discard", "discard_group", |call| {
            Box::pin(letters::discard_group(call))
        }))
        .about("Give a group up"),
        Route::get("/admin/dead-letters/{id}", "show_dead_letter", |call| Box::pin(letters::show(call)))
            .about("One of them, whole")
            .answers::<Value>(200, "the letter")
            .problem(404, "DEAD_LETTER_NOT_FOUND"),
    ]
}
