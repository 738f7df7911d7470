//! The real program dies at every boundary of the loop, and only clients that have to ask again notice.

mod loop_order;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use contract::{Role, Table};
use serde_json::{Value, json};
use store::Database;

use crate::support::system::{Ingress, QUICK, System};
use crate::support::{self, Folder, PATIENCE, block_on, new_id, order, pause, until_stored};

const EVERYWHERE: [&str; 4] = ["taken", "decided", "committed", "published"];
const OUTSIDE: &str = "reached_out";
const WORKERS: [Role; 5] = [Role::Order, Role::Payment, Role::Stock, Role::Notification, Role::Saga];
const ADAPTERS: [Role; 3] = [Role::Provider, Role::Email, Role::Sms];

/// Messages from outside are taken from no queue.
const AT_THE_DOOR: [&str; 2] = ["committed", "published"];

/// The process dies there in the first batch of a role, and in another run in its second.
const TIMES: [u32; 2] = [1, 2];

/// Concurrent processes. They mostly wait for each other's disk.
const LANES: usize = 4;

/// One failure does not keep the others from being tried; after this many there is enough to look at.
const FAILURES_MAX: usize = 3;

const SIGABRT: i32 = 6;

/// There is one left, and a stock-take will not find it.
const RARE: &str = "CRASH-RARE";

fn fail_points() -> Vec<String> {
    let roles = || WORKERS.iter().chain(&ADAPTERS);
    let inside = EVERYWHERE.iter().flat_map(|point| roles().map(move |role| format!("{point}:{role}")));
    let outside = ADAPTERS.iter().map(|role| format!("{OUTSIDE}:{role}"));
    let ingress = AT_THE_DOOR.iter().map(|point| format!("{point}:{}", Role::Gateway));
    let points = inside.chain(outside).chain(ingress);
    points.flat_map(|point| TIMES.map(|times| format!("{point}:{times}"))).collect()
}

#[test]
fn whatever_the_process_dies_at_every_order_ends_as_if_it_had_not() {
    let stocked = stocked();
    let points = fail_points();
    let (next, survived, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|lanes| {
        for _ in 0..LANES {
            lanes.spawn(|| {
                while failed.lock().unwrap().len() < FAILURES_MAX
                    && let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    match std::panic::catch_unwind(|| dies_and_goes_on(&stocked, point)) {
                        Ok(()) => _ = survived.fetch_add(1, Ordering::Relaxed),
                        Err(_) => failed.lock().unwrap().push(point),
                    }
                }
            });
        }
    });
    println!("fail points survived: {}/{}", survived.into_inner(), points.len());
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "it did not recover from dying at {failed:?}");
}

fn dies_and_goes_on(stocked: &Folder, point: &str) {
    let folder = Folder::copied_from(stocked);
    let mut play = Play::new();
    block_on(async {
        let store = folder.store().await;
        let mut first = System::start_with(&folder, QUICK, &[("CHECKOUT_FAIL_POINT", point)]);
        let over = play.act(&folder, &store, &mut first).await;
        assert!(!over, "the story came to its end and {point} never happened");
        assert_eq!(first.died_of(), Some(SIGABRT), "{point}");
        let mut second = System::start(&folder, QUICK);
        assert!(play.act(&folder, &store, &mut second).await, "{point}: {}", folder.read(&second.log));
        assert_eq!(second.terminate(), 0, "{point}");
        play.ended_as_told(&folder, &store).await;
    });
    folder.assert_clean_at_rest();
}

/// A shop's databases after its first start, with nothing under way.
fn stocked() -> Folder {
    let folder = Folder::new();
    let system = System::start(&folder, QUICK);
    let rare = json!({"sku": RARE, "title": "The only one", "price": {"amount": "40.00", "currency": "EUR"}, "on_hand": 1});
    assert_eq!(system.ingress().send("product.upsert", "crash-rare", &rare).unwrap().0, 202);
    block_on(async {
        let store = folder.store().await;
        until_stored("rest", async || support::at_rest(&store).await).await;
    });
    assert_eq!(system.terminate(), 0);
    folder
}

