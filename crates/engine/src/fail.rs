//! Named points at which a test can make the process die, and an order that makes it fail. Release builds have none.

use std::sync::Arc;

use contract::{Message, Role};

/// `CHECKOUT_FAIL_POINT=committed:saga:3` kills the process the third time the saga role gets there.
#[cfg(debug_assertions)]
pub(crate) fn point(name: &str, role: Role) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, String, u64)>> = OnceLock::new();
    static SEEN: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("CHECKOUT_FAIL_POINT").ok()?;
        let mut parts = text.split(':');
        let (name, role) = (parts.next()?.to_string(), parts.next()?.to_string());
        Some((name, role, parts.next().and_then(|n| n.parse().ok()).unwrap_or(1)))
    });
    let Some((wanted_name, wanted_role, times)) = wanted else { return };
    let here = wanted_name == name && wanted_role == role.name();
    if here && SEEN.fetch_add(1, Ordering::SeqCst) + 1 == *times {
        // As sudden as kill -9: nothing is flushed, nothing is dropped.
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
pub(crate) fn point(_name: &str, _role: Role) {}

/// `CHECKOUT_POISON=<order id>` makes this process fail at every message of that order.
#[cfg(debug_assertions)]
pub(crate) fn at_poison(messages: &[Arc<Message>]) {
    use std::sync::OnceLock;

    static POISON: OnceLock<Option<String>> = OnceLock::new();
    let Some(poison) = POISON.get_or_init(|| std::env::var("CHECKOUT_POISON").ok()) else { return };
    for order in messages.iter().filter_map(|message| message.order_id) {
        assert!(order.to_string() != *poison, "poisoned");
    }
}

#[cfg(not(debug_assertions))]
pub(crate) fn at_poison(_messages: &[Arc<Message>]) {}
