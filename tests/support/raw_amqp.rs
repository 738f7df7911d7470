//! A publisher that writes AMQP byte by byte, and so can send what no client library would.

use lapin::uri::AMQPUri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{PATIENCE, rabbit};

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const CHANNEL: u16 = 1;

/// RabbitMQ's default, which also limits a content header.
pub(crate) const FRAME_MAX: usize = 128 * 1024;

pub(crate) struct RawPublisher {
    stream: TcpStream,
}

/// Properties of a message in their AMQP form: flags, and then each value at its place.
#[derive(Clone, Default)]
pub(crate) struct Properties {
    fields: [Option<Vec<u8>>; 14],
}

/// The places of the properties that tests set.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    ContentType = 0,
    ContentEncoding = 1,
    Headers = 2,
    DeliveryMode = 3,
    Priority = 4,
    CorrelationId = 5,
    ReplyTo = 6,
    Expiration = 7,
    MessageId = 8,
    Timestamp = 9,
    Type = 10,
    UserId = 11,
    AppId = 12,
    ClusterId = 13,
}

impl Properties {
    pub(crate) fn id(id: &str) -> Self {
        Self::default().short(Place::MessageId, id.as_bytes())
    }

    pub(crate) fn short(self, place: Place, text: &[u8]) -> Self {
        self.raw(place, short(text))
    }

    /// The entries of the table, concatenated.
    pub(crate) fn headers(self, entries: &[Vec<u8>]) -> Self {
        self.raw(Place::Headers, long(&entries.concat()))
    }

    pub(crate) fn raw(mut self, place: Place, bytes: Vec<u8>) -> Self {
        self.fields[place as usize] = Some(bytes);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let flag = |n: usize| 0x8000_u16 >> n;
        let flags = (0..self.fields.len()).filter(|n| self.fields[*n].is_some()).map(flag).sum::<u16>();
        [flags.to_be_bytes().to_vec(), self.fields.iter().flatten().flatten().copied().collect()].concat()
    }
}

pub(crate) fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

pub(crate) fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// One header: its name, the letter of its type, its value as bytes.
pub(crate) fn entry(name: &[u8], kind: u8, value: &[u8]) -> Vec<u8> {
    [&short(name)[..], &[kind], value].concat()
}

/// A header with a table within a table, so many levels deep.
pub(crate) fn nested(name: &[u8], depth: usize) -> Vec<u8> {
    let mut inside = Vec::new();
    for _ in 1..depth {
        inside = entry(b"t", b'F', &long(&inside));
    }
    entry(name, b'F', &long(&inside))
}

/// The same with arrays.
pub(crate) fn nested_arrays(name: &[u8], depth: usize) -> Vec<u8> {
    let mut inside = Vec::new();
    for _ in 1..depth {
        inside = [&b"A"[..], &long(&inside)].concat();
    }
    entry(name, b'A', &long(&inside))
}

impl RawPublisher {
    /// Connected, with a channel in confirm mode.
    pub(crate) async fn connect() -> Self {
        let uri: AMQPUri = rabbit::url().parse().unwrap();
        let address = (uri.authority.host.as_str(), uri.authority.port);
        let mut one = Self { stream: TcpStream::connect(address).await.unwrap() };
        one.stream.write_all(b"AMQP\0\0\x09\x01").await.unwrap();
        one.answer(10, 10).await.unwrap();
        let user = &uri.authority.userinfo;
        let secret = format!("\0{}\0{}", user.username, user.password);
        let start = [long(b""), short(b"PLAIN"), long(secret.as_bytes()), short(b"en_US")].concat();
        one.say(0, 10, 11, &start).await;
        let mut tune = one.answer(10, 30).await.unwrap();
        // No heartbeats: it lives for one test.
        tune[6..8].copy_from_slice(&[0, 0]);
        one.say(0, 10, 31, &tune[..8]).await;
        one.say(0, 10, 40, &[short(uri.vhost.as_bytes()), short(b""), vec![0]].concat()).await;
        one.answer(10, 41).await.unwrap();
        one.say(CHANNEL, 20, 10, &short(b"")).await;
        one.answer(20, 11).await.unwrap();
        one.say(CHANNEL, 85, 10, &[0]).await;
        one.answer(85, 11).await.unwrap();
        one
    }

    /// `Err` is the broker's reason for refusing the message; then the connection is closed.
    pub(crate) async fn publishes(
        &mut self,
        exchange: &str,
        key: &[u8],
        properties: &Properties,
        body: &[u8],
    ) -> Result<(), String> {
        self.say(CHANNEL, 60, 40, &[&[0, 0], &short(exchange.as_bytes())[..], &short(key), &[0]].concat())
            .await;
        let size = u64::try_from(body.len()).unwrap().to_be_bytes();
        let header = [&[0, 60, 0, 0], &size[..], &properties.bytes()].concat();
        self.frame(HEADER, CHANNEL, &header).await;
        for part in body.chunks(FRAME_MAX - 8) {
            self.frame(BODY, CHANNEL, part).await;
        }
        self.answer(60, 80).await.map(drop)
    }

    async fn say(&mut self, channel: u16, class: u16, method: u16, arguments: &[u8]) {
        let payload = [&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat();
        self.frame(METHOD, channel, &payload).await;
    }

    async fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let head = [&[kind], &channel.to_be_bytes()[..], &long(payload), &[0xCE]].concat();
        // After a refusal the broker may hang up; its reason has been read by then.
        self.stream.write_all(&head).await.ok();
    }

    /// The arguments of this method, which must come next.
    async fn answer(&mut self, class: u16, method: u16) -> Result<Vec<u8>, String> {
        let next = tokio::time::timeout(PATIENCE, self.next()).await.expect("the broker does not answer");
        let payload = next.map_err(|why| format!("it hung up: {why}"))?;
        let expected = [class.to_be_bytes(), method.to_be_bytes()].concat();
        match payload.strip_prefix(&expected[..]) {
            Some(arguments) => Ok(arguments.to_vec()),
            // A channel or a connection was closed: its code and text.
            None => Err(String::from_utf8_lossy(&payload[7.min(payload.len())..]).into_owned()),
        }
    }

    async fn next(&mut self) -> std::io::Result<Vec<u8>> {
        loop {
            let mut head = [0; 7];
            self.stream.read_exact(&mut head).await?;
            let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
            let mut payload = vec![0; size + 1];
            self.stream.read_exact(&mut payload).await?;
            payload.pop();
            if head[0] == METHOD {
                return Ok(payload);
            }
        }
    }
}
