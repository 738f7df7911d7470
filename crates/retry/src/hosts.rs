//! Several hosts in one URL, as in `amqp://user:password@a:5672,b:5672/vhost`, tried in turn.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A URL for each host of this one, in the same order; they differ in nothing else. At least one.
pub fn each_host(url: &str) -> Vec<String> {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url[begin..].find(['/', '?', '#']).map_or(url.len(), |at| begin + at);
    let hosts = url[begin..end].rfind('@').map_or(begin, |at| begin + at + 1);
    url[hosts..end].split(',').map(|host| format!("{}{host}{}", &url[..hosts], &url[end..])).collect()
}

/// Whose turn it is among several hosts. A host keeps its turn until it has failed, or another one was found to answer.
#[derive(Debug)]
pub struct Turn {
    at: AtomicUsize,
    hosts: usize,
}

impl Turn {
    /// Begins with the host of this number; too large a number wraps around.
    pub fn beginning_with(at: usize, hosts: usize) -> Self {
        let hosts = hosts.max(1);
        Self { at: AtomicUsize::new(at % hosts), hosts }
    }

    pub fn now(&self) -> usize {
        self.at.load(Relaxed)
    }

    /// The number of the host after this one.
    pub fn after(&self, at: usize) -> usize {
        (at + 1) % self.hosts
    }

    /// That host has failed. Of several users that have noticed, only the first passes the turn on.
    pub fn failed(&self, at: usize) {
        self.at.compare_exchange(at, self.after(at), Relaxed, Relaxed).ok();
    }

    /// That host has answered.
    pub fn answered(&self, at: usize) {
        self.at.store(at % self.hosts, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_gets_the_rest_of_the_url() {
        for (url, each) in [
            ("amqp://a", vec!["amqp://a"]),
            ("amqp://u:p@a:1,b:2/v?x=1,2", vec!["amqp://u:p@a:1/v?x=1,2", "amqp://u:p@b:2/v?x=1,2"]),
            ("postgres://a,[::1]:5/db", vec!["postgres://a/db", "postgres://[::1]:5/db"]),
            ("amqp://u:a,b@c?d", vec!["amqp://u:a,b@c?d"]),
            ("amqp://a,/v", vec!["amqp://a/v", "amqp:///v"]),
            ("", vec![""]),
        ] {
            assert_eq!(each_host(url), each, "{url}");
        }
    }

    #[test]
    fn a_host_that_failed_passes_the_turn_on_once() {
        let turn = Turn::beginning_with(4, 3);
        assert_eq!(turn.now(), 1);
        turn.failed(1);
        turn.failed(1);
        assert_eq!(turn.now(), 2);
        turn.failed(2);
        assert_eq!(turn.now(), 0);
        turn.answered(1);
        assert_eq!(turn.now(), 1);
    }
}
