//! Rate limits for each customer and each address, as token buckets. A refused request is told when to retry.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::http::StatusCode;

use super::problem::Problem;

pub(crate) struct Limits {
    customers: Buckets<Arc<str>>,
    addresses: Buckets<IpAddr>,
}

impl Limits {
    /// Requests per second; 0 means no limit.
    pub(crate) fn new(per_customer: u32, per_address: u32) -> Self {
        Self { customers: Buckets::new(per_customer), addresses: Buckets::new(per_address) }
    }

    pub(crate) fn customer(&self, id: &Arc<str>) -> Result<(), Problem> {
        self.customers.take(id.clone(), Instant::now())
    }

    pub(crate) fn address(&self, address: IpAddr) -> Result<(), Problem> {
        self.addresses.take(counted_as(address), Instant::now())
    }
}

/// An IPv6 subscriber has a whole /64, which therefore counts as one address.
pub(super) fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The most buckets that are kept. Past it, full buckets are dropped: a new bucket would be full too.
const KNOWN_MAX: usize = 100_000;
/// A front end sends several requests at once, so a bucket holds the requests of two seconds.
const BURST_S: f64 = 2.0;

struct Buckets<K> {
    per_second: f64,
    known: Mutex<HashMap<K, Bucket>>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(per_second: u32) -> Self {
        Self { per_second: per_second.into(), known: Mutex::default() }
    }

    fn take(&self, who: K, now: Instant) -> Result<(), Problem> {
        if self.per_second == 0.0 {
            return Ok(());
        }
        let most = self.per_second * BURST_S;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX && !known.contains_key(&who) {
            known.retain(|_, bucket| bucket.filled(self.per_second, now) < most);
            if known.len() >= KNOWN_MAX {
                // So many active callers are an attack: resetting all limits is better than running out of memory.
                known.clear();
            }
        }
        let bucket = known.entry(who).or_insert(Bucket { tokens: most, at: now });
        bucket.tokens = bucket.filled(self.per_second, now);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let wait_s = ((1.0 - bucket.tokens) / self.per_second).ceil().max(1.0) as u64;
        let why = format!("at most {} requests a second; wait {wait_s} s", self.per_second);
        Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", why).retry_after(wait_s))
    }
}

impl Bucket {
    fn filled(&self, per_second: f64, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        (self.tokens + since * per_second).min(per_second * BURST_S)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_caller_over_its_limit_is_told_when_to_come_again_and_holds_up_no_other() {
        let (buckets, start) = (Buckets::new(2), Instant::now());
        for _ in 0..4 {
            buckets.take("anna", start).unwrap();
        }
        assert_eq!(buckets.take("anna", start).unwrap_err().status, 429);
        buckets.take("ben", start).unwrap();
        buckets.take("anna", start + Duration::from_millis(500)).unwrap();
        assert!(buckets.take("anna", start + Duration::from_millis(500)).is_err());
    }

    #[test]
    fn strangers_without_number_do_not_fill_the_memory() {
        let (buckets, start) = (Buckets::new(1), Instant::now());
        for who in 0..3 * KNOWN_MAX {
            buckets.take(who, start).unwrap();
        }
        assert!(buckets.known.lock().unwrap().len() <= KNOWN_MAX);
    }

    #[test]
    fn one_customer_of_ipv6_has_one_bucket_however_many_addresses() {
        let limits = Limits::new(0, 1);
        for host in ["2001:db8::1", "2001:db8::2"] {
            limits.address(host.parse().unwrap()).unwrap();
        }
        assert!(limits.address("2001:db8::3".parse().unwrap()).is_err());
        limits.address("2001:db8:0:1::1".parse().unwrap()).unwrap();
    }
}
