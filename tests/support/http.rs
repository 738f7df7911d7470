//! As much of an HTTP client as a test needs: one request, one connection.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// An answer's status and body.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let whole = answer.split_once("\r\n\r\n").filter(|(head, _)| head.starts_with("HTTP/1.1 "));
    let (head, body) = whole.ok_or_else(|| Error::new(ErrorKind::UnexpectedEof, "no answer"))?;
    let status = head[9..12].parse().map_err(|_| Error::new(ErrorKind::InvalidData, "no status"))?;
    Ok((status, body.to_string()))
}

/// An answer's status, and its body if that is JSON.
pub(crate) fn post(address: SocketAddr, token: &str, path: &str, body: &[u8]) -> Result<(u16, Value)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    // Who refuses a large body may answer before having read it.
    let written = stream.write_all(body);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).or_else(|why| if answer.is_empty() { Err(why) } else { Ok(0) })?;
    let answer = String::from_utf8_lossy(&answer);
    let whole = answer.split_once("\r\n\r\n").filter(|(head, _)| head.starts_with("HTTP/1.1 "));
    let Some((head, body)) = whole else {
        written?;
        return Err(Error::new(ErrorKind::UnexpectedEof, "the connection ended without an answer"));
    };
    let status = head[9..12].parse().map_err(|_| Error::new(ErrorKind::InvalidData, "no status"))?;
    Ok((status, serde_json::from_str(body).unwrap_or_default()))
}
