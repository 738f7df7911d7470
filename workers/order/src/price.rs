//! Prices come from the catalogue, never from the sender, and every reason against a cart is found at once.

use std::collections::BTreeMap;

use contract::{Cart, Currency, Fault, Item, Line, Money, MoneyError, Records, Submit, Time};
use rust_decimal::Decimal;

use crate::{Discount, Product, Record, catalogue, methods};

pub(crate) struct Priced {
    pub(crate) items: Vec<Item>,
    pub(crate) subtotal: Money,
    pub(crate) discount: Money,
    pub(crate) total: Money,
}

pub(crate) fn price(
    records: &Records<Record>,
    submit: &Submit,
    cart: &Cart,
    now: Time,
) -> Result<Priced, Vec<Fault>> {
    let mut faults: Vec<Fault> = methods::fault(records, cart).into_iter().collect();
    let mut items = Vec::with_capacity(cart.lines.len());
    let mut currencies: BTreeMap<&'static str, Currency> = BTreeMap::new();
    for line in &cart.lines {
        let Some(product) = catalogue::on_sale(records, &line.sku) else {
            let message = format!("there is no product {}", line.sku);
            faults.push(Fault::new(submit.field_of(&line.sku, &cart.lines), "product_unknown", message));
            continue;
        };
        currencies.insert(product.price.currency().code(), product.price.currency());
        match product.price.times(line.quantity) {
            Ok(line_total) => items.push(item(product, line, line_total)),
            Err(error) => faults.push(too_large(submit.field_of(&line.sku, &cart.lines), &error)),
        }
    }
    let discount = cart.discount_code.as_deref().map(|code| valid_discount(records, code, now)).transpose();
    let discount = discount.unwrap_or_else(|fault| {
        faults.push(fault);
        None
    });
    // Sums need one currency: without it, only the faults found so far are reported.
    let mut codes = currencies.into_iter();
    let currency = match (codes.next(), codes.next()) {
        (Some((_, currency)), None) => currency,
        (None, _) if faults.is_empty() => {
            return Err(vec![Fault::new("items", "cart_empty", "there is nothing to check out")]);
        }
        (None, _) => return Err(faults),
        (Some((a, _)), Some((b, _))) => {
            let message = format!("prices in {a} and {b} cannot be added: order them separately");
            faults.push(Fault::new("items", "currencies_mixed", message));
            return Err(faults);
        }
    };
    let summed = sum_up(items, currency, discount);
    if let Some(why) = summed.as_ref().ok().and_then(|priced| cart.payment.method.over_limit(priced.total)) {
        faults.push(Fault::new("payment.method", "amount_over_limit", why));
    }
    match summed {
        Ok(priced) if faults.is_empty() => Ok(priced),
        Ok(_) => Err(faults),
        Err(fault) => {
            faults.push(fault);
            Err(faults)
        }
    }
}

fn sum_up(items: Vec<Item>, currency: Currency, discount: Option<&Discount>) -> Result<Priced, Fault> {
    let too_large = |error: MoneyError| too_large("items".into(), &error);
    let line_totals = items.iter().map(|item| item.line_total);
    let subtotal = line_totals.into_iter().try_fold(Money::zero(currency), Money::plus).map_err(too_large)?;
    let discount = match discount {
        Some(discount) => taken_off(discount, subtotal)?,
        None => Money::zero(currency),
    };
    let total = subtotal.minus(discount).map_err(too_large)?;
    Ok(Priced { items, subtotal, discount, total })
}

fn taken_off(discount: &Discount, subtotal: Money) -> Result<Money, Fault> {
    match (discount.percent, discount.amount) {
        (Some(percent), _) => {
            let share = subtotal.share(percent, Decimal::ONE_HUNDRED);
            share.map_err(|error| too_large("discount_code".into(), &error))
        }
        (None, Some(amount)) if amount.currency() != subtotal.currency() => {
            let (theirs, ours) = (amount.currency().code(), subtotal.currency().code());
            Err(bad_discount(format!("{} takes off {theirs}, and the prices are in {ours}", discount.code)))
        }
        (None, Some(amount)) if amount.minor() > subtotal.minor() => Ok(subtotal),
        (None, Some(amount)) => Ok(amount),
        (None, None) => Ok(Money::zero(subtotal.currency())),
    }
}

fn valid_discount<'a>(records: &'a Records<Record>, code: &str, now: Time) -> Result<&'a Discount, Fault> {
    match records.get::<Discount>(code) {
        None => Err(bad_discount(format!("there is no discount {code}"))),
        Some(discount) if !discount.active => Err(bad_discount(format!("{code} is not active"))),
        Some(discount) => match discount.valid_until {
            Some(until) if now > until => Err(bad_discount(format!("{code} was valid until {until}"))),
            Some(_) | None => Ok(discount),
        },
    }
}

fn item(product: &Product, line: &Line, line_total: Money) -> Item {
    Item {
        sku: product.sku.clone(),
        title: product.title.clone(),
        author: product.author.clone(),
        quantity: line.quantity,
        unit_price: product.price,
        line_total,
    }
}

fn bad_discount(message: String) -> Fault {
    Fault::new("discount_code", "discount_invalid", message)
}

fn too_large(field: String, error: &MoneyError) -> Fault {
    Fault::new(field, "amount_too_large", error.to_string())
}
