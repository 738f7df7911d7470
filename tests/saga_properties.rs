//! Four properties hold at every step of every saga: an action that repeats has no effect, an undo that repeats has
//! none, a refused or unanswered step compensates to a clean slate, and a crash anywhere does not change the end.
//!
//! The steps come from the saga's own table: a step that is added and occurs in no story fails the first test.

use std::collections::{BTreeMap, BTreeSet};

use adapters::mock::Settings;
use contract::{Need, Table};
use serde_json::{Value, json};

use crate::world::case::cases;
use crate::world::claims::{self, Known, Tally};
use crate::world::faults::{Aim, Fault, Place};
use crate::world::{Deployment, End, World};

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";
const COUNTED: i64 = 5;

/// One order, from its checkout to its end.
struct Story {
    title: &'static str,
    method: &'static str,
    token: &'static str,
    quantity: u32,
    /// When the first message is about to be handled, the second one is sent from outside; each once.
    cues: &'static [Cue],
    ends: &'static str,
    /// A cancellation races the payment: whether the money was never taken or was refunded is chance, and both are
    /// right.
    races: bool,
}

type Cue = (&'static str, &'static str, fn() -> Value);

const TAKE_ALL: Cue =
    ("payment.charge", "stock.adjust", || json!({"sku": "A", "delta": -5, "reason": "stock-take"}));
const CANCEL: fn() -> Value = || json!({"order_id": ORDER});
/// Sent when nothing else happens any more and an operator has to act.
const OPERATOR: &str = "";

const PLAIN: Story = Story {
    title: "",
    method: "card",
    token: "tok_ok",
    quantity: 2,
    cues: &[],
    ends: "fulfilled",
    races: false,
};

const STORIES: &[Story] = &[
    Story { title: "a card that works", ..PLAIN },
    Story { title: "a declined card", token: "tok_declined", ends: "cancelled", ..PLAIN },
    Story { title: "short stock", quantity: 6, ends: "cancelled", ..PLAIN },
    Story { title: "a refused shipment", cues: &[TAKE_ALL], ends: "refunded", ..PLAIN },
    Story {
        title: "a cancellation while stock is held",
        cues: &[("stock.reserve", "order.cancel", CANCEL)],
        ends: "cancelled",
        races: true,
        ..PLAIN
    },
    Story {
        title: "a cancellation while it is charged",
        cues: &[("provider.charge", "order.cancel", CANCEL)],
        ends: "cancelled",
        races: true,
        ..PLAIN
    },
    Story { title: "a provider that never answers", token: "tok_never_answers", ends: "cancelled", ..PLAIN },
    Story { title: "an answer that is lost", token: "tok_lost_answer", ..PLAIN },
    Story { title: "a payment that comes too late", token: "tok_late", ends: "cancelled", ..PLAIN },
    Story { title: "an event that comes three times", token: "tok_duplicate_event", ..PLAIN },
    Story {
        title: "cash on delivery",
        method: "cod",
        cues: &[("stock.shipped", "order.pay", CANCEL)],
        ..PLAIN
    },
    Story {
        title: "cash that never comes",
        method: "cod",
        cues: &[(
            OPERATOR,
            "saga.resolve",
            || json!({"order_id": ORDER, "outcome": "give_up", "evidence": "it came back", "by": "me"}),
        )],
        ends: "cancelled",
        ..PLAIN
    },
    Story {
        title: "a refund that is refused once",
        token: "tok_refund_fails_once",
        cues: &[TAKE_ALL],
        ends: "refunded",
        ..PLAIN
    },
    Story {
        title: "two returns",
        cues: &[
            (
                "order.fulfilled",
                "order.refund",
                || json!({"order_id": ORDER, "items": [{"sku": "A", "quantity": 1}]}),
            ),
            ("order.returned", "order.refund", CANCEL),
        ],
        ends: "refunded",
        ..PLAIN
    },
];

