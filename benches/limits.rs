//! What the machine can do without us: flushes of the disk, commits and rows of Postgres, hops of RabbitMQ. One line of
//! JSON, for `scripts/bench`.
//!
//! Each is measured in the way that suits it best: nothing of ours is in between.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::io::Write;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

/// Each is measured for so long.
const LONG: Duration = Duration::from_secs(3);
/// About as much as a message of ours has.
const BODY: usize = 600;
const BATCH: usize = 256;

#[tokio::main]
async fn main() {
    let database = std::env::var("CHECKOUT_TEST_DATABASE_URL").ok();
    let broker = std::env::var("CHECKOUT_TEST_AMQP_URL").ok();
    let mut limits = json!({"disk_flushes_per_second": disk_flushes()});
    if let Some(url) = database {
        let (commits, rows) = postgres(&url).await;
        limits["postgres_commits_per_second"] = json!(commits);
        limits["postgres_rows_per_second"] = json!(rows);
    }
    if let Some(url) = broker {
        limits["rabbitmq_hops_per_second"] = json!(rabbitmq(&url).await);
    }
    println!("{limits}");
}

/// How many times `once` went by in a second, each counting for `each`.
async fn per_second(each: usize, mut once: impl AsyncFnMut()) -> u64 {
    let (began, mut times) = (Instant::now(), 0);
    while began.elapsed() < LONG {
        once().await;
        times += each;
    }
    (times as f64 / began.elapsed().as_secs_f64()) as u64
}

/// A page at a time, as SQLite's log does it.
fn disk_flushes() -> u64 {
    let mut file = tempfile::tempfile().unwrap();
    let (began, mut times) = (Instant::now(), 0);
    while began.elapsed() < LONG {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        times += 1;
    }
    (f64::from(times) / began.elapsed().as_secs_f64()) as u64
}

/// Commits of one row, one after the other; and rows of commits that have many.
async fn postgres(url: &str) -> (u64, u64) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    // Of this connection alone, but with a log on the disk as every table has: a temporary one has none.
    let made = "create schema if not exists checkout_limits; drop table if exists checkout_limits.rows;
                create table checkout_limits.rows (id bigserial primary key, body text not null)";
    sqlx::raw_sql(made).execute(&mut connection).await.unwrap();
    let mut rows_of = async |rows: usize| {
        let bodies = vec!["x".repeat(BODY); rows];
        per_second(rows, async || {
            sqlx::query("insert into checkout_limits.rows (body) select unnest($1::text[])")
                .bind(&bodies)
                .execute(&mut connection)
                .await
                .unwrap();
        })
        .await
    };
    let (commits, rows) = (rows_of(1).await, rows_of(BATCH).await);
    sqlx::raw_sql("drop schema checkout_limits cascade").execute(&mut connection).await.unwrap();
    (commits, rows)
}

/// Published to a quorum queue, confirmed, delivered and acknowledged; as many at a time as a batch has.
async fn rabbitmq(url: &str) -> u64 {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    channel.basic_qos(BATCH as u16, BasicQosOptions::default()).await.unwrap();
    let name = format!("checkout.limits.{}", uuid::Uuid::now_v7().simple());
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), quorum).await.unwrap();
    let mut consumer = channel
        .basic_consume(name.as_str().into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
        .unwrap();
    let body = [b'x'; BODY];
    let hops = per_second(BATCH, async || {
        let mut confirms = Vec::with_capacity(BATCH);
        for _ in 0..BATCH {
            let options = BasicPublishOptions::default();
            let properties = BasicProperties::default().with_delivery_mode(2);
            let sent = channel.basic_publish("".into(), name.as_str().into(), options, &body, properties);
            confirms.push(sent.await.unwrap());
        }
        for confirm in confirms {
            assert!(confirm.await.unwrap().is_ack());
        }
        let mut last = None;
        for _ in 0..BATCH {
            last = Some(consumer.next().await.unwrap().unwrap());
        }
        let all = BasicAckOptions { multiple: true };
        last.unwrap().ack(all).await.unwrap();
    })
    .await;
    channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
    hops
}
