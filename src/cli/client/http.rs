//! One request to a listener of ours, and its answer.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Longer than a gateway waits for its database; after that something is wrong, and the user should hear of it.
const WITHIN: Duration = Duration::from_secs(60);

pub(in crate::cli) async fn get(address: SocketAddr, path: &str) -> Result<(StatusCode, Bytes)> {
    let request = Request::get(path).header("host", address.to_string()).body(Full::default())?;
    send(address, request).await
}

pub(super) async fn post(
    address: SocketAddr,
    token: &str,
    path: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Bytes)> {
    let request = Request::post(path)
        .header("host", address.to_string())
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))?;
    send(address, request).await
}

async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes)> {
    let answered = async {
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        driver.abort();
        anyhow::Ok((status, answer))
    };
    let answered = tokio::time::timeout(WITHIN, answered).await;
    answered.with_context(|| format!("{address} has not answered for {} s", WITHIN.as_secs()))?
}
