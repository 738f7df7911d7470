//! Exchanges and queues: shows how the broker differs from the topology, or declares it.

use std::process::ExitCode;

use anyhow::{Result, bail};
use broker::rabbitmq;
use serde_json::json;
use settings::Settings;

use super::paint;
use crate::app;

#[derive(clap::Args)]
pub(super) struct Args {
    /// plan: show what differs; apply: declare what is missing
    #[arg(default_value = "plan", value_parser = ["plan", "apply"])]
    what: String,
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, settings: &Settings) -> Result<ExitCode> {
    let Some(options) = app::rabbit_options(settings, "topology") else {
        bail!("there is no broker with these settings: the queues are in the process; give --amqp-url");
    };
    if args.what == "apply" {
        rabbitmq::apply(&options).await?;
        say!("exchanges, queues and bindings of {} are there", settings.prefix);
        return Ok(ExitCode::SUCCESS);
    }
    let differences = rabbitmq::plan(&options).await?;
    if args.json {
        let differences: Vec<_> = differences.iter().map(ToString::to_string).collect();
        say!("{}", serde_json::to_string_pretty(&json!({"differences": differences}))?);
    } else if differences.is_empty() {
        say!(
            "{}",
            paint::good("everything is as it should be, as far as AMQP shows; apply makes bindings again")
        );
    } else {
        differences.iter().for_each(|difference| say!("{}", paint::bad(&difference.to_string())));
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
