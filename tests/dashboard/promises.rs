//! The promises are checked on request, and the page names what breaks one.

use super::Office;
use crate::support::until;

#[test]
fn a_check_that_was_asked_for_shows_every_promise_with_its_count() {
    let office = Office::open();
    let admin = office.admin();
    let token = admin.form_token("/dashboard/promises");
    admin.post("/dashboard/promises/check", &[("form_token", &token)]).is(303);
    let page = until("a check", || {
        let page = admin.get("/dashboard/promises").is(200).text;
        page.contains("Every promise holds.").then_some(page)
    });
    for promise in ["M1", "M5", "S4", "O1", "A1", "B2", "N1"] {
        assert!(page.contains(&format!("<td>{promise}</td>")), "{promise}");
    }
    assert!(page.contains("Last checked 2"), "{page}");
}
