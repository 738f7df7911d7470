//! One row format of the books for both databases.

use std::collections::BTreeMap;

use contract::{Currency, Money, Time};
use store::Error;

use super::parcel::{Parcel, Refused};
use super::rules::{Charge, DueEvent, Ends, Refund, Refunds};

/// Key, reference, transaction id, minor units, currency, outcome, failure code, when it ends, how often it is told,
/// what becomes of refunds, refunded minor units, refunds that failed.
pub(super) type ChargeLine =
    (String, String, String, i64, String, String, Option<String>, Option<i64>, i64, String, i64, i64);

/// The same, and the id that events from outside gave it.
pub(super) type KnownChargeLine = (
    String,
    String,
    String,
    i64,
    String,
    String,
    Option<String>,
    Option<i64>,
    i64,
    String,
    i64,
    i64,
    Option<String>,
);

/// Of a changed charge: key, outcome, failure code, when it ends, how often it is told, refunded minor units, refunds
/// that failed.
pub(super) type ChangedLine<'a> = (&'a str, String, Option<String>, Option<i64>, i64, i64, i64);

/// Of a charge that events from outside told of: key, and the id they gave it.
pub(super) type ToldLine<'a> = (&'a str, &'a str);

/// Key, id, reference, transaction id, minor units, currency, failure code, when it was told.
pub(super) type RefundLine = (String, String, String, String, i64, String, Option<String>, i64);

/// Id, when it is due, how many copies are delivered, the event.
pub(super) type EventLine = (String, i64, i64, String);

/// How many copies are delivered, the event, and how often posting failed.
pub(super) type DueLine = (i64, String, i64);

/// Id, how often posting failed, the last answer, when that was, whether it was given up.
pub(super) type RefusedLine = (String, i64, String, i64, bool);

/// Key, address, subject, text.
pub(super) type NoticeLine<'a> = (&'a str, &'a str, Option<&'a str>, &'a str);

/// Reference, key, transaction id, minor units, currency, state, refunded minor units, whether events from outside
/// told of it.
pub(super) type ChargePageLine = (String, String, String, i64, String, String, i64, bool);

/// Number, channel, key, address, subject, text, when.
pub(super) type SentPageLine = (i64, String, String, String, Option<String>, String, i64);

pub(super) fn of_charge(charge: &Charge) -> ChargeLine {
    let (outcome, failure_code, at) = match &charge.ends {
        Ends::Never => ("never", None, None),
        Ends::Succeeds { at } => ("succeeded", None, Some(at)),
        Ends::Fails { at, code } => ("failed", Some(code.clone()), Some(at)),
    };
    let refunds = match charge.refunds {
        Refunds::Succeed => "succeed",
        Refunds::FirstFails => "first_fails",
        Refunds::AllFail => "all_fail",
    };
    (
        charge.key.clone(),
        charge.reference.to_string(),
        charge.transaction_id.clone(),
        charge.amount.minor(),
        charge.amount.currency().code().to_string(),
        outcome.to_string(),
        failure_code,
        at.map(|at| at.unix_ms()),
        i64::from(charge.told_times),
        refunds.to_string(),
        charge.refunded_minor,
        i64::from(charge.refunds_failed),
    )
}

pub(super) fn of_changed(charge: &Charge) -> ChangedLine<'_> {
    let (_, _, _, _, _, outcome, failure_code, ends_ms, told, _, back, failed) = of_charge(charge);
    (&charge.key, outcome, failure_code, ends_ms, told, back, failed)
}

pub(super) fn of_told<'a>(charge: &&'a Charge) -> ToldLine<'a> {
    (&charge.key, charge.name())
}

pub(super) fn charge(line: KnownChargeLine) -> Result<Charge, Error> {
    let (
        key,
        reference,
        transaction_id,
        minor,
        currency,
        outcome,
        code,
        ends_ms,
        times,
        refunds,
        back,
        failed,
        told,
    ) = line;
    let ends = match (outcome.as_str(), ends_ms.map(Time::from_unix_ms), code) {
        ("never", None, None) => Ends::Never,
        ("succeeded", Some(at), None) => Ends::Succeeds { at },
        ("failed", Some(at), Some(code)) => Ends::Fails { at, code },
        _ => return Err(unreadable("outcome")),
    };
    let refunds = match refunds.as_str() {
        "succeed" => Refunds::Succeed,
        "first_fails" => Refunds::FirstFails,
        "all_fail" => Refunds::AllFail,
        _ => return Err(unreadable("way with refunds")),
    };
    Ok(Charge {
        key,
        reference: reference.parse().map_err(|_| unreadable("reference"))?,
        transaction_id,
        told,
        amount: amount(minor, &currency)?,
        ends,
        told_times: counted(times)?,
        refunds,
        refunded_minor: back,
        refunds_failed: counted(failed)?,
    })
}

pub(super) fn of_refund(refund: &Refund) -> RefundLine {
    (
        refund.key.clone(),
        refund.id(),
        refund.reference.to_string(),
        refund.transaction_id.clone(),
        refund.amount.minor(),
        refund.amount.currency().code().to_string(),
        refund.failure_code.clone(),
        refund.told_at.unix_ms(),
    )
}

/// Its id is derived from its key, and need not be read.
pub(super) fn refund(line: RefundLine) -> Result<Refund, Error> {
    let (key, _, reference, transaction_id, minor, currency, failure_code, told_ms) = line;
    Ok(Refund {
        key,
        reference: reference.parse().map_err(|_| unreadable("reference"))?,
        transaction_id,
        amount: amount(minor, &currency)?,
        failure_code,
        told_at: Time::from_unix_ms(told_ms),
    })
}

/// An event that is told three times is one line with three copies.
pub(super) fn of_events(later: &[DueEvent]) -> Result<Vec<EventLine>, Error> {
    let mut lines: BTreeMap<&str, EventLine> = BTreeMap::new();
    for told in later {
        if let Some(line) = lines.get_mut(told.event.id.as_str()) {
            line.2 += 1;
            continue;
        }
        let body = serde_json::to_string(&told.event).map_err(|error| Error::Refused(error.to_string()))?;
        lines.insert(&told.event.id, (told.event.id.clone(), told.due.unix_ms(), 1, body));
    }
    Ok(lines.into_values().collect())
}

pub(super) fn parcel(line: &DueLine) -> Result<Parcel, Error> {
    let (copies, body, tries) = line;
    let event = serde_json::from_str(body).map_err(|_| unreadable("event"))?;
    Ok(Parcel { event, copies: counted(*copies)?, tries: counted(*tries)? })
}

pub(super) fn refused(line: RefusedLine) -> Result<Refused, Error> {
    let (event_id, tries, answer, at_ms, given_up) = line;
    Ok(Refused { event_id, tries: counted(tries)?, answer, at: Time::from_unix_ms(at_ms), given_up })
}

fn amount(minor: i64, currency: &str) -> Result<Money, Error> {
    let currency = Currency::from_code(currency).ok_or_else(|| unreadable("currency"))?;
    Money::from_minor(minor, currency).map_err(|_| unreadable("amount"))
}

fn counted(number: i64) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| unreadable("count"))
}

/// The books contain something that this program does not write.
fn unreadable(what: &str) -> Error {
    Error::Refused(format!("the mock world's books hold an impossible {what}"))
}
