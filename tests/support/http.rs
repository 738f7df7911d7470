//! Simple HTTP requests of tests, with or without a token: all of them through `http_client.rs`.

use std::io::Result;
use std::net::SocketAddr;

use serde_json::Value;

use super::http_client::HttpClient;

/// A response's status and body.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let answer = HttpClient::stranger(address).try_send("GET", path, &[], b"")?;
    Ok((answer.status, answer.text))
}

/// A response's status, and its body if that is JSON.
pub(crate) fn post(address: SocketAddr, token: &str, path: &str, body: &[u8]) -> Result<(u16, Value)> {
    let answer = HttpClient::with_token(address, token).try_send("POST", path, &[], body)?;
    Ok((answer.status, serde_json::from_str(&answer.text).unwrap_or_default()))
}
