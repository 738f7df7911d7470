//! Takes connections, as many as there is room for, and gives none of them away to somebody who sends nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::front::Peer;

/// Each costs some kilobytes; past it, new ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 4096;
/// From the first byte of a request to the end of its headers, and between two requests.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// Larger heads are refused: no client of ours needs them.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// When the system has no more files to give, there may be some in a moment.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    loop {
        let accepted = async {
            let place = room.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            taken = accepted => taken,
        };
        match accepted {
            Ok((stream, peer)) => {
                let work = converse(stream, peer, routes.clone(), stop.clone());
                connections.spawn(async move {
                    work.await;
                    drop(place);
                });
            }
            Err(why) => {
                tracing::warn!("a connection could not be taken: {why}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
}

async fn converse(stream: TcpStream, peer: SocketAddr, routes: Router, stop: CancellationToken) {
    // Small answers should not wait for more of them.
    stream.set_nodelay(true).ok();
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
