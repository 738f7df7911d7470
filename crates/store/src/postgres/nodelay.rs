//! Sends at once what is written to the database, instead of waiting for the server to acknowledge what was sent before.
//!
//! sqlx 0.9.0 leaves Nagle's algorithm on. Whatever goes out in two pieces, like a copied journal and the word that this
//! was all of it, then lies here for 40 ms, until the server acknowledges the first: at 600 orders/s half of an order takes
//! 80 instead of 20 ms. Its connections keep their sockets to themselves, so that we look for them among our own open
//! files. Later versions of sqlx switch it off themselves; then this file goes.

use std::fs::{File, read_dir};
use std::net::TcpStream;
use std::os::fd::{OwnedFd, RawFd};

use filedescriptor::FileDescriptor;
use sqlx::postgres::PgConnectOptions;

/// To be called once one has just connected.
pub(super) async fn to_the_server(options: &PgConnectOptions) {
    if options.get_socket().is_some() {
        return;
    }
    let port = options.get_port();
    // Among ten thousand customers' connections, looking takes a moment.
    let done = tokio::task::spawn_blocking(move || to_port(port));
    if let Ok(Err(why)) = done.await {
        tracing::debug!("what is sent to the database may wait 40 ms for an acknowledgement: {why}");
    }
}

/// All of this process' connections to servers at this port. To send at once does no harm to any.
fn to_port(port: u16) -> std::io::Result<()> {
    for entry in read_dir("/dev/fd")? {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(stream) = socket(number)
            && stream.peer_addr().is_ok_and(|peer| peer.port() == port)
        {
            stream.set_nodelay(true)?;
        }
    }
    Ok(())
}

/// Another handle for what has this number by now, if it is still there. If it is no socket, it answers nothing that a
/// socket is asked.
fn socket(number: RawFd) -> Option<TcpStream> {
    let file: File = FileDescriptor::dup(&number).ok()?.as_file().ok()?;
    Some(TcpStream::from(OwnedFd::from(file)))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn what_goes_to_that_port_is_sent_at_once_and_nothing_else_is_touched() {
        let connected = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (stream, listener)
        };
        let (ours, _server) = connected();
        let (other, _another) = connected();
        assert!(!ours.nodelay().unwrap(), "it would be so without us");
        to_port(ours.peer_addr().unwrap().port()).unwrap();
        assert!(ours.nodelay().unwrap());
        assert!(!other.nodelay().unwrap());
        ours.peer_addr().expect("it stays open");
    }
}