/// Three orders: one goes through, one is declined, one is refunded because its goods are missing at shipping. A
/// message that was accepted is never sent again, however often the system dies.
struct Play {
    happy: String,
    declined: String,
    refused: String,
    answered: BTreeSet<String>,
}

impl Play {
    fn new() -> Self {
        Self { happy: new_id(), declined: new_id(), refused: new_id(), answered: BTreeSet::new() }
    }

    fn orders(&self) -> [(&str, Value); 3] {
        let checkout = |id: &str, sku: &str, token: &str| {
            json!({"order_id": id, "customer_id": "customer-1", "items": [{"sku": sku, "quantity": 1}],
                "payment": {"method": "card", "token": token},
                "contact": {"email": "reader@example.org", "phone": "+49301234567"}})
        };
        [
            (self.happy.as_str(), checkout(&self.happy, "BOOK-DUNE", "tok_ok")),
            (self.declined.as_str(), checkout(&self.declined, "BOOK-EMMA", "tok_declined")),
            // The provider charged it without sending its event, so the test sends that event.
            (self.refused.as_str(), checkout(&self.refused, RARE, "tok_lost_answer")),
        ]
    }

    /// Goes on until every order has ended (true) or the system has died (false).
    async fn act(&mut self, folder: &Folder, store: &dyn Database, system: &mut System) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let mut died = false;
            for (name, id, body) in self.cues(folder, store).await {
                match system.ingress().send(name, &id, &body) {
                    Ok((202, _)) => _ = self.answered.insert(id),
                    Ok((503, _)) => {}
                    Ok((status, answer)) => panic!("{name} was answered with {status}: {answer}"),
                    Err(_) => died = true,
                }
            }
            if died || !system.runs() {
                return false;
            }
            if self.is_over(store).await {
                return true;
            }
            pause();
        }
        panic!("the orders did not end within {PATIENCE:?}: {}", folder.read(&system.log));
    }

    /// The messages that the test has to send now.
    async fn cues(&self, folder: &Folder, store: &dyn Database) -> Vec<(&'static str, String, Value)> {
        let mut cues: Vec<_> =
            self.orders().map(|(id, body)| ("checkout.submit", id.to_string(), body)).to_vec();
        let held = store.get(Table::Holds, &self.refused).await.unwrap().is_some();
        if held {
            let taken = json!({"sku": RARE, "delta": -1, "reason": "stock-take"});
            cues.push(("stock.adjust", "crash-stock-take".to_string(), taken));
        }
        let stock: Value = document(store, Table::Stock, RARE).await;
        if held && stock["on_hand"] == 0 {
            cues.extend(
                self.arrived(folder).await.map(|event| ("payment.webhook", "evt_crash".into(), event)),
            );
        }
        cues.retain(|(_, id, _)| !self.answered.contains(id));
        cues
    }

    /// The event that the provider owes the shop, once it has charged.
    async fn arrived(&self, folder: &Folder) -> Option<Value> {
        let charges = folder.world("select reference || ' ' || transaction_id from charges").await;
        let transaction_id =
            charges.iter().find_map(|charge| charge.strip_prefix(&format!("{} ", self.refused)))?;
        Some(json!({"id": "evt_crash", "type": "payment.succeeded", "created": "2026-11-20T18:53:00Z",
            "data": {"reference": self.refused, "transaction_id": transaction_id,
                "amount": {"amount": "40.00", "currency": "EUR"}}}))
    }

    async fn is_over(&self, store: &dyn Database) -> bool {
        for (id, _) in self.orders() {
            let view = order(store, id).await;
            if !view::is_final(&view) || view["status"] == "created" {
                return false;
            }
        }
        support::at_rest(store).await
    }

    async fn ended_as_told(&self, folder: &Folder, store: &dyn Database) {
        let mut ends = Vec::new();
        for (id, _) in self.orders() {
            let view = order(store, id).await;
            let amount = |name: &str| view["payment"][name]["amount"].as_str().unwrap_or("-").to_string();
            ends.push((view["status"].as_str().unwrap().to_string(), amount("charged"), amount("refunded")));
        }
        let end =
            |status: &str, charged: &str, refunded: &str| (status.into(), charged.into(), refunded.into());
        assert_eq!(
            ends,
            [
                end("fulfilled", "12.99", "0.00"),
                end("cancelled", "0.00", "0.00"),
                end("refunded", "40.00", "40.00")
            ]
        );

        let charges = "select reference || ' ' || outcome || ' ' || refunded_minor from charges";
        let mut charges = folder.world(charges).await;
        charges.sort();
        let charge = |id: &str, how: &str| format!("{id} {how}");
        let mut expected = [
            charge(&self.happy, "succeeded 0"),
            charge(&self.declined, "failed 0"),
            charge(&self.refused, "succeeded 4000"),
        ];
        expected.sort();
        assert_eq!(charges, expected, "one charge for each order");

        let mut sent = folder.world("select key from sent").await;
        sent.sort();
        let told = |id: &str, events: &[&str]| {
            let by = |channel: &'static str| events.iter().map(move |event| format!("{event}/{channel}"));
            by("email").chain(by("sms")).map(|what| format!("{id}/{what}")).collect::<Vec<_>>()
        };
        let mut expected = told(&self.happy, &["created", "paid", "fulfilled"]);
        expected.extend(told(&self.declined, &["created", "cancelled"]));
        expected.extend(told(&self.refused, &["created", "paid", "refunded"]));
        expected.sort();
        assert_eq!(sent, expected, "one notice for each event and channel");
        assert_eq!(document(store, Table::Stock, "BOOK-DUNE").await["on_hand"], 499);
        assert_eq!(document(store, Table::Stock, "BOOK-EMMA").await["on_hand"], 500);
    }
}

