//! For a usual batch, the dedupe check, the load and the commit take one round trip each: the commit is a single
//! statement, which is its own transaction. If rows were locked or several statements are needed, because something rare
//! is written or the batch is large, it runs between `begin` and `commit`, with a round trip for each statement. A large
//! batch copies its journal in, and writes hot rows (like the stock of a product, which many orders change) last, to hold
//! their locks briefly.
//!
//! While one batch of this process is being written, the next one already decides on that batch's uncommitted records.
//! It locks nothing, and commits after the first. If the two share only hot rows, a large batch writes its other rows
//! while the first is still writing. This cannot deadlock: if both changed any other row, the second would have read it
//! from the first, and would then write nothing before the first has committed. Where other processes change the same hot rows, batches do not decide on uncommitted
//! numbers for a while, because they would have to start over again and again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use contract::{Contention, MessageId, Need, Role, Time};
use sqlx::Row;
use sqlx::postgres::PgRow;
use tuning::{CONTENTION_LASTS, COPY_FROM_ROWS, SHORTAGE_LASTS};

use super::ask::{Asked, found};
use super::connections::Held;
use super::database_clock::DatabaseClock;
use super::{Error, failed, json, keep};
use crate::pending::{DependsOn, Pending, loadable};
use crate::{Changes, Committing, Handled, Loaded, Transaction};

pub(super) struct Batch {
    held: Held,
    pending: Pending,
    depends_on: DependsOn,
    /// All uncommitted records that it has read are hot rows.
    shares_only_hot_rows: bool,
    found: keep::Found,
    contention_monitor: ContentionMonitor,
    clock: DatabaseClock,
    may_copy: bool,
}

/// What this process has noticed of other processes that change the same hot rows.
#[derive(Clone, Default)]
pub(super) struct ContentionMonitor(Arc<Mutex<Observed>>);

#[derive(Default)]
struct Observed {
    /// When another process had last changed a row between our load and our write.
    contention: Option<Instant>,
    /// When too little stock was last left for what we had decided.
    shortage: Option<Instant>,
}

impl ContentionMonitor {
    /// Other processes change hot rows as well. Then a batch decides on the committed numbers alone: this process's own
    /// pending changes to hot rows are ignored like those of other processes.
    fn is_contended(&self) -> bool {
        self.observed().contention.is_some_and(|since| since.elapsed() < CONTENTION_LASTS)
    }

    /// Stock is running out. Then a batch loads only when no other one is pending, so that it sees what is left.
    fn is_short(&self) -> bool {
        self.observed().shortage.is_some_and(|since| since.elapsed() < SHORTAGE_LASTS)
    }

    /// While contention is assumed, changed rows are expected and do not prolong the assumption.
    fn note_contention(&self) {
        if !self.is_contended() {
            self.observed().contention = Some(Instant::now());
        }
    }

    fn note_shortage(&self) {
        self.observed().shortage = Some(Instant::now());
    }

