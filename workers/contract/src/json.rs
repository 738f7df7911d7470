//! Every document and every body is written as JSON once for each change, all of them here, so that the cost can be
//! measured.

use std::cell::Cell;

use serde::Serialize;

thread_local! {
    /// A buffer to reuse: a text grows in it, and is copied when its length is known.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A larger buffer is freed.
const KEPT_BYTES: usize = 64 * 1024;

/// # Panics
/// When a value has keys that are no strings, or a serializer that fails: none of ours has.
pub fn json_of<J: for<'a> From<&'a str>>(value: &(impl Serialize + ?Sized)) -> J {
    let mut room = ROOM.take();
    room.clear();
    serde_json::to_writer(&mut room, value).expect("ours have string keys and no failing serializers");
    let json = std::str::from_utf8(&room).expect("JSON is UTF-8").into();
    if room.capacity() <= KEPT_BYTES {
        ROOM.set(room);
    }
    json
}
