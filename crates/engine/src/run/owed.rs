//! What a handled message emitted may have been handled inline, and have emitted more. If the process died before it
//! published, what is still owed stands at the ends of that chain.

use std::collections::{BTreeMap, HashMap};

use contract::{Kind, MessageId, Role};
use store::{Emitted, Error, Handled, Transaction, believed};

/// How many generations of follow-ups are walked through. The whole story of an order has fewer.
const GENERATIONS_MAX: usize = 100;

/// What has to be published again: each message that was not handled yet; for one that was, in its place, what it emitted
/// that is still owed.
pub(crate) async fn still_owed(
    transaction: &mut dyn Transaction,
    mut emitted: Vec<Emitted>,
) -> Result<Vec<Emitted>, Error> {
    let mut owed = Vec::new();
    for _ in 0..GENERATIONS_MAX {
        if emitted.is_empty() {
            break;
        }
        let mut handled = handled(transaction, &emitted).await?;
        let mut led_to = Vec::new();
        for Emitted { message, queues } in emitted {
            let mut unhandled = Vec::new();
            for queue in queues {
                let reader = queue.reader();
                match handled.remove(&(reader, message.id.clone())) {
                    // Without messages that this role may not send: a forged journal row must not make us publish.
                    Some(before) => led_to.extend(believed(reader, before.emitted)),
                    None => unhandled.push(queue),
                }
            }
            // A fact is also for listeners outside, which may not have received it.
            if !unhandled.is_empty() || message.body.kind() != Kind::Command {
                owed.push(Emitted { message, queues: unhandled });
            }
        }
        emitted = led_to;
    }
    // Too deep to follow: these are published again; repeats are harmless.
    owed.append(&mut emitted);
    Ok(owed)
}

async fn handled(
    transaction: &mut dyn Transaction,
    emitted: &[Emitted],
) -> Result<HashMap<(Role, MessageId), Handled>, Error> {
    let mut ids: BTreeMap<Role, Vec<MessageId>> = BTreeMap::new();
    for Emitted { message, queues } in emitted {
        for queue in queues {
            ids.entry(queue.reader()).or_default().push(message.id.clone());
        }
    }
    let mut known = HashMap::new();
    for (role, ids) in ids {
        let (_, found) = transaction.handled(role, &ids).await?;
        known.extend(found.into_iter().map(|handled| ((role, handled.id.clone()), handled)));
    }
    Ok(known)
}
