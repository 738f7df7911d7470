//! Which amounts are accepted, how large they may become, and that sums are exact.

use rust_decimal::Decimal;

use super::eur;
use crate::*;

/// Ten trillion cents.
const MOST: i64 = 10_000_000_000_000;

fn currency(code: &str) -> Currency {
    Currency::from_code(code).unwrap()
}

fn read(amount: &str) -> Result<i64, MoneyError> {
    Money::parse(amount, currency("EUR")).map(Money::minor)
}

fn cents(minor: i64) -> Money {
    Money::from_minor(minor, currency("EUR")).unwrap()
}

#[test]
fn an_amount_is_digits_with_one_point_and_perhaps_a_sign_before_them() {
    let padded = format!("{:0>32}", "1.00");
    for (text, minor) in [
        ("12.34", 1234),
        ("12.3", 1230),
        ("12", 1200),
        ("12.340", 1234),
        ("0", 0),
        ("-0.01", -1),
        (&padded, 100),
    ] {
        assert_eq!(read(text), Ok(minor), "{text}");
    }
    let too_long = format!("{:0>33}", "1.00");
    for text in ["", "-", ".", "1,00", "1_0", "+1", " 1", "1e3", "1-", "1.0.0", "one", &too_long] {
        assert_eq!(read(text), Err(MoneyError::NotDecimal), "{text}");
    }
    let why = read("0.001").unwrap_err().to_string();
    assert_eq!(why, "0.001 has more digits after the point than EUR");
}

#[test]
fn each_currency_has_its_own_number_of_digits_after_the_point() {
    for (code, amount, minor) in [("EUR", "1.00", 100), ("JPY", "1", 1), ("BHD", "1.000", 1000)] {
        let money = Money::parse("1", currency(code)).unwrap();
        assert_eq!((money.minor(), money.to_string()), (minor, format!("{amount} {code}")));
        assert_eq!(format!("{money:?} in {:?}", money.currency()), format!("{amount} {code} in {code}"));
    }
    assert!(Currency::from_code("XAU").is_none(), "gold has no smallest coin");
}

#[test]
fn no_amount_and_no_sum_is_larger_than_ten_trillion_cents() {
    for sign in [1, -1] {
        assert_eq!(Money::from_minor(sign * MOST, currency("EUR")), Ok(cents(sign * MOST)));
        assert_eq!(Money::from_minor(sign * (MOST + 1), currency("EUR")), Err(MoneyError::TooLarge));
    }
    assert_eq!(read("100000000000.00"), Ok(MOST));
    assert_eq!(read("100000000000.01"), Err(MoneyError::TooLarge));
    let (most, cent) = (cents(MOST), cents(1));
    assert_eq!(most.plus(cent), Err(MoneyError::TooLarge));
    assert_eq!(cents(-MOST).minus(cent), Err(MoneyError::TooLarge));
    assert_eq!(most.times(2), Err(MoneyError::TooLarge));
    assert_eq!(most.minus(cent).and_then(|less| less.plus(cent)), Ok(most));
}

#[test]
fn sums_are_exact_and_of_one_currency() {
    assert_eq!(eur("49.99").plus(eur("0.02")), Ok(eur("50.01")));
    assert_eq!(eur("50.00").minus(eur("50.01")), Ok(eur("-0.01")));
    assert_eq!(eur("3.33").times(3), Ok(eur("9.99")));
    assert_eq!(eur("3.33").times(0), Ok(Money::zero(currency("EUR"))));
    let why = eur("1.00").minus(Money::zero(currency("JPY"))).unwrap_err().to_string();
    assert_eq!(why, "EUR and JPY cannot be added");
}

#[test]
fn a_share_is_rounded_to_a_whole_cent_and_half_a_cent_to_the_even_one() {
    let share = |amount, part: i64, whole: i64| {
        eur(amount).share(Decimal::from(part), Decimal::from(whole)).map(Money::minor)
    };
    assert_eq!(share("10.00", 1, 3), Ok(333));
    assert_eq!(share("10.00", 2, 3), Ok(667));
    assert_eq!((share("0.05", 1, 2), share("0.15", 1, 2)), (Ok(2), Ok(8)));
    assert_eq!(share("10.00", 1, 0), Err(MoneyError::TooLarge));
}

#[test]
fn nothing_and_less_than_nothing_are_told_apart() {
    for (minor, nothing, less) in [(-1, false, true), (0, true, false), (1, false, false)] {
        assert_eq!((cents(minor).is_zero(), cents(minor).is_negative()), (nothing, less), "{minor}");
    }
}

#[test]
fn a_method_carries_its_limit_and_no_cent_more() {
    for (method, most, more, name) in [
        (Method::Card, "50000.00", "50000.01", "card"),
        (Method::DebitCard, "10000.00", "10000.01", "debit card"),
        (Method::Paypal, "10000.00", "10000.01", "PayPal"),
        (Method::Cod, "2000.00", "2000.01", "cash on delivery"),
    ] {
        assert_eq!(method.over_limit(eur(most)), None);
        let why = format!("{more} EUR is more than {most} EUR, the most for {name}");
        assert_eq!(method.over_limit(eur(more)), Some(why));
    }
}
