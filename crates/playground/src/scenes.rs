//! The scenes, in their order, and how each of them has to end.

use serde_json::{Value, json};

pub struct Scene {
    pub title: &'static str,
    pub plot: &'static str,
    items: &'static [(&'static str, u32)],
    method: &'static str,
    pub token: &'static str,
    pub sent_times: u32,
    /// The provider charges it before the order exists, as far as the caller can arrange that.
    pub event_first: bool,
    pub cues: &'static [Cue],
    pub ends: &'static str,
    pub charged: &'static str,
    pub refunded: &'static str,
}

/// After this fact, that message is sent.
#[derive(Clone, Copy)]
pub struct Cue {
    pub after: &'static str,
    pub kind: &'static str,
    pub body: fn(&str) -> Value,
}

impl Scene {
    pub fn checkout(&self, order_id: &str) -> Value {
        let items: Vec<_> = self.items.iter().map(|(sku, n)| json!({"sku": sku, "quantity": n})).collect();
        json!({
            "order_id": order_id, "customer_id": "customer-42", "items": items,
            "payment": {"method": self.method, "token": self.token},
            "contact": {"email": "reader@example.org", "phone": "+49301234567"},
        })
    }
}

/// A card that works, sent once, without interference.
const PLAIN: Scene = Scene {
    title: "",
    plot: "",
    items: &[("BOOK-DUNE", 1)],
    method: "card",
    token: "tok_ok",
    sent_times: 1,
    event_first: false,
    cues: &[],
    ends: "fulfilled",
    charged: "12.99",
    refunded: "0.00",
};

pub const SCENES: &[Scene] = &[
    Scene {
        title: "An order goes through",
        plot: "Two books and a pen: held, paid, shipped.",
        items: &[("BOOK-DUNE", 2), ("PEN-BLUE", 1)],
        charged: "50.93",
        ..PLAIN
    },
    Scene {
        title: "The card is declined",
        plot: "The goods go back on the shelf, and nothing was charged.",
        token: "tok_declined",
        ends: "cancelled",
        charged: "0.00",
        ..PLAIN
    },
    Scene {
        title: "There is too little on the shelf",
        plot: "Five atlases are wanted and three are there: all of the order, or none of it.",
        items: &[("BOOK-ATLAS", 5), ("BOOK-EMMA", 1)],
        ends: "cancelled",
        charged: "0.00",
        ..PLAIN
    },
    Scene {
        title: "The shipment is refused after payment",
        plot: "While the provider thinks, a stock-take finds two atlases missing. The money goes back.",
        items: &[("BOOK-ATLAS", 2)],
        cues: &[Cue {
            after: "stock.reserved",
            kind: "stock.adjust",
            body: |_| json!({"sku": "BOOK-ATLAS", "delta": -2, "reason": "stock-take"}),
        }],
        ends: "refunded",
        charged: "178.00",
        refunded: "178.00",
        ..PLAIN
    },
    Scene {
        title: "The customer cancels while the provider thinks",
        plot: "Whatever the provider takes after that goes straight back.",
        cues: &[Cue {
            after: "stock.reserved",
            kind: "order.cancel",
            body: |order_id| json!({"order_id": order_id, "reason": "changed my mind"}),
        }],
        ends: "cancelled",
        refunded: "12.99",
        ..PLAIN
    },
    Scene {
        title: "The same checkout is sent three times",
        plot: "One order, one charge, one parcel.",
        items: &[("BOOK-EMMA", 1)],
        sent_times: 3,
        charged: "8.50",
        ..PLAIN
    },
    Scene {
        title: "Cash on delivery",
        plot: "The parcel leaves first; the driver brings the money.",
        method: "cod",
        cues: &[Cue {
            after: "stock.shipped",
            kind: "order.pay",
            body: |order_id| json!({"order_id": order_id, "transaction_id": "receipt-7"}),
        }],
        ..PLAIN
    },
    Scene {
        title: "Everything comes back, one book first",
        plot: "Two returns; to the cent, they add up to what was paid.",
        items: &[("BOOK-MOBY", 3)],
        method: "paypal",
        cues: &[
            Cue {
                after: "order.fulfilled",
                kind: "order.refund",
                body: |order_id| json!({"order_id": order_id, "items": [{"sku": "BOOK-MOBY", "quantity": 1}]}),
            },
            Cue {
                after: "order.returned",
                kind: "order.refund",
                body: |order_id| json!({"order_id": order_id}),
            },
        ],
        ends: "refunded",
        charged: "30.00",
        refunded: "30.00",
        ..PLAIN
    },
    Scene {
        title: "The provider refuses to refund",
        plot: "Three times, for good. An operator pays by bank transfer, and says so.",
        items: &[("BOOK-ATLAS", 1)],
        token: "tok_refund_fails",
        cues: &[
            Cue {
                after: "stock.reserved",
                kind: "stock.adjust",
                body: |_| json!({"sku": "BOOK-ATLAS", "delta": -1, "reason": "a damaged copy"}),
            },
            Cue {
                after: "saga.needs_attention",
                kind: "saga.resolve",
                body: |order_id| json!({"order_id": order_id, "outcome": "done", "evidence": "bank transfer 77", "by": "demo"}),
            },
        ],
        ends: "refunded",
        charged: "89.00",
        refunded: "89.00",
        ..PLAIN
    },
    Scene {
        title: "The provider's answer is lost",
        plot: "Unknown is not declined: after two seconds it is asked, and says that it was paid.",
        token: "tok_lost_answer",
        ..PLAIN
    },
    Scene {
        title: "The provider never answers",
        plot: "After two seconds it is asked, knows nothing, and the order is given up.",
        token: "tok_never_answers",
        ends: "cancelled",
        charged: "0.00",
        ..PLAIN
    },
    Scene {
        title: "The payment comes too late",
        plot: "The order was given up a while ago. The money goes back.",
        token: "tok_late",
        ends: "cancelled",
        refunded: "12.99",
        ..PLAIN
    },
];

/// For a shop in which faults are active all the time.
pub const MORE: [Scene; 3] = [
    Scene {
        title: "The provider says it three times",
        plot: "It is heard once.",
        token: "tok_duplicate_event",
        ..PLAIN
    },
    Scene {
        title: "The webhook comes first",
        plot: "The provider tells of a payment whose order is not there yet: it is held until the order comes.",
        event_first: true,
        ..PLAIN
    },
    Scene {
        title: "The first refund fails",
        plot: "The customer cancels while the provider thinks; the refund is tried again.",
        token: "tok_refund_fails_once",
        cues: &[Cue {
            after: "stock.reserved",
            kind: "order.cancel",
            body: |order_id| json!({"order_id": order_id, "reason": "changed my mind"}),
        }],
        ends: "cancelled",
        refunded: "12.99",
        ..PLAIN
    },
];
