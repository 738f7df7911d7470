//! The real workers, over tables in memory: the auditor reads what they write.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use contract::{
    Body, Message, Need, OrderId, ProviderEvent, ProviderEventData, ProviderEventKind, Queue, Raw, Record,
    Role, Speaker, Table, Time, Worker, bodies,
};
use serde_json::{Value, json};
use store::batch;
use store::{
    DeadGroup, DeadLetter, DeadLetters, DeadlineRow, Deadlines, Error, InFlight, Journal, JournalRow,
    Letters, Loaded, OrderDeadline, Outbox, Progress, Read, Records, Store, Transaction, Unreadable, Vitals,
};
use uuid::Uuid;

use crate::{BookedCharge, Books, SentNotice};

#[derive(Default)]
pub(super) struct Shop {
    tables: BTreeMap<(Table, String), Arc<str>>,
    pub(super) journal: Vec<JournalRow>,
    /// The ids of journal rows that cannot be read.
    pub(super) unreadable: Vec<String>,
    queue: VecDeque<(Queue, Arc<Message>)>,
    pub(super) deadlines: BTreeMap<String, Time>,
    pub(super) charges: Vec<BookedCharge>,
    pub(super) sent: Vec<(String, String)>,
    messages: u64,
}

pub(super) fn id(order: &str) -> OrderId {
    OrderId::new(Uuid::new_v5(&Uuid::NAMESPACE_OID, order.as_bytes()))
}

impl Shop {
    /// With two books to sell, at ten euros each.
    pub(super) fn open() -> Self {
        let mut shop = Self::default();
        for (sku, on_hand) in [("A", 1000), ("B", 800)] {
            let price = json!({"amount": "10.00", "currency": "EUR"});
            shop.command(
                "product.upsert",
                json!({"sku": sku, "title": sku, "price": price, "on_hand": on_hand}),
            );
        }
        shop.run();
        shop
    }

    pub(super) fn submit(&mut self, order: &str, method: &str, items: Value) {
        let contact = json!({"email": "a@b.example", "phone": "+491701234567"});
        let token = json!(order);
        let payment = json!({"method": method, "token": token});
        self.command(
            "checkout.submit",
            json!({"order_id": id(order), "customer_id": "c", "items": items, "payment": payment, "contact": contact}),
        );
    }

    pub(super) fn command(&mut self, name: &str, body: Value) {
        self.messages += 1;
        let message_id = Some(format!("outside {}", self.messages));
        let raw = Raw { message_id, name: name.into(), body: body.to_string().into(), ..Raw::default() };
        self.publish(&Arc::new(
            Message::accept(contract::speakers_of(name)[0], &raw, Time::default()).unwrap(),
        ));
    }

    pub(super) fn run(&mut self) {
        while self.step() {}
    }

    /// Handles one message. `false` when there is none.
    pub(super) fn step(&mut self) -> bool {
        let Some((queue, message)) = self.queue.pop_front() else { return false };
        let patience = saga::Patience { stock_s: 30, payment_s: 300, ship_s: 30, cod_s: 1000 };
        match queue.reader() {
            Role::Order => self.decide(&order::OrderWorker, &message),
            Role::Payment => self.decide(&payment::PaymentWorker, &message),
            Role::Stock => self.decide(&stock::StockWorker, &message),
            Role::Notification => self.decide(&notification::NotificationWorker, &message),
            Role::Saga => self.decide(&saga::SagaWorker { patience }, &message),
            role @ (Role::Provider | Role::Email | Role::Sms) => self.act(role, &message),
            Role::Gateway | Role::Operator => unreachable!("they read no queue"),
        }
        true
    }

    fn publish(&mut self, message: &Arc<Message>) {
        self.queue.extend(message.body.queues().iter().map(|queue| (*queue, message.clone())));
    }

    fn decide<W: Worker>(&mut self, worker: &W, message: &Arc<Message>) {
        let batch = [message.clone()];
        let needs = batch::needs(worker, &batch);
        let found: Vec<_> = needs.iter().filter_map(|need| self.loaded(need)).collect();
        let mut records = contract::Records::<W::Record>::default();
        batch::put(&mut records, needs, found).unwrap();
        for settled in batch::settle(worker, &mut records, &batch, Time::default()) {
            self.journal.extend(settled.journal_row(W::ROLE, Time::default()));
            for (key, due) in settled.deadlines {
                match due {
                    Some((due, _)) => self.deadlines.insert(key, due),
                    None => self.deadlines.remove(&key),
                };
            }
            settled.emitted.iter().for_each(|emitted| self.publish(&emitted.message));
        }
        for (need, _, record) in records.changed() {
            self.tables.insert((need.table, need.id.clone()), record.to_json());
        }
    }

    fn loaded(&self, need: &Need) -> Option<Loaded> {
        let json = self.tables.get(&(need.table, need.id.clone()))?.clone();
        Some(Loaded { need: need.clone(), version: 1, json })
    }

