//! What one client does to others, with figures: their orders go on, and none is refused.

mod connections;
mod letters;
