//! What every message does in every state: one table to read, and the law that it keeps.

use super::*;

/// A state by name, the checkout that it began with, and the shop that is in it.
pub(super) struct State {
    pub(super) name: &'static str,
    pub(super) checkout: Value,
    pub(super) shop: Shop,
}

impl State {
    fn after(name: &'static str, checkout: Value, later: Vec<Body>) -> Self {
        let mut shop = Shop::with_catalogue();
        shop.hear(submit(checkout.clone()));
        for body in later {
            shop.hear(body);
        }
        Self { name, checkout, shop }
    }
}

pub(super) fn states() -> Vec<State> {
    let card = |name, later| State::after(name, json!({}), later);
    let cod = |name, later| State::after(name, json!({"payment": {"method": "cod"}}), later);
    let shipped = |name, later| {
        let first = vec![mark_paid("ch_1"), mark_fulfilled()];
        card(name, first.into_iter().chain(later).collect::<Vec<_>>())
    };
    let one_tea = || refund(Some(vec![line("TEA", 1)]));
    let declined = || mark_undone(Reason::PaymentDeclined);
    vec![
        State { name: "absent", checkout: json!({}), shop: Shop::with_catalogue() },
        State::after("rejected", json!({"items": []}), vec![]),
        card("created", vec![]),
        cod("created, cod", vec![]),
        State::after(
            "created, pays later",
            json!({"payment": {"method": "card", "confirm": "manual"}}),
            vec![],
        ),
        cod("on its way, cod", vec![mark_accepted()]),
        card("paid", vec![mark_paid("ch_1")]),
        cod("paid, cod", vec![mark_paid("ch_1")]),
        shipped("fulfilled", vec![]),
        shipped("fulfilled, return asked", vec![one_tea()]),
        shipped("fulfilled, return done", vec![one_tea(), mark_returned(1)]),
        card("cancelled", vec![declined()]),
        card("refunded, never shipped", vec![mark_paid("ch_1"), declined()]),
        shipped("refunded, came back", vec![refund(None), mark_returned(1)]),
        card("archived, was cancelled", vec![declined(), archive()]),
        shipped("archived, was fulfilled", vec![archive()]),
    ]
}

pub(super) fn messages(checkout: &Value) -> Vec<(&'static str, Body)> {
    vec![
        ("checkout.submit (same)", submit(checkout.clone())),
        ("checkout.submit (other)", submit(json!({"items": [{"sku": "BOOK", "quantity": 1}]}))),
        ("order.cancel (customer)", cancel(By::Customer)),
        ("order.cancel (admin)", cancel(By::Admin)),
        ("order.refuse_cancel", Body::RefuseCancel(RefuseCancel { order_id: order_id(), by: By::Customer })),
        ("order.pay", pay()),
        ("order.refuse_pay", refuse_pay()),
        ("order.mark_accepted", mark_accepted()),
        ("order.mark_paid (ch_1)", mark_paid("ch_1")),
        ("order.mark_paid (ch_2)", mark_paid("ch_2")),
        ("order.mark_fulfilled", mark_fulfilled()),
        ("order.mark_undone", mark_undone(Reason::StockUnavailable)),
        ("order.refund (all)", refund(None)),
        ("order.mark_returned (1)", mark_returned(1)),
        ("order.mark_returned (1), less", mark_returned_with_less(1)),
        ("order.archive", archive()),
        ("payment.refunded", payment_refunded(false)),
        ("payment.refunded (late)", payment_refunded(true)),
    ]
}

#[test]
fn every_state_has_an_answer_to_every_message() {
    let mut table = String::new();
    for State { name: state, checkout, shop } in states() {
        for (name, body) in messages(&checkout) {
            let mut shop = shop.clone();
            let decision = match name {
                "order.cancel (admin)" => shop.hear_by(Speaker::Admin, body),
                _ => shop.hear(body),
            };
            let (outcome, status, says) = (outcome(&decision), shop.status(), said(&decision));
            writeln!(table, "{state} × {name} → {outcome} | {status} | says {says}").unwrap();
        }
        table.push('\n');
    }
    expect_file!["./transitions.txt"].assert_eq(&table);
}

#[test]
fn an_order_moves_only_along_the_table_and_errors_say_what_is_allowed() {
    let mut table = String::new();
    for status in Status::ALL {
        let next: Vec<_> = allowed_next(status).into_iter().map(Status::name).collect();
        writeln!(table, "{} → {}", status.name(), next.join(", ")).unwrap();
    }
    expect![[r#"
        created → paid, cancelled
        paid → fulfilled, refunded
        fulfilled → refunded, archived
        cancelled → archived
        refunded → archived
        archived → 
    "#]]
    .assert_eq(&table);
    // Whatever a saga says in whatever state: no change of status outside of the table.
    for State { checkout, shop: before, .. } in states() {
        for (name, body) in messages(&checkout) {
            let mut after = before.clone();
            after.hear(body);
            let (from, to) = (before.status(), after.status());
            let allowed = TRANSITIONS.iter().any(|(a, b)| a.name() == from && b.name() == to);
            let begins = from == "absent" && to == "created";
            assert!(from == to || begins || allowed, "{from} → {to} by {name}");
        }
    }
}
