//! A wire that can be cut, or go silent, between a program and its server.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How the wire is, for open connections and new ones alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Pass,
    /// Nothing gets through, either way; nobody is told.
    Stall,
    /// What the client says arrives; what the server answers waits.
    StallAnswers,
    /// Every connection is torn down, and every new one at once.
    Reset,
}

/// Lets nothing through any more when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy)]
enum Way {
    Question,
    Answer,
}

impl Proxy {
    /// On a free port, in front of `server` ("host:port").
    pub(crate) async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, seen) = watch::channel(Mode::Pass);
        let server = server.to_string();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, server.clone(), seen.clone()));
            }
        });
        Self { address, mode, accepting }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.mode.send_replace(Mode::Reset);
    }
}

async fn connect(mut client: TcpStream, server: String, mode: watch::Receiver<Mode>) {
    let mut until = mode.clone();
    let carried = async {
        let mut server = TcpStream::connect(server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (questions, answers) = client.split();
        let (from_server, to_server) = server.split();
        tokio::join!(
            carry(questions, to_server, Way::Question, mode.clone()),
            carry(from_server, answers, Way::Answer, mode.clone()),
        );
        std::io::Result::Ok(())
    };
    let reset = tokio::select! {
        biased;
        _ = until.wait_for(|mode| *mode == Mode::Reset) => true,
        carried = carried => carried.is_err(),
    };
    if reset {
        // Not a polite good-bye: the other end gets an error.
        client.set_zero_linger().ok();
    }
}

async fn carry(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, way: Way, mut mode: watch::Receiver<Mode>) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if mode.wait_for(|mode| lets_through(*mode, way)).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
    to.shutdown().await.ok();
}

fn lets_through(mode: Mode, way: Way) -> bool {
    match (mode, way) {
        (Mode::Pass, _) | (Mode::StallAnswers, Way::Question) => true,
        (Mode::Stall | Mode::Reset, _) | (Mode::StallAnswers, Way::Answer) => false,
    }
}

#[tokio::test]
async fn the_wire_passes_stalls_and_breaks() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::before(&server.local_addr().unwrap().to_string()).await;
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut served, _) = server.accept().await.unwrap();
    let mut byte = [0];

    client.write_all(b"1").await.unwrap();
    served.read_exact(&mut byte).await.unwrap();
    proxy.set(Mode::StallAnswers);
    served.write_all(b"2").await.unwrap();
    client.write_all(b"3").await.unwrap();
    served.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"3");
    let silence = tokio::time::timeout(Duration::from_millis(50), client.read_exact(&mut byte)).await;
    assert!(silence.is_err(), "an answer came through");
    proxy.set(Mode::Pass);
    client.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"2");
    proxy.set(Mode::Reset);
    assert!(client.read_exact(&mut byte).await.is_err());
    let mut late = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(late.read_exact(&mut byte).await.is_err());
}
