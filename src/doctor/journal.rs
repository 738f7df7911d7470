//! What has waited for long, and which of it will never be handled: rows that cannot be read, or that their role may
//! not say.

use std::time::Duration;

use super::{Findings, Level};
use store::{Database, Error, Vitals};

/// In a system that keeps up, nothing waits this long, except for what an operator has paused.
const UNHANDLED_MAX: Duration = Duration::from_secs(60);

pub(super) async fn look(store: &dyn Database, vitals: Vitals, found: &mut Findings) -> Result<(), Error> {
    let age_ms = vitals.oldest_in_flight.map_or(0, |at| vitals.now.unix_ms().saturating_sub(at.unix_ms()));
    let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
    if age <= UNHANDLED_MAX {
        found.good("work", format!("the oldest unhandled message is {} s old", age.as_secs()));
        return Ok(());
    }
    found.add(
        "work",
        Level::Warning,
        format!("a message has waited for {} s", age.as_secs()),
        "see that a worker of every role runs; after a broker was lost: checkout journal refill",
    );
    look_at_what_waits(store, found).await
}

/// Reads all that is in flight, and so only if something waits.
async fn look_at_what_waits(store: &dyn Database, found: &mut Findings) -> Result<(), Error> {
    let (mut unreadable, mut not_theirs) = (Vec::new(), Vec::new());
    for flying in store.in_flight().await? {
        match flying {
            Err(why) => unreadable.push(why.to_string()),
            Ok(one) if !one.is_believed() => {
                let (role, message) = (one.role, one.message);
                let (name, by, id) = (message.name(), message.by, message.id);
                not_theirs.push(format!("a journal row of {role} says {name} {id} as {by}"));
            }
            Ok(_) => {}
        }
    }
    for (rows, what) in [
        (unreadable, "messages wait in rows that cannot be read"),
        (not_theirs, "messages wait in rows whose role may not say them"),
    ] {
        if let Some(first) = rows.first() {
            found.add(
                "journal",
                Level::Error,
                format!("{} {what}; the first: {first}", rows.len()),
                "no refill publishes them; find out who can use that role's login on the database, change its password, and \
                 look at `checkout audit` (R1, T1); docs/operations.md says how such a row is deleted",
            );
        }
    }
    Ok(())
}
