//! Every number that was chosen by measuring, in one place: what it does, and what it was measured to bring. Limits that
//! protect from abuse stand where they are enforced.
//!
//! Figures are orders/s or processor time on two cores, measured in turn or with both programs at once. Before a number is
//! changed here, measure it again; what brings less than 3 % is not worth its line.

use std::time::Duration;

// ---- consumers --------------------------------------------------------------------------------------------

/// How many batches a role has in hand on SQLite: the next one is decided while the last one is written. Two: 12 % more
/// orders than one; a third brings nothing.
pub const CONSUMERS_ON_SQLITE: u32 = 2;

/// The same on Postgres, where a process runs one role. Two: 25 % more orders than one.
pub const CONSUMERS_ON_POSTGRES: u32 = 2;

/// The same on Postgres, where a process runs several roles and a batch holds the work of all of them. A third: 10 % more.
pub const CONSUMERS_ON_POSTGRES_TOGETHER: u32 = 3;

/// How long a consumer on Postgres lingers for a larger batch once messages flow. At 1,000 orders/s a fifth less processor
/// time for each order, at 300 a third, and no later. On SQLite a batch costs no round trips, and lingering only delays.
pub const LINGER_ON_POSTGRES: Duration = Duration::from_millis(5);

/// From this many messages in the last batch on, more are likely on their way, and a consumer lingers.
pub const LINGER_FROM: usize = 2;

/// From this many on, messages flow, and it lingers twice as long. At 1,000 orders/s 1.29 ms of processor time for an order
/// instead of 1.40.
pub const LINGER_TWICE_FROM: usize = 8;

/// From this many on, a batch is large: the next consumer takes at once, and does not linger. Lingering after larger batches
/// brought nothing.
pub const LARGE_BATCH: usize = 64;

// ---- ingress and backpressure -----------------------------------------------------------------------------

/// How many batches the ingress has in hand: while one waits for the disk, the others get ready for its next flush.
pub const INGRESS_BATCHES_IN_HAND: usize = 16;

/// The least time between the beginnings of two ingress batches while one is in hand: every batch costs something, whatever
/// its size.
pub const INGRESS_INTERVAL: Duration = Duration::from_millis(2);

/// The least time between the beginnings of two ingress batches on Postgres while requests flow, in hand or not. At 500 orders/s a fifth less processor time for each order, and no later,
/// because the roles get larger batches.
pub const INGRESS_INTERVAL_ON_POSTGRES: Duration = Duration::from_millis(10);

/// From this many requests in a batch on, requests flow. A request that comes alone never waits.
pub const REQUESTS_FLOWING: usize = 3;

/// From this many customers who wait for an answer on, there is backpressure: the workers of this process take smaller
/// batches, so that accepting comes first.
pub const MANY_WAITING: usize = 16;

/// Customers are answered together, and for a moment none waits: backpressure stays for this long. Without it 4,500 orders/s
/// accepted at a p99 of 65 ms, with it 5,590 at 45 ms.
pub const BACKPRESSURE_LASTS: Duration = Duration::from_millis(100);

/// Under backpressure a batch is this many times smaller. A quarter ends the most orders by HTTP: 641 against 552 (whole
/// batches), 554 (half) and 603 (an eighth).
pub const BACKPRESSURE_DIVISOR: usize = 4;

/// For this long, backpressure is a rush, in which accepting comes before all. What lasts longer is load, and smaller batches
/// would pile up work.
pub const RUSH_LASTS: Duration = Duration::from_secs(10);

/// In a rush a batch on SQLite is this many times smaller: its one writer also serves the ingress. A sixteenth accepts 3,095
/// a second where a quarter accepts 2,008.
pub const RUSH_DIVISOR_ON_SQLITE: usize = 16;

/// The same on Postgres, where the ingress does not wait for the workers' batches: no smaller than under backpressure.
pub const RUSH_DIVISOR_ON_POSTGRES: usize = BACKPRESSURE_DIVISOR;

// ---- RabbitMQ ---------------------------------------------------------------------------------------------

/// A bundle is one AMQP message that holds several of ours. Each process consumes a queue twice: with a prefetch of this many
/// bundles at a priority of its own, and with the rest at the priority of all. The
/// broker serves lower priorities only when the highest has its prefetch full, so one replica after the other has full
/// batches. With four replicas 0.25 database round trips for an order instead of 0.47, and 100 % of the orders of one replica
/// instead of 86 %; with 8 bundles 0.26, with 14 0.24.
pub const PREFERRED_BUNDLES: u16 = 12;

/// From this many facts of one name on, the first is published as mandatory: if no queue is bound to it, the others are not
/// sent. Facts that no queue wants cost a quarter of an order.
pub const FACTS_WORTH_ASKING: usize = 4;

// ---- Postgres ---------------------------------------------------------------------------------------------

/// From this many journal rows on, they are copied in by binary COPY: 11 to 12 µs of the server for a row instead of 20 to
/// 21, which pays for the round trips of a transaction in several parts.
pub const COPY_FROM_ROWS: usize = 64;

/// From this many records of one table on, two replicas are likely to want one in common: their rows are locked, which is
/// cheaper than a conflict. For fewer, two round trips of five are saved.
pub const LOCK_FROM_RECORDS: usize = 8;

/// For this long after another process changed a row that this one had decided on, batches here do not decide ahead of each
/// other on hot rows: what rested on such a decision would start over again and again. Two replicas of each role: 2,830
/// orders/s instead of 2,520.
pub const CONTENTION_LASTS: Duration = Duration::from_secs(30);

/// For this long after stock ran short, a batch is decided only once it is known what is left.
pub const SHORTAGE_LASTS: Duration = Duration::from_secs(5);

/// For this long, the database's time that came with an answer is extrapolated by our own clock instead of asked for again:
/// half of all queries of a full system were for the time. Within a second the clocks of two machines drift apart by less
/// than a millisecond.
pub const EXTRAPOLATED_FOR: Duration = Duration::from_secs(1);

// ---- SQLite -----------------------------------------------------------------------------------------------

/// Connections that read. Each role reads for its batch, and people look; more would compete with the work for the cores.
pub const READERS: u32 = 8;

/// Rows that may lie ready between SQLite's thread and ours: a whole batch, so that neither waits for the other at each row.
pub const BUFFERED_ROWS: usize = 1024;

/// Rows after which the log is copied into the database, beside the work: about an eighth of what the log holds when a writer
/// would have to do it. p99 of requests 104 and 84 ms instead of 118 and 138.
pub const CHECKPOINT_ROWS: usize = 2_000;