    /// All outside parties. Only the order called "declined" has a bad card.
    fn act(&mut self, role: Role, message: &Arc<Message>) {
        let answer = match &message.body {
            Body::ProviderCharge(ask) => Some(self.charged(ask)),
            Body::ProviderRefund(ask) => Some(self.refunded(ask)),
            Body::EmailSend(mail) => {
                self.sent.push(("email".into(), mail.key.clone()));
                None
            }
            Body::SmsSend(sms) => {
                self.sent.push(("sms".into(), sms.key.clone()));
                None
            }
            other => unreachable!("nobody outside is asked {}", other.name()),
        };
        let emitted = batch::say(role, message, answer.into_iter().collect(), Time::default());
        emitted.iter().for_each(|emitted| self.publish(&emitted.message));
        self.journal.push(batch::journal_row(role, message, "done".into(), emitted, Time::default()));
    }

    fn charged(&mut self, ask: &bodies::ProviderCharge) -> Body {
        let good = ask.order_id != id("declined");
        self.charges.push(BookedCharge {
            reference: ask.order_id.to_string(),
            key: ask.key.clone(),
            transaction_id: format!("ch_{}", ask.order_id),
            amount_minor: ask.amount.minor(),
            currency: ask.amount.currency().code().into(),
            captured: good,
            refunded_minor: 0,
            told_outside: false,
        });
        self.charges.sort_by(|a, b| a.key.cmp(&b.key));
        let kind = if good { ProviderEventKind::PaymentSucceeded } else { ProviderEventKind::PaymentFailed };
        event(kind, ask.order_id, format!("ch_{}", ask.order_id), ask.amount, None)
    }

    fn refunded(&mut self, ask: &bodies::ProviderRefund) -> Body {
        let charge = self.charges.iter_mut().find(|charge| charge.transaction_id == ask.transaction_id);
        charge.unwrap().refunded_minor += ask.amount.minor();
        let key = Some(ask.key.clone());
        event(ProviderEventKind::RefundSucceeded, ask.order_id, format!("re_{}", ask.key), ask.amount, key)
    }

    // ---- breaking it -------------------------------------------------------------------------------------

    pub(super) fn row(&self, table: Table, key: &str) -> Value {
        serde_json::from_str(&self.tables[&(table, key.to_string())]).unwrap()
    }

    pub(super) fn edit_row(&mut self, table: Table, key: &str, edit: impl FnOnce(&mut Value)) {
        let mut value = self.row(table, key);
        edit(&mut value);
        self.tables.insert((table, key.to_string()), value.to_string().into());
    }

    pub(super) fn edit(&mut self, table: Table, order: &str, edit: impl FnOnce(&mut Value)) {
        self.edit_row(table, &id(order).to_string(), edit);
    }

    pub(super) fn spoil_row(&mut self, table: Table, key: &str) {
        self.tables.insert((table, key.to_string()), "no JSON".into());
    }

    pub(super) fn spoil(&mut self, table: Table, order: &str) {
        self.spoil_row(table, &id(order).to_string());
    }

    pub(super) fn remove_row(&mut self, table: Table, key: &str) {
        self.tables.remove(&(table, key.to_string())).unwrap();
    }

    pub(super) fn remove(&mut self, table: Table, order: &str) {
        self.remove_row(table, &id(order).to_string());
    }

    pub(super) fn charge(&mut self, order: &str, amount_minor: i64, captured: bool, refunded_minor: i64) {
        let reference = id(order).to_string();
        let (key, transaction_id) = (format!("other/{reference}"), format!("ch_other_{reference}"));
        let currency = "EUR".into();
        self.charges.push(BookedCharge {
            reference,
            key,
            transaction_id,
            amount_minor,
            currency,
            captured,
            refunded_minor,
            told_outside: false,
        });
    }

    /// The journal's row of the first message of this name.
    pub(super) fn forget(&mut self, name: &str) {
        let at = self.journal.iter().position(|row| row.name == name).unwrap();
        self.journal.remove(at);
    }
}

fn event(
    kind: ProviderEventKind,
    reference: OrderId,
    transaction_id: String,
    amount: contract::Money,
    key: Option<String>,
) -> Body {
    let failure_code = (kind == ProviderEventKind::PaymentFailed).then(|| "declined".to_string());
    let data = ProviderEventData {
        reference,
        transaction_id,
        amount,
        failure_code,
        key,
        charged_as: Vec::new(),
        refunded_in_all: None,
    };
    Body::ProviderEvent(ProviderEvent { id: "evt".into(), kind, created: Time::default(), data })
}

#[async_trait]
impl Books for Shop {
    async fn charges(&self, after: &str, limit: usize) -> anyhow::Result<Vec<BookedCharge>> {
        let mut charges = self.charges.clone();
        charges.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(charges.into_iter().filter(|charge| *charge.key > *after).take(limit).collect())
    }

    async fn sent(&self, after: i64, limit: usize) -> anyhow::Result<Vec<SentNotice>> {
        let sent = (1..).zip(&self.sent).filter(|(no, _)| *no > after).take(limit);
        Ok(sent
            .map(|(no, (channel, key))| SentNotice { no, channel: channel.clone(), key: key.clone() })
            .collect())
    }
}

