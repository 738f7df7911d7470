//! One client that holds all the connections, streams and large carts it can get holds up no other customer.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Ends;
use crate::gateway::GatewayTest;
use crate::support::http_client::{Answer, HttpClient};
use crate::support::served::Served;
use crate::support::{http, new_id, until};

/// All of 127.0.0.0/8 is this machine, so a second client needs no second machine.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// The 99th percentile of the time in which orders are accepted meanwhile. A debug build on a busy machine needs
/// several times as long even without an attack, and the tests of one run share two cores.
const ACCEPTED_WITHIN: Duration = Duration::from_millis(if cfg!(debug_assertions) { 2000 } else { 500 });

const PLENTY: &str = "PLENTY";

/// Holds idle connections from 127.0.0.1 until it is dropped, and replaces those that the server closes.
struct Idle<'scope> {
    stop: &'scope AtomicBool,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope> Idle<'scope> {
    fn hold<'env>(
        scope: &'scope Scope<'scope, 'env>,
        to: SocketAddr,
        count: usize,
        stop: &'scope AtomicBool,
    ) -> Self {
        let mut held: VecDeque<TcpStream> = (0..count).map(|_| connect(to)).collect();
        let thread = scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let Some(stream) = held.pop_front() else { return };
                held.push_back(if is_open(&stream) { stream } else { connect(to) });
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Err(panic)) = self.thread.take().map(ScopedJoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

fn is_open(stream: &TcpStream) -> bool {
    stream.peek(&mut [0]).is_err_and(|why| why.kind() == ErrorKind::WouldBlock)
}

fn order(web: &HttpClient, key: &str, payment: &Value) -> Answer {
    let body = json!({"items": [{"sku": PLENTY, "quantity": 1}], "payment": payment});
    let key = key.replace(' ', "-");
    web.send("POST", "/orders", &[("idempotency-key", &key)], body.to_string().as_bytes())
}

fn by_card() -> Value {
    json!({"method": "card", "token": "tok_ok"})
}

/// Places so many orders, one after the other: none is refused, each is fulfilled, and 99 of 100 are accepted in
/// time.
fn orders_go_on(web: &HttpClient, what: &str, count: usize) {
    let mut took = Vec::new();
    let ids: Vec<String> = (0..count)
        .map(|n| {
            let begun = Instant::now();
            let answer = order(web, &format!("{what}-{n}"), &by_card()).is(202);
            took.push(begun.elapsed());
            answer.json()["order_id"].as_str().unwrap().to_string()
        })
        .collect();
    for id in &ids {
        until(&format!("{id} to be fulfilled"), || {
            let order = web.get(&format!("/orders/{id}")).is(200).json();
            (order["status"] == "fulfilled").then_some(())
        });
    }
    took.sort();
    let (half, most) = (took[count / 2], took[(count * 99).div_ceil(100) - 1]);
    println!("{what}: {count} orders fulfilled, accepted within {half:?} (p50), {most:?} (p99)");
    assert!(most < ACCEPTED_WITHIN, "{what}: {took:?}");
}

/// Enough stock of the product for all orders.
fn stock_up(admin: &HttpClient) {
    let product =
        json!({"title": "Plenty", "price": {"amount": "1", "currency": "EUR"}, "on_hand": 1_000_000});
    admin.send("PUT", &format!("/admin/products/{PLENTY}"), &[], product.to_string().as_bytes()).is(200);
}

fn over_cap(metrics: &str, cap: &str) -> u64 {
    let line = format!("checkout_connections_over_cap_total{{cap=\"{cap}\"}} ");
    let count = metrics.lines().find_map(|is| is.strip_prefix(&line));
    count.unwrap().parse().unwrap()
}

#[test]
fn idle_connections_of_one_address_hold_up_no_other_and_health_answers_them_all() {
    let gate = GatewayTest::open_with(&["--connections-per-address=32", "--rate-per-address=0"]);
    let address = gate.shop.system.ingress().address();
    let ben = gate.customer("ben").from(ELSEWHERE);
    stock_up(&gate.admin());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let idle = Idle::hold(scope, address, 300, &stop);
        let full = until("the cap", || {
            let answer = gate.customer("anna").try_send("GET", "/orders", &[], b"").ok()?;
            (answer.status == 503).then_some(answer)
        });
        full.problem(503, "TOO_MANY_CONNECTIONS");
        orders_go_on(&ben, "300 idle connections", 60);
        for from in [Ipv4Addr::LOCALHOST.into(), ELSEWHERE] {
            let monitor = gate.stranger().from(from);
            for _ in 0..50 {
                assert_eq!(monitor.get("/health").is(200).text, "ok\n");
                monitor.get("/health/ready").is(200);
            }
            assert!(over_cap(&monitor.get("/metrics").is(200).text, "address") > 250);
        }
        drop(idle);
    });
    until("room for the address", || (gate.customer("anna").get("/orders").status == 200).then_some(()));
    gate.shop.close();
}

#[test]
fn health_answers_when_all_connections_are_taken() {
    let gate = GatewayTest::open_with(&["--connections-per-address=0", "--connections-max=50"]);
    let address = gate.shop.system.ingress().address();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let idle = Idle::hold(scope, address, 300, &stop);
        let (ben, monitor) = (gate.customer("ben").from(ELSEWHERE), gate.stranger().from(ELSEWHERE));
        until("the cap", || (ben.try_send("GET", "/orders", &[], b"").ok()?.status == 503).then_some(()));
        for _ in 0..50 {
            assert_eq!(monitor.get("/health").is(200).text, "ok\n");
            monitor.get("/health/ready").is(200);
        }
        assert!(over_cap(&monitor.get("/metrics").is(200).text, "all") > 200);
        drop(idle);
    });
    until("room", || (gate.customer("anna").get("/orders").status == 200).then_some(()));
    gate.shop.close();
}

