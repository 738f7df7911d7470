//! Every exchange, queue and binding there is, as one value made from the prefix. No other file names one.
//!
//! ```text
//! shops     ─► P.commands ──(type)──► P.intake, P.order, …      no binding fits ─► P.unrouted
//! provider  ─► P.provider ──(type)──► P.payment                  likewise
//! admins    ─► P.admin    ──(type)──► P.order, P.stock, …        likewise
//! our roles ─► P.queues ──(queue)───► P.order, P.saga, …
//! our roles ─► P.events ──(type)────► queues of outsiders, if there are any
//! our roles ─► (default) ─(reply_to)─► the queue of an asker: a sender that wants its checkout's outcome
//! our roles ─► P.retry.10s ─► its queue ─(10 s later, by P.queues)─► the queue it came from
//! our roles and the broker ─► P.dead ──(queue)─► P.order.dead, …  ─► the importer
//! ```

use std::time::Duration;

use contract::{Kind, MESSAGES, Queue, Speaker, speakers_of};
use lapin::ExchangeKind;
use retry::RETRY_DELAYS;

/// What outsiders may send over a queue; the table of messages says which of them may. Everything else is between our
/// own workers.
pub const OUTSIDE: [&str; 10] = [
    "checkout.submit",
    "order.cancel",
    "order.refund",
    "order.pay",
    "order.archive",
    "product.upsert",
    "product.retire",
    "discount.upsert",
    "stock.adjust",
    "payment.webhook",
];

/// The shared delay queues, one for each delay. An expiration for each message would not work: a message with a short
/// delay behind one with a long delay would wait for that. Each delay of the retries has its queue.
const RETRY: [(&str, Duration); RETRY_DELAYS.len()] =
    [("1s", RETRY_DELAYS[0]), ("10s", RETRY_DELAYS[1]), ("60s", RETRY_DELAYS[2]), ("10m", RETRY_DELAYS[3])];

/// How often a message may be redelivered unhandled (a process died, or gave it back) before the broker dead-letters
/// it. Each crash counts against all that was prefetched, so this is far above what a bad day brings. Set explicitly:
/// 3.x has no limit by default, 4.x has 20.
pub const DELIVERY_LIMIT: u32 = 50;

#[derive(Clone, Debug, PartialEq)]
pub struct Topology {
    pub exchanges: Vec<Exchange>,
    pub queues: Vec<QueueSpec>,
    pub bindings: Vec<Binding>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    pub name: String,
    pub kind: ExchangeKind,
    /// Gets what matches no binding of this one.
    pub alternate: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct QueueSpec {
    pub name: String,
    pub arguments: Vec<(&'static str, Argument)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    Text(String),
    Number(u32),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    pub exchange: String,
    pub queue: String,
    pub key: String,
}

/// The names that start with one prefix. Several systems can share a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    prefix: String,
}

/// Leaves room for the longest suffix within the 255 bytes of an AMQP name.
const PREFIX_BYTES_MAX: usize = 200;

impl Names {
    /// `Err` says what is wrong with the prefix.
    pub fn new(prefix: &str) -> Result<Self, String> {
        let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if prefix.is_empty() || prefix.len() > PREFIX_BYTES_MAX || !prefix.chars().all(usual) {
            return Err(format!(
                "{prefix:?} is no prefix for queues; use 1 to {PREFIX_BYTES_MAX} letters, digits, dots, dashes or \
                 underscores"
            ));
        }
        if prefix.starts_with("amq.") {
            return Err("names that begin with amq. belong to RabbitMQ; use another prefix".into());
        }
        Ok(Self { prefix: prefix.to_string() })
    }

    /// For outsiders: commands to us.
    pub fn commands(&self) -> String {
        self.of("commands")
    }

    /// For the payment provider: its events.
    pub fn provider_events(&self) -> String {
        self.of("provider")
    }

    /// For admins: catalogue, stock, discounts, cash that was collected, refunds.
    pub fn admin(&self) -> String {
        self.of("admin")
    }

    /// Where an outsider that may send this type publishes it.
    pub(super) fn entrance_for(&self, name: &str) -> String {
        let speakers = speakers_of(name);
        match () {
            () if speakers.contains(&Speaker::PaymentProvider) => self.provider_events(),
            () if speakers.contains(&Speaker::Admin) && !speakers.contains(&Speaker::Shop) => self.admin(),
            () => self.commands(),
        }
    }

    /// For outsiders: facts from us.
    pub fn events(&self) -> String {
        self.of("events")
    }

