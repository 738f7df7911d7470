//! A paused role takes nothing, wherever it runs; its messages stay in their queue until an operator resumes it.
//!
//! A pause is a row that every process polls twice a second. Who paused what, and why, stays in the journal.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use contract::{BodyHash, MESSAGES, MessageId, Role, Table};
use serde::Serialize;
use store::{Changes, Database, Error, Filter, JournalRow, Pause, PauseChange};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::operator::Operator;

/// A pause is in force everywhere well within a second.
const EVERY: Duration = Duration::from_millis(500);

/// Which roles are paused. Clones share it.
#[derive(Clone)]
pub struct Paused(watch::Receiver<BTreeSet<Role>>);

impl Paused {
    /// For consumers that are never paused.
    pub fn never() -> Self {
        Self(watch::channel(BTreeSet::new()).1)
    }

    /// For consumers, and the task that keeps it up to date.
    pub fn watching(
        store: Arc<dyn Database>,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (tell, paused) = watch::channel(BTreeSet::new());
        (Self(paused), keep_looking(store, tell, stop))
    }

    pub(crate) fn rests(&self, role: Role) -> bool {
        self.0.borrow().contains(&role)
    }

    /// Ends once the role may work.
    pub(crate) async fn over(&self, role: Role) {
        // The task has ended: then nothing is known to be paused.
        self.0.clone().wait_for(|paused| !paused.contains(&role)).await.ok();
    }

    /// Ends once the role has to pause; perhaps never.
    pub(crate) async fn begins(&self, role: Role) {
        if self.0.clone().wait_for(|paused| paused.contains(&role)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A step that would wait for a paused role.
#[derive(Debug, Serialize)]
pub struct Waits {
    pub saga: String,
    pub step: &'static str,
    /// The command by which sagas ask for it.
    pub ask: &'static str,
    /// Sagas that stand there now, up to a thousand.
    pub sagas: usize,
}

/// The steps that ask a role for something, as the sagas' own definitions have them.
pub async fn waits(store: &dyn Database, role: Role) -> Result<Vec<Waits>> {
    const COUNTED_MAX: usize = 1000;
    let reads = |name: &str| {
        let mut known = MESSAGES.iter().filter(|(known, ..)| *known == name);
        known.any(|(_, _, queues)| queues.iter().any(|queue| queue.reader() == role))
    };
    let mut waits = Vec::new();
    for sketch in saga::sketches() {
        for step in sketch.steps.iter().filter(|step| reads(step.ask)) {
            let there = Filter { step: Some(step.name.into()), limit: COUNTED_MAX, ..Filter::default() };
            let mut sagas = 0;
            for doc in store.list(Table::Sagas, &there).await? {
                let its: serde_json::Value = serde_json::from_str(&doc)?;
                sagas += usize::from(its["definition"] == sketch.name && its["version"] == sketch.version);
            }
            let saga = format!("{} v{}", sketch.name.replace('_', " "), sketch.version);
            waits.push(Waits { saga, step: step.name, ask: step.ask, sagas });
        }
    }
    Ok(waits)
}

/// Stops a role everywhere.
pub async fn pause(store: &dyn Database, role: Role, who: &Operator) -> Result<()> {
    let Operator { by, why, .. } = who;
    if store.pauses().await?.iter().any(|pause| pause.role == role) {
        bail!("{role} is paused already; `checkout pause list` shows by whom");
    }
    let now = store.now().await?;
    let pause = Pause { role, by: by.to_string(), why: why.to_string(), at: now };
    let outcome = format!("{role} paused by {by}: {why}");
    write(store, PauseChange::Pause(pause), "role.pause", outcome).await
}

/// Resumes it.
pub async fn resume(store: &dyn Database, role: Role, who: &Operator) -> Result<()> {
    let Operator { by, why, .. } = who;
    let outcome = format!("{role} resumed by {by}: {why}");
    match write(store, PauseChange::Resume(role), "role.resume", outcome).await {
        Err(error) if matches!(error.downcast_ref(), Some(Error::Conflict(_))) => {
            bail!("{role} is not paused; `checkout pause list` shows what is")
        }
        done => done,
    }
}

async fn write(store: &dyn Database, change: PauseChange, name: &str, outcome: String) -> Result<()> {
    let row = JournalRow {
        role: Role::Operator,
        id: MessageId::from(uuid::Uuid::now_v7()),
        name: name.to_string(),
        hash: BodyHash::of(name, &outcome),
        order_id: None,
        cause: None,
        at: store.now().await?,
        outcome,
        emitted: Vec::new(),
    };
    let changes = Changes { journal: vec![row], pauses: vec![change], ..Changes::default() };
    Ok(store.begin().await?.commit(changes).await?)
}

async fn keep_looking(
    store: Arc<dyn Database>,
    tell: watch::Sender<BTreeSet<Role>>,
    stop: CancellationToken,
) {
    loop {
        match store.pauses().await {
            Ok(pauses) => {
                let now: BTreeSet<Role> = pauses.iter().map(|pause| pause.role).collect();
                tell.send_if_modified(|known| {
                    let changed = *known != now;
                    *known = now;
                    changed
                });
            }
            // While the store cannot be asked, what was paused stays paused.
            Err(why) => tracing::debug!("pauses cannot be looked at: {why}"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
