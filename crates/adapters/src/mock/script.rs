//! A token scripts the result of a charge; a token that is no script leaves it to chance.

use contract::{Method, PaymentChoice};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// The success rate decides.
    Chance,
    Succeeds,
    /// At once: the courier has the cash in hand.
    PaidInCash,
    Fails(&'static str),
    /// Never charged, never answered.
    NeverAnswers,
    /// Charged and told only when most callers have given up waiting.
    Late,
    /// Charged, and never told.
    AnswerLost,
    ToldThrice,
    FirstRefundFails,
    EveryRefundFails,
}

/// The decline codes that gateways use. What is left to chance fails with one of these.
pub(super) const DECLINES: [&str; 3] = [DECLINED, NO_FUNDS, EXPIRED];

pub(super) const DECLINED: &str = "card_declined";
const NO_FUNDS: &str = "insufficient_funds";
const EXPIRED: &str = "expired_card";
const FRAUD: &str = "fraudulent";

/// Ours, and the test payment methods that Stripe's front-end kits use.
const TOKENS: [(&str, Script); 29] = [
    ("tok_ok", Script::Succeeds),
    ("tok_declined", Script::Fails(DECLINED)),
    ("tok_insufficient_funds", Script::Fails(NO_FUNDS)),
    ("tok_expired_card", Script::Fails(EXPIRED)),
    ("tok_fraud", Script::Fails(FRAUD)),
    ("tok_never_answers", Script::NeverAnswers),
    ("tok_late", Script::Late),
    ("tok_lost_answer", Script::AnswerLost),
    ("tok_duplicate_event", Script::ToldThrice),
    ("tok_refund_fails_once", Script::FirstRefundFails),
    ("tok_refund_fails", Script::EveryRefundFails),
    ("pm_card_visa", Script::Succeeds),
    ("pm_card_visa_debit", Script::Succeeds),
    ("pm_card_mastercard", Script::Succeeds),
    ("pm_card_amex", Script::Succeeds),
    ("tok_visa", Script::Succeeds),
    ("tok_visa_debit", Script::Succeeds),
    ("tok_mastercard", Script::Succeeds),
    ("tok_amex", Script::Succeeds),
    ("pm_card_chargeDeclined", Script::Fails(DECLINED)),
    ("pm_card_visa_chargeDeclined", Script::Fails(DECLINED)),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", Script::Fails(NO_FUNDS)),
    ("pm_card_chargeDeclinedFraudulent", Script::Fails(FRAUD)),
    ("tok_chargeDeclined", Script::Fails(DECLINED)),
    ("tok_chargeDeclinedInsufficientFunds", Script::Fails(NO_FUNDS)),
    ("tok_chargeDeclinedExpiredCard", Script::Fails(EXPIRED)),
    ("tok_chargeDeclinedFraudulent", Script::Fails(FRAUD)),
    ("pm_card_chargeDeclinedInsufficientFunds", Script::Fails(NO_FUNDS)),
    ("pm_card_chargeDeclinedExpiredCard", Script::Fails(EXPIRED)),
];

impl Script {
    pub(super) fn of(payment: &PaymentChoice) -> Self {
        match payment.method {
            Method::Cod => Script::PaidInCash,
            Method::Card | Method::DebitCard | Method::Paypal => {
                let token = payment.token.as_ref().map(|token| token.0.as_str());
                TOKENS
                    .iter()
                    .find(|(name, _)| Some(*name) == token)
                    .map_or(Script::Chance, |(_, script)| *script)
            }
        }
    }
}
