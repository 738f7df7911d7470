//! Opens connections, and waits for no answer of the broker longer than [`ANSWER`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lapin::types::ShortString;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind};
use retry::hosts::{Turn, each_host};

use super::screen;

/// A healthy broker answers in milliseconds; one that elects a new leader in a second or two. After this time the
/// result of the request is unknown, and the connection is given up.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

/// How long a graceful close may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// In seconds, unless the URL says `?heartbeat=`: a dead peer is noticed within twice this time.
const HEARTBEAT_S: u16 = 10;

/// How large a frame may be, unless the URL says `?frame_max=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frames {
    /// The client allocates 64 times this for a connection, and in the end has touched all of it; a bundle just takes
    /// a few frames more.
    Small,
    /// As large as the broker's default. A sender's headers go in one frame, and may fill it.
    Large,
}

impl Frames {
    fn bytes_max(self) -> u32 {
        match self {
            Frames::Small => 16 * 1024,
            Frames::Large => 128 * 1024,
        }
    }
}

/// The broker's nodes and our login. Holds the password, and never shows it.
#[derive(Clone)]
pub(super) struct Address {
    /// One for each node; they differ in host and port alone.
    nodes: Arc<[AMQPUri]>,
    turn: Arc<Turn>,
    /// Our name in the broker's own list of connections.
    name: String,
}

/// In the error 530, with which a broker refuses a virtual host.
pub(super) const NO_SUCH_VHOST: &str = "NOT_ALLOWED";

/// Why a request failed, by what is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// 403: another login has to do this, or has done it.
    Forbidden(String),
    /// 404: it does not exist.
    Missing(String),
    /// 406: it exists with other arguments.
    Differs(String),
    /// The connection is gone, or the broker does not answer.
    Away(String),
    /// The client gave up the connection because of something that it cannot parse.
    Garbled(String),
    /// A frame came that is larger than this connection takes.
    TooLarge(String),
}

impl Address {
    /// `Err` says what is wrong with the URL, without repeating it: it may hold a password.
    pub(super) fn new(url: &str, name: &str) -> Result<Self, String> {
        const FORM: &str = "write amqp://user:password@host:port/vhost, or amqps:// for TLS, with special characters \
                            percent-encoded (the default vhost is %2f) and commas between several hosts";
        let node = |url: &String| {
            let mut uri: AMQPUri =
                url.parse().map_err(|_| format!("the URL of the broker cannot be read; {FORM}"))?;
            if uri.authority.host.is_empty() {
                return Err(format!("the URL of the broker names no host; {FORM}"));
            }
            uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
            Ok(uri)
        };
        let nodes: Arc<[AMQPUri]> = each_host(url).iter().map(node).collect::<Result<_, String>>()?;
        // At a random node, so that the processes of a shop spread over all of them.
        let turn = Turn::beginning_with(usize::from(uuid::Uuid::new_v4().into_bytes()[0]), nodes.len());
        Ok(Self { nodes, turn: Arc::new(turn), name: name.to_string() })
    }

    /// The user we connect as.
    pub(super) fn login(&self) -> &str {
        &self.nodes[0].authority.userinfo.username
    }

    /// The number of the node whose turn it is.
    pub(super) fn node(&self) -> usize {
        self.turn.now()
    }

    /// That node has failed: the turn passes to the next one.
    pub(super) fn failed(&self, node: usize) {
        self.turn.failed(node);
    }

    /// To the node whose turn it is. If that fails, the next attempt is made to the next one.
    pub(super) async fn connect(&self, purpose: &str, frames: Frames) -> Result<Connection, Fault> {
        let node = self.node();
        let connected = self.connect_to(node, purpose, frames).await;
        if connected.is_err() {
            self.failed(node);
        }
        connected
    }

    pub(super) async fn connect_to(
        &self,
        node: usize,
        purpose: &str,
        frames: Frames,
    ) -> Result<Connection, Fault> {
        let mut uri = self.nodes[node].clone();
        let place = place(&uri);
        uri.query.frame_max.get_or_insert(frames.bytes_max());
        let properties =
            ConnectionProperties::default().with_connection_name(format!("{} {purpose}", self.name).into());
        soon("connecting", screen::connect(uri, properties)).await.map_err(|fault| fault.about(&place))
    }

