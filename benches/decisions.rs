//! Deciding is pure: records and a message in, a decision out. And reading a message, which comes before all of it.

use std::sync::Arc;

use contract::{Message, Queue, Records, Time, Worker};
use divan::Bencher;
use order::OrderWorker;
use payment::PaymentWorker;
use saga::{Patience, SagaWorker};
use stock::StockWorker;
use store::batch::{self, Settled};

use crate::words;

const LINES: [usize; 3] = [1, 8, 50];
const SAGA: SagaWorker =
    SagaWorker { patience: Patience { stock_s: 60, payment_s: 60, ship_s: 60, cod_s: 60 } };

fn now() -> Time {
    Time::from_unix_ms(1_800_000_000_000)
}

#[divan::bench(args = LINES)]
fn reading_a_checkout(bencher: Bencher, lines: usize) {
    let raw = words::raw("checkout.submit", &words::checkout_body(0, lines));
    bencher.bench(|| Message::accept(contract::Speaker::Customer, &raw, now()).unwrap());
}

#[divan::bench(args = LINES)]
fn order_takes_a_checkout(bencher: Bencher, lines: usize) {
    let shop = Shop::open();
    measure(bencher, &OrderWorker, &shop.orders, &shop.checkout(lines));
}

#[divan::bench(args = LINES)]
fn saga_starts(bencher: Bencher, lines: usize) {
    let mut shop = Shop::open();
    let start = shop.start(lines);
    measure(bencher, &SAGA, &shop.sagas, &start);
}

#[divan::bench(args = LINES)]
fn stock_reserves(bencher: Bencher, lines: usize) {
    let mut shop = Shop::open();
    let reserve = shop.reserve(lines);
    measure(bencher, &StockWorker, &shop.stock, &reserve);
}

#[divan::bench(args = LINES)]
fn saga_hears_that_stock_is_reserved(bencher: Bencher, lines: usize) {
    let mut shop = Shop::open();
    let reserved = shop.reserved(lines);
    measure(bencher, &SAGA, &shop.sagas, &reserved);
}

#[divan::bench(args = LINES)]
fn payment_charges(bencher: Bencher, lines: usize) {
    let mut shop = Shop::open();
    let reserved = shop.reserved(lines);
    let charge = to(&decided(&SAGA, &mut shop.sagas, &reserved), Queue::Payment);
    measure(bencher, &PaymentWorker, &Records::default(), &charge);
}

/// Decides, with all that the loop does to a message before and after: needs, ids of the new messages, hashes.
fn measure<W: Worker>(bencher: Bencher, worker: &W, known: &Records<W::Record>, message: &Arc<Message>)
where
    W::Record: Clone,
{
    let ready = || {
        let mut records = known.clone();
        prepare(worker, &mut records, message);
        records
    };
    bencher.with_inputs(ready).bench_local_values(|mut records| {
        batch::settle(worker, &mut records, std::slice::from_ref(message), now())
    });
}

/// What is not known is not there.
fn prepare<W: Worker>(worker: &W, records: &mut Records<W::Record>, message: &Arc<Message>) {
    for need in batch::needs(worker, std::slice::from_ref(message)) {
        if !records.contains(&need) {
            records.put(need, None);
        }
    }
}

fn decided<W: Worker>(worker: &W, records: &mut Records<W::Record>, message: &Arc<Message>) -> Vec<Settled> {
    prepare(worker, records, message);
    batch::settle(worker, records, std::slice::from_ref(message), now())
}

/// The message that was emitted to this queue.
fn to(settled: &[Settled], queue: Queue) -> Arc<Message> {
    let said = settled.iter().flat_map(|one| &one.emitted).find(|said| said.queues.contains(&queue));
    said.unwrap_or_else(|| panic!("nothing was said to {queue}: {settled:?}")).message.clone()
}

/// The records of every worker, as a story leaves them.
struct Shop {
    orders: Records<<OrderWorker as Worker>::Record>,
    stock: Records<<StockWorker as Worker>::Record>,
    sagas: Records<<SagaWorker as Worker>::Record>,
}

impl Shop {
    fn open() -> Self {
        let mut shop =
            Self { orders: Records::default(), stock: Records::default(), sagas: Records::default() };
        for number in 0..64 {
            let product = Arc::new(words::product(number));
            let told = decided(&OrderWorker, &mut shop.orders, &product);
            decided(&StockWorker, &mut shop.stock, &to(&told, Queue::Stock));
        }
        shop
    }

    fn checkout(&self, lines: usize) -> Arc<Message> {
        Arc::new(words::checkout(0, lines))
    }

    fn start(&mut self, lines: usize) -> Arc<Message> {
        let checkout = self.checkout(lines);
        to(&decided(&OrderWorker, &mut self.orders, &checkout), Queue::Saga)
    }

    fn reserve(&mut self, lines: usize) -> Arc<Message> {
        let start = self.start(lines);
        to(&decided(&SAGA, &mut self.sagas, &start), Queue::Stock)
    }

    fn reserved(&mut self, lines: usize) -> Arc<Message> {
        let reserve = self.reserve(lines);
        to(&decided(&StockWorker, &mut self.stock, &reserve), Queue::Saga)
    }
}
