//! The catalogue takes only what can be shown and charged; anything else is parked with what to change.

use contract::{
    Body, Decision, DiscountUpsert, Need, ProductUpsert, Records, Sku, StockCount, Table, clean_text,
};
use rust_decimal::Decimal;

use crate::{Discount, Product, Record};

const TITLE_CHARS_MAX: usize = 200;
const CODE_BYTES_MAX: usize = 40;
/// Finer percentages are typing errors.
const PERCENT_DECIMALS_MAX: u32 = 4;

pub(crate) fn product(upsert: &ProductUpsert) -> Decision<Record> {
    if let Err(why) = product_fault(upsert) {
        return Decision::parked("product_invalid", format!("product {}: {why}", upsert.sku));
    }
    let decision = Decision::done("product saved").save(Product {
        sku: upsert.sku.clone(),
        title: upsert.title.clone(),
        author: upsert.author.clone(),
        price: upsert.price,
        retired: false,
    });
    match upsert.on_hand {
        Some(on_hand) => decision.say(Body::StockCount(StockCount { sku: upsert.sku.clone(), on_hand })),
        None => decision,
    }
}

/// The product with that SKU, if it may be ordered today.
pub(crate) fn on_sale<'a>(records: &'a Records<Record>, sku: &Sku) -> Option<&'a Product> {
    records.get::<Product>(sku.as_str()).filter(|product| !product.retired)
}

pub(crate) fn retire(records: &Records<Record>, sku: &Sku) -> Decision<Record> {
    match records.get::<Product>(sku.as_str()) {
        None => Decision::parked("product_unknown", format!("there is no product {sku} to retire")),
        Some(product) if product.retired => Decision::ignored("it was retired before"),
        Some(product) => Decision::done("product retired").save(Product { retired: true, ..product.clone() }),
    }
}

/// A code that will be refused is not looked up: not every text can be a key in every database.
pub(crate) fn discount_needs(upsert: &DiscountUpsert) -> Vec<Need> {
    let discount = read_discount(upsert).ok();
    discount.map(|discount| Need::of(Table::Discounts, discount.code)).into_iter().collect()
}

pub(crate) fn discount(upsert: &DiscountUpsert) -> Decision<Record> {
    match read_discount(upsert) {
        Ok(discount) => Decision::done("discount saved").save(discount),
        Err(why) => Decision::parked("discount_invalid", why),
    }
}

fn product_fault(upsert: &ProductUpsert) -> Result<(), String> {
    clean_text(&upsert.title, TITLE_CHARS_MAX).map_err(|why| format!("title {why}"))?;
    if let Some(author) = &upsert.author {
        clean_text(author, TITLE_CHARS_MAX).map_err(|why| format!("author {why}"))?;
    }
    if upsert.price.is_negative() {
        return Err("price is negative; 0 or more".into());
    }
    Ok(())
}

fn read_discount(upsert: &DiscountUpsert) -> Result<Discount, String> {
    let code = &upsert.code;
    if !(1..=CODE_BYTES_MAX).contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("code must have 1 to {CODE_BYTES_MAX} visible ASCII characters"));
    }
    let percent = match (&upsert.percent, upsert.amount) {
        (Some(percent), None) => Some(read_percent(percent)?),
        (None, Some(amount)) if amount.is_zero() || amount.is_negative() => {
            return Err("amount must be more than 0".into());
        }
        (None, Some(_)) => None,
        (Some(_), Some(_)) | (None, None) => return Err("give either percent or amount".into()),
    };
    Ok(Discount {
        code: code.clone(),
        percent,
        amount: upsert.amount,
        valid_until: upsert.valid_until,
        active: upsert.active,
    })
}

/// Plain digits with at most one point between them: the decimal parser alone would take `1_0`.
fn read_percent(text: &str) -> Result<Decimal, String> {
    let plain = text.len() <= 32
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_digit());
    let percent = plain.then(|| text.parse::<Decimal>().ok()).flatten().map(|percent| percent.normalize());
    percent
        .filter(|percent| *percent > Decimal::ZERO && *percent <= Decimal::ONE_HUNDRED)
        .filter(|percent| percent.scale() <= PERCENT_DECIMALS_MAX)
        .ok_or_else(|| {
            let decimals = PERCENT_DECIMALS_MAX;
            format!(
                "percent must be a decimal string like \"12.5\": over 0, at most 100, at most {decimals} decimals"
            )
        })
}
