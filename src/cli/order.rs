//! Orders: what they are, what became of them, and the commands on them.

mod story;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use contract::{MessageId, OrderId, Role, Table, Time};
use serde_json::{Value, json};
use settings::Settings;
use store::{Database, JournalRow, Read, Totals, readable};
use view::mask::Sight;
use view::notices::{self, Told};
use view::{self, search, visible};

use super::client::{Client, wait_for};
use super::{paint, shop, words};
use crate::app;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Orders, newest first
    #[command(
        after_help = "Example: checkout order list --status fulfilled --customer customer-42 --limit 5"
    )]
    List {
        /// created, paid, fulfilled, cancelled, refunded or archived
        #[arg(long, value_parser = ["created", "paid", "fulfilled", "cancelled", "refunded", "archived"])]
        status: Option<String>,
        #[arg(long)]
        customer: Option<String>,
        /// The beginning of the order's id, or a customer's id
        #[arg(long, value_name = "TEXT")]
        find: Option<String>,
        /// Only running orders whose saga is at this step
        #[arg(long, value_parser = search::known_step)]
        step: Option<String>,
        /// Only running orders for which nothing has happened for this long
        #[arg(long, value_name = "SECONDS")]
        idle_s: Option<u64>,
        /// Created at or after this time
        #[arg(long, value_name = "TIME")]
        from: Option<Time>,
        /// Created before this time
        #[arg(long, value_name = "TIME")]
        to: Option<Time>,
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        #[arg(long)]
        json: bool,
    },
    /// One order: items, payment and timeline
    #[command(after_help = "Example: checkout order show 01932b4a-1111-7000-8000-000000000001 --messages")]
    Show {
        #[arg(value_parser = view::order_id)]
        order_id: OrderId,
        /// Also every message that was handled for it
        #[arg(long)]
        messages: bool,
        /// Also what the customer was told, word for word
        #[arg(long)]
        notices: bool,
        #[arg(long)]
        json: bool,
    },
    /// What happened, message by message: sender, receiver, outcome, and what is waited for
    #[command(after_help = "Example: checkout order story 01932b4a-1111-7000-8000-000000000001 --json")]
    Story {
        #[arg(value_parser = view::order_id)]
        order_id: OrderId,
        /// Addresses and telephone numbers in full; tokens are never shown
        #[arg(long)]
        personal: bool,
        #[arg(long)]
        json: bool,
    },
    /// Cancel an order that is not shipped yet; what was paid is refunded
    #[command(
        after_help = "Example: checkout order cancel 01932b4a-1111-7000-8000-000000000001 --reason 'changed my mind'"
    )]
    Cancel {
        #[arg(value_parser = view::order_id)]
        order_id: OrderId,
        #[arg(long, value_parser = words::reason)]
        reason: Option<String>,
        /// As the shop, not as the customer
        #[arg(long)]
        admin: bool,
        /// The operator's name, kept in the audit trail
        #[arg(long, requires = "admin", value_parser = words::name)]
        by: Option<String>,
        /// Only show what it would cause
        #[arg(long)]
        preview: bool,
    },
    /// Return goods after fulfilment, and refund them
    #[command(
        after_help = "Example: checkout order refund 01932b4a-1111-7000-8000-000000000001 --item BOOK-DUNE=1"
    )]
    Refund {
        #[arg(value_parser = view::order_id)]
        order_id: OrderId,
        /// SKU=QUANTITY, as often as needed; without it everything is returned
        #[arg(long = "item", value_name = "SKU=QUANTITY", value_parser = item)]
        items: Vec<(String, u32)>,
        #[arg(long, value_parser = words::reason)]
        reason: Option<String>,
        /// The operator's name, kept in the audit trail
        #[arg(long, value_parser = words::name)]
        by: Option<String>,
        /// Only show what it would cause
        #[arg(long)]
        preview: bool,
    },
    /// Report that the cash for an order on delivery was collected
    #[command(
        after_help = "Example: checkout order pay 01932b4a-1111-7000-8000-000000000001 --transaction receipt-7"
    )]
    Pay {
        #[arg(value_parser = view::order_id)]
        order_id: OrderId,
        #[arg(long, value_parser = words::name)]
        transaction: Option<String>,
        /// Only show what it would cause
        #[arg(long)]
        preview: bool,
    },
    /// Archive an order that has ended
    #[command(after_help = "Example: checkout order archive 01932b4a-1111-7000-8000-000000000001")]
    Archive {
        #[arg(value_parser = view::order_id)]
        order_id: OrderId,
        #[arg(long, value_parser = words::reason)]
        reason: Option<String>,
        /// The operator's name, kept in the audit trail
        #[arg(long, value_parser = words::name)]
        by: Option<String>,
        /// Only show what it would cause
        #[arg(long)]
        preview: bool,
    },
    /// Follow one order until its end
    #[command(after_help = "Example: checkout order watch 01932b4a-1111-7000-8000-000000000001")]
    Watch {
        #[arg(value_parser = view::order_id)]
        order_id: OrderId,
        #[arg(long, default_value_t = 600, value_name = "SECONDS")]
        wait_s: u64,
    },
}

