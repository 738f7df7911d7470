//! A URL says where the database is; the session settings of a connection are made here.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::{Error, Options};

pub(super) fn connecting(url: &str) -> Result<PgConnectOptions, Error> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|why| Error::Refused(format!("the database's URL cannot be read: {why}")))?;
    let asked = url.contains("sslmode=") || url.contains("ssl-mode=");
    let options = match options.get_ssl_mode() {
        // To this very machine, encryption costs time at both ends and protects nothing: to capture loopback traffic
        // takes rights on this machine that suffice to read our memory as well.
        PgSslMode::Prefer if !asked && stays_here(&options) => options.ssl_mode(PgSslMode::Disable),
        _ => options,
    };
    Ok(options.disable_statement_logging())
}

pub(super) fn working(url: &str, options: &Options) -> Result<PgConnectOptions, Error> {
    let ms = |limit: Duration| limit.as_millis().to_string();
    let connecting = connecting(url)?.application_name(&options.application_name);
    // A commit must be on the disk before we answer, whatever the server's default is. Only the URL may turn this off.
    let connecting = match url.contains("synchronous_commit") {
        true => connecting,
        false => connecting.options([("synchronous_commit", "on")]),
    };
    Ok(connecting.options([
        ("statement_timeout", ms(options.statement_timeout)),
        ("lock_timeout", ms(options.lock_timeout)),
        ("idle_in_transaction_session_timeout", ms(options.idle_in_transaction_timeout)),
        // A custom plan for every batch costs a third of the throughput, and is the same plan.
        ("plan_cache_mode", "force_generic_plan".into()),
        // A cached plan outlives the day on which its tables were empty, so it must never be a sequential scan.
        ("enable_seqscan", "off".into()),
        // JIT-compiling a plan takes 0.4 s; without it, the queries of people run in a tenth of that.
        ("jit", "off".into()),
    ]))
}

fn stays_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_matches(['[', ']']);
    options.get_socket().is_some()
        || host == "localhost"
        || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_way_to_this_very_machine_goes_unencrypted_unasked() {
        let unencrypted = |url: &str| matches!(connecting(url).unwrap().get_ssl_mode(), PgSslMode::Disable);
        for here in [
            "postgres://a@127.0.0.1/x",
            "postgres://localhost:1/x",
            "postgres://[::1]/x",
            "postgres://%2Ftmp/x",
        ] {
            assert!(unencrypted(here), "{here}");
            assert!(!unencrypted(&format!("{here}?sslmode=require")), "{here}");
        }
        for away in
            ["postgres://10.0.0.1/x", "postgres://localhost.example.org/x", "postgres://127.example.org/x"]
        {
            assert!(!unencrypted(away), "{away}");
        }
    }

    #[test]
    fn a_commit_waits_for_the_disk_unless_the_url_says_otherwise() {
        let waits = |url: &str| {
            let options = working(url, &Options::named("test")).unwrap();
            options.get_options().unwrap_or_default().contains("synchronous_commit=on")
        };
        assert!(waits("postgres://a@b/x"));
        assert!(!waits("postgres://a@b/x?options[synchronous_commit]=off"));
    }
}