    /// Straight to a queue of ours, by its name. Only our own roles may write here, each with its login.
    pub fn queues(&self) -> String {
        self.of("queues")
    }

    pub fn dead_exchange(&self) -> String {
        self.of("dead")
    }

    /// Exchange and queue of the same name.
    pub fn unrouted(&self) -> String {
        self.of("unrouted")
    }

    /// Where a dead letter ends that cannot even be fetched. No process consumes it; a person must look.
    pub fn unreadable(&self) -> String {
        self.of("unreadable")
    }

    pub fn queue(&self, queue: Queue) -> String {
        self.of(queue.name())
    }

    pub fn dead_queue(&self, queue: Queue) -> String {
        self.of(&format!("{}.dead", queue.name()))
    }

    /// Exchange and queue in which a message waits for `delay`, or for the next longer delay there is.
    pub fn retry(&self, delay: Duration) -> String {
        let rung = RETRY.iter().find(|(_, waits)| *waits >= delay);
        let (name, _) = rung.unwrap_or(&RETRY[RETRY.len() - 1]);
        self.of(&format!("retry.{name}"))
    }

    /// A queue of one listener, which is deleted with its connection.
    pub fn listener(&self) -> String {
        self.of(&format!("listener.{}", uuid::Uuid::new_v4().simple()))
    }

    /// Whether that queue is one of ours. An outsider's may begin with our prefix as well.
    pub fn are_of(&self, queue: &str) -> bool {
        let ours = |one: Queue| queue == self.queue(one) || queue == self.dead_queue(one);
        Queue::ALL.into_iter().any(ours)
            || RETRY.iter().any(|(_, waits)| queue == self.retry(*waits))
            || [self.unrouted(), self.unreadable()].iter().any(|one| one == queue)
    }