    fn observed(&self) -> MutexGuard<'_, Observed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    pub(super) fn new(
        held: Held,
        pending: Pending,
        contention_monitor: ContentionMonitor,
        clock: DatabaseClock,
        may_copy: bool,
    ) -> Self {
        let (depends_on, found) = (DependsOn::new(), keep::Found::default());
        Self {
            held,
            pending,
            depends_on,
            shares_only_hot_rows: true,
            found,
            contention_monitor,
            clock,
            may_copy,
        }
    }

    /// Commits after all batches whose records it has read. Returns whether every row was written with the numbers that
    /// were decided: of a hot row that another process has changed, the sum of both changes is written.
    async fn write_after_dependencies(&mut self, mut changes: Changes) -> Result<bool, Error> {
        let depends_on = std::mem::take(&mut self.depends_on);
        let has_hot_rows = changes.records.iter().any(|one| one.need.table.contention() == Contention::Hot);
        let waits = depends_on.iter().any(|batch| batch.is_open());
        let large = self.may_copy && changes.journal.len() >= COPY_FROM_ROWS;
        // It writes before it waits only if that cannot deadlock: it has locked nothing yet, and shares only hot rows with the
        // batches that it waits for.
        let early = large && (!waits || self.shares_only_hot_rows && !self.held.in_transaction());
        if early {
            self.write_all_but_hot_rows(&mut changes).await?;
        }
        for batch in depends_on {
            if !batch.kept().await {
                return Err(Error::Conflict("a pending record that it had read was not kept so".into()));
            }
        }
        if large && !early {
            self.write_all_but_hot_rows(&mut changes).await?;
        }
        if large && has_hot_rows && self.contention_monitor.is_contended() {
            self.held.execute(sqlx::query(keep::TURN)).await?;
        }
        let written = self.write(changes).await;
        match written {
            Ok(false) => self.contention_monitor.note_contention(),
            Err(Error::Conflict(_)) if has_hot_rows => self.contention_monitor.note_shortage(),
            _ => {}
        }
        written
    }

    /// Leaves only the hot rows in `changes`: they are written last, so that their locks are held briefly.
    async fn write_all_but_hot_rows(&mut self, changes: &mut Changes) -> Result<(), Error> {
        if !self.held.in_transaction() {
            self.held.begin().await?;
        }
        let hot_rows = changes.records.extract_if(.., |one| one.need.table.contention() == Contention::Hot);
        let hot_rows = Changes { records: hot_rows.collect(), ..Changes::default() };
        let mut rest = std::mem::replace(changes, hot_rows);
        keep::copied(&mut self.held, &std::mem::take(&mut rest.journal)).await?;
        for statement in keep::statements(rest, &self.found)? {
            self.held.execute(statement).await?;
        }
        Ok(())
    }

    async fn write(&mut self, changes: Changes) -> Result<bool, Error> {
        let mut statements = keep::statements(changes, &self.found)?;
        if !self.held.in_transaction() && statements.len() == 1 {
            let only = statements.remove(0);
            return Ok(!keep::is_otherwise(&self.held.rows_and_commit(only).await?));
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
                            (extract(epoch from at) * 1000)::bigint, emitted
                     from (select) as always
                     left join journal on role = $1 and message_id = any($2::text[])",
                )
                .bind(role.name())
                .bind(ids),
            )
            .await?;
        let first = rows.first().ok_or_else(|| Error::Unavailable("the clock did not answer".into()))?;
        let now = self.clock.set(Time::from_unix_ms(first.try_get(0).map_err(failed)?));
        let handled = rows.iter().map(handled).filter_map(Result::transpose);
        Ok((now, handled.collect::<Result<_, _>>()?))
    }

    fn is_remote(&self) -> bool {
        true
    }

    async fn load(&mut self, needs: &[Need]) -> Result<Vec<Loaded>, Error> {
        if !self.held.in_transaction() && self.contention_monitor.is_short() {
            self.pending.all_written().await;
        }
        // A pending batch may still have to write a row that we would lock, and we would then wait for that batch: a deadlock.
        let may_lock = self.pending.is_empty();
        let contended = self.contention_monitor.is_contended();
        let (committed_only, maybe_pending): (Vec<_>, Vec<_>) =
            needs.iter().partition(|need| contended && need.table.contention() == Contention::Hot);
        let (mut loaded, mut rest) = self.pending.find(maybe_pending, &mut self.depends_on);
        rest.extend(committed_only);
        self.shares_only_hot_rows &= loaded.iter().all(|one| one.need.table.contention() == Contention::Hot);
        let asked = Asked::of(&rest, may_lock);
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

    fn commit(mut self: Box<Self>, changes: Changes) -> Committing {
        let pending_write = self.pending.add(loadable(&changes.records));
        Box::pin(async move {
            // If other numbers were written than decided, dropping `pending_write` makes the batches that read the decided
            // ones start over. Adding their changes to the row would not do: they decided on numbers that were never
            // committed, and another process may have reserved the same goods.
            if self.write_after_dependencies(changes).await? {
                pending_write.arrived();
            }
            Ok(())
        })
    }
}

/// `None` for the row that carries only the time, because no message was found.
fn handled(row: &PgRow) -> Result<Option<Handled>, Error> {
    let Some(id) = row.try_get::<Option<&str>, _>(1).map_err(failed)? else { return Ok(None) };
    let text = |at| row.try_get::<&str, _>(at).map_err(failed);
    let id = json::id(id)?;
    let at = Time::from_unix_ms(row.try_get(4).map_err(failed)?);
    let emitted = json::emitted_before(text(5)?, &id, at);
    Ok(Some(Handled { id, name: text(2)?.to_string(), hash: json::hash(text(3)?)?, emitted }))
}
