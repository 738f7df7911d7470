//! The types of setting values. A value that holds a password never prints it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use broker::rabbitmq::check_logins;
use hyper::Uri;
use retry::hosts::each_host;
use serde::Deserialize;

/// Where the records and the journal are.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(Secret),
}

/// Where the queues are: in this process, or on a broker.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum AmqpUrl {
    Embedded,
    At(Secret),
}

/// Where the HTTP listener is, if there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum Listen {
    Nowhere,
    At(SocketAddr),
}

/// What the names of our exchanges and queues begin with.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Prefix(String);

/// Which login on the broker speaks for which role, as written.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct LoginMap(String);

#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(try_from = "f64")]
pub struct Rate(pub f64);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct DelayMs {
    pub from: u64,
    pub to: u64,
}

/// Where the mock provider posts its events, if it does.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum WebhookUrl {
    Nowhere,
    At(Uri),
}

/// How long to wait after each failed try. After the last wait there is no other try.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Ladder(Vec<u64>);

/// A URL that may hold a password. It is printed with stars in its place.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A key or a secret, if there is one. It is printed as stars.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Key(Option<String>);

/// Web pages from these origins may call the gateway: `https://shop.example`, without a path.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Origins(Vec<String>);

/// A queue's name may have 255 bytes, and suffixes are added.
const PREFIX_MAX: usize = 64;

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For connecting. No other code should need it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked_url(&self.0))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What may be shown of the secret in that setting.
pub(crate) fn masked(name: &str, value: &str) -> String {
    match name {
        _ if value.is_empty() => String::new(),
        "database_url" | "amqp_url" => masked_url(value),
        _ => "***".to_string(),
    }
}

/// `postgres://anna:***@db/shop`: everything that could be a password is masked, if in doubt a little more.
fn masked_url(url: &str) -> String {
    let begin = url.find("://").map_or(0, |at| at + 3);
    // The last one: a password may hold an @ that should have been escaped.
    let end = url.rfind('@').filter(|end| *end >= begin).unwrap_or(begin);
    let who = &url[begin..end];
    let who = who.split_once(':').map_or(who.to_string(), |(user, _)| format!("{user}:***"));
    let rest = &url[end..];
    let Some((place, query)) = rest.split_once('?') else {
        return format!("{}{who}{rest}", &url[..begin]);
    };
    let query = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if name.contains("password") => format!("{name}=***"),
        _ => pair.to_string(),
    });
    format!("{}{who}{place}?{}", &url[..begin], query.collect::<Vec<_>>().join("&"))
}

impl Key {
    /// For signing and verifying. No other code should need it.
    pub fn reveal(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self((!text.is_empty()).then_some(text))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref().map_or("none", |_| "***"))
    }
}

impl Origins {
    pub fn has(&self, origin: &str) -> bool {
        self.0.iter().any(|known| known == origin)
    }
}

impl TryFrom<String> for Origins {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let each = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let place = |origin: &str| {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', '@', '?', '#', ' ']))
        };
        let origins: Vec<String> = each.map(str::to_string).collect();
        match origins.iter().find(|origin| !place(origin)) {
            None => Ok(Self(origins)),
            Some(wrong) => Err(format!("{wrong:?} must look like https://shop.example, without a path")),
        }
    }
}

impl DatabaseUrl {
    /// The path, if the database is a file.
    pub fn file(&self) -> Option<&Path> {
        match self {
            DatabaseUrl::Sqlite(path) => Some(path),
            DatabaseUrl::Postgres(_) => None,
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            DatabaseUrl::Postgres(url) => write!(f, "{url}"),
        }
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = String;
    fn try_from(url: String) -> Result<Self, String> {
        let scheme = url.split(':').next().unwrap_or_default();
        match (scheme, url.strip_prefix("sqlite:")) {
            (_, Some(path)) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path))),
            ("postgres" | "postgresql", _) if url.contains("://") => {
                let read = store::postgres::connecting(&url);
                // The parser's messages repeat no value today, but might one day.
                read.map_err(|_| {
                    "cannot be read; escape what is special in the password, and ask for no target_session_attrs but \
                     read-write"
                        .to_string()
                })?;
                Ok(Self::Postgres(Secret(url)))
            }
            _ => Err("must look like sqlite:data/checkout.db or postgres://user@host/database".to_string()),
        }
    }
}

