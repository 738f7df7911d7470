//! Takes connections within caps, so that no client shuts out the others, and hangs up on one that sends nothing.
//!
//! A connection past a cap is not served, but for the pages that tell how the process is: a monitor that gets no answer
//! restarts a process that is only busy. To know which page a connection asks for, its head has to be read; for that there
//! is a reserve of a few places. When the reserve is full, its oldest connection that has sent no head is closed for the
//! new one. So idle connections cannot fill it, and a head that comes at once is always read.

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
use room::Room;

/// From the first byte of a request to the end of its headers, and between two requests.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// Larger heads are refused: no client of ours needs them.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// When the system has no more files to give, there may be some in a moment.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `routes` within the caps, and `vital` past them: it answers the pages of the process's health and refuses the rest.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    vital: Router,
    caps: Caps,
    stop: CancellationToken,
) {
    let (room, reserve) = (Room::new(caps), Reserve::new(vital));
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
        // Small answers should not wait for more of them.
        stream.set_nodelay(true).ok();
        match room.place(peer.ip()) {
            Ok(place) => {
                let work = converse(stream, peer, routes.clone(), stop.clone());
                connections.spawn(async move {
                    work.await;
                    drop(place);
                });
            }
            Err(cap) => {
                METRICS.over_cap(cap);
                connections.spawn(reserve.clone().converse(stream, stop.clone()));
                // The new connection's head is looked at before the next one can push it out.
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
