//! No unknown sender is trusted, and what a trusted sender sends is understood or refused with a reason.

use contract::ProviderEvent;
use fuzz::{JSON, Target, refusal};

use super::event::{self, Heard, Unreadable};
use super::standard;
use super::stripe::{self, Said};

const NOW_S: i64 = 1_700_000_000;

/// The input is the body.
#[test]
fn an_event_is_understood_and_stays_the_same_or_is_refused_without_repeating_it() {
    Target { name: "event", words: JSON }.run(|body| {
        let ours = became(event::read(body), body);
        let theirs = stripe::read(body).map(|said| match said {
            Said::Heard(heard) => heard,
            Said::OfCharge { event, .. } => Heard::Event(event),
        });
        let theirs = became(theirs, body);
        format!("{ours} {theirs}")
    });
}

fn became(read: Result<Heard, Unreadable>, body: &[u8]) -> String {
    match read {
        Ok(Heard::Event(event)) => {
            let json = serde_json::to_vec(&event).expect("an event is JSON");
            let again: ProviderEvent = serde_json::from_slice(&json).expect("what we write we can read");
            assert_eq!(again, *event, "it is not the same after it was kept");
            format!("{:?}", event.kind)
        }
        Ok(Heard::SetAside { why, .. }) => why.to_string(),
        // The id is the sender's own and is returned to no other.
        Err(Unreadable { why, .. }) => refusal("unreadable", &why, body),
    }
}

/// The input is three lines (id, time and signature) and the body. Only one combination of them was signed.
#[test]
fn a_signature_is_believed_for_what_it_was_made_for_and_for_nothing_else() {
    let signed = (b"evt_1".to_vec(), NOW_S.to_string().into_bytes(), b"{\"id\":\"evt_1\"}".to_vec());
    let secrets = |text: String| standard::Secrets::try_from(text).expect("a good secret");
    let standard = secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
    let stripe =
        stripe::Secrets::try_from("a secret of ours that is long enough".to_string()).expect("a good secret");
    let good = standard.sign("evt_1", NOW_S, &signed.2);
    let words: &'static [&'static str] =
        &["v1,", "v1a,", "t=", ",v1=", "=", ",", " ", ".", "evt_1", "1700000000", "-1", "00", "ff"];
    Target { name: "signature", words }.run(|input| {
        let mut lines = input.splitn(4, |byte| *byte == b'\n');
        let mut next = || lines.next().unwrap_or_default();
        let (id, timestamp, signature, body) = (next(), next(), next(), next());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (known_id, known_time, known_signature) = (text(id), text(timestamp), text(signature));
        // A file cannot hold a signature that depends on a random key: this word stands for it.
        let known_signature = known_signature.replace("GOOD", &good);
        let headers =
            standard::Headers { id: &known_id, timestamp: &known_time, signature: &known_signature };
        let believed = standard.verify(headers, body, NOW_S).is_ok();
        assert!(!believed || (id.to_vec(), timestamp.to_vec(), body.to_vec()) == signed, "forged");
        assert!(stripe.verify(&known_signature, body, NOW_S).is_err(), "nothing was signed with that secret");
        format!("{believed}")
    });
}
