//! A batch is asked about, loaded and kept in one round trip each, however large it is.
//!
//! What is kept goes in one statement, which is its own transaction, unless rows were locked, something rare has to be
//! kept, or the batch is large: only then does a `begin` and a `commit` cost a round trip more each. A large batch's
//! journal is copied in, and what many orders want is written last, so that others wait for it no longer than they must.
//!
//! While another batch of this process is being kept, the next one decides on what that one will have left behind,
//! locks nothing, and is kept once the other is. If all that they share is what many orders want, like the stock of
//! a product, the rest of a large batch is written while the other is still at it. Meanwhile it
//! locks nothing that the other wants: rows that both change would have been read from there. Where other processes
//! change the same rows, nobody decides ahead for a while: what had rested on such a decision would start over again
//! and again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use contract::{Contention, MessageId, Need, Role, Time};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::ask::{Asked, found};
use super::connections::Held;
use super::watch::Watch;
use super::{Error, failed, json, keep};
use crate::pending::{DependsOn, Pending, loadable};
use crate::{Changes, Handled, Keeping, Loaded, Transaction};

pub(super) struct Batch {
    held: Held,
    pending: Pending,
    depends_on: DependsOn,
    /// What it has read of theirs are records that many want, and nothing else.
    only_hot_rows: bool,
    found: keep::Found,
    contention_monitor: ContentionMonitor,
    watch: Watch,
    may_copy: bool,
}

/// What this process has noticed of others that change what many want.
#[derive(Clone, Default)]
pub(super) struct ContentionMonitor(Arc<Mutex<Observed>>);

#[derive(Default)]
struct Observed {
    /// When somebody had changed a row between our reading and our writing.
    others: Option<Instant>,
    /// When too little was left for what we had decided.
    short: Option<Instant>,
}

/// So long we take it that they are still there; then a few batches may have to start over to find out.
const OTHERS_STAY: Duration = Duration::from_secs(30);

/// What runs short goes on doing so for that long.
const SHORT_FOR: Duration = Duration::from_secs(5);

impl ContentionMonitor {
    /// Then what is on its way from here is for us what theirs is: nothing that counts before it is there.
    fn others(&self) -> bool {
        self.observed().others.is_some_and(|since| since.elapsed() < OTHERS_STAY)
    }

    /// Then nobody decides before it is known what is left.
    fn short(&self) -> bool {
        self.observed().short.is_some_and(|since| since.elapsed() < SHORT_FOR)
    }

    /// Nothing is learnt from a batch that counted on being changed.
    fn otherwise(&self) {
        if !self.others() {
            self.observed().others = Some(Instant::now());
        }
    }

    fn too_little(&self) {
        self.observed().short = Some(Instant::now());
    }

    fn observed(&self) -> MutexGuard<'_, Observed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From so many journal rows on, copying them in saves more than the round trips of a transaction in several parts cost.
const MANY: usize = 64;

impl Batch {
    pub(super) fn new(
        held: Held,
        pending: Pending,
        contention_monitor: ContentionMonitor,
        watch: Watch,
        may_copy: bool,
    ) -> Self {
        let (depends_on, found) = (DependsOn::new(), keep::Found::default());
        Self { held, pending, depends_on, only_hot_rows: true, found, contention_monitor, watch, may_copy }
    }

    /// Once all that it rests on is there. Says whether it is there as it was decided.
    async fn write_in_turn(&mut self, mut changes: Changes) -> Result<bool, Error> {
        let depends_on = std::mem::take(&mut self.depends_on);
        let wanted = changes.records.iter().any(|one| one.need.table.contention() == Contention::Often);
        let waits = depends_on.iter().any(|batch| batch.is_open());
        let large = self.may_copy && changes.journal.len() >= MANY;
        let ahead = large && (!waits || self.only_hot_rows && !self.held.in_transaction());
        if ahead {
            self.write_own(&mut changes).await?;
        }
        for batch in depends_on {
            if !batch.kept().await {
                return Err(Error::Conflict("what it had read was not kept".into()));
            }
        }
        if large && !ahead {
            self.write_own(&mut changes).await?;
        }
        if large && wanted && self.contention_monitor.others() {
            self.held.execute(sqlx::query(keep::TURN)).await?;
        }
        let written = self.write(changes).await;
        match written {
            Ok(false) => self.contention_monitor.otherwise(),
            Err(Error::Conflict(_)) if wanted => self.contention_monitor.too_little(),
            _ => {}
        }
        written
    }

