//! What one client can do to others, with figures: their orders go on, and none is refused.

mod connections;
mod letters;

use std::sync::atomic::{AtomicBool, Ordering};

/// Ends a flood however its test ends: otherwise a test that fails would wait for it for ever.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
