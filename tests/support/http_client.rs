//! HTTP clients of the gateway: what customers and admins send, and the responses.

use std::collections::BTreeMap;
use std::io::{Read, Result, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::documented::{self, Response};
use super::served::SECRET;

/// A client with or without a token.
#[derive(Clone)]
pub(crate) struct HttpClient {
    address: SocketAddr,
    token: Option<String>,
    from: Option<IpAddr>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl HttpClient {
    pub(crate) fn stranger(address: SocketAddr) -> Self {
        Self { address, token: None, from: None }
    }

    pub(crate) fn with_token(address: SocketAddr, token: &str) -> Self {
        Self { address, token: Some(token.to_string()), from: None }
    }

    pub(crate) fn customer(address: SocketAddr, id: &str) -> Self {
        Self::with_token(address, &token(&json!({"sub": id, "role": "customer", "exp": in_an_hour()})))
    }

    pub(crate) fn admin(address: SocketAddr) -> Self {
        Self::with_token(address, &token(&json!({"sub": "anna", "role": "admin", "exp": in_an_hour()})))
    }

    /// The same from another address of this machine.
    pub(crate) fn from(self, address: IpAddr) -> Self {
        Self { from: Some(address), ..self }
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], body.to_string().as_bytes())
    }

    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, path, headers, body).unwrap_or_else(|why| panic!("{method} {path}: {why}"))
    }

    /// `Err` when the server does not answer.
    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        let mut stream = self.begin(method, path, headers, body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).or_else(|why| if answer.is_empty() { Err(why) } else { Ok(0) })?;
        let answer = Answer::read(&String::from_utf8_lossy(&answer))?;
        answer.assert_documented(method, path);
        Ok(answer)
    }

    /// Sends the request and reads nothing yet: for streams.
    pub(crate) fn begin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<TcpStream> {
        let mut stream = match self.from {
            None => TcpStream::connect_timeout(&self.address, Duration::from_secs(5))?,
            Some(from) => connect_from(from, self.address)?,
        };
        stream.set_read_timeout(Some(super::PATIENCE + Duration::from_secs(10)))?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            head += &format!("host: {}\r\n", self.address);
        }
        if let Some(token) = &self.token {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        if !body.is_empty() {
            head += &format!("content-length: {}\r\n", body.len());
        }
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            head += "content-type: application/json\r\n";
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        // A server that refuses a large body may answer before having read it.
        stream.write_all(body).ok();
        Ok(stream)
    }
}

impl Answer {
    pub(crate) fn read(text: &str) -> Result<Self> {
        let odd = || std::io::Error::new(std::io::ErrorKind::InvalidData, format!("no answer: {text:?}"));
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(odd)?;
        let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(odd)?;
        let header =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_string()));
        let headers: BTreeMap<_, _> = rest.lines().filter_map(header).collect();
        let chunked = headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked");
        let text = if chunked { unchunked(body) } else { body.to_string() };
        Ok(Self { status, headers, text })
    }

    /// Checks it against the OpenAPI document, unless the connection ended before the response did.
    #[track_caller]
    fn assert_documented(&self, method: &str, path: &str) {
        let length = self.headers.get("content-length").and_then(|length| length.parse::<usize>().ok());
        if method == "HEAD" || length.is_none_or(|length| length <= self.text.len()) {
            let media = self.headers.get("content-type").map(String::as_str);
            documented::assert_documented(
                method,
                path,
                &Response { status: self.status, media, body: &self.text },
            );
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// It is this problem, and says what to do about it. Its body.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!((problem["status"].as_u64(), problem["code"].as_str()), (Some(status.into()), Some(code)));
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{problem}");
        problem
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

fn connect_from(from: IpAddr, to: SocketAddr) -> Result<TcpStream> {
    super::block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let stream = socket.connect(to).await?.into_std()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    })
}

/// Signed with the tests' secret.
pub(crate) fn token(claims: &Value) -> String {
    signed(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes()).unwrap())
}

pub(crate) fn signed(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    jsonwebtoken::encode(header, claims, key).unwrap()
}

pub(crate) fn in_an_hour() -> u64 {
    now_s() + 3600
}

pub(crate) fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn unchunked(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            break;
        }
        whole += &rest[..size];
        text = rest[size..].trim_start_matches("\r\n");
    }
    whole
}
