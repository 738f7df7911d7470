//! The style sheet, the scripts and the icon, which are compiled in. Their URLs contain a hash, so that a browser loads
//! each of them once.

use std::sync::LazyLock;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::BodyHash;

use crate::call::Call;
use crate::problem::Problem;

pub(super) struct Asset {
    pub(super) path: &'static str,
    kind: &'static str,
    text: &'static str,
    hash: LazyLock<String>,
}

macro_rules! asset {
    ($name:ident, $file:literal, $kind:literal) => {
        pub(super) static $name: Asset = Asset {
            path: concat!("/dashboard/", $file),
            kind: $kind,
            text: include_str!(concat!("assets/", $file)),
            hash: LazyLock::new(|| BodyHash::of($file, include_str!(concat!("assets/", $file))).to_string()),
        };
    };
}

asset!(STYLE, "style.css", "text/css; charset=utf-8");
asset!(SCRIPT, "script.js", "text/javascript; charset=utf-8");
asset!(SHOP, "shop.js", "text/javascript; charset=utf-8");
asset!(ICON, "icon.svg", "image/svg+xml");

/// For a URL with the content's hash, which may be cached for ever.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// For a URL without the hash: the browser revalidates it each time.
const ASK: &str = "no-cache";

impl Asset {
    /// The URL with the hash of the current content.
    pub(super) fn address(&self) -> String {
        format!("{}?{}", self.path, *self.hash)
    }

    pub(super) async fn answer(&self, call: Call) -> Result<Response, Problem> {
        let tag = format!("\"{}\"", *self.hash);
        let kept = if call.uri.query() == Some(self.hash.as_str()) { FOR_EVER } else { ASK };
        let headers = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, kept.to_string())];
        if call.header("if-none-match").is_some_and(|known| known.split(',').any(|one| one.trim() == tag)) {
            return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
        }
        Ok((headers, [(header::CONTENT_TYPE, self.kind)], self.text).into_response())
    }
}
