//! The chaos shop: the faults that it offers are real, its promises hold all the same, and no other shop has it.

use contract::Time;
use store::Reports;
use store::Store;

use super::{Browser, Office};
use crate::gateway::GatewayTest;
use crate::support::{at_rest, block_on, until};

const PATH: &str = "/dashboard/chaos";

fn in_the_shop() -> (GatewayTest, Browser, String) {
    // The test polls, so the shop's rate limits are off.
    let gate = GatewayTest::open_with(&["--rate-per-customer=0", "--rate-per-address=0"]);
    let browser = Browser { web: gate.stranger(), cookie: String::new() };
    let token = browser.form_token(PATH);
    (gate, browser, token)
}

#[test]
fn a_shop_at_work_has_no_chaos_and_gives_no_token_away() {
    let office = Office::open();
    let admin = office.admin();
    let token = admin.form_token("/");
    admin.get(PATH).problem(404, "NOT_FOUND");
    for (path, name, value) in [
        ("order", "scene", "round"),
        ("fault", "fault", "away"),
        ("crash", "role", "order"),
        ("heal", "x", "y"),
    ] {
        let fields = [("form_token", token.as_str()), (name, value)];
        admin.post(&format!("{PATH}/{path}"), &fields).problem(404, "NOT_FOUND");
    }
    for path in ["/dashboard/shop", "/dashboard/shop.js"] {
        admin.get(path).problem(404, "NOT_FOUND");
    }
    let page = admin.get("/").text;
    assert!(!page.contains(PATH) && !page.contains("/dashboard/shop"), "nor a link to it");
}

/// Workers die, each of them several times, and the broker causes every fault that it can.
#[test]
fn a_hundred_orders_of_all_kinds_end_well_while_everything_breaks() {
    let (gate, browser, token) = in_the_shop();
    let post = |path: &str, name: &str, value: &str| {
        browser.post(&format!("{PATH}/{path}"), &[("form_token", &token), (name, value)]).is(303)
    };
    for fault in ["twice", "slow", "answer-lost"] {
        post("fault", "fault", fault);
    }
    post("order", "scene", "round");
    for _ in 0..3 {
        post("heal", "so that the deaths are the newest", "");
        for fault in ["twice", "slow", "answer-lost"] {
            post("fault", "fault", fault);
        }
        for role in ["order", "payment", "saga", "stock", "provider"] {
            post("crash", "role", role);
        }
        until("five deaths", || (browser.get(PATH).text.matches(" died ").count() >= 5).then_some(()));
    }
    post("fault", "fault", "away");
    until("the broker's absence", || {
        let ready = browser.get("/health/ready");
        (ready.status == 503 && ready.text.contains("it was sent away")).then_some(())
    });
    post("heal", "now", "");
    assert!(browser.get(PATH).text.contains("Nothing is wrong at the moment"));
    let store = block_on(gate.shop.folder.store());
    // What the provider captured after a cancellation is refunded once its event arrives. Nothing may be in flight
    // here or at the provider, and then again nothing here, where its event might have arrived meanwhile.
    const UNTOLD: &str = "select id from events where delivered = 0 and due_ms < (unixepoch() + 60) * 1000";
    let here = || block_on(at_rest(&store));
    let there = || block_on(gate.shop.folder.world(UNTOLD)).is_empty();
    until("an end of all orders", || {
        let (from, to) = (Time::from_unix_ms(0), block_on(store.now()).unwrap().plus_s(60));
        let orders: u64 =
            block_on(store.census(from, to)).unwrap().orders.iter().map(|(_, count)| count).sum();
        let open = block_on(store.census_under_way()).unwrap();
        let quiet = || here() && there() && here() && there();
        (orders == 100 && open.sagas.is_empty() && quiet()).then_some(())
    });
    gate.shop.close();
}
