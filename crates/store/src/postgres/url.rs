//! A URL says where the database is; the session settings of a connection are made here.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use retry::hosts::each_host;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::servers::Servers;
use super::{Error, Options};

/// The servers that a URL names: `postgres://user@a,b:5433/database`. Of several hosts the one that takes writes is meant;
/// of one, too, if `target_session_attrs` says so.
pub fn connecting(url: &str) -> Result<Servers, Error> {
    let (url, asked) = without_target(url)?;
    let each = each_host(&url);
    let several = each.len() > 1;
    if several && each.iter().any(|url| has_no_host(url)) {
        return Err(Error::Refused("the database's URL names an empty host; write host,host:port".into()));
    }
    let each = each.iter().map(|url| connecting_to(url)).collect::<Result<_, _>>()?;
    Ok(Servers::new(each, several || asked))
}

fn has_no_host(url: &str) -> bool {
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let authority = &place[..place.find(['/', '?']).unwrap_or(place.len())];
    authority.rsplit('@').next().is_none_or(|host| host.is_empty() || host.starts_with(':'))
}

/// The client library does not know this parameter. Whether it was there.
fn without_target(url: &str) -> Result<(String, bool), Error> {
    let Some((place, query)) = url.split_once('?') else { return Ok((url.to_string(), false)) };
    let (target, others): (Vec<_>, Vec<_>) =
        query.split('&').partition(|pair| pair.starts_with("target_session_attrs="));
    if target.iter().any(|pair| !pair.ends_with("=read-write") && !pair.ends_with("=primary")) {
        let why = "a shop works on the server that takes writes: leave target_session_attrs out, or write read-write";
        return Err(Error::Refused(why.into()));
    }
    let url = if others.is_empty() { place.to_string() } else { format!("{place}?{}", others.join("&")) };
    Ok((url, !target.is_empty()))
}

fn connecting_to(url: &str) -> Result<PgConnectOptions, Error> {
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

pub(super) fn working(url: &str, options: &Options) -> Result<Servers, Error> {
    let ms = |limit: Duration| limit.as_millis().to_string();
    let settings = [
        ("statement_timeout", ms(options.statement_timeout)),
        ("lock_timeout", ms(options.lock_timeout)),
        ("idle_in_transaction_session_timeout", ms(options.idle_in_transaction_timeout)),
        // A custom plan for every batch costs a third of the throughput, and is the same plan.
        ("plan_cache_mode", "force_generic_plan".into()),
        // A cached plan outlives the day on which its tables were empty, so it must never be a sequential scan.
        ("enable_seqscan", "off".into()),
        // JIT-compiling a plan takes 0.4 s; without it, the queries of people run in a tenth of that.
        ("jit", "off".into()),
    ];
    // A commit must be on the disk before we answer, whatever the server's default is. Only the URL may turn this off.
    let durable = (!url.contains("synchronous_commit")).then_some(("synchronous_commit", "on"));
    Ok(connecting(url)?.map(|server| {
        server.application_name(&options.application_name).options(durable).options(settings.clone())
    }))
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
        let unencrypted =
            |url: &str| matches!(connecting_to(url).unwrap().get_ssl_mode(), PgSslMode::Disable);
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
    fn several_hosts_are_several_servers_of_which_one_is_to_take_writes() {
        for (url, port) in
            [("postgres://u:p@a,b:1/x", 1), ("postgres://a,b/x?target_session_attrs=read-write", 5432)]
        {
            let mut places = Vec::new();
            drop(connecting(url).unwrap().map(|server| {
                places.push((server.get_host().to_string(), server.get_port()));
                server
            }));
            assert_eq!(places, [("a".to_string(), 5432), ("b".to_string(), port)]);
        }
        for url in [
            "postgres://a,b/x?target_session_attrs=any",
            "postgres://a,b:x/y",
            "postgres://a,/x",
            "postgres://u@,b/x",
        ] {
            assert!(matches!(connecting(url).map(drop), Err(Error::Refused(_))), "{url}");
        }
    }

    #[test]
    fn a_commit_waits_for_the_disk_unless_the_url_says_otherwise() {
        let waits = |url: &str| {
            let servers = working(url, &Options::named("test")).unwrap();
            servers.first().get_options().unwrap_or_default().contains("synchronous_commit=on")
        };
        assert!(waits("postgres://a@b/x"));
        assert!(!waits("postgres://a@b/x?options[synchronous_commit]=off"));
    }
}
