//! Money is calculated in whole minor units, from the digits as stored, and compared with the provider's books.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::case::Case;
use super::document::{has, list, number, text};
use super::world::{Charged, World};
use super::{Claim, Findings};

pub(super) fn judge(case: &Case, world: &mut World, findings: &mut Findings) {
    let mut charged = world.take_charges(&case.id);
    let id = &case.id;
    let order = |why: String| format!("order {id}: {why}");
    let beside = charged.beside(case.payment.as_ref().and_then(name_of_capture));
    if charged.captured_minor != 0 || case.payment.is_some() {
        findings.check(Claim::M3, charged.captures <= 1, || {
            order(format!("the provider captured {} times", charged.captures))
        });
    }
    for second in beside.iter().filter(|_| !world.moving(id)) {
        let (name, back, of) = (&second.name, second.refunded_minor, second.captured_minor);
        findings.check(Claim::M3, back == of, || {
            order(format!("the provider captured a second time, as {name}, and gave back {back} of {of}"))
        });
    }
    if let Some(payment) = &case.payment {
        findings.result(Claim::M4, never_more_back(payment).map_err(order));
    }
    findings.result(Claim::M1, same_books(case, &charged, world).map_err(order));
    let Some(document) = &case.order else { return };
    let bill = bill(document).and_then(|bill| paid_for(&bill, case, &charged).map(|()| bill));
    match bill {
        Ok(bill) => {
            findings.check(Claim::M5, true, String::new);
            let kept = charged.captured_minor - charged.refunded_minor - by_hand(case);
            let owed = owed(case, document, &bill, world);
            findings.check(Claim::M2, owed.contains(&kept), || {
                let status = text(document, "status");
                let source = charged.source();
                order(format!("it is {status} and owes {owed:?} minor units; {kept} were kept{source}"))
            });
        }
        Err(why) => findings.check(Claim::M5, false, || order(why)),
    }
}

/// By our own books.
fn never_more_back(payment: &Value) -> Result<(), String> {
    let captured = number(payment, "captured_minor").ok_or("its payment does not say what was captured")?;
    let refunded = number(payment, "refunded_minor").ok_or("its payment does not say what went back")?;
    let meant: i64 = list(payment, "refunds").iter().map(amount_of_refund).sum();
    if refunded < 0 || refunded > captured || meant > captured {
        return Err(format!("of {captured} minor units {refunded} went back, and {meant} are meant to"));
    }
    let done: i64 = refunds(payment, "done").map(amount_of_refund).sum();
    if done != refunded {
        return Err(format!("{refunded} minor units are booked as given back, its refunds add up to {done}"));
    }
    Ok(())
}

/// Our books may lack what the provider has not reported yet, as long as the order shows that something is missing.
fn same_books(case: &Case, charged: &Charged, world: &World) -> Result<(), String> {
    let (theirs, theirs_back, source) = (charged.captured_minor, charged.refunded_minor, charged.source());
    let Some(payment) = &case.payment else {
        return match theirs {
            0 => Ok(()),
            _ if world.was_told_early(&case.id) => Ok(()),
            _ => Err(format!(
                "the provider captured {theirs} minor units{source}, and we have no payment for it"
            )),
        };
    };
    if is_being_learned(case, world) {
        return Ok(());
    }
    let ours = number(payment, "captured_minor").unwrap_or(-1);
    let untold = match text(payment, "status") {
        "asked" | "checking" | "undoing" => true,
        "given_up" | "declined" => world.may_be_told(&case.id),
        _ => false,
    };
    if ours != theirs && !(untold && ours == 0) {
        return Err(format!("we have {ours} minor units as captured, the provider {theirs}{source}"));
    }
    let ours_back = number(payment, "refunded_minor").unwrap_or(-1) - by_hand(case);
    let asked: i64 = refunds(payment, "asked").map(amount_of_refund).sum();
    if !(ours_back..=ours_back + asked).contains(&theirs_back) {
        return Err(format!(
            "we have {ours_back} minor units as given back, the provider {theirs_back}{source}"
        ));
    }
    Ok(())
}

/// A message passes on to the provider's books what an event from outside reported, and it may be in flight.
fn is_being_learned(case: &Case, world: &World) -> bool {
    let told = |payment: &Value| payment["told_outside"] == Value::Bool(true) || outside(payment) > 0;
    case.payment.as_ref().is_some_and(told) && world.moving(&case.id)
}

/// How much the provider should have kept, in minor units.
fn owed(case: &Case, order: &Value, bill: &Bill, world: &World) -> RangeInclusive<i64> {
    let undone = case.checkout().is_some_and(|saga| text(saga, "status") == "undone");
    let payment = case.payment.as_ref();
    // The provider may have taken another amount than it was asked for; all of that is refunded.
    let most = bill.total.max(payment.and_then(|payment| number(payment, "captured_minor")).unwrap_or(0));
    // Money that comes after the order was given up is refunded; until then it is there.
    let late = payment.map_or(world.was_told_early(&case.id), |payment| {
        let untold = number(payment, "captured_minor") == Some(0);
        refunds(payment, "asked").next().is_some() || (untold && world.may_be_told(&case.id))
    });
    if is_being_learned(case, world) {
        return 0..=most;
    }
    if has(order, "reached", "fulfilled") {
        // What was refunded at the provider's side belongs to none of the order's returns. A return's money may be
        // back before the order hears of it. A return refunds no more than was left.
        let kept = bill.total - payment.map_or(0, outside);
        return (kept - bill.returns).max(0)..=(kept - bill.returned).max(0);
    }
    match text(order, "status") {
        "cancelled" | "refunded" | "archived" if undone && !late => 0..=0,
        _ => 0..=most,
    }
}

