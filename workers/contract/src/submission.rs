//! A checkout as it came in. Parsing it finds every fault at once, and never fails as a whole: the sender must be
//! told all that is wrong.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{
    BodyHash, Confirm, Contact, Line, MessageId, Method, OrderId, PaymentChoice, ReplyTo, Sku, Token,
    clean_text, holds_card_number,
};

/// Of an order, and of a cart.
pub const LINES_MAX: usize = 100;
pub const QUANTITY_MAX: u64 = 1000;
/// Longer lists of faults help no sender; only the count of the rest is told.
const FAULTS_MAX: usize = 20;

/// One thing that is wrong, where, and what would be right.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fault {
    /// `items[2].quantity`
    pub field: String,
    pub code: String,
    pub message: String,
    /// Another order that stands in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
}

impl Fault {
    pub fn new(field: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code: code.into(), message: message.into(), order_id: None }
    }

    /// The first few, and how many others there are.
    pub fn first(mut faults: Vec<Fault>) -> Vec<Fault> {
        let more = faults.len().saturating_sub(FAULTS_MAX);
        faults.truncate(FAULTS_MAX);
        if more > 0 {
            faults.push(Fault::new("", "more", format!("and {more} more faults")));
        }
        faults
    }

    /// All of them in one line.
    pub fn in_words(faults: &[Fault]) -> Option<String> {
        match faults {
            [] => None,
            [only] => Some(format!("{}: {}", only.field, only.message)),
            [first, more @ ..] => {
                Some(format!("{}: {} (and {} more)", first.field, first.message, more.len()))
            }
        }
    }
}

/// What a customer wants, in the right form (the order worker decides whether it can be had).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cart {
    pub customer_id: String,
    /// Merged by SKU, in SKU order. None if the lines of the stored cart are wanted.
    pub lines: Vec<Line>,
    pub stored: Option<CartSeen>,
    pub payment: PaymentChoice,
    pub contact: Contact,
    pub discount_code: Option<String>,
}

/// The customer's stored cart is to be ordered, if it is as the customer saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CartSeen {
    /// `None`: in any version.
    pub version: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Submit {
    pub order_id: OrderId,
    pub customer_id: Option<String>,
    pub cart: Result<Cart, Vec<Fault>>,
    /// Where its sender waits for the outcome. From outside it comes as a property, never in the body.
    pub reply_to: Option<ReplyTo>,
    /// The admin who places it for the customer. From outside it comes as a property as well.
    pub placed_by: Option<String>,
    /// The hash of all but the order id and unknown fields: the same checkout sent again under the same order id has
    /// the same hash.
    pub content: BodyHash,
    raw: Value,
}

impl Submit {
    /// `order_id` comes from the body, else from the message id: one of them must be there.
    pub fn read(mut raw: Value, message_id: Option<&MessageId>) -> Result<Self, String> {
        let Some(fields) = raw.as_object_mut() else {
            return Err("the body of checkout.submit must be a JSON object".into());
        };
        let mut faults = Vec::new();
        let named = fields.remove("order_id").filter(|id| !id.is_null());
        let order_id = match named.as_ref().map(|id| id.as_str().and_then(|id| id.parse::<OrderId>().ok())) {
            Some(Some(id)) => id,
            Some(None) => {
                faults.push(Fault::new("order_id", "invalid", "must be a UUID"));
                message_id
                    .map(OrderId::of_submission)
                    .ok_or("order_id is not a UUID, and there is no message_id to go by")?
            }
            None => message_id.map(OrderId::of_submission).ok_or(
                "give a message_id, or an order_id in the body: without one a repeat cannot be recognised",
            )?,
        };
        // Ours is always well-formed; what an outsider put there does not count.
        let reply_to = fields.remove("reply_to").and_then(|kept| serde_json::from_value(kept).ok());
        let placed_by = fields.remove("placed_by").and_then(|kept| serde_json::from_value(kept).ok());
        keep_known(fields);
        let content = BodyHash::of("checkout.submit", &raw.to_string());
        let was_refused = !faults.is_empty();
        let reader = Reader { raw: &raw, faults };
        let (customer_id, cart) = reader.read();
        if let Some(fields) = raw.as_object_mut() {
            // An id that is no UUID stays as it came: parsed again, it is refused again.
            let sent = named.filter(|_| was_refused);
            fields.insert("order_id".into(), sent.unwrap_or_else(|| Value::String(order_id.to_string())));
        }
        Ok(Self { order_id, customer_id, cart, reply_to, placed_by, content, raw })
    }

