//! Webhooks in and out: what is signed is believed once, and what somebody has to hear is said until he has.

mod into;
mod out;
mod packages;
mod refunds;

/// Shared by senders and receivers in here: 32 bytes, all of them 7.
const SECRET: &str = "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
const STRIPE_SECRET: &str = "whsec_0123456789abcdefghijklmnopqrstuv";
