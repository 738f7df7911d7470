//! A store in memory that keeps the promise of `crates/store/src/lib.rs`: a batch whole or not at all, and who comes second
//! gets a conflict.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use contract::{KeySecret, Message, MessageId, Need, OrderId, Role, Table, Time};
use store::census::Census;
use store::{
    Changes, Committing, DeadChange, DeadGroup, DeadLetter, DeadStatus, DeadlineRow, Error, Filter, Handled,
    History, InFlight, JournalRow, Keys, Letters, Loaded, OrderDeadline, Pause, Progress, Pruned, Read,
    RedeliveryStats, Store, Transaction, Vitals,
};

use super::nerves::{Blow, Nerves, Place};
use super::outside::Clock;

pub(crate) struct Memory {
    tables: Arc<Mutex<Tables>>,
    clock: Arc<Clock>,
    nerves: Arc<Nerves>,
}

#[derive(Clone, Default)]
pub(crate) struct Tables {
    /// The documents, with their versions.
    pub(crate) records: BTreeMap<Need, (i64, Arc<str>)>,
    pub(crate) journal: Vec<JournalRow>,
    known: HashMap<(Role, MessageId), usize>,
    pub(crate) deadlines: BTreeMap<String, (Time, Arc<Message>)>,
    pub(crate) dead: BTreeMap<String, DeadLetter>,
}

struct Open {
    tables: Arc<Mutex<Tables>>,
    now: Time,
    nerves: Arc<Nerves>,
    loaded: Vec<(Need, i64)>,
}

impl Memory {
    pub(crate) fn new(clock: Arc<Clock>, nerves: Arc<Nerves>) -> Self {
        Self { tables: Arc::default(), clock, nerves }
    }

    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("nobody panics while holding it")
    }

    pub(crate) fn saved(&self) -> Tables {
        self.tables().clone()
    }

    /// A failover: what was written since then is lost.
    pub(crate) fn go_back_to(&self, saved: Tables) {
        *self.tables() = saved;
    }

    /// False when this role has handled it before.
    pub(crate) fn journal(&self, row: JournalRow) -> bool {
        self.tables().write(row)
    }

    pub(crate) fn journal_len(&self) -> usize {
        self.tables().journal.len()
    }

    pub(crate) fn close(&self, letter: &str, status: DeadStatus) {
        let mut tables = self.tables();
        tables.dead.get_mut(letter).expect("it was looked up just now").status = status;
    }

    pub(crate) fn in_flight_now(&self) -> Vec<InFlight> {
        self.tables().in_flight()
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.tables().deadlines.values().map(|(due, _)| *due).min()
    }
}

impl Tables {
    fn write(&mut self, row: JournalRow) -> bool {
        let key = (row.role, row.id.clone());
        if self.known.contains_key(&key) {
            return false;
        }
        self.known.insert(key, self.journal.len());
        self.journal.push(row);
        true
    }

    pub(crate) fn was_handled(&self, role: Role, id: &MessageId) -> bool {
        self.known.contains_key(&(role, id.clone()))
    }

    /// Emitted, not handled by the queue's reader, and not lying open among the dead letters.
    pub(crate) fn in_flight(&self) -> Vec<InFlight> {
        let open = |letter: &&DeadLetter| letter.status == DeadStatus::Open;
        let dead: HashSet<_> = self
            .dead
            .values()
            .filter(open)
            .filter_map(|letter| Some((letter.queue.as_str(), letter.message_id.as_deref()?)))
            .collect();
        let mut seen = HashSet::new();
        let mut in_flight = Vec::new();
        for (role, said) in
            self.journal.iter().flat_map(|row| row.emitted.iter().map(|said| (row.role, said)))
        {
            for queue in &said.queues {
                let id = &said.message.id;
                let over =
                    self.was_handled(queue.reader(), id) || dead.contains(&(queue.name(), id.as_str()));
                if !over && seen.insert((*queue, id.clone())) {
                    let message = (*said.message).clone();
                    in_flight.push(InFlight { role, queue: *queue, message });
                }
            }
        }
        in_flight
    }

    fn version(&self, need: &Need) -> i64 {
        self.records.get(need).map_or(0, |(version, _)| *version)
    }