    /// Fields that are stored in the body although they were not sent there.
    pub(crate) fn properties(&self) -> Result<Vec<(&'static str, Value)>, serde_json::Error> {
        let reply_to = self.reply_to.as_ref().map(serde_json::to_value).transpose()?;
        let placed_by = self.placed_by.clone().map(Value::String);
        let named = [("reply_to", reply_to), ("placed_by", placed_by)];
        Ok(named.into_iter().filter_map(|(name, kept)| Some((name, kept?))).collect())
    }

    /// Where the sender named that SKU among `lines`, which are merged: the first place it was written at, or the
    /// stored cart.
    pub fn field_of(&self, sku: &Sku, lines: &[Line]) -> String {
        let written = self.raw["items"].as_array();
        let at = written.and_then(|items| items.iter().position(|item| item["sku"] == sku.as_str()));
        match at.or_else(|| lines.iter().position(|line| line.sku == *sku)) {
            Some(at) => format!("items[{at}].sku"),
            None => "items".to_string(),
        }
    }

    /// The body as it came, with the order id filled in, and without unknown fields.
    pub fn raw(&self) -> &Value {
        &self.raw
    }
}

/// Inside another message it is the body as it came, with the reply queue and the admin who placed it.
impl Serialize for Submit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut raw = self.raw.clone();
        if let Some(fields) = raw.as_object_mut() {
            for (name, kept) in self.properties().map_err(serde::ser::Error::custom)? {
                fields.insert(name.into(), kept);
            }
        }
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Submit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Submit::read(Value::deserialize(deserializer)?, None).map_err(serde::de::Error::custom)
    }
}

/// Unknown fields are ignored, so they are not stored either: otherwise a journal row could hold 64 KiB of nothing.
/// They are dropped before the body is hashed, because a message is recognised by the hash of what is stored. Known
/// fields stay exactly as they came.
fn keep_known(fields: &mut Map<String, Value>) {
    const KNOWN: [&str; 7] =
        ["customer_id", "items", "cart", "cart_version", "payment", "contact", "discount_code"];
    fields.retain(|name, _| KNOWN.contains(&name.as_str()));
    // Anything but a boolean counts as absent.
    if fields.get("cart").is_some_and(|cart| !cart.is_boolean()) {
        fields.remove("cart");
    }
    for (name, known) in [
        ("payment", &["method", "token", "payment_method_id", "confirm"][..]),
        ("contact", &["email", "phone"]),
        ("items", &["sku", "quantity"]),
    ] {
        match fields.get_mut(name) {
            Some(Value::Object(inner)) => inner.retain(|name, _| known.contains(&name.as_str())),
            Some(Value::Array(all)) => all
                .iter_mut()
                .filter_map(Value::as_object_mut)
                .for_each(|inner| inner.retain(|name, _| known.contains(&name.as_str()))),
            _ => {}
        }
    }
}

