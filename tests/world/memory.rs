//! A store in memory that keeps the promise of `crates/store/src/lib.rs`: a batch is committed whole or not at all,
//! and the second of two writers gets a conflict.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use contract::{Message, MessageId, Need, OrderId, Role, Time};
use store::{
    Changes, Committing, DeadChange, DeadLetter, DeadStatus, DeadlineRow, Deadlines, Error, Handled,
    InFlight, JournalRow, Loaded, OrderDeadline, Outbox, Read, Store, Transaction, Vitals,
};

use super::faults::{Fault, FaultInjector, Place};
use super::outside::Clock;

pub(crate) struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    clock: Arc<Clock>,
    faults: Arc<FaultInjector>,
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
    faults: Arc<FaultInjector>,
    loaded: Vec<(Need, i64)>,
}

impl MemoryStore {
    pub(crate) fn new(clock: Arc<Clock>, faults: Arc<FaultInjector>) -> Self {
        Self { tables: Arc::default(), clock, faults }
    }

    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("no holder of this lock panics")
    }

    pub(crate) fn saved(&self) -> Tables {
        self.tables().clone()
    }

    /// A failover: what was written since then is lost.
    pub(crate) fn go_back_to(&self, saved: Tables) {
        *self.tables() = saved;
    }

    /// False if this role has handled the message before.
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

    /// Emitted, not handled by the queue's reader, and not an open dead letter.
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
        assert!(changes.pauses.is_empty(), "no role is paused in this world");
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
impl Store for MemoryStore {
    async fn begin(&self) -> Result<Box<dyn Transaction>, Error> {
        if self.faults.pass(Place::Begin).await == Some(Fault::Unavailable) {
            return Err(Error::Unavailable("it went away".into()));
        }
        let (tables, faults) = (self.tables.clone(), self.faults.clone());
        Ok(Box::new(Open { tables, faults, now: self.clock.now(), loaded: Vec::new() }))
    }

    async fn now(&self) -> Result<Time, Error> {
        Ok(self.clock.now())
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn in_flight(&self) -> Result<Vec<Read<InFlight>>, Error> {
        Ok(self.in_flight_now().into_iter().map(Ok).collect())
    }

    async fn advance_mark(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn vitals(&self) -> Result<Vitals, Error> {
        not_read_here()
    }
}

#[async_trait]
impl Deadlines for MemoryStore {
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
        self.faults.pass(Place::Due).await;
        Ok(due)
    }

    async fn put_off(&self, _: &[String], _: u64) -> Result<(), Error> {
        not_read_here()
    }

    async fn deadlines(&self, _: usize) -> Result<Vec<DeadlineRow>, Error> {
        not_read_here()
    }

    async fn deadlines_of(&self, _: OrderId) -> Result<Vec<OrderDeadline>, Error> {
        not_read_here()
    }
}

fn not_read_here<T>() -> Result<T, Error> {
    Err(Error::Refused("the tables of this world lie open: look at them directly".into()))
}

#[async_trait]
impl Transaction for Open {
    async fn handled(&mut self, role: Role, ids: &[MessageId]) -> Result<(Time, Vec<Handled>), Error> {
        self.faults.pass(Place::Look).await;
        let tables = self.tables.lock().expect("no holder of this lock panics");
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

    /// As a database server is.
    fn is_remote(&self) -> bool {
        true
    }

    async fn load(&mut self, needs: &[Need]) -> Result<Vec<Loaded>, Error> {
        self.faults.pass(Place::Load).await;
        let tables = self.tables.lock().expect("no holder of this lock panics");
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
        let Open { tables, faults, loaded, .. } = *self;
        let unknown = || Err(Error::Unknown("the commit's answer was lost".into()));
        match faults.pass(Place::Keep).await {
            Some(Fault::Conflict) => return Err(Error::Conflict("serialization failure".into())),
            Some(Fault::Unavailable) => return Err(Error::Unavailable("it went away".into())),
            Some(Fault::AnswerLost) => return unknown(),
            Some(Fault::Die | Fault::Pause | Fault::Twice) | None => {}
        }
        {
            let mut tables = tables.lock().expect("no holder of this lock panics");
            tables.fits(&changes, &loaded)?;
            tables.apply(changes);
        }
        match faults.pass(Place::Kept).await {
            Some(Fault::AnswerLost) => unknown(),
            Some(Fault::Die | Fault::Pause | Fault::Unavailable | Fault::Conflict | Fault::Twice) | None => {
                Ok(())
            }
        }
    }
}