async fn document(store: &dyn Database, table: Table, id: &str) -> Value {
    store.get(table, id).await.unwrap().map(|json| serde_json::from_str(&json).unwrap()).unwrap_or_default()
}

#[test]
fn it_is_not_announced_before_there_is_something_to_order() {
    let folder = Folder::new();
    // A new shop imports its products and a discount; it dies at the first of them.
    let (mut child, ..) = System::spawn(&folder, QUICK, &[("CHECKOUT_FAIL_POINT", "published:gateway:1")]);
    assert_eq!(child.ended("the system").signal(), Some(SIGABRT));
    assert!(!folder.path("checkout.run").exists(), "customers would find an empty shop");
    let system = System::start(&folder, QUICK);
    wait_for_rest(&folder);
    assert_eq!(system.terminate(), 0);
    folder.assert_clean_at_rest();
}

/// A system that is stopped leaves what is in flight for its next start.
fn wait_for_rest(folder: &Folder) {
    support::block_on(async {
        let store = folder.store().await;
        support::until_stored("rest", async || support::at_rest(&store).await).await;
    });
}

// ---- under load ------------------------------------------------------------------------------------------

const KILLS: usize = 8;
const CUSTOMERS: usize = 4;

#[test]
fn under_load_and_killed_again_and_again_no_order_that_was_answered_for_is_lost() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_120);
    println!("SEED={seed}");
    let mut rng = Rng(seed);
    let folder = Folder::new();
    let customers = Customers::default();
    std::thread::scope(|threads| {
        // Whatever fails in here, the customers' threads have to end.
        let _end = customers.ends_with_this();
        for customer in 0..CUSTOMERS {
            threads.spawn({
                let (customers, mut rng) = (&customers, Rng(seed ^ (customer as u64 + 1)));
                move || customers.shop(&mut rng)
            });
        }
        for _ in 0..KILLS {
            if rng.below(4) == 0 {
                // Before it is ready: while it creates its tables, or looks for what was in flight.
                let (mut child, ..) = System::spawn(&folder, QUICK, &[]);
                let looks = rng.below(20);
                (0..looks).for_each(|_| pause());
                child.kill_9();
            }
            let system = System::start(&folder, QUICK);
            customers.open(Some(system.ingress().clone()));
            customers.wait_for_answers(1 + rng.below(60));
            system.kill_9();
        }
    });
    customers.every_order_ends(&folder);
}

