//! Stands between the socket and the AMQP client, and lets no frame through that the client cannot parse.
//!
//! The client reads only what `frame.rs` has checked. Bodies pass unchecked. A content header or a method is held
//! back until it is complete, because otherwise the client could have half of it before the flaw arrives.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio, TokioRuntime};
use futures_util::Stream;
use futures_util::io::{AsyncRead, AsyncWrite};
use lapin::protocol::constants::{FRAME_HEADER, FRAME_METHOD};
use lapin::tcp::{AMQPUriTcpExt, AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};

use super::frame::{HEAD_BYTES, TAIL_BYTES, mended};

/// As much as a socket usually has at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// A sender's headers are as large as the broker's frame limit allows, which is 128 KiB unless its administrator says
/// otherwise. A larger frame ends the connection.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Like [`Connection::connect_uri`], over a screened socket. TLS, if there is any, is between the screen and the
/// broker.
pub(super) async fn connect(uri: AMQPUri, properties: ConnectionProperties) -> lapin::Result<Connection> {
    let tokio = lapin::runtime::default_runtime()?;
    let runtime = Runtime::new(RuntimeParts::new(tokio.clone(), Screening(tokio.clone())));
    let connect = async move |uri: AMQPUri, _| {
        let tls = OwnedTLSConfig::default();
        let socket = uri.connect_with_config_async(tls.as_ref(), &tokio).await?;
        Ok(AsyncTcpStream::Plain(Screened::new(socket)))
    };
    Connection::connector(uri, runtime, connect, properties).await
}

/// The client's reactor with another socket type: by that type the client uses our sockets.
#[derive(Clone, Debug)]
struct Screening(TokioRuntime);

impl Reactor for Screening {
    type TcpStream = Screened<AsyncTcpStream<<Tokio as Reactor>::TcpStream>>;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// The client brings no sockets of its own.
    fn register<H: Send + 'static>(
        &self,
        _socket: H,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static, Error> {
        Err::<Self::TcpStream, _>(Error::from(ErrorKind::Unsupported))
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.0.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(time)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = Result<Self::TcpStream, Error>> + Send + 'static {
        let connected = self.0.tcp_connect_addr(address);
        async move { Ok(Screened::new(AsyncTcpStream::Plain(connected.await?))) }
    }
}

/// A socket on which every frame can be parsed.
pub(super) struct Screened<S> {
    socket: S,
    /// What was received and the client does not have yet …
    buffer: Vec<u8>,
    /// … begins here …
    taken: usize,
    /// … is released to the client up to here …
    passed: usize,
    /// … and up to here waits for the rest of its frame.
    filled: usize,
    /// How many bytes are still to come of a frame that need not be checked.
    unseen: usize,
}

impl<S> Screened<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, buffer: vec![0; BUFFER_BYTES], taken: 0, passed: 0, filled: 0, unseen: 0 }
    }

    /// Releases all complete frames.
    fn look(&mut self) -> Result<(), Error> {
        loop {
            let unseen = self.unseen.min(self.filled - self.passed);
            self.unseen -= unseen;
            self.passed += unseen;
            let held = &self.buffer[self.passed..self.filled];
            let Some((&[kind, _, _, a, b, c, d], _)) = held.split_first_chunk::<HEAD_BYTES>() else {
                return Ok(());
            };
            let bytes = HEAD_BYTES + u32::from_be_bytes([a, b, c, d]) as usize + TAIL_BYTES;
            if !matches!(kind, FRAME_HEADER | FRAME_METHOD) {
                self.unseen = bytes;
                continue;
            }
            if bytes > HELD_BYTES_MAX {
                let why = format!(
                    "the broker sent headers of {bytes} bytes; no more than {HELD_BYTES_MAX} are read"
                );
                return Err(Error::new(ErrorKind::InvalidData, why));
            }
            let Some(frame) = held.get(..bytes) else { return Ok(()) };
            let passed = match mended(frame) {
                None => bytes,
                Some(mended) => {
                    let length = mended.len();
                    self.buffer.splice(self.passed..self.passed + bytes, mended);
                    self.filled = self.filled + length - bytes;
                    length
                }
            };
            self.passed += passed;
        }
    }

    /// Makes room behind what is held.
    fn make_room(&mut self) {
        self.buffer.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        (self.taken, self.passed) = (0, 0);
        if self.filled == 0 && self.buffer.len() > BUFFER_BYTES {
            self.buffer = vec![0; BUFFER_BYTES];
        } else if self.filled * 2 > self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Screened<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<Result<usize, Error>> {
        let this = self.get_mut();
        while this.taken == this.passed {
            this.make_room();
            let count = ready!(Pin::new(&mut this.socket).poll_read(cx, &mut this.buffer[this.filled..]))?;
            if count == 0 {
                // What is held is half a frame, which is useless without the other half.
                return Poll::Ready(Ok(0));
            }
            this.filled += count;
            this.look()?;
        }
        let count = out.len().min(this.passed - this.taken);
        out[..count].copy_from_slice(&this.buffer[this.taken..this.taken + count]);
        this.taken += count;
        Poll::Ready(Ok(count))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Screened<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize, Error>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.get_mut().socket).poll_close(cx)
    }
}

impl<S> fmt::Debug for Screened<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screened").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
