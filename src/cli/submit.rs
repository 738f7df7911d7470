//! Sends checkouts from a file or standard input; each gets its order id here, before the first try.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::Value;
use settings::Settings;
use store::Database;

use super::client::{Client, wait_for};
use super::{WrongUsage, paint, shop};
use crate::app;

#[derive(clap::Args)]
pub(super) struct Args {
    /// A file of JSON objects, one after the other; - reads standard input
    file: PathBuf,
    /// Send this type of message instead of checkouts, for example product.upsert
    #[arg(long = "type", value_name = "TYPE", default_value = "checkout.submit")]
    kind: String,
    /// Wait until every order has ended
    #[arg(long)]
    wait: bool,
    /// How long to wait for each
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    wait_s: u64,
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, settings: &Settings) -> Result<ExitCode> {
    let bodies = read(&args)?;
    let store = app::look(settings).await?;
    let client = Client::open(settings, &store).await?;
    let mut code = ExitCode::SUCCESS;
    let mut orders = Vec::new();
    let count = bodies.len();
    for (sent, mut body) in bodies.into_iter().enumerate() {
        let id = shop::new_id();
        if args.kind == "checkout.submit"
            && let Some(fields) = body.as_object_mut()
            && fields.get("order_id").is_none_or(Value::is_null)
        {
            fields.insert("order_id".into(), Value::String(id.to_string()));
        }
        // An order's id is its checkout's message id too: a repeat is recognised, and a changed checkout is refused.
        let own = body.get("message_id").or(body.get("order_id").filter(|_| args.kind == "checkout.submit"));
        let own = own.and_then(Value::as_str).map(ToString::to_string);
        let receipt = client.send(&args.kind, Some(own.unwrap_or_else(|| id.to_string())), &body).await;
        let receipt = match count {
            1 => receipt?,
            _ => receipt
                .with_context(|| format!("{} of {count} was not sent, nor what comes after it", sent + 1))?,
        };
        match (args.json, &receipt.order_id) {
            (true, _) if !args.wait => say!("{}", serde_json::to_string(&receipt)?),
            (true, _) => {}
            (false, Some(order)) if receipt.repeat => say!("{order}  was sent before"),
            (false, Some(order)) => say!("{order}  is safe"),
            (false, None) => say!("{}  is safe", receipt.message_id),
        }
        orders.extend(receipt.order_id.filter(|_| args.kind == "checkout.submit"));
    }
    if args.wait {
        for order in orders {
            let view = outcome(&*store, &order, args.wait_s).await?;
            let status = view["status"].as_str().unwrap_or_default();
            if !matches!(status, "fulfilled" | "paid" | "archived") {
                code = ExitCode::FAILURE;
            }
            match args.json {
                true => say!("{view}"),
                false => say!("{order}  {}{}", paint::status(status), why(&view)),
            }
        }
    }
    Ok(code)
}

/// The order once it has ended, or waits for an operator.
async fn outcome(store: &dyn Database, order: &str, seconds: u64) -> Result<Value> {
    wait_for(seconds, &format!("the end of order {order}"), async || {
        let Some(view) = view::order(store, order).await? else { return Ok(None) };
        Ok(view::is_final(&view).then_some(view))
    })
    .await
}

/// The reason of an order that was given up; every fault of a submission that was refused.
fn why(view: &Value) -> String {
    let faults =
        view["errors"].as_array().into_iter().flatten().map(|fault| format!("\n    {}", told(fault)));
    match view["reason"].as_str() {
        Some(reason) => format!(" ({})", reason.replace('_', " ")),
        None => faults.collect(),
    }
}

/// One fault: the field, what would be right, and its code.
pub(super) fn told(fault: &Value) -> String {
    let text = |name: &str| fault[name].as_str().unwrap_or_default();
    format!("{}: {} ({})", text("field"), text("message"), text("code"))
}

/// All of the input is parsed before any of it is sent: a file with an error sends nothing.
fn read(args: &Args) -> Result<Vec<Value>> {
    let name = args.file.display();
    let mut text = String::new();
    if args.file.as_os_str() == "-" {
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|why| WrongUsage(format!("cannot read standard input: {why}")))?;
    } else {
        text = std::fs::read_to_string(&args.file)
            .map_err(|why| WrongUsage(format!("cannot read {name}: {why}")))?;
    }
    let bodies: Result<Vec<Value>, _> =
        serde_json::Deserializer::from_str(&text).into_iter::<Value>().collect();
    let bodies = bodies.map_err(|why| {
        let (line, column) = (why.line(), why.column());
        WrongUsage(format!("{name} is not JSON: look at line {line}, column {column}; nothing was sent"))
    })?;
    if bodies.is_empty() {
        return Err(
            WrongUsage(format!("{name} is empty; it should hold one JSON object for each checkout")).into()
        );
    }
    Ok(bodies)
}