#[test]
fn asked_to_stop_it_finishes_what_is_in_hand_and_goes_on_next_time() {
    let folder = Folder::new();
    let customers = Customers::default();
    std::thread::scope(|threads| {
        let _end = customers.ends_with_this();
        for customer in 0..CUSTOMERS {
            let customers = &customers;
            threads.spawn(move || customers.shop(&mut Rng(customer as u64 + 1)));
        }
        for _ in 0..2 {
            let system = System::start(&folder, QUICK);
            customers.open(Some(system.ingress().clone()));
            customers.wait_for_answers(40);
            // The shutdown does not wait for a client that has connected and sends nothing.
            let silent = std::net::TcpStream::connect(system.ingress().address()).unwrap();
            let asked = Instant::now();
            let log = system.log.clone();
            assert_eq!(system.terminate(), 0, "{}", folder.read(&log));
            assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?} to stop", asked.elapsed());
            assert!(!folder.read(&log).contains("did not stop in time"), "{}", folder.read(&log));
            assert!(!folder.path("checkout.run").exists(), "its run file says that it still runs");
            drop(silent);
        }
    });
    customers.every_order_ends(&folder);
}

/// Customers who repeat a request under the same id until it is answered.
#[derive(Default)]
struct Customers {
    ingress: Mutex<Option<Ingress>>,
    answered: Mutex<Vec<(String, &'static str)>>,
    over: AtomicBool,
}

impl Customers {
    /// The token determines how an order ends.
    const TOKENS: [(&'static str, &'static str); 4] = [
        ("tok_ok", "fulfilled"),
        ("tok_ok", "fulfilled"),
        ("tok_declined", "cancelled"),
        ("tok_duplicate_event", "fulfilled"),
    ];

    fn shop(&self, rng: &mut Rng) {
        while !self.over.load(Ordering::Relaxed) {
            let id = new_id();
            let (token, ends) = Self::TOKENS[rng.below(4) as usize];
            let sku = ["BOOK-DUNE", "BOOK-EMMA", "BOOK-MOBY"][rng.below(3) as usize];
            let body = json!({"order_id": id, "customer_id": "customer-1", "items": [{"sku": sku, "quantity": 1}],
                "payment": {"method": "card", "token": token}, "contact": {"email": "reader@example.org"}});
            while !self.over.load(Ordering::Relaxed) {
                let ingress = self.ingress.lock().unwrap().clone();
                match ingress.map(|ingress| ingress.send("checkout.submit", &id, &body)) {
                    Some(Ok((202, _))) => {
                        self.answered.lock().unwrap().push((id, ends));
                        break;
                    }
                    Some(Ok((503, _)) | Err(_)) | None => pause(),
                    Some(Ok((status, answer))) => panic!("answered with {status}: {answer}"),
                }
            }
        }
    }

    fn open(&self, ingress: Option<Ingress>) {
        *self.ingress.lock().unwrap() = ingress;
    }

    fn wait_for_answers(&self, more: u64) {
        let answered = || self.answered.lock().unwrap().len() as u64;
        let enough = answered() + more;
        support::until("enough answers", || (answered() >= enough).then_some(()));
    }

    fn ends_with_this(&self) -> impl Drop {
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        End(&self.over)
    }

    /// Checked once the system runs undisturbed. More may have been ordered than there was in stock.
    fn every_order_ends(&self, folder: &Folder) {
        let answered = self.answered.lock().unwrap();
        let system = System::start(folder, QUICK);
        block_on(async {
            let store = folder.store().await;
            for (id, ends) in &*answered {
                // The provider's event may still be on its way, which our own books cannot tell.
                let ended = async || {
                    let view = order(&store, id).await;
                    view["status"] == *ends || view["reason"] == "insufficient_stock"
                };
                until_stored(&format!("order {id}, which was answered for, {ends}"), ended).await;
            }
            until_stored("rest", async || support::at_rest(&store).await).await;
        });
        assert_eq!(system.terminate(), 0);
        println!("{} orders answered for, none lost", answered.len());
        block_on(async {
            let charges = folder.world("select reference from charges").await;
            let once: BTreeSet<_> = charges.iter().collect();
            assert_eq!(once.len(), charges.len(), "an order was charged twice");
        });
        folder.assert_clean_at_rest();
    }
}

/// The same seed gives the same numbers (xorshift64).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