/// The disturbance of one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Twist {
    Repeat,
    /// The process that handles it dies there, and it is delivered again.
    Die(Place),
    /// The commit's answer is lost.
    AnswerLost,
}

/// How a story ended, as far as a twist must not change it. (`claims` has checked the rest.)
#[derive(PartialEq, Eq, Debug)]
struct Ending {
    status: String,
    captured: i64,
    refunded: i64,
    /// On hand and reserved.
    stock: String,
    notices: BTreeSet<String>,
}

struct Played {
    ending: Ending,
    /// The names of the handled messages, in order.
    handled: Vec<&'static str>,
    asked: BTreeSet<&'static str>,
    struck: bool,
}

#[test]
fn every_step_is_asked_every_undo_is_run_and_every_story_ends_clean() {
    let mut asked = BTreeSet::new();
    for story in STORIES {
        let played = play(story, None);
        assert_eq!(played.ending.status, story.ends, "{}", story.title);
        asked.extend(played.asked);
    }
    let table = saga::table();
    for [definition, step, ask, undo, ..] in &table {
        assert!(asked.contains(ask.as_str()), "no story asks {ask} ({step} of {definition})");
        let by_command = !undo.contains(':');
        assert!(
            !by_command || asked.contains(undo.as_str()),
            "no story undoes {step} of {definition} by {undo}"
        );
    }
    println!("{} steps of {} stories covered", table.len(), STORIES.len());
}

#[test]
fn every_action_and_every_undo_may_be_repeated() {
    let points = twisted(|_| vec![Twist::Repeat]);
    println!("{points} messages delivered twice");
}

#[test]
fn a_crash_at_any_point_changes_nothing_about_the_end() {
    use Place::{Ack, Begin, Keep, Kept, Load, Look, Publish, Reach, Reached};
    let points = twisted(|name| {
        let mut twists = vec![Twist::AnswerLost];
        twists.extend([Begin, Look, Load, Keep, Kept, Publish, Ack].map(Twist::Die));
        if name.starts_with("provider.") || matches!(name, "email.send" | "sms.send") {
            twists.extend([Reach, Reached].map(Twist::Die));
        }
        twists
    });
    println!("{points} crash points covered");
}

/// Plays every story again and again, each time with one twist at one message. Returns how many took effect.
fn twisted(twists: impl Fn(&str) -> Vec<Twist>) -> usize {
    let mut fell = 0;
    for story in STORIES {
        let plain = play(story, None);
        for (at, name) in plain.handled.iter().enumerate() {
            for twist in twists(name) {
                let played = play(story, Some((at, twist)));
                assert_eq!(
                    played.ending, plain.ending,
                    "{}: {twist:?} at {name} (message {at})",
                    story.title
                );
                fell += usize::from(played.struck);
            }
        }
    }
    assert!(fell > STORIES.len() * 20, "hardly any twist took effect: {fell}");
    fell
}

fn play(story: &Story, twist: Option<(usize, Twist)>) -> Played {
    let world = World::open(Settings::default());
    let price = json!({"amount": "10.00", "currency": "EUR"});
    world.command(
        "product",
        "product.upsert",
        &json!({"sku": "A", "title": "Thing", "price": price, "on_hand": COUNTED}),
    );
    let mut played =
        Stage { world: &world, story, cues: Vec::new(), twist: None, handled: Vec::new(), struck: false };
    played.run_dry();
    played.handled.clear();
    played.twist = twist;
    played.cues = story.cues.to_vec();
    let checkout = json!({"order_id": ORDER, "customer_id": "c", "items": [{"sku": "A", "quantity": story.quantity}],
        "payment": {"method": story.method, "token": story.token}, "contact": {"email": "a@example.org"}});
    world.command("checkout", "checkout.submit", &checkout);
    played.run_dry();
    let (handled, struck) = (played.handled, played.struck);
    let taken: i64 = story.cues.iter().filter(|(_, name, _)| *name == "stock.adjust").map(|_| -COUNTED).sum();
    let known = Known { received: BTreeMap::from([("A".into(), COUNTED + taken)]), by_hand: BTreeMap::new() };
    let cases = cases(&world);
    let mut tally = Tally::default();
    claims::check(&world, &cases, &known, &mut tally);
    assert!(tally.broken.is_empty(), "{} {twist:?}: {:#?}", story.title, tally.broken);
    let case = &cases[ORDER];
    let asked = case.saga_said.iter().copied().collect();
    let mut ending = Ending {
        status: case.end().to_string(),
        captured: case.captured(),
        refunded: case.refunded(),
        stock: stock(&world),
        notices: world.outside.mail().keys().cloned().collect(),
    };
    if story.races {
        ending.captured -= ending.refunded;
        ending.refunded = 0;
        ending.notices.retain(|key| key.contains("/created/"));
        assert!(matches!(ending.status.as_str(), "cancelled" | "refunded"), "{ending:?}");
        ending.status = story.ends.to_string();
    }
    Played { ending, handled, asked, struck }
}

