//! What all pages share: the navigation, the signed-in admin, and the content security policy.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::assets::{Asset, ICON, SCRIPT, STYLE};
use super::html::{Html, Tag, tag};
use super::parts;
use crate::call::Call;
use crate::problem::Problem;

/// A page may load, call and send forms to this origin only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Path, name, and whether the page exists only in a demo shop.
const NAVIGATION: [(&str, &str, bool); 8] = [
    ("/", "Overview", false),
    ("/dashboard/orders", "Orders", false),
    ("/dashboard/sagas", "Sagas", false),
    ("/dashboard/dead-letters", "Dead letters", false),
    ("/dashboard/pauses", "Pauses", false),
    ("/dashboard/promises", "Promises", false),
    ("/dashboard/chaos", "Chaos shop", true),
    ("/dashboard/shop", "Shop", true),
];

/// A page for a signed-in admin.
pub(crate) struct Page<'a> {
    call: &'a Call,
    title: String,
    /// The page's path in the navigation.
    here: &'static str,
    live: Option<String>,
    /// A script in addition to the one that all pages have.
    script: Option<&'static Asset>,
    body: Html,
}

impl<'a> Page<'a> {
    pub(crate) fn new(call: &'a Call, here: &'static str, title: impl Into<String>) -> Self {
        Self { call, title: title.into(), here, live: None, script: None, body: Html::default() }
    }

    /// Subscribes the page to an event stream, whose parts replace the elements with the same ids.
    pub(crate) fn live(self, path: impl Into<String>) -> Self {
        Self { live: Some(path.into()), ..self }
    }

    pub(super) fn script(self, script: &'static Asset) -> Self {
        Self { script: Some(script), ..self }
    }

    pub(crate) fn with(mut self, part: impl Into<Html>) -> Self {
        self.body.push(part);
        self
    }

    pub(crate) fn answer(self) -> Response {
        let Self { call, title, here, live, script, body } = self;
        let mut main = tag("main").attr("id", "main").attr("tabindex", "-1");
        if let Some(path) = &live {
            main = main.attr("data-live", path);
        }
        let head = tag("div").class("title").with(tag("h1").text(&title)).with(live.map(|_| live_switch()));
        let header = tag("header")
            .class("top")
            .with(navigation(here, call.gateway.chaos.is_some()))
            .with(signed_in_admin(call));
        whole(&title, script, Html::from(vec![header, main.with(head).with(body)]))
    }

    /// A page without navigation, for a visitor who is not signed in.
    pub(super) fn bare(title: &str, body: impl Into<Html>) -> Response {
        whole(title, None, tag("main").attr("id", "main").attr("tabindex", "-1").with(body).into())
    }
}

/// A redirect after a form has been processed (303).
pub(crate) fn see_other(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let at = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, at);
    response
}

/// A problem document as an HTML page.
pub(super) fn refused(problem: Problem) -> Response {
    let body = tag("section")
        .class("card narrow")
        .with(tag("h1").text(&problem.title))
        .with(tag("p").text(&problem.detail))
        .with(tag("p").class("dim").with(tag("code").text(&problem.code)))
        .with(tag("p").with(tag("a").attr("href", "/").text("To the overview")));
    let mut page = Page::bare(&problem.title.clone(), body);
    let refusal = problem.into_response();
    *page.status_mut() = refusal.status();
    for name in [header::RETRY_AFTER, header::CONNECTION] {
        if let Some(value) = refusal.headers().get(&name) {
            page.headers_mut().insert(name, value.clone());
        }
    }
    page
}

fn whole(title: &str, script: Option<&Asset>, body: Html) -> Response {
    let named =
        |name: &'static str, content: &'static str| tag("meta").attr("name", name).attr("content", content);
    let head = tag("head")
        .with(tag("meta").attr("charset", "utf-8"))
        .with(named("viewport", "width=device-width, initial-scale=1"))
        .with(named("color-scheme", "light dark"))
        .with(tag("title").text(format_args!("{title} · checkout")))
        .with(tag("link").attr("rel", "stylesheet").attr("href", STYLE.address()))
        .with(tag("link").attr("rel", "icon").attr("href", ICON.address()))
        .all(
            [Some(&SCRIPT), script]
                .into_iter()
                .flatten()
                .map(|script| tag("script").attr("src", script.address()).flag("defer", true)),
        );
    let skip = tag("a").class("skip").attr("href", "#main").text("Skip to the content");
    let page: Html = tag("html").attr("lang", "en").with(head).with(tag("body").with(skip).with(body)).into();
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // Our own forms must send `Origin`; other sites get no referrer.
        (header::REFERRER_POLICY, "same-origin"),
    ];
    (headers, page.document()).into_response()
}

fn navigation(here: &'static str, play: bool) -> Tag {
    let shown = NAVIGATION.into_iter().filter(|(_, _, play_only)| play || !play_only);
    let links = shown.map(|(path, name, _)| {
        let link = tag("a").attr("href", path).text(name);
        tag("li").with(if path == here { link.attr("aria-current", "page") } else { link })
    });
    tag("nav").attr("aria-label", "Pages").with(tag("ul").all(links))
}

fn signed_in_admin(call: &Call) -> Tag {
    let id = call.caller.as_ref().map_or("", |caller| &*caller.id);
    let out = parts::form(call, "/dashboard/sign-out").with(tag("button").class("quiet").text("Sign out"));
    let local = call.gateway.chaos.is_some()
        && call.header("cookie").is_none()
        && call.header("authorization").is_none();
    tag("div").class("who").with(tag("span").text(id)).with((!local).then_some(out))
}

/// Hidden until the script runs and opens the event stream.
fn live_switch() -> Tag {
    let state = tag("span").attr("id", "live-state").attr("role", "status");
    let button = tag("button").attr("id", "live-switch").attr("type", "button").class("quiet").text("Pause");
    tag("p").class("live").attr("id", "live").flag("hidden", true).with(state).with(button)
}
