//! Dead letters, by whose trouble they are, and what they reveal about outsiders' bindings on our exchanges.

use super::{Findings, Level};
use broker::rabbitmq::BY_A_BINDING;
use store::{Database, DeadStatus, Letters, Origin, Vitals};

/// How many groups of the same error are counted; smaller groups are left out.
const GROUPS_MAX: usize = 100;
/// How many of the newest refused messages are examined.
const NOT_ALLOWED_MAX: usize = 100;

pub(super) async fn look_at(
    store: &dyn Database,
    vitals: Vitals,
    found: &mut Findings,
) -> Result<(), store::Error> {
    let groups = store.dead_groups(GROUPS_MAX).await?;
    let codes = |origin: Origin| {
        let mut codes = std::collections::BTreeMap::<&str, u64>::new();
        for group in groups.iter().filter(|group| group.origin == origin) {
            *codes.entry(&group.code).or_default() += group.letters;
        }
        codes.iter().map(|(code, count)| format!("{count} × {code}")).collect::<Vec<_>>().join(", ")
    };
    match vitals.own_dead_letters() {
        0 => found.good("dead letters", "none of our own is open"),
        own => found.add(
            "dead letters",
            Level::Warning,
            format!("{own} of our own are open: {}", codes(Origin::Own)),
            "checkout dead list",
        ),
    }
    let (strangers, evicted) = (vitals.strangers_dead_letters, vitals.evicted_dead_letters);
    if strangers > 0 || evicted > 0 {
        let what = format!(
            "strangers have caused {strangers} that are open ({}); {evicted} older ones were evicted",
            codes(Origin::Stranger)
        );
        let fix = "nothing has to be done: they hold up no order, and past a number the oldest go. Who sends them \
                   stands in `checkout dead list --origin stranger --each`; a client of yours has to be corrected there";
        found.add("dead letters", Level::Note, what, fix);
    }
    look_at_bindings(store, found).await
}

/// AMQP does not show bindings; messages that came by one do.
async fn look_at_bindings(store: &dyn Database, found: &mut Findings) -> Result<(), store::Error> {
    let (status, code) = (Some(DeadStatus::Open), Some("not_allowed".to_string()));
    let wanted = Letters { status, code, limit: NOT_ALLOWED_MAX, ..Letters::default() };
    let letters = store.letters(&wanted).await?;
    let mut by_binding = letters.iter().filter(|letter| letter.why.contains(BY_A_BINDING));
    let Some(newest) = by_binding.next() else { return Ok(()) };
    let what = format!(
        "messages come to our exchanges by a binding from another one ({} of the newest {} that are not allowed): {}",
        1 + by_binding.count(),
        letters.len(),
        newest.why
    );
    let fix =
        "find the binding with `rabbitmqctl list_bindings`, and have the shop that made it take it away";
    found.add("bindings", Level::Warning, what, fix);
    Ok(())
}