fn stock(world: &World) -> String {
    let tables = world.memory.tables();
    let (_, json) = &tables.records[&Need::of(Table::Stock, "A")];
    let doc: Value = serde_json::from_str(json).expect("a document is JSON");
    format!("{} on hand, {} reserved", doc["on_hand"], doc["reserved"])
}

struct Stage<'a> {
    world: &'a World,
    story: &'a Story,
    cues: Vec<Cue>,
    twist: Option<(usize, Twist)>,
    handled: Vec<&'static str>,
    struck: bool,
}

impl Stage<'_> {
    /// Runs until nothing is in flight, nothing is due, and no operator has to act.
    fn run_dry(&mut self) {
        loop {
            while let Some(delivery) = self.world.memory_broker.first() {
                let name = delivery.message.name();
                self.cue(name);
                let at = self.handled.len();
                self.handled.push(name);
                let twist = self.twist.filter(|(wanted, _)| *wanted == at).map(|(_, twist)| twist);
                let aim = match twist {
                    Some(Twist::Die(place)) => Some(Aim::at(place, 0, Fault::Die)),
                    Some(Twist::AnswerLost) => Some(Aim::at(Place::Keep, 0, Fault::AnswerLost)),
                    Some(Twist::Repeat) | None => None,
                };
                let queue = delivery.queue;
                let end = self
                    .world
                    .work(queue, vec![delivery.clone()], Deployment::Apart, aim, || {})
                    .expect("no message is faulty");
                assert_ne!(end, End::Waits, "every dependency is up");
                self.struck |= self.world.faults.struck().is_some();
                if twist == Some(Twist::Repeat) {
                    self.world.memory_broker.put_back(delivery);
                    self.struck = true;
                }
            }
            if !self.time_passes() && !self.cue(OPERATOR) {
                return;
            }
        }
    }

    fn cue(&mut self, now: &str) -> bool {
        let Some(at) = self.cues.iter().position(|(when, ..)| *when == now) else { return false };
        let (_, name, body) = self.cues.remove(at);
        assert!(
            self.world.command(&format!("cue-{}-{name}", self.cues.len()), name, &body()),
            "{}",
            self.story.title
        );
        true
    }

    /// Moves on to the next event of the provider, or the next deadline.
    fn time_passes(&self) -> bool {
        let event = self.world.outside.due().iter().map(|due| due.due).min();
        let Some(next) = [event, self.world.memory.next_deadline()].into_iter().flatten().min() else {
            return false;
        };
        self.world.clock.pass_ms((next.unix_ms() - self.world.now().unix_ms()).max(0));
        let now = self.world.now();
        let (arrived, later) = self.world.outside.due().drain(..).partition(|due| due.due <= now);
        *self.world.outside.due() = later;
        let arrived: Vec<adapters::mock::rules::DueEvent> = arrived;
        for due in arrived {
            self.world.bring(&due.event.id, &due.event);
        }
        self.world.ring(None).expect("the timer does not die");
        true
    }
}
