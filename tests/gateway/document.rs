//! `docs/openapi.json` is what `/openapi.json` answers: run `UPDATE_EXPECT=1 cargo test --test all openapi` after a
//! change, and read the diff.

use expect_test::expect_file;

use super::GatewayTest;

#[test]
fn the_openapi_document_says_what_the_table_of_routes_says() {
    let document = gateway::openapi_document();
    let mut text = serde_json::to_string_pretty(&document).unwrap();
    text.push('\n');
    expect_file!["../../docs/openapi.json"].assert_eq(&text);
}

#[test]
fn the_openapi_document_is_served_as_it_is_committed() {
    let gate = GatewayTest::open();
    let served = gate.stranger().get("/openapi.json").is(200);
    assert_eq!(served.json(), gateway::openapi_document());
    gate.shop.close();
}
