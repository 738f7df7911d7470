//! What has come from one queue and is not settled yet. An AMQP message is acknowledged when the last of our messages
//! in it is settled.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lapin::Acker;
use tokio::sync::Notify;

use crate::{DeadDelivery, Delivery, Mark};

/// What a buffer holds.
pub(super) trait Marked {
    fn mark(&mut self) -> &mut Mark;
}

impl Marked for Delivery {
    fn mark(&mut self) -> &mut Mark {
        &mut self.mark
    }
}

impl Marked for DeadDelivery {
    fn mark(&mut self) -> &mut Mark {
        &mut self.mark
    }
}

pub(super) struct PrefetchBuffer<T> {
    inside: Mutex<Inside<T>>,
    arrived: Notify,
}

struct Inside<T> {
    ready: VecDeque<T>,
    pieces: HashMap<u64, Piece>,
}

/// The number of the next piece. No number is used twice in a process, so that a mark from a lost connection matches nothing.
static NEXT_PIECE: AtomicU64 = AtomicU64::new(1);

/// One AMQP message, which may hold many of ours.
struct Piece {
    acker: Acker,
    open: Vec<bool>,
}

impl<T> Default for PrefetchBuffer<T> {
    fn default() -> Self {
        let inside = Inside { ready: VecDeque::new(), pieces: HashMap::new() };
        Self { inside: Mutex::new(inside), arrived: Notify::new() }
    }
}

impl<T: Marked> PrefetchBuffer<T> {
    pub(super) fn put(&self, acker: Acker, messages: Vec<T>) {
        let mut inside = self.inside();
        let piece = NEXT_PIECE.fetch_add(1, Ordering::Relaxed);
        inside.pieces.insert(piece, Piece { acker, open: vec![true; messages.len()] });
        for (at, mut message) in messages.into_iter().enumerate() {
            *message.mark() = Mark { piece, at };
            inside.ready.push_back(message);
        }
        drop(inside);
        self.arrived.notify_one();
    }

    /// Waits for at least one. Dropping the future loses nothing.
    pub(super) async fn take(&self, max: usize) -> Vec<T> {
        loop {
            // Registered before the look into the buffer, so that a message that arrives in between wakes this task.
            let arrived = self.arrived.notified();
            let taken = self.take_now(max);
            if !taken.is_empty() {
                return taken;
            }
            arrived.await;
        }
    }

    /// The pieces that are now settled completely. A piece from a lost connection is unknown here.
    pub(super) fn settle(&self, marks: impl Iterator<Item = Mark>) -> Vec<Acker> {
        let mut inside = self.inside();
        let mut done = Vec::new();
        for mark in marks {
            let Some(piece) = inside.pieces.get_mut(&mark.piece) else { continue };
            if let Some(open) = piece.open.get_mut(mark.at) {
                *open = false;
            }
            if !piece.open.contains(&true) {
                done.extend(inside.pieces.remove(&mark.piece).map(|piece| piece.acker));
            }
        }
        done
    }

    /// To the front, in their old order.
    pub(super) fn put_back(&self, messages: Vec<T>) {
        let mut inside = self.inside();
        for mut message in messages.into_iter().rev() {
            if inside.pieces.contains_key(&message.mark().piece) {
                inside.ready.push_front(message);
            }
        }
        drop(inside);
        self.arrived.notify_one();
    }

    /// Removes and returns the pieces with messages that were not taken, so that the broker requeues them. A consumer
    /// that has taken the rest of such a piece need not acknowledge it.
    pub(super) fn give_back(&self) -> Vec<Acker> {
        let mut inside = self.inside();
        let ready = std::mem::take(&mut inside.ready);
        ready
            .into_iter()
            .filter_map(|mut message| inside.pieces.remove(&message.mark().piece))
            .map(|piece| piece.acker)
            .collect()
    }

    /// The connection is lost: the broker redelivers everything.
    pub(super) fn clear(&self) {
        let mut inside = self.inside();
        inside.ready.clear();
        inside.pieces.clear();
    }

    /// How many messages are here and not settled, taken or not.
    pub(super) fn held(&self) -> usize {
        self.inside().pieces.values().map(|piece| piece.open.iter().filter(|open| **open).count()).sum()
    }

    fn take_now(&self, max: usize) -> Vec<T> {
        let mut inside = self.inside();
        let count = inside.ready.len().min(max);
        let taken: Vec<_> = inside.ready.drain(..count).collect();
        let more = !inside.ready.is_empty();
        drop(inside);
        if more {
            // Another task may be waiting for the remaining messages.
            self.arrived.notify_one();
        }
        taken
    }

    /// A poisoned lock is safe to use: no code under it can panic halfway through a change.
    fn inside(&self) -> MutexGuard<'_, Inside<T>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(Mark);

    impl Marked for Thing {
        fn mark(&mut self) -> &mut Mark {
            &mut self.0
        }
    }

    fn piece_of(buffer: &PrefetchBuffer<Thing>, tag: u64, count: usize) {
        let name = || lapin::types::ShortString::default();
        let acker = lapin::message::Delivery::mock(tag, name(), name(), false, Vec::new()).acker;
        buffer.put(acker, (0..count).map(|_| Thing(Mark::default())).collect());
    }

    #[tokio::test]
    async fn a_piece_is_done_with_when_its_last_message_is_however_often_one_is_settled() {
        let buffer = PrefetchBuffer::default();
        piece_of(&buffer, 1, 3);
        let marks: Vec<_> = buffer.take(10).await.into_iter().map(|thing| thing.0).collect();
        assert_eq!(marks.len(), 3);
        assert!(buffer.settle([marks[0], marks[0], marks[2]].into_iter()).is_empty());
        assert_eq!(buffer.held(), 1);
        assert_eq!(buffer.settle([marks[1]].into_iter()).len(), 1);
        assert!(buffer.settle(marks.into_iter()).is_empty(), "it is acknowledged once");
    }

    #[tokio::test]
    async fn a_mark_from_a_lost_connection_settles_nothing_of_the_next() {
        let buffer = PrefetchBuffer::default();
        piece_of(&buffer, 1, 1);
        let old = buffer.take(1).await;
        let mark = old[0].0;
        buffer.clear();
        piece_of(&buffer, 1, 1);
        assert!(buffer.settle([mark].into_iter()).is_empty());
        buffer.put_back(old);
        assert_eq!((buffer.take(10).await.len(), buffer.held()), (1, 1), "nor does it come back by hand");
    }
}
