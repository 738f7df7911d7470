//! A signature of another implementation in Stripe's form is verified, and everything else is a forgery.

use super::*;
use crate::TOLERANCE_S;

const SECRET: &str = "whsec_0123456789abcdefghijklmnopqrstuv";
const OTHER: &str = "whsec_vutsrqponmlkjihgfedcba9876543210";
const AT: i64 = 1_700_000_000;
const BODY: &[u8] = br#"{"id":"evt_1"}"#;
/// By Python: `hmac.new(SECRET, b'1700000000.{"id":"evt_1"}', hashlib.sha256).hexdigest()`.
const V1: &str = "03ae817788064aafa0663c12dfcde0472680b0d6f9edc892cfc717414281d09d";

fn verified(ours: &str, signature: &str, body: &[u8], now_s: i64) -> Result<(), Forged> {
    Secrets::try_from(ours.to_string()).unwrap().verify(signature, body, now_s)
}

#[test]
fn a_signature_made_by_another_program_is_recognised() {
    for good in [
        format!("t=1700000000,v1={V1}"),
        format!("v1={V1}, t=1700000000"),
        format!("t=1700000000,v1={},v1={V1},v0={V1}", "0".repeat(64)),
        format!("t=1700000000,v1={}", V1.to_uppercase()),
    ] {
        assert_eq!(verified(SECRET, &good, BODY, AT), Ok(()), "{good}");
        assert_eq!(verified(&format!("{OTHER},{SECRET}"), &good, BODY, AT), Ok(()), "{good}");
    }
}

#[test]
fn it_counts_from_five_minutes_before_to_five_minutes_after() {
    let at = |now_s| verified(SECRET, &format!("t=1700000000,v1={V1}"), BODY, now_s);
    for off in [-TOLERANCE_S, TOLERANCE_S] {
        assert_eq!(at(AT + off), Ok(()), "{off}");
        assert_eq!(at(AT + off + off.signum()), Err(Forged), "{off} and a second");
    }
}

#[test]
fn every_way_in_which_a_signature_can_be_wrong_is_the_same() {
    let right = format!("t=1700000000,v1={V1}");
    let many = format!("t=1700000000,{}v1={V1}", "v1=00,".repeat(SIGNATURES_MAX));
    for (why, ours, signature, body) in [
        ("nothing signed it", SECRET, "", BODY),
        ("no time", SECRET, &right[13..], BODY),
        ("no signature", SECRET, "t=1700000000", BODY),
        ("another scheme", SECRET, &right.replace("v1", "v0"), BODY),
        ("another time", SECRET, &right.replace("t=1700000000", "t=1700000001"), BODY),
        ("two times", SECRET, &format!("t=1700000000,{right}"), BODY),
        ("a time with a sign", SECRET, &right.replace("t=", "t=+"), BODY),
        ("cut short", SECRET, &right[..70], BODY),
        ("no hexadecimal", SECRET, &right.replace("03ae", "zzzz"), BODY),
        ("half a byte more", SECRET, &format!("{right}0"), BODY),
        ("behind too many others", SECRET, &many, BODY),
        ("another secret", OTHER, &right, BODY),
        ("no secret", "", &right, BODY),
        ("another body", SECRET, &right, br#"{"id":"evt_2"}"#),
    ] {
        assert_eq!(verified(ours, signature, body, AT), Err(Forged), "{why}");
    }
}

#[test]
fn a_secret_that_is_too_short_is_refused_and_not_repeated() {
    assert!(Secrets::try_from(String::new()).unwrap().is_empty());
    let why = Secrets::try_from("whsec_s3cret".to_string()).unwrap_err();
    assert!(why.contains("24 to 256 characters and has 12") && !why.contains("s3cret"), "{why}");
    assert_eq!(format!("{:?}", Secrets::try_from(SECRET.to_string()).unwrap()), "1 secrets");
}
