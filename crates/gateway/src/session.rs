//! Browser sessions of admins: by a token, by the cookie that sign-in sets for a token, or, in a demo shop, by a
//! request from the same machine. The cookie is accepted only by the dashboard's routes.
//!
//! Sessions are stateless: the cookie holds the token itself, so that every gateway can check it, and the form token
//! (against CSRF) is a hash of it. Only signed-out tokens are stored, in the database.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use contract::BodyHash;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::auth::{Caller, Role};
use super::front::Peer;
use super::problem::Problem;
use super::state::Gateway;

/// Browsers accept a `__Host-` cookie only over https, with `Secure`, for every path and for this host alone, so no
/// page of a sibling subdomain can overwrite it.
const COOKIE: &str = "__Host-checkout_admin";
/// Over plain http browsers accept neither a `__Host-` name nor a `Secure` cookie (some not even from localhost). At a
/// loopback address nothing crosses a network, so there the cookie has a plain name, which is read nowhere else.
const LOOPBACK_COOKIE: &str = "checkout_admin";
/// An event stream of a browser without a token ends after this time and is authenticated again, like any other stream.
const LOCAL_UNTIL: Duration = Duration::from_secs(3600);

/// `form_token` must be in every form that this session's pages send.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) form_token: String,
}

/// The admin who is signed in. Requests that another site's page makes are refused, even if they carry a valid cookie.
pub(crate) async fn authenticate(gateway: &Gateway, parts: &Parts) -> Result<(Caller, Session), Problem> {
    must_be_our_page(&parts.method, &parts.headers)?;
    if parts.headers.contains_key(header::AUTHORIZATION) {
        let caller = gateway.authenticator.caller(&parts.headers).await?.ok_or_else(Problem::unauthorized)?;
        return Ok((caller, Session::of(&parts.headers[header::AUTHORIZATION])));
    }
    if let Some(token) = cookie(&parts.headers) {
        let caller = gateway.authenticator.caller_of(token).await?;
        return Ok((caller, Session::made_from(token)));
    }
    if gateway.chaos.is_some() && is_local(parts) {
        let until = Instant::now() + LOCAL_UNTIL;
        let caller = Caller { id: "dev".into(), role: Role::Admin, until };
        return Ok((caller, Session::made_from(&gateway.page_secret)));
    }
    Err(Problem::unauthorized())
}

impl Session {
    fn of(value: &HeaderValue) -> Self {
        Self::made_from(value.to_str().unwrap_or_default())
    }

    fn made_from(secret: &str) -> Self {
        Self { form_token: BodyHash::of("a form of the dashboard", secret).to_string() }
    }

    /// Checks the form token: another site's page cannot know it.
    pub(super) fn check_form_token(&self, body: &[u8]) -> Result<(), Problem> {
        #[derive(Deserialize)]
        struct Given {
            #[serde(default)]
            form_token: String,
        }
        let Given { form_token } = read_form(body)?;
        // Hashes are compared, so that the time it takes tells nothing of the right token.
        match BodyHash::of("", &form_token) == BodyHash::of("", &self.form_token) {
            true => Ok(()),
            false => Err(Problem::forbidden(
                "this form is out of date; go back, load the page again and repeat it",
            )),
        }
    }
}

/// Parses the body of a form.
pub(super) fn read_form<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_urlencoded::from_bytes(body)
        .map_err(|why| Problem::unprocessable("FORM_INVALID", contract::in_plain_words(&why.to_string())))
}

/// The cookie for a token that has just been checked. It ends with the browser's session, or when the token expires.
pub(super) fn cookie_of(token: &str, headers: &HeaderMap) -> Option<HeaderValue> {
    let plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let (name, secure) = cookie_name(headers);
    let value = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&value).ok().filter(|_| plain)
}

pub(super) fn no_cookie(headers: &HeaderMap) -> HeaderValue {
    let (name, secure) = cookie_name(headers);
    let value = format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}");
    HeaderValue::from_str(&value)
        .unwrap_or(HeaderValue::from_static("__Host-checkout_admin=; Path=/; Max-Age=0; Secure"))
}

