//! One AMQP message to be published, and what counts as its arrival.

use lapin::BasicProperties;
use lapin::types::ShortString;

#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) exchange: ShortString,
    pub(super) key: ShortString,
    pub(super) arrival: Arrival,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// No queue for it is a failure.
    InAQueue,
    /// There may be no listener.
    Anywhere,
    /// The asker may have gone, or have a queue that takes nothing: then it is dropped, and logged.
    AtAnAsker,
    /// The same without a queue: the broker hands it to the asker's channel, and says of all of them that they were
    /// returned, also of those that arrived. So it is not asked.
    AtAChannel,
}
