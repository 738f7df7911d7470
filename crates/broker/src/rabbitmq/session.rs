//! What the users of a pair of connections get: a publisher, and a handle by which they give the pair up.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::link::Fault;
use super::publisher::Publisher;

#[derive(Clone)]
pub(super) struct Session {
    pub(super) publisher: Arc<Publisher>,
    pub(super) handle: SessionHandle,
}

/// Belongs to one pair of connections: a fault that its users report ends this pair, and no other.
#[derive(Clone)]
pub(super) struct SessionHandle(mpsc::Sender<Fault>);

impl SessionHandle {
    pub(super) fn new() -> (Self, mpsc::Receiver<Fault>) {
        let (breaks, broken) = mpsc::channel(1);
        (Self(breaks), broken)
    }

    /// Gives the connections up. The first reason counts.
    pub(super) fn broke(&self, why: Fault) {
        self.0.try_send(why).ok();
    }

    /// `None` once the connections have ended: our client may then never answer.
    pub(super) async fn within<T>(&self, asked: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            answer = asked => Some(answer),
            () = self.0.closed() => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn no_request_waits_for_an_answer_of_a_connection_that_has_ended() {
        let (handle, broken) = SessionHandle::new();
        assert_eq!(handle.within(async { 1 }).await, Some(1));
        let unanswered = handle.within(std::future::pending::<()>());
        let ended = async {
            tokio::task::yield_now().await;
            drop(broken);
        };
        let both = async { tokio::join!(unanswered, ended).0 };
        let waited = tokio::time::timeout(Duration::from_secs(5), both).await;
        assert_eq!(waited.expect("it waits on"), None);
    }
}
