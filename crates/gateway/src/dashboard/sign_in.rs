//! Sign-in puts a token into a cookie; sign-out deletes the cookie and makes every gateway refuse the token.

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::html::{Tag, tag};
use super::page::{self, Page};
use super::parts;
use crate::auth::Role;
use crate::call::Call;
use crate::problem::Problem;
use crate::session;

pub(super) const PATH: &str = "/dashboard/sign-in";

#[derive(Deserialize)]
struct SignInForm {
    token: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct SignInQuery {
    #[serde(default)]
    next: String,
}

/// The sign-in page; `next` is the path to go to afterwards, and `wrong` shows that the last token was refused.
pub(super) fn page(next: &str, wrong: bool) -> Response {
    let body = tag("form")
        .attr("method", "post")
        .attr("action", PATH)
        .class("card narrow")
        .with(tag("h1").text("Sign in"))
        .with(tag("p").text("This is for admins. Paste a token whose role is admin; it stays in this browser until you close it or sign out. Signing out ends the token itself, everywhere."))
        .with(wrong.then(|| tag("p").class("bad").attr("role", "alert").text("This token is not good, or not any more.")))
        .with(parts::field("token", "Token", token_field()))
        .with(tag("input").attr("type", "hidden").attr("name", "next").attr("value", next))
        .with(parts::button("Sign in"));
    let mut response = Page::bare("Sign in", body);
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}

fn token_field() -> Tag {
    tag("input").attr("type", "password").attr("autocomplete", "off").flag("required", true)
}

pub(super) async fn show(call: Call) -> Result<Response, Problem> {
    let SignInQuery { next } = call.query()?;
    let mut response = page(&next, false);
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}

pub(super) async fn sign_in(call: Call) -> Result<Response, Problem> {
    session::must_be_our_page(&Method::POST, &call.headers)?;
    let SignInForm { token, next } = call.form()?;
    let token = token.trim();
    session::must_keep_a_cookie(&call.headers)?;
    let known = match call.gateway.authenticator.caller_of(token).await {
        Ok(known) => Some(known),
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED.as_u16() => None,
        Err(problem) => return Err(problem),
    };
    let (Some(known), Some(cookie)) = (known, session::cookie_of(token, &call.headers)) else {
        return Ok(page(&next, true));
    };
    match known.role {
        Role::Admin => Ok(redirect_with_cookie(&next, cookie)),
        Role::Customer => Err(Problem::forbidden("this token is a customer's; the dashboard is for admins")),
        // This token cannot be signed out, because the command line needs it as long as the process runs.
        Role::Operator => Err(Problem::forbidden("this is the command line's token; use an admin's")),
    }
}

pub(super) async fn sign_out(call: Call) -> Result<Response, Problem> {
    if let Some(token) = session::cookie(&call.headers) {
        call.gateway.authenticator.sign_out(token).await?;
    }
    Ok(redirect_with_cookie(PATH, session::no_cookie(&call.headers)))
}

fn redirect_with_cookie(next: &str, cookie: HeaderValue) -> Response {
    let mut response = page::see_other(same_origin_path(next)).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

/// Prevents open redirects: anything but a path of this origin (`//elsewhere`, `/\elsewhere`) becomes `/`.
fn same_origin_path(next: &str) -> &str {
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if next.starts_with('/') && !next.starts_with("//") && plain { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_never_leads_to_another_site() {
        assert_eq!(same_origin_path("/dashboard/orders?status=paid"), "/dashboard/orders?status=paid");
        for away in ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nset-cookie: x"] {
            assert_eq!(same_origin_path(away), "/", "{away:?}");
        }
    }
}