/// The number of requests that this process has sent to its database so far.
fn round_trips(gateway: SocketAddr) -> u64 {
    let (_, metrics) = http::get(gateway, "/metrics").unwrap();
    let count = metrics.lines().find_map(|line| line.strip_prefix("checkout_database_round_trips_total "));
    count.unwrap().parse().unwrap()
}

/// A hundred products, and one customer's cart that holds all of them.
fn a_large_cart(admin: &HttpClient, anna: &HttpClient) {
    let sku = |n: usize| format!("MANY-{n}");
    for n in 0..100 {
        let product = json!({"title": "One of many", "price": {"amount": "1", "currency": "EUR"}});
        let path = format!("/admin/products/{}", sku(n));
        admin.send("PUT", &path, &[], product.to_string().as_bytes()).is(200);
    }
    let lines: Vec<_> = (0..100).map(|n| json!({"sku": sku(n), "quantity": 1})).collect();
    let cart = json!({"items": lines}).to_string();
    let put = anna.send("PUT", "/cart", &[("prefer", "wait=30")], cart.as_bytes()).is(200);
    assert_eq!(put.json()["items"].as_array().unwrap().len(), 100);
}

fn of_unknown_products() -> String {
    let lines: Vec<_> =
        (0..100).map(|_| json!({"sku": format!("NONE-{}", new_id()), "quantity": 1})).collect();
    json!({"items": lines, "payment": {"method": "cod"}}).to_string()
}

/// As many streams as a customer may have, for orders to which nothing happens. Each has sent its first events.
fn idle_streams(anna: &HttpClient) -> Vec<BufReader<TcpStream>> {
    let on_delivery = json!({"method": "cod"});
    let ids: Vec<String> = (0..16)
        .map(|n| {
            order(anna, &format!("watched-{n}"), &on_delivery).is(202).json()["order_id"]
                .as_str()
                .unwrap()
                .into()
        })
        .collect();
    for id in &ids {
        until("an order that waits for its cash", || {
            let order = anna.get(&format!("/orders/{id}")).is(200).json();
            (order["status"] == "created").then_some(())
        });
    }
    let open = |n: usize| {
        let path = format!("/orders/{}/events", ids[n % ids.len()]);
        let mut stream = BufReader::new(anna.begin("GET", &path, &[], b"").unwrap());
        let mut line = String::new();
        while !line.contains("\"created\"") {
            line.clear();
            assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended");
        }
        stream
    };
    let streams = (0..128).map(open).collect();
    anna.get(&format!("/orders/{}/events", ids[0])).problem(429, "TOO_MANY_WAITING");
    streams
}

#[test]
fn idle_streams_share_one_question_a_second_and_large_carts_are_one_question_each() {
    let served = Served::new();
    let mut workers = served.spawn(&["all"]);
    let mut gateway = served
        .spawn_with(&["gateway"], &[("CHECKOUT_RATE_PER_CUSTOMER", "0"), ("CHECKOUT_RATE_PER_ADDRESS", "0")]);
    served.ready(&mut workers);
    let address = served.ready(&mut gateway);
    let (anna, ben) =
        (HttpClient::customer(address, "anna"), HttpClient::customer(address, "ben").from(ELSEWHERE));
    stock_up(&HttpClient::admin(address));
    a_large_cart(&HttpClient::admin(address), &anna);
    let streams = idle_streams(&anna);

    // The first shared look wakes every stream once; streams that polled on their own would never be quiet.
    until("streams that are still", || {
        let before = round_trips(address);
        std::thread::sleep(Duration::from_millis(1500));
        (round_trips(address) - before < 15).then_some(())
    });
    // The rate of requests depends on time, so it is measured over this long.
    let (before, begun) = (round_trips(address), Instant::now());
    std::thread::sleep(Duration::from_secs(4));
    let (asked, seconds) = (round_trips(address) - before, begun.elapsed().as_secs_f64());
    println!("{} idle streams: {:.1} questions a second", streams.len(), asked as f64 / seconds);
    assert!((asked as f64) < 10.0 * seconds, "{asked} questions in {seconds} s");

    let each = |what: &str, ask: &dyn Fn()| {
        let before = round_trips(address);
        (0..20).for_each(|_| ask());
        let each = (round_trips(address) - before) as f64 / 20.0;
        println!("{what}: {each} questions each");
        assert!(each < 4.0, "{what}: {each} questions each");
    };
    let show = || assert_eq!(anna.get("/cart").is(200).json()["items"].as_array().unwrap().len(), 100);
    each("a cart of 100 lines", &show);
    let place = |key: &str| {
        anna.send("POST", "/orders", &[("idempotency-key", key)], of_unknown_products().as_bytes())
    };
    each("a checkout of 100 unknown products", &|| drop(place(&new_id()).problem(422, "PRODUCT_UNKNOWN")));

    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let ends = Ends(&stop);
        let asks = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                show();
                place(&new_id()).problem(422, "PRODUCT_UNKNOWN");
            }
        });
        orders_go_on(&ben, "128 idle streams and large carts", 60);
        drop(ends);
        asks.join().unwrap();
    });
    drop(streams);
    assert_eq!((gateway.terminate(), workers.terminate()), (0, 0));
    served.assert_clean_at_rest();
}