    /// To any node, each tried once: for a command, which does not try again later.
    pub(super) async fn connect_once(&self, purpose: &str, frames: Frames) -> Result<Connection, Fault> {
        let mut whys = Vec::new();
        for _ in 0..self.nodes.len() {
            match self.connect(purpose, frames).await {
                Err(Fault::Away(why)) if !why.contains(NO_SUCH_VHOST) => whys.push(why),
                connected => return connected,
            }
        }
        Err(Fault::Away(whys.join("; ")))
    }
}

fn place(uri: &AMQPUri) -> String {
    format!("{}:{}, vhost {}", uri.authority.host, uri.authority.port, uri.vhost)
}

/// For people: the address without the credentials.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = |uri: &AMQPUri| format!("{}:{}", uri.authority.host, uri.authority.port);
        let hosts: Vec<_> = self.nodes.iter().map(host).collect();
        write!(f, "{}, vhost {}", hosts.join(","), self.nodes[0].vhost)
    }
}

impl Fault {
    pub(super) fn about(self, what: &str) -> Self {
        match self {
            Fault::Forbidden(why) => Fault::Forbidden(format!("{what}: {why}")),
            Fault::Missing(why) => Fault::Missing(format!("{what}: {why}")),
            Fault::Differs(why) => Fault::Differs(format!("{what}: {why}")),
            Fault::Away(why) => Fault::Away(format!("{what}: {why}")),
            Fault::Garbled(why) => Fault::Garbled(format!("{what}: {why}")),
            Fault::TooLarge(why) => Fault::TooLarge(format!("{what}: {why}")),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Forbidden(why)
            | Fault::Missing(why)
            | Fault::Differs(why)
            | Fault::Away(why)
            | Fault::Garbled(why)
            | Fault::TooLarge(why) => f.write_str(why),
        }
    }
}

/// The answer, or the fault that none came in time.
pub(super) async fn soon<T>(what: &str, asked: impl Future<Output = lapin::Result<T>>) -> Result<T, Fault> {
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(fault(error)),
        Err(_) => Err(Fault::Away(format!("{what} got no answer within {} s", ANSWER.as_secs()))),
    }
}

pub(super) async fn channel(connection: &Connection) -> Result<Channel, Fault> {
    soon("opening a channel", connection.create_channel()).await
}

/// Our names and types are short by construction.
pub(super) fn short(text: impl Into<String>) -> ShortString {
    ShortString::try_new(text).expect("our names have at most 255 bytes")
}

pub(super) async fn close(connection: &Connection) {
    // A peer that does not answer needs no graceful close.
    tokio::time::timeout(CLOSE_TIMEOUT, connection.close(200, short("done"))).await.ok();
}

pub(super) fn fault(error: lapin::Error) -> Fault {
    let why = error.to_string();
    match error.kind() {
        ErrorKind::ParsingError(_) => Fault::Garbled(why),
        ErrorKind::ProtocolError(refusal) => match refusal.get_id() {
            403 => Fault::Forbidden(why),
            404 => Fault::Missing(why),
            406 => Fault::Differs(why),
            501 => Fault::TooLarge(why),
            _ => Fault::Away(why),
        },
        _ => Fault::Away(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_url_is_refused_without_showing_its_password() {
        for url in [
            "",
            "amqp://u:geheim@host,/",
            "amqp//u:geheim@host",
            "http://u:geheim@host/",
            "amqp://u:geheim@host:99999/",
            "amqp:",
        ] {
            let why = Address::new(url, "test").err().unwrap();
            assert!(why.contains("amqp://user:password@") && !why.contains("geheim"), "{url}: {why}");
        }
        let shown = Address::new("amqps://u:geheim@host/shop", "test").unwrap().to_string();
        assert_eq!(shown, "host:5671, vhost shop");
        let shown = Address::new("amqp://u:geheim@a,b:1/shop", "test").unwrap().to_string();
        assert_eq!(shown, "a:5672,b:1, vhost shop");
    }
}
