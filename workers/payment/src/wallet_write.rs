//! Each write to a wallet is answered in the wallet itself, a refusal too: its sender waits for the answer there.

use contract::{Answers, Decision, MessageId, Time, WalletAdd, WalletChange, WalletRemove};

use crate::record::Record;
use crate::wallet::{Wallet, customer_fault};

/// One of the three ways to change a wallet.
#[derive(Clone, Copy)]
pub(crate) enum Write<'a> {
    Add(&'a WalletAdd),
    Change(&'a WalletChange),
    Remove(&'a WalletRemove),
}

impl<'a> Write<'a> {
    pub(crate) fn customer_id(self) -> &'a str {
        match self {
            Write::Add(m) => &m.customer_id,
            Write::Change(m) => &m.customer_id,
            Write::Remove(m) => &m.customer_id,
        }
    }
}

pub(crate) fn write(known: Option<&Wallet>, write: Write<'_>, id: &MessageId, now: Time) -> Decision<Record> {
    let customer_id = write.customer_id();
    if let Some(why) = customer_fault(customer_id) {
        return Decision::parked("customer_invalid", format!("customer_id {why}"));
    }
    let mut wallet = known.cloned().unwrap_or_else(|| Wallet {
        customer_id: customer_id.into(),
        methods: Vec::new(),
        answers: Answers::default(),
        updated_at: now,
    });
    let done = match write {
        Write::Add(m) => wallet.add(m, now),
        Write::Change(m) => wallet.change(m, now),
        Write::Remove(m) => wallet.remove(m),
    };
    let decision = match &done {
        Ok(()) => {
            wallet.updated_at = now;
            Decision::done("wallet written")
        }
        Err(_) => Decision::done("refused"),
    };
    assert!(
        wallet.methods.iter().filter(|one| one.default).count() == usize::from(!wallet.methods.is_empty())
    );
    wallet.answers.push(id, done.err());
    decision.save(wallet)
}