impl TryFrom<String> for AmqpUrl {
    type Error = String;
    fn try_from(url: String) -> Result<Self, String> {
        if url.is_empty() {
            return Ok(Self::Embedded);
        }
        if !url.starts_with("amqp://") && !url.starts_with("amqps://") {
            return Err("must look like amqp://user:password@host:5672/vhost, or amqps://…".to_string());
        }
        for node in each_host(&url) {
            let read = lapin::uri::AMQPUri::from_str(&node);
            let uri = read.map_err(|_| {
                "cannot be read; escape what is special in the password and the vhost (%2f is /)".to_string()
            })?;
            if uri.authority.host.is_empty() {
                return Err("names an empty host; write a:5672,b:5672 for several".to_string());
            }
        }
        Ok(Self::At(Secret(url)))
    }
}

impl TryFrom<String> for Listen {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "none" => Ok(Self::Nowhere),
            address => address
                .parse()
                .map(Self::At)
                .map_err(|_| "must look like 127.0.0.1:8080, or be the word none".to_string()),
        }
    }
}

impl TryFrom<String> for WebhookUrl {
    type Error = String;
    fn try_from(url: String) -> Result<Self, String> {
        if url.is_empty() {
            return Ok(Self::Nowhere);
        }
        if url.starts_with("https://") {
            return Err("must begin with http://: the mock provider speaks no TLS".to_string());
        }
        let uri = url.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("http"));
        let uri = uri.filter(|uri| uri.host().is_some_and(|host| !host.is_empty()));
        uri.map(Self::At).ok_or("must look like http://127.0.0.1:8080/webhooks/payments".to_string())
    }
}

/// More tries, or longer waits, are probably typing errors.
const TRIES_MAX: usize = 20;
const WAIT_S_MAX: u64 = 7 * 24 * 3600;

impl Ladder {
    /// The wait after a failed try that `tries` others preceded; `None` after the last.
    pub fn wait_s(&self, tries: u32) -> Option<u64> {
        self.0.get(usize::try_from(tries).ok()?).copied()
    }
}

impl TryFrom<String> for Ladder {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let waits: Result<Vec<u64>, _> = text.split(',').map(|wait| wait.trim().parse()).collect();
        let waits = waits.map_err(|_| "must look like 0,5,300: seconds with commas".to_string())?;
        if waits.len() > TRIES_MAX || waits.iter().any(|wait| *wait > WAIT_S_MAX) {
            return Err(format!("must be at most {TRIES_MAX} waits of at most {WAIT_S_MAX} s"));
        }
        Ok(Self(waits))
    }
}

impl Prefix {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Prefix {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        let fits = (1..=PREFIX_MAX).contains(&text.len()) && text.chars().all(plain);
        match fits && !text.starts_with("amq.") {
            true => Ok(Self(text)),
            false => Err(format!(
                "must have 1 to {PREFIX_MAX} of a-z, 0-9, -, _ and dots, and not begin with amq."
            )),
        }
    }
}

impl LoginMap {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LoginMap {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        check_logins(&text).map(|()| Self(text))
    }
}

impl TryFrom<f64> for Rate {
    type Error = String;
    fn try_from(rate: f64) -> Result<Self, String> {
        (0.0..=1.0).contains(&rate).then_some(Self(rate)).ok_or("must lie between 0 and 1".to_string())
    }
}

impl TryFrom<String> for DelayMs {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let number =
            |text: &str| text.trim().parse().map_err(|_| "must look like 0 or 1000-3000".to_string());
        let (from, to) = match text.split_once('-') {
            None => (number(&text)?, number(&text)?),
            Some((from, to)) => (number(from)?, number(to)?),
        };
        (from <= to).then_some(Self { from, to }).ok_or("the range must not run backwards".to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        for (url, shown) in [
            ("postgres://anna:s3cret@db:5432/shop", "postgres://anna:***@db:5432/shop"),
            ("postgres://anna:s3@cret@db/shop", "postgres://anna:***@db/shop"),
            ("postgres://db/shop?user=anna&password=s3cret", "postgres://db/shop?user=anna&password=***"),
            ("amqp://guest:s3cret@127.0.0.1:5672/%2f", "amqp://guest:***@127.0.0.1:5672/%2f"),
            ("anna:s3cret@db", "anna:***@db"),
            ("postgres://db/shop", "postgres://db/shop"),
            ("", ""),
        ] {
            assert_eq!(masked_url(url), shown);
            let secret = Secret::new(url);
            assert!(!format!("{secret} {secret:?}").contains("s3"), "{url}");
        }
    }

    #[test]
    fn a_prefix_names_queues_that_a_broker_takes() {
        for good in ["checkout", "shop-2.test_1"] {
            assert!(Prefix::try_from(good.to_string()).is_ok(), "{good}");
        }
        for bad in ["", "Shop", "a b", "amq.direct", "ü", &"x".repeat(65)] {
            assert!(Prefix::try_from(bad.to_string()).is_err(), "{bad}");
        }
    }
}
