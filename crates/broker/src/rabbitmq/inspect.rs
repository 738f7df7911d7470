//! What a person can see of a broker over AMQP alone: its version, and the depth and consumers of our queues.

use lapin::options::QueueDeclareOptions;
use lapin::protocol::connection::AMQPMethod;
use lapin::protocol::{AMQPClass, parse_class};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::{AMQPScheme, AMQPUri};
use retry::hosts::each_host;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::link::{ANSWER, Address, Fault, Frames, NO_SUCH_VHOST, channel, close, short, soon};
use super::topology::topology;
use super::{Options, Unavailable, by_hand};

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    Away(String),
    /// Wrong credentials, or a virtual host that does not exist or that we have no permission for.
    Refused(String),
}

/// One queue of ours that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSeen {
    pub name: String,
    pub messages: u32,
    pub consumers: u32,
}

/// The method comes after a frame's type, channel and size.
const FRAME_HEAD_BYTES: usize = 7;
/// A greeting has a few hundred bytes.
const FRAME_BYTES_MAX: usize = 16 * 1024;

/// Connects once and closes the connection.
pub async fn ping(options: &Options) -> Result<(), ConnectError> {
    let address = Address::new(&options.url, &options.connection_name).map_err(ConnectError::Refused)?;
    match address.connect_once("knocks", Frames::Small).await {
        Ok(connection) => {
            close(&connection).await;
            Ok(())
        }
        Err(Fault::Forbidden(why) | Fault::Missing(why) | Fault::Differs(why)) => {
            Err(ConnectError::Refused(why))
        }
        Err(Fault::Away(why)) if why.contains(NO_SUCH_VHOST) => Err(ConnectError::Refused(why)),
        Err(Fault::Away(why) | Fault::Garbled(why) | Fault::TooLarge(why)) => Err(ConnectError::Away(why)),
    }
}

/// Every queue of the topology that exists.
pub async fn queues(options: &Options) -> Result<Vec<QueueSeen>, Unavailable> {
    let (connection, names) = by_hand(options).await?;
    let mut seen = Vec::new();
    for queue in topology(&names).queues {
        let looked = async {
            // A failed check closes its channel.
            let channel = channel(&connection).await?;
            let look = QueueDeclareOptions::durable().passive();
            let declare = channel.queue_declare(short(&*queue.name), look, FieldTable::default());
            soon("looking at a queue", declare).await
        };
        match looked.await {
            Ok(found) => seen.push(QueueSeen {
                messages: found.message_count(),
                consumers: found.consumer_count(),
                name: queue.name,
            }),
            Err(Fault::Missing(_) | Fault::Forbidden(_)) => {}
            Err(fault @ (Fault::Differs(_) | Fault::Away(_) | Fault::Garbled(_) | Fault::TooLarge(_))) => {
                return Err(Unavailable(fault.to_string()));
            }
        }
    }
    close(&connection).await;
    Ok(seen)
}

/// The broker's name and version as in its greeting, such as `RabbitMQ 3.10.8`. `None` over TLS.
pub async fn version(options: &Options) -> Result<Option<String>, Unavailable> {
    let mut seen = Err(Unavailable("the URL of the broker names no host".into()));
    for url in each_host(&options.url) {
        seen = version_of(&url).await;
        if seen.is_ok() {
            break;
        }
    }
    seen
}

async fn version_of(url: &str) -> Result<Option<String>, Unavailable> {
    let uri: AMQPUri = url.parse().map_err(|_| Unavailable("the URL of the broker cannot be read".into()))?;
    match uri.scheme {
        AMQPScheme::AMQPS => return Ok(None),
        AMQPScheme::AMQP => {}
    }
    let address = (uri.authority.host.as_str(), uri.authority.port);
    match tokio::time::timeout(ANSWER, greeting(address)).await {
        Ok(Ok(version)) => Ok(version),
        Ok(Err(why)) => Err(Unavailable(why.to_string())),
        Err(_) => Err(Unavailable(format!("it did not greet within {} s", ANSWER.as_secs()))),
    }
}

/// The client library does not expose the greeting, so this opens one more connection only to read it.
async fn greeting(address: (&str, u16)) -> std::io::Result<Option<String>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"AMQP\0\0\x09\x01").await?;
    let mut heard = Vec::new();
    while heard.len() < FRAME_BYTES_MAX {
        if let Some(Ok((_, AMQPClass::Connection(AMQPMethod::Start(start))))) =
            heard.get(FRAME_HEAD_BYTES..).map(parse_class)
        {
            let text = |name: &str| match start.server_properties.inner().get(name) {
                Some(AMQPValue::LongString(text)) => text.to_string(),
                _ => String::new(),
            };
            return Ok(Some(format!("{} {}", text("product"), text("version")).trim().to_string()));
        }
        if stream.read_buf(&mut heard).await? == 0 {
            break;
        }
    }
    Ok(None)
}
