//! Accepts connections within caps, so that no client shuts out the others, and closes those that send nothing.
//!
//! A connection past a cap gets only the health pages: without them, a monitor would restart a process that is merely
//! busy. To find out which page a connection asks for, its request head must be read; a small reserve of connections is
//! kept for that. When the reserve is full, its oldest connection that has sent no head is closed for the new one. So
//! idle connections cannot fill it, and a head that arrives at once is always read.

mod reserve;
mod room;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use metrics::METRICS;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::front::Peer;
use reserve::Reserve;
pub use room::Caps;
use room::OpenConnections;

/// Timeout from the first byte of a request to the end of its headers, and between two requests.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// Larger request heads are refused: no client of ours needs them.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// After a failed accept, mostly for lack of file descriptors, which may be free again in a moment.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `routes` within the caps. Past them it serves only `vital`, the health pages, and refuses the rest.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    vital: Router,
    caps: Caps,
    stop: CancellationToken,
) {
    let (room, reserve) = (OpenConnections::new(caps), Reserve::new(vital));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(why) => {
                tracing::warn!("a connection could not be taken: {why}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Without Nagle's delay, small responses are sent at once.
        stream.set_nodelay(true).ok();
        match room.take_slot(peer.ip()) {
            Ok(slot) => {
                let work = converse(stream, peer, routes.clone(), stop.clone());
                connections.spawn(async move {
                    work.await;
                    drop(slot);
                });
            }
            Err(cap) => {
                METRICS.over_cap(cap);
                connections.spawn(reserve.clone().converse(stream, stop.clone()));
                // Lets the new connection read its head before the next one can push it out.
                tokio::task::yield_now().await;
            }
        }
    }
    connections.close();
    connections.wait().await;
}

async fn converse(stream: TcpStream, peer: SocketAddr, routes: Router, stop: CancellationToken) {
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(why) = ended {
        tracing::debug!("a connection ended: {why}");
    }
}