pub(super) async fn run(command: Command, settings: &Settings) -> Result<ExitCode> {
    let store = app::look(settings).await?;
    match command {
        Command::List { status, customer, find, step, idle_s, from, to, limit, json } => {
            let wanted = search::Wanted {
                q: find,
                status,
                step,
                idle_s,
                customer_id: customer,
                from,
                to,
                totals: Totals::default(),
                before: None,
                limit: limit.into(),
            };
            list(&*store, &wanted, json).await
        }
        Command::Show { order_id, messages, notices, json } => {
            show(&*store, order_id, json).await?;
            if notices && !json {
                print_notices(&notices::told(&*store, order_id, Sight::Masked).await?);
            }
            if messages && !json {
                print_messages(&store.journal_of(order_id).await?);
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Story { order_id, personal, json } => story::show(&*store, order_id, personal, json).await,
        Command::Cancel { order_id, reason, admin, by, preview } => {
            let wants = if admin { "admin" } else { "customer" };
            let body = json!({"order_id": order_id, "reason": reason, "by": wants, "who": by});
            ask(&store, settings, Ask { order_id, name: "order.cancel", body, preview }).await
        }
        Command::Refund { order_id, items, reason, by, preview } => {
            let items: Vec<_> = items.iter().map(|(sku, n)| json!({"sku": sku, "quantity": n})).collect();
            let items = if items.is_empty() { Value::Null } else { Value::Array(items) };
            let body = json!({"order_id": order_id, "items": items, "reason": reason, "who": by});
            ask(&store, settings, Ask { order_id, name: "order.refund", body, preview }).await
        }
        Command::Pay { order_id, transaction, preview } => {
            let body = json!({"order_id": order_id, "transaction_id": transaction});
            ask(&store, settings, Ask { order_id, name: "order.pay", body, preview }).await
        }
        Command::Archive { order_id, reason, by, preview } => {
            let body = json!({"order_id": order_id, "reason": reason, "who": by});
            ask(&store, settings, Ask { order_id, name: "order.archive", body, preview }).await
        }
        Command::Watch { order_id, wait_s } => watch(&*store, order_id, wait_s).await,
    }
}

async fn list(store: &dyn Database, wanted: &search::Wanted, as_json: bool) -> Result<ExitCode> {
    let search::Found { items: orders, next } = search::orders(store, wanted).await?;
    if as_json {
        for order in &orders {
            let id = order["order_id"].as_str().unwrap_or_default();
            say!("{}", view::order(store, id).await?.unwrap_or_default());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let text = |order: &Value, name: &str| order[name].as_str().unwrap_or_default().to_string();
    let rows = orders.iter().map(|order| {
        let id = text(order, "order_id");
        vec![
            id,
            text(order, "created_at"),
            paint::status(&text(order, "status")),
            text(&order["payment"], "status"),
            money(&order["total"]),
            visible(&text(order, "customer_id")).into(),
        ]
    });
    say!("{}", paint::table(&["order", "created", "status", "payment", "total", "customer"], rows.collect()));
    if next.is_some() {
        say!("{}", paint::dim("there may be more; narrow it down, or raise --limit"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(store: &dyn Database, order_id: OrderId, as_json: bool) -> Result<()> {
    let view = known(store, order_id).await?;
    if as_json {
        say!("{}", serde_json::to_string_pretty(&view)?);
        return Ok(());
    }
    let text = |name: &str| view[name].as_str().unwrap_or_default();
    say!("order     {order_id}");
    say!("customer  {}", visible(text("customer_id")));
    say!("status    {}  {}", paint::status(text("status")), visible(text("reason")).replace('_', " "));
    if text("status") == "rejected" {
        for fault in view["errors"].as_array().into_iter().flatten() {
            say!("because   {}", visible(&super::submit::told(fault)));
        }
        return Ok(());
    }
    for item in view["items"].as_array().into_iter().flatten() {
        let title = visible(item["title"].as_str().unwrap_or_default());
        say!("          {:>3} × {title}  {}", item["quantity"], money(&item["line_total"]));
    }
    say!("total     {}  (discount {})", money(&view["total"]), money(&view["discount"]));
    let payment = &view["payment"];
    say!(
        "payment   {} {}, charged {}, refunded {}  {}",
        payment["method"].as_str().unwrap_or_default(),
        payment["status"].as_str().unwrap_or_default(),
        money(&payment["charged"]),
        money(&payment["refunded"]),
        visible(payment["transaction_id"].as_str().unwrap_or_default())
    );
    let actions: Vec<_> =
        view["actions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    say!("may be    {}", actions.join(", "));
    say!("timeline");
    for entry in view["audit"].as_array().into_iter().flatten() {
        say!("  {}", change(entry));
    }
    if let Some(why) = view["saga"]["attention"]["why"].as_str() {
        say!(
            "{}",
            paint::bad(&format!(
                "waits for an operator at {}: {}",
                view["saga"]["step"].as_str().unwrap_or_default(),
                visible(why)
            ))
        );
    }
    Ok(())
}

fn print_notices(told: &[Told]) {
    for Told { at, channel, to, subject, text } in told {
        say!("{at}  {channel} to {}", visible(to));
        for line in subject.iter().flat_map(|subject| subject.lines()).chain(text.lines()) {
            say!("  {}", visible(line));
        }
    }
}

fn print_messages(all: &[Read<JournalRow>]) {
    let rows = all.iter().flatten().map(|row| {
        let said: Vec<_> = row.emitted.iter().map(|said| said.message.name()).collect();
        vec![
            row.at.to_string(),
            row.role.to_string(),
            visible(&row.name).into(),
            visible(&row.outcome).into(),
            said.join("\n"),
        ]
    });
    say!("{}", paint::table(&["at", "role", "message", "outcome", "said"], rows.collect()));
    for why in all.iter().filter_map(|row| row.as_ref().err()) {
        say!("{}", paint::bad(&format!("{}; see `checkout audit`", visible(&why.to_string()))));
    }
}

/// A command on an order, or a preview of it.
struct Ask {
    order_id: OrderId,
    name: &'static str,
    body: Value,
    preview: bool,
}

/// Sends a command and waits until the order worker has handled it.
async fn ask(store: &Arc<dyn Database>, settings: &Settings, asked: Ask) -> Result<ExitCode> {
    let Ask { order_id, name, body, preview } = asked;
    known(&**store, order_id).await?;
    if preview {
        return super::preview::of(settings, &**store, name, &body).await;
    }
    let id = shop::new_id();
    Client::open(settings, store).await?.send(name, Some(id.to_string()), &body).await?;
    let row = wait_for(30, name, async || row_of(&**store, order_id, Role::Order, &id).await).await?;
    let refused = row
        .emitted
        .iter()
        .find(|said| matches!(said.message.name(), "order.cancel_refused" | "order.refused"));
    if let Some(refused) = refused {
        let fact: Value = serde_json::from_str(refused.message.json())?;
        bail!(
            "refused: {} (the order is {})",
            fact["reason"].as_str().unwrap_or_default(),
            fact["status"].as_str().unwrap_or("unknown")
        );
    }
    say!("{}", visible(&row.outcome));
    if name == "order.archive" {
        return Ok(ExitCode::SUCCESS);
    }
    let view = wait_for(30, "the order's answer", async || {
        // In this order: a view read before the return ended would have the old status.
        if !settled(&**store, order_id).await? {
            return Ok(None);
        }
        let view = known(&**store, order_id).await?;
        Ok(view::is_final(&view).then_some(view))
    })
    .await?;
    say!("{order_id}  {}", paint::status(view["status"].as_str().unwrap_or_default()));
    Ok(ExitCode::SUCCESS)
}

/// Whether no return of the order is under way. One that waits for an operator is an error that says so.
async fn settled(store: &dyn Database, order_id: OrderId) -> Result<bool> {
    let id = order_id.to_string();
    let Some(order) = store.get(Table::Orders, &id).await? else { return Ok(true) };
    let order: Value = serde_json::from_str(&order)?;
    let mut returns = order["returns"].as_array().into_iter().flatten();
    let Some(open) = returns.find(|one| one["done"] != json!(true)) else { return Ok(true) };
    let number = &open["no"];
    let saga = store.get(Table::Sagas, &format!("{id}/return/{number}")).await?.unwrap_or_default();
    let saga: Value = serde_json::from_str(&saga).unwrap_or_default();
    if saga["status"] == "needs_attention" {
        bail!("return {number} waits for an operator; see `checkout saga show {id} --return {number}`");
    }
    Ok(false)
}

pub(super) async fn row_of(
    store: &dyn Database,
    order_id: OrderId,
    role: Role,
    id: &MessageId,
) -> Result<Option<JournalRow>> {
    let rows = readable(store.journal_of(order_id).await?);
    Ok(rows.into_iter().find(|row| row.role == role && row.id == *id))
}

async fn watch(store: &dyn Database, order_id: OrderId, wait_s: u64) -> Result<ExitCode> {
    let mut seen = 0;
    let view = wait_for(wait_s, "the order's end", async || {
        let Some(view) = view::order(store, &order_id.to_string()).await? else { return Ok(None) };
        let entries = view["audit"].as_array().cloned().unwrap_or_default();
        for entry in &entries[seen.min(entries.len())..] {
            say!("{}", change(entry));
        }
        seen = entries.len();
        Ok(view::is_final(&view).then_some(view))
    })
    .await?;
    say!("{order_id}  {}", paint::status(view["status"].as_str().unwrap_or_default()));
    Ok(ExitCode::SUCCESS)
}

async fn known(store: &dyn Database, order_id: OrderId) -> Result<Value> {
    let view = view::order(store, &order_id.to_string()).await?;
    view.with_context(|| {
        format!("nobody has heard of order {order_id}; `checkout order list` shows those there are")
    })
}

fn change(entry: &Value) -> String {
    let text = |name: &str| entry[name].as_str().unwrap_or_default();
    let from = if text("from").is_empty() { String::new() } else { format!("{} → ", text("from")) };
    let why = if text("reason").is_empty() {
        String::new()
    } else {
        format!("  ({})", visible(text("reason")).replace('_', " "))
    };
    format!("{}  {from}{}{why}", text("at"), paint::status(text("to")))
}

pub(super) fn money(value: &Value) -> String {
    match (value["amount"].as_str(), value["currency"].as_str()) {
        (Some(amount), Some(currency)) => format!("{amount} {currency}"),
        _ => "–".to_string(),
    }
}

fn item(text: &str) -> Result<(String, u32), String> {
    let (sku, quantity) = text.split_once('=').ok_or("must look like BOOK-DUNE=1")?;
    let quantity = quantity.parse().map_err(|_| "the quantity must be a whole number")?;
    Ok((sku.to_string(), quantity))
}