#[async_trait]
impl Store for Shop {
    async fn begin(&self) -> Result<Box<dyn Transaction>, Error> {
        unreachable!("an auditor writes nothing")
    }

    async fn now(&self) -> Result<Time, Error> {
        Ok(Time::default())
    }
}

#[async_trait]
impl Outbox for Shop {
    /// Calculated from the journal, as in a real store.
    async fn in_flight(&self) -> Result<Vec<Read<InFlight>>, Error> {
        let handled: HashSet<_> = self.journal.iter().map(|row| (row.role, &row.id)).collect();
        let emitted =
            self.journal.iter().flat_map(|row| row.emitted.iter().map(move |emitted| (row.role, emitted)));
        let each = emitted.flat_map(|(role, emitted)| {
            emitted.queues.iter().map(move |queue| InFlight {
                role,
                queue: *queue,
                message: (*emitted.message).clone(),
            })
        });
        let open = each.filter(|one| !handled.contains(&(one.queue.reader(), &one.message.id)));
        Ok(open.map(Ok).collect())
    }

    async fn advance_mark(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn vitals(&self) -> Result<Vitals, Error> {
        Err(Error::Refused("an auditor asks for no numbers".into()))
    }
}

#[async_trait]
impl Records for Shop {
    async fn get(&self, table: Table, id: &str) -> Result<Option<String>, Error> {
        Ok(self.tables.get(&(table, id.to_string())).map(ToString::to_string))
    }

    async fn get_many(&self, _table: Table, _ids: &[String]) -> Result<HashMap<String, String>, Error> {
        unreachable!("an auditor reads everything")
    }

    async fn page(&self, table: Table, after: &str, limit: usize) -> Result<Vec<(String, String)>, Error> {
        let rows = self.tables.iter().filter(|((its, key), _)| *its == table && **key > *after);
        Ok(rows.take(limit).map(|((_, key), json)| (key.clone(), json.to_string())).collect())
    }

    async fn orders_charged_as(&self, _names: &[String]) -> Result<Vec<OrderId>, Error> {
        unreachable!("an auditor reads everything")
    }
}

#[async_trait]
impl Journal for Shop {
    async fn journal_of(&self, _order_id: OrderId) -> Result<Vec<Read<JournalRow>>, Error> {
        unreachable!("an auditor reads everything")
    }

    async fn journal_page(&self, after: i64, limit: usize) -> Result<Vec<(i64, Read<JournalRow>)>, Error> {
        let unreadable =
            self.unreadable.iter().map(|row| Err(Unreadable { row: row.clone(), why: "a test".into() }));
        let rows = (1..).zip(self.journal.iter().cloned().map(Ok).chain(unreadable));
        Ok(rows.filter(|(no, _)| *no > after).take(limit).collect())
    }

    async fn progress_of(&self, _order_ids: &[OrderId]) -> Result<HashMap<OrderId, Progress>, Error> {
        unreachable!("an auditor reads everything")
    }
}

#[async_trait]
impl Deadlines for Shop {
    async fn due_deadlines(
        &self,
        _limit: usize,
        _again_after_s: u64,
    ) -> Result<Vec<(String, Read<Message>)>, Error> {
        unreachable!("an auditor moves no deadline")
    }

    async fn put_off(&self, _keys: &[String], _by_s: u64) -> Result<(), Error> {
        unreachable!("an auditor moves no deadline")
    }

    async fn deadlines(&self, limit: usize) -> Result<Vec<DeadlineRow>, Error> {
        let rows = self.deadlines.iter().take(limit);
        let says = |key: &str| match key.strip_prefix("forged/") {
            Some(_) => (Speaker::Payment, "payment.captured"),
            None => (Speaker::Saga, "saga.overdue"),
        };
        Ok(rows.map(|(key, due)| DeadlineRow { key: key.clone(), due: *due, says: Ok(says(key)) }).collect())
    }

    async fn deadlines_of(&self, _order_id: OrderId) -> Result<Vec<OrderDeadline>, Error> {
        unreachable!("an auditor reads everything")
    }
}

#[async_trait]
impl DeadLetters for Shop {
    async fn letters(&self, _wanted: &Letters) -> Result<Vec<DeadLetter>, Error> {
        Ok(Vec::new())
    }

    async fn oldest_of_strangers(&self, _limit: usize) -> Result<Vec<DeadLetter>, Error> {
        unreachable!("an auditor reads everything")
    }

    async fn letters_of(&self, _order_id: OrderId) -> Result<Vec<DeadLetter>, Error> {
        unreachable!("an auditor reads everything")
    }

    async fn dead_groups(&self, _limit: usize) -> Result<Vec<DeadGroup>, Error> {
        unreachable!("an auditor reads everything")
    }

    async fn dead_letter(&self, _id: &str) -> Result<Option<DeadLetter>, Error> {
        Ok(None)
    }
}
