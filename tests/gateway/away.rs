//! While a dependency of the gateway is down, no caller is left waiting, and no request is half done.

use tokio::runtime::Runtime;

use super::orders::{body, id_of, place, place_and_wait};
use crate::support::fleet::by_way_of;
use crate::support::http_client::HttpClient;
use crate::support::proxy::{Mode, Proxy};
use crate::support::served::Served;
use crate::support::{authority, postgres, rabbit, until};

#[test]
fn while_the_database_is_away_orders_are_refused_with_a_time_to_come_again() {
    let (served, runtime) = (Served::new(), Runtime::new().unwrap());
    let line = runtime.block_on(before(&postgres::server()));
    let url = by_way_of(&served.database_url, Some(line.address()));
    is_refused_and_then_done_once(&served, &line, ("CHECKOUT_DATABASE_URL", &url));
}

#[test]
fn while_the_broker_is_away_orders_are_refused_with_a_time_to_come_again() {
    let (served, runtime) = (Served::new(), Runtime::new().unwrap());
    let line = runtime.block_on(before(&rabbit::url()));
    let url = by_way_of(&rabbit::url(), Some(line.address()));
    is_refused_and_then_done_once(&served, &line, ("CHECKOUT_AMQP_URL", &url));
}

async fn before(server: &str) -> Proxy {
    let address = tokio::net::lookup_host(authority(server)).await.unwrap().next().unwrap();
    Proxy::before(address, None).await
}

fn is_refused_and_then_done_once(served: &Served, line: &Proxy, by_line: (&str, &str)) {
    let mut workers = served.spawn(&["all"]);
    let mut gateway = served.spawn_with(&["gateway"], &[by_line]);
    served.ready(&mut workers);
    let web = HttpClient::customer(served.ready(&mut gateway), "anna");
    served.run(&["sample"]).ok();
    let order = body("BOOK-DUNE", 1, "tok_ok");
    until("the goods", || (place(&web, "before", &order).status == 202).then_some(()));

    line.set(Mode::Stall);
    line.cut();
    let refused = until("the outage to be noticed", || {
        let answer = place(&web, "meanwhile", &order);
        (answer.status == 503).then_some(answer)
    });
    refused.problem(503, "UNAVAILABLE");
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");

    line.set(Mode::Pass);
    line.cut();
    let done = until("the recovery", || {
        let answer = place(&web, "meanwhile", &order);
        (answer.status == 202).then_some(answer)
    });
    assert_eq!(id_of(&place_and_wait(&web, "meanwhile", &order).is(201)), id_of(&done));
    assert_eq!(web.get("/orders").is(200).json()["items"].as_array().unwrap().len(), 2);
    assert_eq!((gateway.terminate(), workers.terminate()), (0, 0));
    served.assert_clean_at_rest();
}
