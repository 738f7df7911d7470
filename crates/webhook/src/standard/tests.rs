//! Signatures of another implementation are verified, and everything else is the same forgery.

use super::*;
use crate::TOLERANCE_S;

/// The bytes 0 to 31, and the 24 letters from A on.
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER: &str = "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY";
const ID: &str = "evt_1";
const AT: i64 = 1_700_000_000;
const BODY: &[u8] = b"{}";
/// By Python: `hmac.new(bytes(range(32)), b"evt_1.1700000000.{}", hashlib.sha256)`.
const SIGNED: &str = "v1,bXtchBV0Hi1flm60IFUb87JKA3d/Yvv8UoEjbNotegk=";

fn secrets(text: &str) -> Secrets {
    Secrets::try_from(text.to_string()).unwrap()
}

/// How a receiver with the secrets `ours` judges it at that moment.
fn verified(ours: &str, headers: Headers<'_>, body: &[u8], now_s: i64) -> Result<(), Forged> {
    secrets(ours).verify(headers, body, now_s)
}

fn headers<'a>(id: &'a str, timestamp: &'a str, signature: &'a str) -> Headers<'a> {
    Headers { id, timestamp, signature }
}

#[test]
fn a_signature_made_by_another_program_is_recognised() {
    assert_eq!(secrets(SECRET).sign(ID, AT, BODY), SIGNED);
    assert_eq!(verified(SECRET, headers(ID, "1700000000", SIGNED), BODY, AT), Ok(()));
}

#[test]
fn while_a_secret_is_replaced_both_count() {
    let both = format!("{OTHER}, {SECRET}");
    assert_eq!(verified(&both, headers(ID, "1700000000", SIGNED), BODY, AT), Ok(()));
    let by_both = secrets(&both).sign(ID, AT, BODY);
    assert!(by_both.ends_with(SIGNED) && by_both.len() > SIGNED.len(), "{by_both}");
    for one in [SECRET, OTHER] {
        assert_eq!(verified(one, headers(ID, "1700000000", &by_both), BODY, AT), Ok(()));
    }
    let with_others = format!("v1a,{} v2,x v1,!! {SIGNED}", &SIGNED[3..]);
    assert_eq!(verified(SECRET, headers(ID, "1700000000", &with_others), BODY, AT), Ok(()));
}

#[test]
fn it_counts_from_five_minutes_before_to_five_minutes_after() {
    let at = |now_s| verified(SECRET, headers(ID, "1700000000", SIGNED), BODY, now_s);
    for off in [-TOLERANCE_S, TOLERANCE_S] {
        assert_eq!(at(AT + off), Ok(()), "{off}");
        assert_eq!(at(AT + off + off.signum()), Err(Forged), "{off} and a second");
    }
    assert_eq!(at(i64::MIN), Err(Forged));
}

#[test]
fn every_way_in_which_a_signature_can_be_wrong_is_the_same() {
    let many = [vec!["v1,AAAA"; SIGNATURES_MAX], vec![SIGNED]].concat().join(" ");
    let twice = format!("{},{SIGNED}", &SIGNED[..2]);
    for (why, ours, headers, body) in [
        ("nothing signed it", SECRET, headers(ID, "1700000000", ""), BODY),
        ("no scheme", SECRET, headers(ID, "1700000000", &SIGNED[3..]), BODY),
        ("another scheme", SECRET, headers(ID, "1700000000", &SIGNED.replace("v1", "v2")), BODY),
        ("cut short", SECRET, headers(ID, "1700000000", &SIGNED[..30]), BODY),
        ("nothing in it", SECRET, headers(ID, "1700000000", "v1,"), BODY),
        ("no base64", SECRET, headers(ID, "1700000000", "v1,~~~~"), BODY),
        ("scheme upon scheme", SECRET, headers(ID, "1700000000", &twice), BODY),
        ("behind too many others", SECRET, headers(ID, "1700000000", &many), BODY),
        ("another secret", OTHER, headers(ID, "1700000000", SIGNED), BODY),
        ("no secret", "", headers(ID, "1700000000", SIGNED), BODY),
        ("another body", SECRET, headers(ID, "1700000000", SIGNED), b"{ }"),
        ("another id", SECRET, headers("evt_2", "1700000000", SIGNED), BODY),
        ("no id", SECRET, headers("", "1700000000", SIGNED), BODY),
        ("the dot is elsewhere", SECRET, headers("evt_1.1700000000", "", SIGNED), BODY),
        ("another time", SECRET, headers(ID, "1700000001", SIGNED), BODY),
        ("no time", SECRET, headers(ID, "", SIGNED), BODY),
        ("a time with a sign", SECRET, headers(ID, "+1700000000", SIGNED), BODY),
        ("a time that is none", SECRET, headers(ID, "99999999999999999999", SIGNED), BODY),
    ] {
        assert_eq!(verified(ours, headers, body, AT), Err(Forged), "{why}");
    }
}

#[test]
fn a_secret_that_is_weak_or_mistyped_is_refused_and_not_repeated() {
    let encoded = |bytes: usize| format!("whsec_{}", BASE64.encode(vec![7; bytes]));
    for good in ["", SECRET, &format!("{SECRET},"), &encoded(KEY_BYTES_MIN), &encoded(KEY_BYTES_MAX)] {
        assert!(Secrets::try_from(good.to_string()).is_ok(), "{good}");
    }
    let many = [SECRET; 9].join(",");
    for (bad, says) in [
        (encoded(KEY_BYTES_MIN - 1).as_str(), "24 to 64 bytes and holds 23"),
        (&encoded(KEY_BYTES_MAX + 1), "holds 65"),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "begin with whsec_"),
        ("whsec_s3cret!", "base64"),
        (&many, "not be more than 8"),
    ] {
        let why = Secrets::try_from(bad.to_string()).unwrap_err();
        assert!(why.contains(says) && !why.contains("s3cret") && !why.contains("AAEC"), "{why}");
    }
    assert_eq!(format!("{:?}", secrets(SECRET)), "1 secrets");
    assert_ne!(Secrets::made_up().sign(ID, AT, BODY), Secrets::made_up().sign(ID, AT, BODY));
}
