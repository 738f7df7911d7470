//! What the provider books and tells is a function of its settings, the ask, its books and the time.
//!
//! Its promise: one key, one charge. Asked again under a known key it books nothing, and repeats what it has told.

use contract::{
    ChargeStanding, Method, Money, OrderId, ProviderCharge, ProviderEvent, ProviderEventData,
    ProviderEventKind, ProviderRefund, Time,
};

use super::draw::{self, Draw};
use super::script::{DECLINED, DECLINES, Script};

#[derive(Clone, Debug)]
pub struct Settings {
    /// The share of charges without a scripted token that succeed: 0.0 to 1.0.
    pub success_rate: f64,
    /// How long until the result; 0 and 0 is at once.
    pub delay_least_ms: u64,
    pub delay_most_ms: u64,
    /// How long `tok_late` takes. It should exceed the order's patience with a payment.
    pub late_ms: u64,
    pub seed: u64,
    /// No result is in the answer itself: a courier delivers all of them.
    pub courier_brings_all: bool,
}

impl Default for Settings {
    /// Every charge succeeds at once; late is ten seconds beyond the default patience of 300 s.
    fn default() -> Self {
        Self {
            success_rate: 1.0,
            delay_least_ms: 0,
            delay_most_ms: 0,
            late_ms: 310_000,
            seed: 0,
            courier_brings_all: false,
        }
    }
}

/// One charge in the provider's books. Its result is decided when it is asked for, and holds from `Ends::…at` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub key: String,
    pub reference: OrderId,
    pub transaction_id: String,
    /// The id that an event from outside gave it, if one told of this charge before these books did.
    pub told: Option<String>,
    pub amount: Money,
    pub ends: Ends,
    /// How often its event is delivered: 0 is a lost answer.
    pub told_times: u32,
    pub refunds: Refunds,
    pub refunded_minor: i64,
    pub refunds_failed: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ends {
    Never,
    Succeeds { at: Time },
    Fails { at: Time, code: String },
}

/// What becomes of attempts to refund a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refunds {
    Succeed,
    FirstFails,
    AllFail,
}

/// One attempt to refund, booked when asked for and told at `told_at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    pub key: String,
    pub reference: OrderId,
    pub transaction_id: String,
    pub amount: Money,
    pub failure_code: Option<String>,
    pub told_at: Time,
}

/// An event and when the provider delivers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueEvent {
    pub due: Time,
    pub event: ProviderEvent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the idempotency key was used before, for something else; use a new key")]
    KeyReused,
    #[error("an amount cannot be negative")]
    AmountNegative,
}

/// What is new in the books (nothing, if the key was known), and what is told when.
#[derive(Debug)]
pub struct Charged {
    pub book: Option<Charge>,
    pub tell: Vec<DueEvent>,
}

#[derive(Debug)]
pub struct Refunded {
    pub book: Option<Refund>,
    /// The charge as it stands afterwards, if that changed.
    pub charge: Option<Charge>,
    pub tell: Vec<DueEvent>,
}

pub fn charge(
    settings: &Settings,
    known: Option<&Charge>,
    ask: &ProviderCharge,
    now: Time,
) -> Result<Charged, Refusal> {
    if ask.amount.is_negative() {
        return Err(Refusal::AmountNegative);
    }
    match known {
        Some(known) if known.amount != ask.amount || known.reference != ask.order_id => {
            Err(Refusal::KeyReused)
        }
        // What is not due yet is already queued; only what was told is told again.
        Some(known) => {
            let told = known.events().into_iter().filter(|told| told.due <= now);
            Ok(Charged { book: None, tell: told.map(|told| DueEvent { due: now, ..told }).collect() })
        }
        None => {
            let charge = new_charge(settings, ask, now);
            Ok(Charged { tell: charge.events(), book: Some(charge) })
        }
    }
}

