//! A customer's stored payment methods: the provider's tokens and what people tell them apart by. While there are
//! any, one of them is the default.

use contract::{
    Answers, Expiry, Fault, Method, Need, PaymentChoice, Stored, Table, Time, Token, WalletAdd, WalletChange,
    WalletRemove, clean_text, token_fault,
};
use serde::{Deserialize, Serialize};

const METHODS_MAX: usize = 20;
/// Cards are issued for fewer years.
const YEARS_AHEAD_MAX: u16 = 30;
const CUSTOMER_CHARS_MAX: usize = 100;

/// All of one customer's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wallet {
    pub customer_id: String,
    /// Oldest first.
    pub methods: Vec<StoredMethod>,
    /// The results of the last writes.
    #[serde(default)]
    pub answers: Answers,
    pub updated_at: Time,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoredMethod {
    pub method_id: String,
    pub method: Method,
    pub token: Token,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_four: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expiry>,
    pub default: bool,
    pub added_at: Time,
}

impl Stored for Wallet {
    const TABLE: Table = Table::Wallets;
    fn id(&self) -> String {
        self.customer_id.clone()
    }
}

/// An impossible customer id is not looked up: not every text can be a key in every database.
pub(crate) fn need(customer_id: &str) -> Option<Need> {
    customer_fault(customer_id).is_none().then(|| Need::of(Table::Wallets, customer_id))
}

/// The token to charge. `Err` is the code that the payment is declined with.
pub(crate) fn resolve(
    wallet: Option<&Wallet>,
    choice: &PaymentChoice,
    now: Time,
) -> Result<PaymentChoice, &'static str> {
    let Some(id) = &choice.payment_method_id else { return Ok(choice.clone()) };
    let stored = wallet.and_then(|wallet| wallet.methods.iter().find(|stored| stored.method_id == *id));
    match stored {
        None => Err(UNKNOWN),
        Some(stored) if stored.method != choice.method => Err("payment_method_mismatch"),
        Some(stored) if stored.expires.is_some_and(|expires| expires.is_over(now)) => Err(EXPIRED),
        Some(stored) => Ok(PaymentChoice { token: Some(stored.token.clone()), ..choice.clone() }),
    }
}

const UNKNOWN: &str = "payment_method_unknown";
const EXPIRED: &str = "payment_method_expired";

impl Wallet {
    /// Changes nothing unless all of it is right.
    pub(crate) fn add(&mut self, m: &WalletAdd, now: Time) -> Result<(), Fault> {
        if self.methods.iter().any(|known| known.method_id == m.method_id) {
            return Ok(());
        }
        if self.methods.len() >= METHODS_MAX {
            let message = format!("{METHODS_MAX} are stored, which is the most; remove one first");
            return Err(Fault::new("", "payment_methods_too_many", message));
        }
        fits(m, now)?;
        let default = m.default || self.methods.is_empty();
        let stored = StoredMethod {
            method_id: m.method_id.clone(),
            method: m.method,
            token: m.token.clone(),
            brand: m.brand.clone(),
            last_four: m.last_four.clone(),
            expires: m.expires,
            default: false,
            added_at: now,
        };
        self.methods.push(stored);
        if default {
            self.prefer(&m.method_id);
        }
        Ok(())
    }

    pub(crate) fn change(&mut self, m: &WalletChange, now: Time) -> Result<(), Fault> {
        let stored =
            self.methods.iter_mut().find(|stored| stored.method_id == m.method_id).ok_or_else(unknown)?;
        if let Some(expires) = m.expires {
            expiry_fits(expires, now)?;
        }
        if m.default == Some(false) && stored.default {
            let message = "one is always the default; make another one the default instead";
            return Err(Fault::new("default", "default_required", message));
        }
        stored.expires = m.expires.or(stored.expires);
        if m.default == Some(true) {
            self.prefer(&m.method_id);
        }
        Ok(())
    }

    /// If the default is removed, the newest of the others becomes the default.
    pub(crate) fn remove(&mut self, m: &WalletRemove) -> Result<(), Fault> {
        let at =
            self.methods.iter().position(|stored| stored.method_id == m.method_id).ok_or_else(unknown)?;
        let removed = self.methods.remove(at);
        if let Some(newest) = self.methods.last_mut().filter(|_| removed.default) {
            newest.default = true;
        }
        Ok(())
    }

    fn prefer(&mut self, method_id: &str) {
        for stored in &mut self.methods {
            stored.default = stored.method_id == method_id;
        }
    }
}

fn fits(m: &WalletAdd, now: Time) -> Result<(), Fault> {
    if token_fault(&m.method_id).is_some() {
        return Err(Fault::new("id", "invalid", "must be 1 to 100 visible ASCII characters"));
    }
    if let Some((code, message)) = token_fault(&m.token.0) {
        return Err(Fault::new("token", code, message));
    }
    if let Some(Err(why)) = m.brand.as_ref().map(|brand| clean_text(brand, 30)) {
        return Err(Fault::new("brand", "invalid", why));
    }
    let four_digits = |digits: &String| digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !m.last_four.as_ref().is_none_or(four_digits) {
        return Err(Fault::new("last_four", "invalid", "must be the last four digits, and no more"));
    }
    match (m.method, &m.last_four, m.expires) {
        (Method::Cod, ..) => Err(Fault::new("method", "method_unknown", "one of card, debit_card, paypal")),
        (Method::Card | Method::DebitCard, None, _) => {
            Err(Fault::new("last_four", "required", "a card is told by its last four digits"))
        }
        (Method::Card | Method::DebitCard, _, None) => {
            Err(Fault::new("expires", "required", "say until when the card is valid"))
        }
        (Method::Card | Method::DebitCard | Method::Paypal, _, Some(expires)) => expiry_fits(expires, now),
        (Method::Paypal, _, None) => Ok(()),
    }
}

fn expiry_fits(expires: Expiry, now: Time) -> Result<(), Fault> {
    let latest = Expiry::of(now).year + YEARS_AHEAD_MAX;
    if !(1..=12).contains(&expires.month) || expires.year > latest {
        let message = format!("must be a month from 1 to 12 of a year up to {latest}");
        return Err(Fault::new("expires", "invalid", message));
    }
    if expires.is_over(now) {
        return Err(Fault::new("expires", EXPIRED, "is over already"));
    }
    Ok(())
}

fn unknown() -> Fault {
    Fault::new("id", UNKNOWN, "no such payment method is stored")
}

pub(crate) fn customer_fault(id: &str) -> Option<String> {
    clean_text(id, CUSTOMER_CHARS_MAX).err()
}
