//! A mailbox holds one notice per key, with the address in full; the log line about it has the address masked.

use std::sync::Arc;

use async_trait::async_trait;

use super::{MockWorld, failure};
use crate::Failure;
use crate::channel::{Channel, Notice, masked};

pub struct MockChannel {
    world: Arc<MockWorld>,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Email,
    Sms,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Email => "email",
            Kind::Sms => "sms",
        }
    }
}

impl MockWorld {
    pub fn email(self: &Arc<Self>) -> MockChannel {
        MockChannel { world: self.clone(), kind: Kind::Email }
    }

    pub fn sms(self: &Arc<Self>) -> MockChannel {
        MockChannel { world: self.clone(), kind: Kind::Sms }
    }
}

#[async_trait]
impl Channel for MockChannel {
    async fn hand_over(&self, notices: &[Notice<'_>]) -> Vec<Result<(), Failure>> {
        if notices.is_empty() {
            return Vec::new();
        }
        let lines: Vec<_> =
            notices.iter().map(|notice| (notice.key, notice.to, notice.subject, notice.text)).collect();
        let mut new = match self.world.storage.put(self.kind.name(), &lines, self.world.now()).await {
            Ok(new) => new,
            Err(error) => {
                return notices.iter().map(|_| Err(failure(&error))).collect();
            }
        };
        let log = |notice: &Notice<'_>| {
            // Of two notices under one key in this batch, the first was put.
            if new.remove(notice.key) {
                self.kind.log(notice);
            }
            Ok(())
        };
        notices.iter().map(log).collect()
    }
}

impl Kind {
    /// Formatted as people know them.
    fn log(self, notice: &Notice<'_>) {
        let (to, text) = (masked(notice.to), notice.text);
        let order_id = tracing::field::display(notice.order_id);
        match self {
            Kind::Email => {
                let subject = notice.subject.unwrap_or_default();
                tracing::info!(
                    order_id,
                    key = notice.key,
                    "E-mail\nTo: {to}\nSubject: {subject}\n\n{text}\n"
                );
            }
            Kind::Sms => tracing::info!(order_id, key = notice.key, "SMS to {to}: {text}"),
        }
    }
}