/// Refuses sign-in over plain http from another machine: the token would cross the network in the clear, and no browser
/// would accept the cookie.
pub(super) fn must_keep_a_cookie(headers: &HeaderMap) -> Result<(), Problem> {
    let plain = text(headers, "origin").is_some_and(|origin| origin.starts_with("http://"));
    match plain && !over_https(headers) && !is_loopback(host(headers)) {
        true => Err(Problem::forbidden("sign in over https, or at this machine by http://localhost")),
        false => Ok(()),
    }
}

/// The cookie's name and extra attributes.
fn cookie_name(headers: &HeaderMap) -> (&'static str, &'static str) {
    match is_loopback(host(headers)) && !over_https(headers) {
        true => (LOOPBACK_COOKIE, ""),
        false => (COOKIE, "; Secure"),
    }
}

/// TLS ends at a proxy before us, so only the browser's `Origin` or the proxy's `X-Forwarded-Proto` tells.
fn over_https(headers: &HeaderMap) -> bool {
    text(headers, "origin").is_some_and(|origin| origin.starts_with("https://"))
        || text(headers, "x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn host(headers: &HeaderMap) -> &str {
    text(headers, "host").unwrap_or_default()
}

pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let named = |wanted: &str| {
        let each = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            each.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == wanted).map(|(_, token)| token).filter(|token| !token.is_empty())
    };
    named(COOKIE).or_else(|| named(LOOPBACK_COOKIE).filter(|_| is_loopback(host(headers))))
}

/// Another site's page may only link here; every other cross-site request is refused.
pub(super) fn must_be_our_page(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = said("host").unwrap_or_default();
    let ours = match (said("sec-fetch-site"), said("origin")) {
        (_, Some(origin)) => origin.split_once("://").is_some_and(|(_, at)| at.eq_ignore_ascii_case(host)),
        (Some("same-origin" | "none") | None, None) => true,
        (Some(_), None) => *method == Method::GET && said("sec-fetch-mode") == Some("navigate"),
    };
    match ours {
        true => Ok(()),
        false => {
            Err(Problem::new(StatusCode::FORBIDDEN, "FORBIDDEN", "another site's page may not ask this"))
        }
    }
}

/// A direct connection from a loopback address to a loopback host name. The `Host` is checked because another site can
/// let its own name resolve to 127.0.0.1 (DNS rebinding).
fn is_local(parts: &Parts) -> bool {
    let near = parts.extensions.get::<Peer>().is_some_and(|peer| peer.0.ip().to_canonical().is_loopback());
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
        .iter()
        .any(|name| parts.headers.contains_key(*name));
    near && !forwarded && is_loopback(host(&parts.headers))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_this_machine() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:80"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example:8080",
            "localhost.evil.example",
            "192.168.0.1",
            "127.0.0.1.evil.example",
            "[::2]",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn another_sites_page_may_link_here_and_do_nothing_else() {
        let asked = |method: Method, headers: &[(&'static str, &'static str)]| {
            let mut all = HeaderMap::new();
            all.insert("host", HeaderValue::from_static("shop.example:8080"));
            for (name, value) in headers {
                all.insert(*name, HeaderValue::from_static(value));
            }
            must_be_our_page(&method, &all).is_ok()
        };
        let (cross, same) = (("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-origin"));
        assert!(asked(Method::GET, &[]));
        assert!(asked(Method::POST, &[same, ("origin", "https://shop.example:8080")]));
        assert!(asked(Method::GET, &[cross, ("sec-fetch-mode", "navigate")]));
        assert!(!asked(Method::GET, &[cross, ("sec-fetch-mode", "cors")]));
        assert!(!asked(Method::POST, &[cross, ("sec-fetch-mode", "navigate")]));
        assert!(!asked(Method::POST, &[("origin", "https://evil.example")]));
        assert!(!asked(Method::POST, &[("origin", "null")]));
        assert!(!asked(Method::GET, &[("origin", "http://shop.example")]), "another port is another origin");
    }
}