    fn fits(&self, changes: &Changes, loaded: &[(Need, i64)]) -> Result<(), Error> {
        let conflict = |what: String| Err(Error::Conflict(what));
        for row in &changes.journal {
            if self.was_handled(row.role, &row.id) {
                return conflict(format!("{} has handled {}", row.role, row.id));
            }
        }
        for record in &changes.records {
            if self.version(&record.need) != record.version {
                return conflict(format!("{:?} was saved since", record.need));
            }
        }
        if let Some((need, _)) = loaded.iter().find(|(need, version)| self.version(need) != *version) {
            return conflict(format!("{need:?} was saved since it was loaded"));
        }
        for change in &changes.dead {
            if let DeadChange::Close { id, .. } = change
                && self.dead.get(id).is_none_or(|letter| letter.status != DeadStatus::Open)
            {
                return conflict(format!("letter {id} is not open"));
            }
        }
        Ok(())
    }

    fn apply(&mut self, changes: Changes) {
        for row in changes.journal {
            assert!(self.write(row), "one batch journals one message twice");
        }
        assert!(changes.pauses.is_empty(), "nobody rests in this world");
        for record in changes.records {
            let version = record.version + 1;
            assert!(version == 1 || !record.need.table.append_only(), "{:?} was changed", record.need);
            self.records.insert(record.need, (version, record.json));
        }
        for (key, deadline) in changes.deadlines {
            match deadline {
                Some(due) => self.deadlines.insert(key, due),
                None => self.deadlines.remove(&key),
            };
        }
        for change in changes.dead {
            match change {
                DeadChange::Park(letter) => {
                    self.dead.insert(letter.id.clone(), letter);
                }
                DeadChange::Close { id, status } => {
                    self.dead.get_mut(&id).expect("it fits").status = status;
                }
                DeadChange::Evict { id } => drop(self.dead.remove(&id)),
            }
        }
    }
}

#[async_trait]
impl Store for Memory {
    async fn begin(&self) -> Result<Box<dyn Transaction>, Error> {
        if self.nerves.pass(Place::Begin).await == Some(Blow::Unavailable) {
            return Err(Error::Unavailable("it went away".into()));
        }
        let (tables, nerves) = (self.tables.clone(), self.nerves.clone());
        Ok(Box::new(Open { tables, nerves, now: self.clock.now(), loaded: Vec::new() }))
    }

    async fn now(&self) -> Result<Time, Error> {
        Ok(self.clock.now())
    }

    async fn keys(&self) -> Result<Keys, Error> {
        Ok(Keys { secret: KeySecret::new([7; 32]), some_are_public: false })
    }

    async fn due_deadlines(
        &self,
        limit: usize,
        again_after_s: u64,
    ) -> Result<Vec<(String, Read<Message>)>, Error> {
        let now = self.clock.now();
        let due = {
            let mut tables = self.tables();
            let due = tables.deadlines.iter_mut().filter(|(_, (due, _))| *due <= now).take(limit);
            let ring = |(key, (due, message)): (&String, &mut (Time, Arc<Message>))| {
                *due = now.plus_s(again_after_s);
                (key.clone(), Ok((**message).clone()))
            };
            due.map(ring).collect()
        };
        self.nerves.pass(Place::Due).await;
        Ok(due)
    }

    async fn put_off(&self, _: &[String], _: u64) -> Result<(), Error> {
        not_read_here()
    }

    async fn in_flight(&self) -> Result<Vec<Read<InFlight>>, Error> {
        Ok(self.in_flight_now().into_iter().map(Ok).collect())
    }