/// `known` is what the books have under the refund's key, `charge` what they have under its transaction.
pub fn refund(
    settings: &Settings,
    known: Option<&Refund>,
    charge: Option<&Charge>,
    ask: &ProviderRefund,
    now: Time,
) -> Result<Refunded, Refusal> {
    if ask.amount.is_negative() {
        return Err(Refusal::AmountNegative);
    }
    if let Some(known) = known {
        let same = known.amount == ask.amount
            && known.reference == ask.order_id
            && known.transaction_id == ask.transaction_id;
        let told = known.told_at <= now;
        return match (same, told) {
            (false, _) => Err(Refusal::KeyReused),
            (true, false) => Ok(Refunded { book: None, charge: None, tell: Vec::new() }),
            (true, true) => {
                let again = DueEvent { due: now, ..known.event() };
                Ok(Refunded { book: None, charge: None, tell: vec![again] })
            }
        };
    }
    let (failure_code, charge) = match charge {
        None => (Some("charge_unknown"), None),
        Some(charge) => book_refund(charge, ask, now),
    };
    let mut draw = Draw::of(settings.seed, &ask.key);
    let refund = Refund {
        key: ask.key.clone(),
        reference: ask.order_id,
        transaction_id: ask.transaction_id.clone(),
        amount: ask.amount,
        failure_code: failure_code.map(Into::into),
        told_at: now.plus_ms(draw.between(settings.delay_least_ms, settings.delay_most_ms)),
    };
    Ok(Refunded { tell: vec![refund.event()], book: Some(refund), charge })
}

/// The answer to a query about a key. Until a charge has ended, only that it was asked for is known.
pub fn standing(charge: Option<&Charge>, now: Time) -> ChargeStanding {
    let Some(charge) = charge else { return ChargeStanding::NotFound };
    let transaction_id = charge.name().to_string();
    match &charge.ends {
        Ends::Succeeds { at } if *at <= now => {
            ChargeStanding::Succeeded { transaction_id, amount: charge.amount }
        }
        Ends::Fails { at, code } if *at <= now => {
            ChargeStanding::Failed { transaction_id, failure_code: code.clone() }
        }
        Ends::Never | Ends::Succeeds { .. } | Ends::Fails { .. } => ChargeStanding::Pending,
    }
}

/// Draws the same numbers in the same order whatever the script, so that a key's delay does not depend on its token.
fn new_charge(settings: &Settings, ask: &ProviderCharge, now: Time) -> Charge {
    let mut draw = Draw::of(settings.seed, &ask.key);
    let delay_ms = draw.between(settings.delay_least_ms, settings.delay_most_ms);
    let lucky = draw.happens(settings.success_rate);
    let code = draw.one_of(&DECLINES, DECLINED);

    let at = now.plus_ms(delay_ms);
    let fails = |code: &str| Ends::Fails { at, code: code.into() };
    let succeeds = Ends::Succeeds { at };
    let script = Script::of(&ask.payment);
    let (ends, told_times, refunds) = match script {
        Script::Chance if !lucky => (fails(code), 1, Refunds::Succeed),
        Script::Chance | Script::Succeeds => (succeeds, 1, Refunds::Succeed),
        Script::PaidInCash => (Ends::Succeeds { at: now }, 1, Refunds::Succeed),
        Script::Fails(code) => (fails(code), 1, Refunds::Succeed),
        Script::NeverAnswers => (Ends::Never, 0, Refunds::Succeed),
        Script::Late => (Ends::Succeeds { at: now.plus_ms(settings.late_ms) }, 1, Refunds::Succeed),
        Script::AnswerLost => (Ends::Succeeds { at: now }, 0, Refunds::Succeed),
        Script::ToldThrice => (succeeds, 3, Refunds::Succeed),
        Script::FirstRefundFails => (succeeds, 1, Refunds::FirstFails),
        Script::EveryRefundFails => (succeeds, 1, Refunds::AllFail),
    };
    Charge {
        key: ask.key.clone(),
        reference: ask.order_id,
        transaction_id: transaction_id(ask),
        told: None,
        amount: ask.amount,
        ends,
        told_times,
        refunds,
        refunded_minor: 0,
        refunds_failed: 0,
    }
}

