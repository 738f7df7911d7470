//! A small reserve of connections past the caps, from which only health pages are answered.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::HEAD_BYTES_MAX;
use crate::problem::Problem;

/// Connections that have not sent a request head yet. Past it the oldest is closed.
const SILENT_MAX: usize = 64;
/// Requests that are answered at once. Past it they are refused, because some of these pages query the database.
const ANSWERS_MAX: usize = 16;
/// Short, because a monitor sends its head at once.
const HEADERS_WITHIN: Duration = Duration::from_secs(2);
/// Timeout for the whole connection.
const WITHIN: Duration = Duration::from_secs(20);

pub(super) struct Reserve {
    routes: TowerToHyperService<Router>,
    silent: Mutex<Silent>,
    answers: Semaphore,
}

#[derive(Default)]
struct Silent {
    /// Oldest first, each with the token that closes it.
    connections: VecDeque<(u64, CancellationToken)>,
    last: u64,
}

impl Reserve {
    pub(super) fn new(routes: Router) -> Arc<Self> {
        let routes = TowerToHyperService::new(routes.fallback(async || refused()));
        Arc::new(Self { routes, silent: Mutex::default(), answers: Semaphore::new(ANSWERS_MAX) })
    }

    /// Serves one request and closes the connection.
    pub(super) async fn converse(self: Arc<Self>, stream: TcpStream, stop: CancellationToken) {
        let (id, pushed_out) = self.enter();
        let service = service_fn(|request: hyper::Request<Incoming>| {
            self.leave(id);
            async { Ok::<_, std::convert::Infallible>(self.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_WITHIN)
            .max_buf_size(HEAD_BYTES_MAX)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            ended = tokio::time::timeout(WITHIN, connection) => {
                if let Ok(Err(why)) = ended {
                    tracing::debug!("a connection of the reserve ended: {why}");
                }
            }
            () = pushed_out.cancelled() => {}
            () = stop.cancelled() => {}
        }
        self.leave(id);
    }

    async fn answer(&self, request: hyper::Request<Incoming>) -> Response {
        let Ok(_permit) = self.answers.try_acquire() else { return refused() };
        let Ok(response) = self.routes.call(request).await;
        response
    }

    fn enter(&self) -> (u64, CancellationToken) {
        let mut silent = self.silent();
        if silent.connections.len() >= SILENT_MAX
            && let Some((_, oldest)) = silent.connections.pop_front()
        {
            oldest.cancel();
        }
        silent.last += 1;
        let (id, pushed_out) = (silent.last, CancellationToken::new());
        silent.connections.push_back((id, pushed_out.clone()));
        (id, pushed_out)
    }

    /// Called when the connection has sent a head, or ended: it cannot be pushed out any more.
    fn leave(&self, id: u64) {
        self.silent().connections.retain(|(known, _)| *known != id);
    }

    fn silent(&self) -> std::sync::MutexGuard<'_, Silent> {
        // Nothing that could panic runs under this lock.
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to every request past a cap, except for health pages.
fn refused() -> Response {
    let why = "there are as many connections as there may be, of yours or in all; close some, or come again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_CONNECTIONS", why).retry_after(1).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_connection_that_says_nothing_makes_room_and_one_that_has_asked_stays() {
        let reserve = Reserve::new(Router::new());
        let (first, first_out) = reserve.enter();
        let (_, second_out) = reserve.enter();
        reserve.leave(first);
        let held: Vec<_> = (0..SILENT_MAX).map(|_| reserve.enter()).collect();
        assert!(!first_out.is_cancelled(), "it has asked, and is being answered");
        assert!(second_out.is_cancelled());
        assert!(held.iter().all(|(_, out)| !out.is_cancelled()));
        assert_eq!(reserve.silent().connections.len(), SILENT_MAX);
    }
}