    fn of(&self, what: &str) -> String {
        format!("{}.{what}", self.prefix)
    }
}

pub fn topology(names: &Names) -> Topology {
    let mut exchanges = vec![
        exchange(names.commands(), ExchangeKind::Topic, Some(names.unrouted())),
        exchange(names.provider_events(), ExchangeKind::Topic, Some(names.unrouted())),
        exchange(names.admin(), ExchangeKind::Topic, Some(names.unrouted())),
        exchange(names.events(), ExchangeKind::Topic, None),
        exchange(names.queues(), ExchangeKind::Direct, None),
        exchange(names.dead_exchange(), ExchangeKind::Direct, None),
        exchange(names.unrouted(), ExchangeKind::Fanout, None),
    ];
    let mut queues = Vec::new();
    let mut bindings = vec![
        bind(names.unrouted(), names.unrouted(), String::new()),
        bind(names.dead_exchange(), names.unreadable(), names.unreadable()),
    ];
    queues.push(kept(names.unrouted(), limited(dead_letters_to(names.dead_exchange(), names.unreadable()))));
    queues.push(kept(names.unreadable(), limited(Vec::new())));
    for queue in Queue::ALL {
        let (name, dead) = (names.queue(queue), names.dead_queue(queue));
        queues.push(kept(name.clone(), limited(dead_letters_to(names.dead_exchange(), name.clone()))));
        queues.push(kept(dead.clone(), limited(dead_letters_to(names.dead_exchange(), names.unreadable()))));
        bindings.push(bind(names.queues(), name.clone(), name.clone()));
        bindings.push(bind(names.dead_exchange(), dead, name));
    }
    for (command, queue) in outside_commands() {
        // A message that may not come by this exchange is refused with a reason by the consumer.
        bindings.push(bind(names.commands(), names.queue(queue), command.to_string()));
        for (speaker, exchange) in
            [(Speaker::PaymentProvider, names.provider_events()), (Speaker::Admin, names.admin())]
        {
            if speakers_of(command).contains(&speaker) {
                bindings.push(bind(exchange, names.queue(queue), command.to_string()));
            }
        }
    }
    for (_, waits) in RETRY {
        let name = names.retry(waits);
        exchanges.push(exchange(name.clone(), ExchangeKind::Fanout, None));
        queues.push(delay(name.clone(), waits, names.queues()));
        bindings.push(bind(name.clone(), name, String::new()));
    }
    Topology { exchanges, queues, bindings }
}

/// What outsiders may send, with the queue it goes to.
pub fn outside_commands() -> impl Iterator<Item = (&'static str, Queue)> {
    let from_outside = |(name, kind, _): &&(&str, Kind, &[Queue])| match kind {
        Kind::Command => OUTSIDE.contains(name),
        Kind::Fact | Kind::Reply => false,
    };
    MESSAGES
        .iter()
        .filter(from_outside)
        .flat_map(|(name, _, queues)| queues.iter().map(move |queue| (*name, *queue)))
}

fn exchange(name: String, kind: ExchangeKind, alternate: Option<String>) -> Exchange {
    Exchange { name, kind, alternate }
}

fn bind(exchange: String, queue: String, key: String) -> Binding {
    Binding { exchange, queue, key }
}

/// Replicated and on disk. A full queue rejects a publish instead of dropping a message; dead-lettering at least once
/// is only possible with that.
fn kept(name: String, more: Vec<(&'static str, Argument)>) -> QueueSpec {
    let mut arguments = vec![
        ("x-queue-type", Argument::Text("quorum".into())),
        ("x-overflow", Argument::Text("reject-publish".into())),
    ];
    arguments.extend(more);
    QueueSpec { name, arguments }
}

/// At least once: the queue keeps a dead message until the target queue has confirmed it.
fn dead_letters_to(exchange: String, key: String) -> Vec<(&'static str, Argument)> {
    vec![
        ("x-dead-letter-exchange", Argument::Text(exchange)),
        ("x-dead-letter-routing-key", Argument::Text(key)),
        ("x-dead-letter-strategy", Argument::Text("at-least-once".into())),
    ]
}

fn limited(mut arguments: Vec<(&'static str, Argument)>) -> Vec<(&'static str, Argument)> {
    arguments.push(("x-delivery-limit", Argument::Number(DELIVERY_LIMIT)));
    arguments
}

/// What expires here goes back by its own routing key, which is the name of its queue: so one delay queue serves all.
/// Messages must be published here by us. If a work queue dead-lettered into it, that would be a cycle, and RabbitMQ
/// drops a message in a cycle that was never rejected.
fn delay(name: String, waits: Duration, back_by: String) -> QueueSpec {
    let ms = u32::try_from(waits.as_millis()).expect("the ladder has no rung of a month");
    let arguments = vec![
        ("x-message-ttl", Argument::Number(ms)),
        ("x-dead-letter-exchange", Argument::Text(back_by)),
        ("x-dead-letter-strategy", Argument::Text("at-least-once".into())),
    ];
    kept(name, arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rung_of_the_ladder_has_a_delay_queue_of_just_its_length() {
        let names = Names::new("p").unwrap();
        let shown: Vec<_> = RETRY_DELAYS.iter().map(|rung| names.retry(*rung)).collect();
        assert_eq!(shown, ["p.retry.1s", "p.retry.10s", "p.retry.60s", "p.retry.10m"]);
        assert_eq!(names.retry(Duration::ZERO), "p.retry.1s");
        assert_eq!(names.retry(Duration::from_secs(2)), "p.retry.10s");
        assert_eq!(names.retry(Duration::from_secs(9999)), "p.retry.10m");
    }

    #[test]
    fn every_binding_joins_what_is_declared_and_nothing_is_declared_twice() {
        let topology = topology(&Names::new("p").unwrap());
        let exchanges: Vec<_> = topology.exchanges.iter().map(|one| &one.name).collect();
        let queues: Vec<_> = topology.queues.iter().map(|one| &one.name).collect();
        for Binding { exchange, queue, .. } in &topology.bindings {
            assert!(exchanges.contains(&exchange) && queues.contains(&queue), "{exchange} → {queue}");
        }
        for queue in &queues {
            assert!(topology.bindings.iter().any(|binding| binding.queue == **queue), "{queue} gets nothing");
        }
        for mut names in [exchanges, queues] {
            let count = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }

    #[test]
    fn whatever_outsiders_may_say_is_a_command_of_ours_and_reaches_a_queue() {
        for name in OUTSIDE {
            assert!(outside_commands().any(|(command, _)| command == name), "{name}");
        }
    }

    #[test]
    fn a_queue_is_ours_if_we_declare_it_and_not_for_its_prefix_alone() {
        let names = Names::new("p").unwrap();
        assert!(topology(&names).queues.iter().all(|queue| names.are_of(&queue.name)));
        for other in ["p.shop.answers", "p.order.answers", "q.order", "order", "p", ""] {
            assert!(!names.are_of(other), "{other}");
        }
    }

    #[test]
    fn a_prefix_that_no_broker_would_take_is_refused() {
        for bad in ["", "a b", "amq.x", "ü", &"x".repeat(201)] {
            assert!(Names::new(bad).is_err(), "{bad}");
        }
        assert!(Names::new(&"x".repeat(200)).is_ok());
    }
}
