//! The dashboard, as a browser requests it: who may see it, what its pages may load and do, and what is on them.

mod chaos;
mod frame;
mod letters;
mod orders;
mod overview;
mod promises;
mod seats;

use std::net::SocketAddr;

use crate::support::Folder;
use crate::support::http_client::{Answer, HttpClient, in_an_hour, token};
use crate::support::served::SECRET;
use crate::support::system::{QUICK, System};
use serde_json::json;

/// A running shop that accepts tokens which the tests sign.
pub(crate) struct Office {
    _folder: Folder,
    pub(crate) system: System,
}

impl Office {
    pub(crate) fn open() -> Self {
        let folder = Folder::new();
        let secret = format!("--jwt-secret={SECRET}");
        let settings: Vec<&str> = QUICK.iter().copied().chain([secret.as_str()]).collect();
        let system = System::at_work(&folder, &settings);
        Self { _folder: folder, system }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.system.ingress().address()
    }

    /// A new browser without a cookie.
    pub(crate) fn browser(&self) -> Browser {
        Browser { web: HttpClient::stranger(self.address()), cookie: String::new() }
    }

    pub(crate) fn admin(&self) -> Browser {
        let mut browser = self.browser();
        assert_eq!(browser.sign_in(&admin_token()).status, 303);
        browser
    }
}

pub(crate) fn admin_token() -> String {
    token(&json!({"sub": "anna", "role": "admin", "exp": in_an_hour()}))
}

pub(crate) fn customer_token() -> String {
    token(&json!({"sub": "carl", "role": "customer", "exp": in_an_hour()}))
}

/// Keeps one cookie, and sends forms with the headers of a page of the same origin.
pub(crate) struct Browser {
    pub(crate) web: HttpClient,
    pub(crate) cookie: String,
}

impl Browser {
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.web.send("GET", path, &[("cookie", &self.cookie)], b"")
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_as(path, fields, &[("sec-fetch-site", "same-origin")])
    }

    #[track_caller]
    pub(crate) fn post_as(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let body = serde_urlencoded::to_string(fields).unwrap();
        let form = [("content-type", "application/x-www-form-urlencoded"), ("cookie", self.cookie.as_str())];
        let headers: Vec<_> = form.into_iter().chain(headers.iter().copied()).collect();
        self.web.send("POST", path, &headers, body.as_bytes())
    }

    #[track_caller]
    pub(crate) fn sign_in(&mut self, token: &str) -> Answer {
        let answer = self.post("/dashboard/sign-in", &[("token", token), ("next", "/")]);
        if let Some(cookie) = answer.headers.get("set-cookie") {
            self.cookie = cookie.split(';').next().unwrap().to_string();
        }
        answer
    }

    /// The anti-forgery token in a form on that page.
    #[track_caller]
    pub(crate) fn form_token(&self, path: &str) -> String {
        let page = self.get(path).is(200).text;
        let (_, rest) = page.split_once("name=\"form_token\" value=\"").expect("a page with a form");
        rest.split('"').next().unwrap().to_string()
    }
}
