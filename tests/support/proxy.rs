//! An async proxy between a program and a server, which loses what is sent when the test says so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// The client does not receive the server's bytes. The server receives the client's.
    DeafToServer,
    /// Nothing arrives on either side.
    Stall,
}

pub(crate) struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    cuts: watch::Sender<u64>,
    connections: Arc<AtomicU64>,
    bytes_up: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

/// Replaces these bytes on the way from the server.
pub(crate) type Forgery = Option<(&'static [u8], &'static [u8])>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr, forgery: Forgery) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, cuts) = (watch::Sender::new(Mode::Pass), watch::Sender::new(0));
        let connections = Arc::new(AtomicU64::new(0));
        let (modes, cut, count) = (mode.subscribe(), cuts.subscribe(), connections.clone());
        let bytes_up = Arc::<AtomicU64>::default();
        let up = bytes_up.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(server).await else { continue };
                count.fetch_add(1, Ordering::Relaxed);
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                tokio::spawn(stand_between(client, server, modes.clone(), cut.clone(), forgery, up.clone()));
            }
        });
        Self { address, mode, cuts, connections, bytes_up, accepting }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Ends every open connection. New ones are let through.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// The number of bytes sent to the server.
    pub(crate) fn bytes_up(&self) -> u64 {
        self.bytes_up.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn stand_between(
    client: TcpStream,
    server: TcpStream,
    mode: watch::Receiver<Mode>,
    mut cut: watch::Receiver<u64>,
    forgery: Forgery,
    up: Arc<AtomicU64>,
) {
    cut.mark_unchanged();
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        _ = cut.changed() => {}
        () = carry(from_client, to_server, mode.clone(), Way::Up, None, up) => {}
        () = carry(from_server, to_client, mode, Way::Down, forgery, Arc::default()) => {}
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    way: Way,
    forgery: Forgery,
    bytes: Arc<AtomicU64>,
) {
    let passes = |mode: &Mode| match mode {
        Mode::Pass => true,
        Mode::DeafToServer => way == Way::Up,
        Mode::Stall => false,
    };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        if mode.wait_for(passes).await.is_err() {
            return;
        }
        bytes.fetch_add(count as u64, Ordering::Relaxed);
        if let Some((real, forged)) = forgery {
            forge(&mut buffer[..count], real, forged);
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

fn forge(bytes: &mut [u8], real: &[u8], forged: &[u8]) {
    assert_eq!(real.len(), forged.len());
    while let Some(at) = bytes.windows(real.len()).position(|window| window == real) {
        bytes[at..at + real.len()].copy_from_slice(forged);
    }
}