    async fn advance_mark(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn prune(&self, _before: Time, _limit: usize) -> Result<Pruned, Error> {
        Ok(Pruned::default())
    }

    async fn get(&self, table: Table, id: &str) -> Result<Option<String>, Error> {
        Ok(self.tables().records.get(&Need::of(table, id)).map(|(_, json)| json.to_string()))
    }

    async fn get_many(&self, _: Table, _: &[String]) -> Result<HashMap<String, String>, Error> {
        not_read_here()
    }

    async fn progress_of(&self, _: &[OrderId]) -> Result<HashMap<OrderId, Progress>, Error> {
        not_read_here()
    }

    async fn page(&self, _: Table, _: &str, _: usize) -> Result<Vec<(String, String)>, Error> {
        not_read_here()
    }

    async fn list(&self, _: Table, _: &Filter) -> Result<Vec<String>, Error> {
        not_read_here()
    }

    async fn history(&self, _: &str, _: &History) -> Result<Vec<String>, Error> {
        not_read_here()
    }

    async fn orders_charged_as(&self, _: &[String]) -> Result<Vec<OrderId>, Error> {
        not_read_here()
    }

    async fn journal_of(&self, _: OrderId) -> Result<Vec<Read<JournalRow>>, Error> {
        not_read_here()
    }

    async fn journal_page(&self, _: i64, _: usize) -> Result<Vec<(i64, Read<JournalRow>)>, Error> {
        not_read_here()
    }

    async fn deadlines(&self, _: usize) -> Result<Vec<DeadlineRow>, Error> {
        not_read_here()
    }

    async fn deadlines_of(&self, _: OrderId) -> Result<Vec<OrderDeadline>, Error> {
        not_read_here()
    }

    async fn letters(&self, _: &Letters) -> Result<Vec<DeadLetter>, Error> {
        not_read_here()
    }

    async fn oldest_of_strangers(&self, _: usize) -> Result<Vec<DeadLetter>, Error> {
        not_read_here()
    }

    async fn letters_of(&self, _: OrderId) -> Result<Vec<DeadLetter>, Error> {
        not_read_here()
    }

    async fn add_redelivery_stats(&self, _: &[RedeliveryStats]) -> Result<(), Error> {
        not_read_here()
    }

    async fn redelivery_stats_of(&self, _: OrderId) -> Result<Vec<RedeliveryStats>, Error> {
        not_read_here()
    }

    async fn dead_groups(&self, _: usize) -> Result<Vec<DeadGroup>, Error> {
        not_read_here()
    }

    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, Error> {
        Ok(self.tables().dead.get(id).cloned())
    }

    async fn pauses(&self) -> Result<Vec<Pause>, Error> {
        not_read_here()
    }

    async fn census(&self, _: Time, _: Time) -> Result<Census, Error> {
        not_read_here()
    }

    async fn census_under_way(&self) -> Result<Census, Error> {
        not_read_here()
    }

    async fn sign_out(&self, _: &str, _: u64) -> Result<(), Error> {
        not_read_here()
    }

    async fn is_signed_out(&self, _: &str) -> Result<bool, Error> {
        not_read_here()
    }

    async fn vitals(&self) -> Result<Vitals, Error> {
        not_read_here()
    }
}

fn not_read_here<T>() -> Result<T, Error> {
    Err(Error::Refused("the tables of this world lie open: look at them directly".into()))
}

#[async_trait]
impl Transaction for Open {
    async fn handled(&mut self, role: Role, ids: &[MessageId]) -> Result<(Time, Vec<Handled>), Error> {
        self.nerves.pass(Place::Look).await;
        let tables = self.tables.lock().expect("nobody panics while holding it");
        let row = |id: &MessageId| tables.known.get(&(role, id.clone())).map(|at| &tables.journal[*at]);
        let ids: HashSet<_> = ids.iter().collect();
        let rows = ids.into_iter().filter_map(row).map(|row| Handled {
            id: row.id.clone(),
            name: row.name.clone(),
            hash: row.hash,
            emitted: row.emitted.clone(),
        });
        Ok((self.now, rows.collect()))
    }

    /// As a server is.
    fn is_remote(&self) -> bool {
        true
    }

    async fn load(&mut self, needs: &[Need]) -> Result<Vec<Loaded>, Error> {
        self.nerves.pass(Place::Load).await;
        let tables = self.tables.lock().expect("nobody panics while holding it");
        self.loaded.extend(needs.iter().map(|need| (need.clone(), tables.version(need))));
        let found = needs.iter().filter_map(|need| {
            let (version, json) = tables.records.get(need)?;
            Some(Loaded { need: need.clone(), version: *version, json: json.clone() })
        });
        Ok(found.collect())
    }

    fn commit(self: Box<Self>, changes: Changes) -> Committing {
        Box::pin(self.kept(changes))
    }
}

impl Open {
    async fn kept(self: Box<Self>, changes: Changes) -> Result<(), Error> {
        let Open { tables, nerves, loaded, .. } = *self;
        let unknown = || Err(Error::Unknown("the commit's answer was lost".into()));
        match nerves.pass(Place::Keep).await {
            Some(Blow::Conflict) => return Err(Error::Conflict("serialization failure".into())),
            Some(Blow::Unavailable) => return Err(Error::Unavailable("it went away".into())),
            Some(Blow::AnswerLost) => return unknown(),
            Some(Blow::Die | Blow::Pause | Blow::Twice) | None => {}
        }
        {
            let mut tables = tables.lock().expect("nobody panics while holding it");
            tables.fits(&changes, &loaded)?;
            tables.apply(changes);
        }
        match nerves.pass(Place::Kept).await {
            Some(Blow::AnswerLost) => unknown(),
            Some(Blow::Die | Blow::Pause | Blow::Unavailable | Blow::Conflict | Blow::Twice) | None => Ok(()),
        }
    }
}
