//! Sets TCP_NODELAY on the connections to the database.
//!
//! sqlx 0.9.0 leaves Nagle's algorithm on. A request in two packets, like a copied journal and the end of the copy,
//! then waits 40 ms for the server's delayed acknowledgement of the first: at 600 orders/s the median order takes 80
//! instead of 20 ms. sqlx does not expose its sockets, so we search the open files of this process for them. Later
//! versions of sqlx set the option themselves; then this file can be deleted.

use std::fs::{File, read_dir};
use std::net::TcpStream;
use std::os::fd::{OwnedFd, RawFd};

use filedescriptor::FileDescriptor;
use sqlx::postgres::PgConnectOptions;

/// To be called after each new connection.
pub(super) async fn to_the_server(options: &PgConnectOptions) {
    if options.get_socket().is_some() {
        return;
    }
    let port = options.get_port();
    // Searching among the open files of ten thousand customers' connections takes a moment.
    let done = tokio::task::spawn_blocking(move || to_port(port));
    if let Ok(Err(why)) = done.await {
        tracing::debug!("cannot set TCP_NODELAY; a request to the database may take 40 ms longer: {why}");
    }
}

/// Sets the option on all connections of this process to this port. It does no harm to those to other servers.
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

/// A second handle for the open file with this number, if it still exists. If it is no socket, socket calls on it fail.
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
