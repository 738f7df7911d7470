//! A blocking proxy between programs and a server: it passes everything until a test cuts a connection, or lets a
//! request through and drops the answer.
//!
//! It knows no protocol. A request is recognised by bytes that it contains, and what the server sends next on that
//! connection counts as its answer. Every fault is counted, so that a test can tell that it happened.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A Postgres commit: a message of its own, or a statement with documents, which only a committing transaction sends.
pub(crate) const KEEP: &[&[u8]] = &[b"commit\0", b"{\""];
/// A message for RabbitMQ: the method basic.publish.
pub(crate) const PUBLISH: &[&[u8]] = &[&[0, 60, 0, 40]];

pub(crate) struct FaultProxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    connections: Mutex<HashMap<u64, Connection>>,
    /// No client gets through, and none is told why.
    away: AtomicBool,
    over: AtomicBool,
    /// Answers that are still to be dropped.
    to_swallow: AtomicUsize,
    swallowed: AtomicU64,
    cut: AtomicU64,
}

struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl FaultProxy {
    /// A request whose answer may be dropped contains one of `requests`.
    pub(crate) fn to(server: &str, requests: &'static [&'static [u8]]) -> Self {
        let server = server.to_socket_addrs().unwrap().next().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let listening = state.clone();
        std::thread::spawn(move || {
            for (number, client) in (0..).zip(listener.incoming()) {
                if listening.over.load(SeqCst) {
                    return;
                }
                if let Ok(client) = client
                    && !listening.away.load(SeqCst)
                    && let Ok(server) = TcpStream::connect_timeout(&server, Duration::from_secs(5))
                {
                    listening.clone().join(number, client, server, requests);
                }
            }
        });
        Self { address, state }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every open connection. New ones get through.
    pub(crate) fn cut(&self) {
        for (_, connection) in self.state.connections.lock().unwrap().drain() {
            connection.hang_up();
            self.state.cut.fetch_add(1, SeqCst);
        }
    }

    /// Cuts every connection, and lets no client through until it is [`back`](Self::back).
    pub(crate) fn away(&self) {
        self.state.away.store(true, SeqCst);
        self.cut();
    }

    pub(crate) fn back(&self) {
        self.state.away.store(false, SeqCst);
    }

    /// The next so many requests arrive, and their clients are disconnected instead of answered.
    pub(crate) fn swallow_answers(&self, count: usize) {
        self.state.to_swallow.store(count, SeqCst);
    }

    /// How many connections were cut so far.
    pub(crate) fn lines_cut(&self) -> u64 {
        self.state.cut.load(SeqCst)
    }

    pub(crate) fn answers_swallowed(&self) -> u64 {
        self.state.swallowed.load(SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.state.over.store(true, SeqCst);
        self.cut();
        // Wakes the listening thread, so that it sees that it is over.
        TcpStream::connect(self.address).ok();
    }
}

impl State {
    fn join(
        self: Arc<Self>,
        number: u64,
        client: TcpStream,
        server: TcpStream,
        requests: &'static [&'static [u8]],
    ) {
        let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else { return };
        let (Ok(to_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else { return };
        // A held-back packet would look like a slow server.
        client.set_nodelay(true).ok();
        server.set_nodelay(true).ok();
        self.connections.lock().unwrap().insert(number, Connection { client, server });
        let asked = Arc::new(AtomicBool::new(false));
        let (state, heard) = (self.clone(), asked.clone());
        std::thread::spawn(move || {
            pass_on(from_client, to_server, |bytes| {
                if state.to_swallow.load(SeqCst) > 0
                    && requests.iter().any(|request| contains(bytes, request))
                {
                    heard.store(true, SeqCst);
                }
                true
            });
            state.forget(number);
        });
        std::thread::spawn(move || {
            pass_on(from_server, to_client, |_| !(asked.load(SeqCst) && self.swallows()));
            self.forget(number);
        });
    }

    /// Whether one more answer is to be dropped; then it is counted.
    fn swallows(&self) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        let swallows = self.to_swallow.fetch_update(SeqCst, SeqCst, one_less).is_ok();
        self.swallowed.fetch_add(u64::from(swallows), SeqCst);
        swallows
    }

    fn forget(&self, number: u64) {
        if let Some(connection) = self.connections.lock().unwrap().remove(&number) {
            connection.hang_up();
        }
    }
}

impl Connection {
    fn hang_up(&self) {
        // One end may have gone already.
        self.client.shutdown(Shutdown::Both).ok();
        self.server.shutdown(Shutdown::Both).ok();
    }
}

/// Until one end hangs up, or `may_pass` refuses.
fn pass_on(mut from: TcpStream, mut to: TcpStream, mut may_pass: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => read,
            Err(why) if why.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        if !may_pass(&buffer[..read]) || to.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}