    /// All but what many want, which is left: that others then wait for as shortly as can be.
    async fn write_own(&mut self, changes: &mut Changes) -> Result<(), Error> {
        if !self.held.in_transaction() {
            self.held.begin().await?;
        }
        let shared = changes.records.extract_if(.., |one| one.need.table.contention() == Contention::Often);
        let shared = Changes { records: shared.collect(), ..Changes::default() };
        let mut own = std::mem::replace(changes, shared);
        keep::copied(&mut self.held, &std::mem::take(&mut own.journal)).await?;
        for statement in keep::statements(own, &self.found)? {
            self.held.execute(statement).await?;
        }
        Ok(())
    }

    async fn write(&mut self, changes: Changes) -> Result<bool, Error> {
        let mut statements = keep::statements(changes, &self.found)?;
        if !self.held.in_transaction() && statements.len() == 1 {
            let alone = statements.remove(0);
            return Ok(!keep::is_otherwise(&self.held.rows_and_commit(alone).await?));
        }
        if !self.held.in_transaction() {
            self.held.begin().await?;
        }
        let mut as_decided = true;
        for statement in statements {
            as_decided &= !keep::is_otherwise(&self.held.rows(statement).await?);
        }
        self.held.commit().await?;
        Ok(as_decided)
    }
}

#[async_trait]
impl Transaction for Batch {
    async fn handled(&mut self, role: Role, ids: &[MessageId]) -> Result<(Time, Vec<Handled>), Error> {
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_string()).collect();
        let rows = self
            .held
            .rows(
                sqlx::query(
                    "select floor(extract(epoch from clock_timestamp()) * 1000)::bigint,
                            message_id, name, replace(hash::text, '-', ''),
                            (extract(epoch from at) * 1000)::bigint, said
                     from (select) as always
                     left join journal on role = $1 and message_id = any($2::text[])",
                )
                .bind(role.name())
                .bind(ids),
            )
            .await?;
        let first = rows.first().ok_or_else(|| Error::Unavailable("the clock did not answer".into()))?;
        let now = self.watch.set(Time::from_unix_ms(first.try_get(0).map_err(failed)?));
        let handled = rows.iter().map(handled).filter_map(Result::transpose);
        Ok((now, handled.collect::<Result<_, _>>()?))
    }

    fn is_remote(&self) -> bool {
        true
    }

    async fn load(&mut self, needs: &[Need]) -> Result<Vec<Loaded>, Error> {
        if !self.held.in_transaction() && self.contention_monitor.short() {
            self.pending.settled().await;
        }
        let alone = self.pending.is_empty();
        let others = self.contention_monitor.others();
        let (added_up, ahead): (Vec<_>, Vec<_>) =
            needs.iter().partition(|need| others && need.table.contention() == Contention::Often);
        let (mut loaded, mut rest) = self.pending.find(ahead, &mut self.depends_on);
        rest.extend(added_up);
        self.only_hot_rows &= loaded.iter().all(|one| one.need.table.contention() == Contention::Often);
        let asked = Asked::of(&rest, alone);
        if asked.locks && !self.held.in_transaction() {
            self.held.begin().await?;
        }
        for statement in asked.statements() {
            for row in self.held.rows(statement).await? {
                loaded.push(found(&row)?);
            }
        }
        self.found.note(&loaded);
        Ok(loaded)
    }

    fn keep(mut self: Box<Self>, changes: Changes) -> Keeping {
        let way = self.pending.add(loadable(&changes.records));
        Box::pin(async move {
            // What rests on numbers that came to be others starts over. Adding it up would not do: what we are told to ship
            // may have been reserved by the others meanwhile, and by our numbers it never was.
            if self.write_in_turn(changes).await? {
                way.arrived();
            }
            Ok(())
        })
    }
}

/// A row without an id is the clock's alone.
fn handled(row: &PgRow) -> Result<Option<Handled>, Error> {
    let Some(id) = row.try_get::<Option<&str>, _>(1).map_err(failed)? else { return Ok(None) };
    let text = |at| row.try_get::<&str, _>(at).map_err(failed);
    let id = json::id(id)?;
    let at = Time::from_unix_ms(row.try_get(4).map_err(failed)?);
    let said = json::said_before(text(5)?, &id, at);
    Ok(Some(Handled { id, name: text(2)?.to_string(), hash: json::hash(text(3)?)?, said }))
}