fn transaction_id(ask: &ProviderCharge) -> String {
    match ask.payment.method {
        Method::Card | Method::DebitCard => draw::id("ch_", ask.order_id, &ask.key),
        Method::Paypal => draw::id_in_capitals("PAYID-", ask.order_id, &ask.key),
        Method::Cod => draw::id("cod_", ask.order_id, &ask.key),
    }
}

/// Why the refund fails, if it does; and the charge as it stands afterwards, if that changed.
fn book_refund(charge: &Charge, ask: &ProviderRefund, now: Time) -> (Option<&'static str>, Option<Charge>) {
    // First check whose charge it is: the answer for another order reveals nothing about it.
    if charge.reference != ask.order_id {
        return (Some("charge_unknown"), None);
    }
    let captured = matches!(standing(Some(charge), now), ChargeStanding::Succeeded { .. });
    if !captured {
        return (Some("charge_not_captured"), None);
    }
    if charge.amount.currency() != ask.amount.currency() {
        return (Some("currency_mismatch"), None);
    }
    // Neither summand exceeds Money's limit, far below an i64's.
    let refunded_minor = charge.refunded_minor + ask.amount.minor();
    if refunded_minor > charge.amount.minor() {
        return (Some("amount_exceeds_charge"), None);
    }
    let works = match charge.refunds {
        Refunds::Succeed => true,
        Refunds::FirstFails => charge.refunds_failed > 0,
        Refunds::AllFail => false,
    };
    match works {
        true => (None, Some(Charge { refunded_minor, ..charge.clone() })),
        false => {
            let refunds_failed = charge.refunds_failed.saturating_add(1);
            (Some("refund_declined"), Some(Charge { refunds_failed, ..charge.clone() }))
        }
    }
}

impl Charge {
    /// The transaction id by which callers know it.
    pub fn name(&self) -> &str {
        self.told.as_ref().unwrap_or(&self.transaction_id)
    }

    /// The id of the event that it sends by itself.
    pub(super) fn event_id(&self) -> String {
        draw::id("evt_", self.reference, &self.transaction_id)
    }

    /// Every event it will ever send, with its time.
    fn events(&self) -> Vec<DueEvent> {
        let (kind, due, failure_code) = match &self.ends {
            Ends::Never => return Vec::new(),
            Ends::Succeeds { at } => (ProviderEventKind::PaymentSucceeded, *at, None),
            Ends::Fails { at, code } => (ProviderEventKind::PaymentFailed, *at, Some(code.clone())),
        };
        let data = ProviderEventData {
            reference: self.reference,
            transaction_id: self.transaction_id.clone(),
            amount: self.amount,
            failure_code,
            key: None,
            charged_as: Vec::new(),
            refunded_in_all: None,
        };
        let id = self.event_id();
        let told = DueEvent { due, event: ProviderEvent { id, kind, created: due, data } };
        vec![told; self.told_times as usize]
    }
}

impl Refund {
    /// Named by its own id (`re_…`) and by the key that it was asked under.
    fn event(&self) -> DueEvent {
        let kind = match &self.failure_code {
            None => ProviderEventKind::RefundSucceeded,
            Some(_) => ProviderEventKind::RefundFailed,
        };
        let data = ProviderEventData {
            reference: self.reference,
            transaction_id: self.id(),
            amount: self.amount,
            failure_code: self.failure_code.clone(),
            key: Some(self.key.clone()),
            charged_as: Vec::new(),
            refunded_in_all: None,
        };
        let id = draw::id("evt_", self.reference, &self.id());
        DueEvent { due: self.told_at, event: ProviderEvent { id, kind, created: self.told_at, data } }
    }

    pub fn id(&self) -> String {
        draw::id("re_", self.reference, &self.key)
    }
}
