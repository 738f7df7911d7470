//! Webhooks in and out: a signed event is believed once, and an event that a receiver needs is posted until it is
//! taken.

mod into;
mod out;
mod packages;
mod refunds;

/// Shared by the senders and receivers of these tests: 32 bytes, all of them 7.
const SECRET: &str = "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
const STRIPE_SECRET: &str = "whsec_0123456789abcdefghijklmnopqrstuv";
