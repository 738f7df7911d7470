//! What every page has in common: it is small, it runs no foreign script, and no browser or proxy stores it.

use super::Office;

const PAGES: &[&str] = &[
    "/",
    "/dashboard/sign-in",
    "/dashboard/promises",
    "/dashboard/orders",
    "/dashboard/sagas",
    "/dashboard/dead-letters",
    "/dashboard/pauses",
    "/dashboard/pauses/roles/stock",
    "/dashboard/pauses/methods/card",
];

#[test]
fn a_page_loads_and_runs_what_is_ours_and_nothing_is_in_line() {
    let office = Office::open();
    let admin = office.admin();
    for path in PAGES {
        let page = admin.get(path).is(200);
        let policy = &page.headers["content-security-policy"];
        for part in
            ["default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.headers["cache-control"], "no-store", "{path}");
        assert_eq!(page.headers["x-frame-options"], "DENY", "{path}");
        for odd in ["style=\"", "<style", "javascript:", "onclick", "onload", "http://", "https://"] {
            assert!(!page.text.contains(odd), "{path} holds {odd}");
        }
        assert_eq!(
            page.text.matches("<script").count(),
            page.text.matches("<script src=\"/dashboard/").count()
        );
        assert!(page.text.starts_with("<!doctype html>\n<html lang=\"en\">"), "{path}");
    }
}

#[test]
fn all_pages_and_what_they_load_are_less_than_200_kib_and_that_is_kept_by_its_name() {
    let office = Office::open();
    let admin = office.admin();
    let mut bytes: usize = PAGES.iter().map(|path| admin.get(path).text.len()).sum();
    let page = admin.get("/").text;
    let assets: Vec<_> =
        page.split(['"']).filter(|part| part.starts_with("/dashboard/") && part.contains('.')).collect();
    assert_eq!(assets.len(), 3, "{assets:?}");
    for address in assets {
        let asset = office.browser().get(address).is(200);
        bytes += asset.text.len();
        assert_eq!(asset.headers["cache-control"], "public, max-age=31536000, immutable", "{address}");
        let path = address.split('?').next().unwrap();
        let plain = office.browser().get(path).is(200);
        assert_eq!(plain.headers["cache-control"], "no-cache", "{path}");
        let known = [("if-none-match", plain.headers["etag"].as_str())];
        let again = office.browser().web.send("GET", path, &known, b"").is(304);
        assert_eq!(again.text, "");
    }
    assert!(bytes < 200 * 1024, "{bytes} bytes");
}

#[test]
fn what_is_refused_is_a_page_too() {
    let office = Office::open();
    let refused = office.admin().post("/dashboard/sign-out", &[]).is(403);
    assert_eq!(refused.headers["content-type"], "text/html; charset=utf-8");
    assert!(refused.text.contains("this form is out of date"), "{}", refused.text);
    let hostile = office.browser().get("/?%22%3E%3Cscript%3E").is(401);
    assert!(!hostile.text.contains("\"><script>"), "{}", hostile.text);
}
