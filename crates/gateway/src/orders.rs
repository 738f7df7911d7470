//! The routes for customers' own orders. Another customer's order is answered as not found.

mod ask;
mod events;
mod history;
mod outcome;
mod pay;
mod place;
mod refusal;
mod shapes;
mod show;
mod unpaid;

use super::route::{Route, SMALL_BODY_BYTES_MAX, Who};

pub(crate) use ask::{OrderCommand, ask};
pub(crate) use history::{cursor, limit_of, read_cursor, totals};
pub(crate) use pay::is_paid;
pub(crate) use shapes::Order;
pub(crate) use show::of as shown_order;

const PREFER: &str = "`wait=N`: rather wait up to N seconds (30 at most) for the outcome";
const KEY: &str =
    "1 to 255 visible characters of your own; the same key and the same body are the same request";

pub(super) fn routes() -> Vec<Route> {
    [placing(), placed()].into_iter().flatten().collect()
}

fn placing() -> Vec<Route> {
    vec![
        Route::post("/orders", "place_order", |call| Box::pin(place::place(call)))
            .by(Who::Customer)
            .about("Place an order")
            .header("Idempotency-Key", KEY)
            .header("Prefer", PREFER)
            .takes::<shapes::NewOrder>()
            .answers::<Order>(201, "it is paid (cash on delivery: on its way)")
            .answers::<Order>(202, "it is safe: under way, or waiting for its customer to pay")
            .problem(400, "IDEMPOTENCY_KEY_REQUIRED")
            .problem(400, "IDEMPOTENCY_KEY_INVALID")
            .problem(402, "ORDER_PAYMENT_FAILED")
            .problem(409, "ORDER_INSUFFICIENT_STOCK")
            .problem(409, "ORDER_CANCELLED")
            .problem(422, "ORDER_CART_EMPTY")
            .problem(422, "ORDER_INVALID")
            .problem(422, "PRODUCT_UNKNOWN")
            .problem(422, "IDEMPOTENCY_KEY_REUSED")
            .problem(422, "ORDER_ID_REUSED")
            .problem(503, "OVERLOADED"),
        Route::post("/orders/checkout", "check_out_cart", |call| Box::pin(place::check_out(call)))
            .by(Who::Customer)
            .about(
                "Order what lies in your stored cart. Once that is paid (cash on delivery: on its way) it leaves the cart; \
                 if it comes to nothing, the cart is kept",
            )
            .header("Idempotency-Key", KEY)
            .header("Prefer", PREFER)
            .takes::<shapes::CartCheckout>()
            .answers::<Order>(201, "it is paid (cash on delivery: on its way)")
            .answers::<Order>(202, "it is safe: under way, or waiting for its customer to pay")
            .problem(400, "IDEMPOTENCY_KEY_REQUIRED")
            .problem(400, "IDEMPOTENCY_KEY_INVALID")
            .problem(402, "ORDER_PAYMENT_FAILED")
            .problem(409, "ORDER_INSUFFICIENT_STOCK")
            .problem(409, "ORDER_CANCELLED")
            .problem(409, "CART_CHANGED")
            .problem(409, "CART_IN_CHECKOUT")
            .problem(422, "ORDER_CART_EMPTY")
            .problem(422, "ORDER_INVALID")
            .problem(422, "PRODUCT_UNKNOWN")
            .problem(422, "IDEMPOTENCY_KEY_REUSED")
            .problem(422, "ORDER_ID_REUSED")
            .problem(503, "OVERLOADED"),
    ]
}

fn placed() -> Vec<Route> {
    vec![
        Route::get("/orders", "list_orders", |call| Box::pin(history::list(call)))
            .by(Who::Customer)
            .about(
                "Your own orders, newest first, without their audit trails. Orders that failed (payment declined or \
                 timed out, too little stock) are left out unless `status=cancelled` or `failed=true` asks for them; \
                 submissions that were refused as they came are found by their id alone",
            )
            .asks::<shapes::Wanted>()
            .answers::<shapes::Page>(200, "a page, perhaps empty")
            .problem(400, "CURSOR_INVALID"),
        Route::get("/orders/{id}", "show_order", |call| Box::pin(show::show(call)))
            .by(Who::Customer)
            .about("One of your orders, whole; `submitted` until it has been created")
            .answers::<Order>(200, "the order")
            .problem(404, "ORDER_NOT_FOUND"),
        Route::get("/orders/{id}/events", "watch_order", |call| Box::pin(events::watch(call)))
            .by(Who::Customer)
            .about(
                "Server-sent events, one for each change of status, until the order is final. `Last-Event-ID` goes on \
                 after that event; when there is nothing more to come, the answer is 204",
            )
            .header("Last-Event-ID", "the last event that was seen")
            .answers_other(200, "events", "text/event-stream")
            .answers_nothing(204, "the order is final, and all of its events were seen")
            .problem(404, "ORDER_NOT_FOUND")
            .problem(429, "TOO_MANY_WAITING"),
        Route::post("/orders/{id}/cancel", "cancel_order", |call| Box::pin(ask::cancel(call)))
            .by(Who::Customer)
            .about(
                "Cancel an order that has not been shipped; what was paid goes back. It may be asked for from the moment \
                 the order is safe",
            )
            .header("Idempotency-Key", KEY)
            .header("Prefer", PREFER)
            .may_take_up_to::<shapes::Cancel>(SMALL_BODY_BYTES_MAX)
            .answers::<Order>(200, "it is cancelled, or refunded if it was paid")
            .answers::<Order>(202, "the wish is safe; the order shows what comes of it")
            .problem(400, "IDEMPOTENCY_KEY_INVALID")
            .problem(404, "ORDER_NOT_FOUND")
            .problem(409, "ORDER_NOT_CANCELLABLE")
            .problem(422, "IDEMPOTENCY_KEY_REUSED"),
        Route::post("/orders/{id}/pay", "pay_order", |call| Box::pin(pay::pay(call)))
            .by(Who::Customer)
            .about(
                "Pay an order that waits for it. A customer, or an admin for one, has an order charged that was placed \
                 with `payment.confirm: manual`: by what it came with, or by the token or stored payment method named \
                 here. After a decline it may be tried again, by what is then named: nothing that was declined is charged again \
                 unasked (402, `payment_method_required`). An admin books the cash of an order on delivery, which no \
                 customer may: their word is no receipt. Any other order is charged without being asked, once",
            )
            .header("Idempotency-Key", KEY)
            .header("Prefer", PREFER)
            .may_take_up_to::<shapes::Pay>(SMALL_BODY_BYTES_MAX)
            .answers::<Order>(201, "it is paid")
            .answers::<Order>(202, "what comes of it is not known yet; the order shows it")
            .problem(400, "IDEMPOTENCY_KEY_INVALID")
            .problem(402, "PAYMENT_DECLINED")
            .problem(403, "FORBIDDEN")
            .problem(404, "ORDER_NOT_FOUND")
            .problem(409, "ORDER_NOT_PAYABLE")
            .problem(422, "PAYMENT_METHOD_INVALID")
            .problem(422, "IDEMPOTENCY_KEY_REUSED"),
    ]
}