struct Reader<'a> {
    raw: &'a Value,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn read(mut self) -> (Option<String>, Result<Cart, Vec<Fault>>) {
        let customer_id = self.customer_id();
        let stored = self.stored();
        let lines = if stored.is_some() { Vec::new() } else { self.lines() };
        let payment = self.payment();
        let contact = self.contact();
        let discount_code = self.discount_code();
        let cart = match (customer_id.clone(), payment, self.faults.is_empty()) {
            (Some(customer_id), Some(payment), true) => {
                Ok(Cart { customer_id, lines, stored, payment, contact, discount_code })
            }
            _ => Err(Fault::first(self.faults)),
        };
        (customer_id, cart)
    }

    fn fault(&mut self, field: impl Into<String>, code: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(field, code, message));
    }

    fn customer_id(&mut self) -> Option<String> {
        match self.raw.get("customer_id") {
            None | Some(Value::Null) => self.fault("customer_id", "required", "say who the customer is"),
            Some(Value::String(id)) => match clean_text(id, 100) {
                Ok(id) => return Some(id.to_string()),
                Err(why) => self.fault("customer_id", "invalid", why),
            },
            Some(_) => self.fault("customer_id", "invalid", "must be a string"),
        }
        None
    }

    fn stored(&mut self) -> Option<CartSeen> {
        let version = self.raw.get("cart_version").filter(|version| !version.is_null());
        if self.raw.get("cart").and_then(Value::as_bool) != Some(true) {
            if version.is_some() {
                self.fault("cart_version", "invalid", "is the stored cart's: send cart: true with it");
            }
            return None;
        }
        if self.raw.get("items").is_some_and(|items| !items.is_null()) {
            self.fault("items", "invalid", "the stored cart is ordered: send no items with it");
        }
        let number = version.and_then(Value::as_u64);
        if version.is_some() && number.is_none() {
            self.fault("cart_version", "invalid", "must be the number of the version that was seen");
        }
        Some(CartSeen { version: number })
    }

    fn lines(&mut self) -> Vec<Line> {
        let raw = self.raw;
        let items = match raw.get("items") {
            None | Some(Value::Null) => {
                self.fault("items", "cart_empty", "there is nothing to check out: send at least one item");
                return Vec::new();
            }
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.fault("items", "invalid", "must be a list of {\"sku\",\"quantity\"}");
                return Vec::new();
            }
        };
        if items.is_empty() {
            self.fault("items", "cart_empty", "there is nothing to check out: send at least one item");
        }
        if items.len() > LINES_MAX {
            self.fault("items", "too_many_lines", format!("{} lines; at most {LINES_MAX}", items.len()));
            return Vec::new();
        }
        // Each with the first place it was written at.
        let mut merged: BTreeMap<Sku, (usize, u64)> = BTreeMap::new();
        for (at, item) in items.iter().enumerate() {
            if let Some((sku, quantity)) = self.line(at, item) {
                merged.entry(sku).or_insert((at, 0)).1 += quantity;
            }
        }
        let mut lines = Vec::with_capacity(merged.len());
        for (sku, (at, quantity)) in merged {
            if quantity > QUANTITY_MAX {
                let message = format!("{quantity} of {sku} together; at most {QUANTITY_MAX}");
                self.fault(format!("items[{at}].quantity"), "quantity_too_large", message);
            }
            lines.push(Line { sku, quantity: u32::try_from(quantity).unwrap_or(u32::MAX) });
        }
        lines
    }

    fn line(&mut self, at: usize, item: &Value) -> Option<(Sku, u64)> {
        if !item.is_object() {
            self.fault(format!("items[{at}]"), "invalid", "must be an object {\"sku\",\"quantity\"}");
            return None;
        }
        let sku = item.get("sku").and_then(Value::as_str).and_then(Sku::new);
        if sku.is_none() {
            let message = "a sku has 1 to 64 visible ASCII characters and no spaces";
            self.fault(format!("items[{at}].sku"), "invalid", message);
        }
        let quantity = match item.get("quantity") {
            Some(Value::Number(number)) => number.as_u64(),
            _ => None,
        };
        match quantity {
            Some(0) | None => {
                let message = "must be a whole number of at least 1";
                self.fault(format!("items[{at}].quantity"), "quantity_invalid", message);
                None
            }
            Some(quantity) if quantity > QUANTITY_MAX => {
                let message = format!("{quantity}; at most {QUANTITY_MAX}");
                self.fault(format!("items[{at}].quantity"), "quantity_too_large", message);
                None
            }
            Some(quantity) => sku.map(|sku| (sku, quantity)),
        }
    }

    fn payment(&mut self) -> Option<PaymentChoice> {
        let Some(payment) = self.raw.get("payment").filter(|payment| payment.is_object()) else {
            self.fault(
                "payment",
                "required",
                "say how it is paid: {\"method\":\"card\",\"token\":\"tok_…\"}",
            );
            return None;
        };
        let method = payment.get("method").cloned().unwrap_or(Value::Null);
        let Ok(method) = serde_json::from_value::<Method>(method) else {
            self.fault("payment.method", "method_unknown", "one of card, debit_card, paypal, cod");
            return None;
        };
        let token = self.text_of_payment(payment, "token")?;
        let payment_method_id = self.text_of_payment(payment, "payment_method_id")?;
        let confirm = match payment.get("confirm") {
            None | Some(Value::Null) => Confirm::Automatic,
            Some(confirm) => match serde_json::from_value(confirm.clone()) {
                Ok(confirm) => confirm,
                Err(_) => {
                    self.fault("payment.confirm", "invalid", "automatic or manual");
                    return None;
                }
            },
        };
        let wrong = match (method, &token, &payment_method_id) {
            (_, Some(_), Some(_)) => Some(("payment_method_id", "invalid", "send either a token or this")),
            (Method::Cod, _, Some(_)) => Some(("payment_method_id", "invalid", "cash needs none")),
            (Method::Cod, ..) if confirm == Confirm::Manual => {
                Some(("confirm", "invalid", "cash is confirmed at the door"))
            }
            (Method::Card | Method::DebitCard, None, None) if confirm == Confirm::Automatic => {
                Some(("token", "required", "a card payment needs the provider's token"))
            }
            (Method::Card | Method::DebitCard | Method::Paypal | Method::Cod, ..) => None,
        };
        if let Some((field, code, message)) = wrong {
            self.fault(format!("payment.{field}"), code, message);
            return None;
        }
        Some(PaymentChoice { method, token: token.map(Token), payment_method_id, confirm })
    }

    /// `Some(None)` if it is not there, `None` if it is wrong.
    fn text_of_payment(&mut self, payment: &Value, name: &str) -> Option<Option<String>> {
        let fault = match payment.get(name) {
            None | Some(Value::Null) => return Some(None),
            Some(Value::String(text)) => match token_fault(text) {
                None => return Some(Some(text.clone())),
                Some(fault) => fault,
            },
            Some(_) => ("invalid", NO_TOKEN),
        };
        self.fault(format!("payment.{name}"), fault.0, fault.1);
        None
    }

    fn contact(&mut self) -> Contact {
        let Some(contact) = self.raw.get("contact").filter(|contact| !contact.is_null()) else {
            return Contact::default();
        };
        if !contact.is_object() {
            self.fault("contact", "invalid", "must be an object {\"email\",\"phone\"}");
            return Contact::default();
        }
        let email = self.contact_by("email", contact, looks_like_email, "must look like name@example.org");
        let phone = self.contact_by("phone", contact, looks_like_phone, "must look like +49301234567");
        Contact { email, phone }
    }

    fn contact_by(
        &mut self,
        by: &str,
        contact: &Value,
        looks_right: fn(&str) -> bool,
        hint: &str,
    ) -> Option<String> {
        match contact.get(by) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if looks_right(text) => Some(text.clone()),
            Some(_) => {
                self.fault(format!("contact.{by}"), "invalid", hint);
                None
            }
        }
    }

    fn discount_code(&mut self) -> Option<String> {
        match self.raw.get("discount_code") {
            None | Some(Value::Null) => None,
            Some(Value::String(code))
                if (1..=40).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_graphic()) =>
            {
                Some(code.clone())
            }
            Some(_) => {
                self.fault("discount_code", "invalid", "1 to 40 visible ASCII characters");
                None
            }
        }
    }
}

const NO_TOKEN: &str = "must be the provider's token: 1 to 100 visible ASCII characters";

/// Why a text cannot be a provider's token, as a code and in words.
pub fn token_fault(text: &str) -> Option<(&'static str, &'static str)> {
    if holds_card_number(text) {
        return Some(("card_number_refused", "send the provider's token, never a card number"));
    }
    let fits = (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    (!fits).then_some(("invalid", NO_TOKEN))
}

fn looks_like_email(text: &str) -> bool {
    let plain = text.len() <= 254 && text.bytes().all(|b| b.is_ascii_graphic());
    plain
        && text
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'))
}

fn looks_like_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}