/// An order's sums, which are checked before they are used.
struct Bill {
    total: i64,
    currency: String,
    /// Of returns that are done, and of all that were requested.
    returned: i64,
    returns: i64,
}

fn bill(order: &Value) -> Result<Bill, String> {
    let (total, scale, currency) = minor(&order["total"])?;
    let read = |money: &Value| match minor(money)? {
        (minor, ..) if minor < 0 => Err(format!("{money} is negative")),
        (minor, its_scale, its_currency) if (its_scale, its_currency) == (scale, currency) => Ok(minor),
        _ => Err(format!("{money} is not in {currency} with {scale} digits after the point")),
    };
    read(&order["total"])?;
    let (subtotal, discount) = (read(&order["subtotal"])?, read(&order["discount"])?);
    let mut sum = 0_i64;
    for item in list(order, "items") {
        let quantity = number(item, "quantity").filter(|quantity| *quantity > 0);
        let line = quantity.and_then(|quantity| read(&item["unit_price"]).ok()?.checked_mul(quantity));
        if line != Some(read(&item["line_total"])?) {
            return Err(format!("{} times its price is not {}", text(item, "sku"), item["line_total"]));
        }
        sum = line.and_then(|line| sum.checked_add(line)).ok_or("its lines are too much to add")?;
    }
    if sum != subtotal || subtotal - discount != total {
        return Err(format!("lines of {sum} − discount of {discount} are not {total} minor units"));
    }
    let (mut returned, mut returns) = (0, 0);
    for one in list(order, "returns") {
        let amount = read(&one["amount"])?;
        returns += amount;
        returned += if one["done"] == Value::Bool(true) { amount } else { 0 };
    }
    if returns > total || read(&order["refunded"])? != returned {
        return Err(format!(
            "returns of {returns} ({returned} done) do not fit a total of {total} minor units"
        ));
    }
    Ok(Bill { total, currency: currency.to_string(), returned, returns })
}

/// What was asked of the provider, and what it took, is the order's total in the order's currency.
fn paid_for(bill: &Bill, case: &Case, charged: &Charged) -> Result<(), String> {
    let charge = case.payment.as_ref().map_or(&Value::Null, |payment| &payment["charge"]);
    if !charge.is_null() {
        let (asked, _, currency) = minor(&charge["amount"])?;
        if asked != bill.total || currency != bill.currency {
            return Err(format!("its total is {} minor units, {asked} {currency} were charged", bill.total));
        }
    }
    if charged.captures == 1
        && charged.currency != bill.currency
        && charged.captured_minor != charged.refunded_minor
    {
        return Err(format!("it is in {}, the provider captured {}", bill.currency, charged.currency));
    }
    Ok(())
}

fn refunds<'a>(payment: &'a Value, state: &'a str) -> impl Iterator<Item = &'a Value> {
    list(payment, "refunds").iter().filter(move |refund| text(refund, "state") == state)
}

fn amount_of_refund(refund: &Value) -> i64 {
    minor(&refund["amount"]).map_or(i64::from(i32::MIN), |(minor, ..)| minor)
}

/// Refunded without the provider's knowledge.
fn by_hand(case: &Case) -> i64 {
    let payment = case.payment.as_ref().unwrap_or(&Value::Null);
    refunds(payment, "done").filter(|refund| !refund["by_hand"].is_null()).map(amount_of_refund).sum()
}

/// The provider's id of the capture that paid for the order, by our books.
fn name_of_capture(payment: &Value) -> Option<&str> {
    payment["charge"]["transaction_id"].as_str().or_else(|| payment["unasked"].as_str())
}

/// Refunds that were not asked for here.
fn outside(payment: &Value) -> i64 {
    refunds(payment, "done")
        .filter(|refund| refund["outside"] == Value::Bool(true))
        .map(amount_of_refund)
        .sum()
}

/// `"12.30"` is 1230 with two digits after the point. Anything but plain digits is refused.
fn minor(money: &Value) -> Result<(i64, usize, &str), String> {
    let (amount, currency) = (text(money, "amount"), text(money, "currency"));
    let digits = amount.strip_prefix('-').unwrap_or(amount);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(part) || currency.len() != 3 {
        return Err(format!("{money} is no amount of money"));
    }
    let minor: i64 = format!("{whole}{part}").parse().map_err(|_| format!("{money} is too large"))?;
    Ok((if amount.starts_with('-') { -minor } else { minor }, part.len(), currency))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_they_stand_and_nothing_else_is() {
        let money = |amount: &str| serde_json::json!({ "amount": amount, "currency": "EUR" });
        let read = |amount: &str| minor(&money(amount)).map(|(minor, scale, _)| (minor, scale)).ok();
        assert_eq!(read("12.30"), Some((1230, 2)));
        assert_eq!(read("-0.05"), Some((-5, 2)));
        assert_eq!(read("500"), Some((500, 0)));
        for wrong in ["", ".5", "1e3", "1.2.3", "--1", "12,30", "99999999999999999999"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
