//! A webhook endpoint outside the system: it records what is posted to it, and replies as the test says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};

use super::http_client::HttpClient;
use super::{PATIENCE, until};

pub(crate) struct Endpoint {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Post>>>,
}

/// One request, with its headers in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Post {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

pub(crate) enum Reply {
    /// A status, and an additional header unless that is empty.
    Status(u16, &'static str),
    /// Hangs up without a reply.
    Nothing,
    /// Reads everything and sends no reply until the client has hung up.
    NothingFor(Box<dyn FnOnce() + Send>),
}

impl Endpoint {
    /// `answer` gives the reply to each post; it gets the number of posts before it.
    pub(crate) fn open(answer: impl Fn(usize, &Post) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (heard, answer) = (received.clone(), Arc::new(answer));
        // The thread ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heard, answer) = (heard.clone(), answer.clone());
                std::thread::spawn(move || converse(&stream, &heard, &*answer));
            }
        });
        Self { address, received }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Post> {
        self.received.lock().unwrap().clone()
    }

    /// Waits for that many posts.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Post> {
        until(&format!("{count} posts"), || Some(self.received()).filter(|posts| posts.len() >= count))
    }
}

/// An endpoint whose address is known before the system's is, and which forwards to the system what is posted.
pub(crate) struct Relay {
    endpoint: Endpoint,
    to: Arc<OnceLock<SocketAddr>>,
}

impl Relay {
    pub(crate) fn open() -> Self {
        let to = Arc::new(OnceLock::<SocketAddr>::new());
        let known = to.clone();
        let endpoint = Endpoint::open(move |_, post| {
            let Some(to) = known.get() else { return Reply::Status(503, "") };
            let signed = post.headers.iter().filter(|(name, _)| name.starts_with("webhook-"));
            let headers: Vec<_> = signed.map(|(name, value)| (name.as_str(), value.as_str())).collect();
            match HttpClient::stranger(*to).try_send("POST", &post.path, &headers, &post.body) {
                Ok(answer) => Reply::Status(answer.status, ""),
                Err(_) => Reply::Nothing,
            }
        });
        Self { endpoint, to }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.endpoint.address)
    }

    pub(crate) fn to(&self, address: SocketAddr) {
        self.to.set(address).expect("it is told once");
    }
}

fn converse(mut stream: &TcpStream, heard: &Mutex<Vec<Post>>, answer: &impl Fn(usize, &Post) -> Reply) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(post) = read(&mut reader) {
        let before = {
            let mut heard = heard.lock().unwrap();
            heard.push(post.clone());
            heard.len() - 1
        };
        match answer(before, &post) {
            Reply::Status(status, header) => {
                let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n{header}\r\nok");
                if stream.write_all(head.as_bytes()).is_err() {
                    return;
                }
            }
            Reply::Nothing => return,
            Reply::NothingFor(noticed) => {
                reader.read_exact(&mut [0]).ok();
                return noticed();
            }
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Post> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line.trim_end().to_string())
    };
    let path = line()?.split(' ').nth(1)?.to_string();
    let mut headers = BTreeMap::new();
    while let Some((name, value)) = line()?.split_once(':') {
        headers.insert(name.to_lowercase(), value.trim().to_string());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Post { path, headers, body })
}
