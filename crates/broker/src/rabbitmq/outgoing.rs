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
    /// At least one queue must get it.
    InAQueue,
    /// There may be no listener.
    Anywhere,
    /// The asker may be gone, or have a queue that accepts nothing: then the reply is dropped, and logged.
    AtAnAsker,
    /// Direct reply-to, without a queue: the broker hands it to the asker's channel, and reports every such message
    /// as returned, even if it arrived. So it is not published as mandatory.
    AtAChannel,
}
