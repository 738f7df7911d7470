use std::sync::Mutex;

use expect_test::expect;

use contract::OrderId;

use super::*;
use crate::channel::{Channel, Notice, masked};

fn notice<'a>(key: &'a str, to: &'a str) -> Notice<'a> {
    Notice { order_id: OrderId::default(), key, to, subject: Some("Your order"), text: "It is on its way." }
}

on_every_shelf!(one_notice_per_key, addresses_are_masked_in_logs,);

async fn one_notice_per_key(on: On) {
    let mut world = World::new(on, Settings::default()).await;
    let (a, b) = (notice("a", "anna@example.org"), notice("b", "bert@example.org"));
    assert!(world.mock.email().hand_over(&[a, b, a]).await.iter().all(Result::is_ok));
    world.restart().await;
    assert!(world.mock.email().hand_over(&[a]).await[0].is_ok());
    let sms = Notice {
        order_id: OrderId::default(),
        key: "a",
        to: "+491701234567",
        subject: None,
        text: "On its way.",
    };
    assert!(world.mock.sms().hand_over(&[sms]).await[0].is_ok(), "each channel has its own keys");

    let sent = world.mock.sent_page(0, 10).await.unwrap();
    let sent: Vec<_> = sent.iter().map(|s| (&*s.channel, &*s.key, &*s.address)).collect();
    let expected = [
        ("email", "a", "anna@example.org"),
        ("email", "b", "bert@example.org"),
        ("sms", "a", "+491701234567"),
    ];
    assert_eq!(sent, expected);
}

async fn addresses_are_masked_in_logs(on: On) {
    assert_eq!(masked("anna@example.org"), "a***@example.org");
    assert_eq!(masked("a@example.org"), "***@example.org");
    assert_eq!(masked("\"x@y\"@example.org"), "\"***@example.org");
    assert_eq!(masked("+491701234567"), "+49*****67");
    assert_eq!(masked("1234567"), "*****");
    assert_eq!(masked(""), "*****");

    let log = Arc::new(Mutex::new(Vec::new()));
    let pen = log.clone();
    let listener = tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_writer(move || Pen(pen.clone()))
        .finish();
    let world = World::new(on, Settings::default()).await;
    let sms = Notice {
        order_id: OrderId::default(),
        key: "key-2",
        to: "+491701234567",
        subject: None,
        text: "On its way.",
    };
    // A listener that is being installed may miss a log line whose call site is used for the first time, so both call
    // sites are used before.
    world.mock.email().hand_over(&[notice("key-0", "anna@example.org")]).await.remove(0).unwrap();
    world.mock.sms().hand_over(&[Notice { key: "key-0", ..sms }]).await.remove(0).unwrap();
    let listening = tracing::subscriber::set_default(listener);
    let mail = notice("key-1", "anna@example.org");
    world.mock.email().hand_over(&[mail, mail]).await.remove(0).unwrap();
    world.mock.sms().hand_over(&[sms]).await.remove(0).unwrap();
    drop(listening);
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    expect![[r#"
         INFO checkout_adapters::mock::sent: E-mail
        To: a***@example.org
        Subject: Your order

        It is on its way.
         order_id=00000000-0000-0000-0000-000000000000 key="key-1"
         INFO checkout_adapters::mock::sent: SMS to +49*****67: On its way. order_id=00000000-0000-0000-0000-000000000000 key="key-2"
    "#]]
    .assert_eq(&log);
}

struct Pen(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
