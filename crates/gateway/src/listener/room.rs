//! Counts open connections, in all and by address, against the caps. Dropping a slot gives it back.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::counted_as;
use metrics::Cap;
use settings::Settings;

/// Refused connections are logged at most this often, so that the log does not become a load itself.
const LOG_EVERY: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// 0 means no cap, for a gateway behind a proxy.
    pub(crate) per_address: usize,
    pub(crate) in_all: usize,
}

pub(super) struct OpenConnections {
    caps: Caps,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    in_all: usize,
    /// Has at most as many entries as there are connections.
    by_address: HashMap<IpAddr, usize>,
    last_logged: Option<Instant>,
}

pub(super) struct Slot {
    room: Arc<OpenConnections>,
    address: IpAddr,
}

impl Caps {
    pub fn of(settings: &Settings) -> Self {
        Self { per_address: settings.connections_per_address, in_all: settings.connections_max }
    }
}

impl OpenConnections {
    pub(super) fn new(caps: Caps) -> Arc<Self> {
        Arc::new(Self { caps, counts: Mutex::default() })
    }

    /// `Err` names the cap that has been reached.
    pub(super) fn take_slot(self: &Arc<Self>, address: IpAddr) -> Result<Slot, Cap> {
        let (address, mut counts) = (counted_as(address), self.counts());
        let of_address = counts.by_address.get(&address).copied().unwrap_or(0);
        let per_address = if self.caps.per_address == 0 { usize::MAX } else { self.caps.per_address };
        let reached = match () {
            () if of_address >= per_address => Some(Cap::Address),
            () if counts.in_all >= self.caps.in_all => Some(Cap::All),
            () => None,
        };
        let Some(cap) = reached else {
            counts.in_all += 1;
            *counts.by_address.entry(address).or_default() += 1;
            return Ok(Slot { room: self.clone(), address });
        };
        if counts.last_logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            counts.last_logged = Some(Instant::now());
            let (open, setting) = match cap {
                Cap::Address => (of_address, "connections_per_address"),
                Cap::All => (counts.in_all, "connections_max"),
            };
            tracing::warn!(%address, open, "connections are refused; see the setting {setting}");
        }
        Err(cap)
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        // Nothing that could panic runs under this lock.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.room.counts();
        counts.in_all = counts.in_all.saturating_sub(1);
        match counts.by_address.get_mut(&self.address) {
            Some(open) if *open > 1 => *open -= 1,
            _ => drop(counts.by_address.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_at_its_cap_holds_up_no_other_and_a_place_that_is_given_back_is_free() {
        let room = OpenConnections::new(Caps { per_address: 2, in_all: 5 });
        let mut anna: Vec<_> = (0..2).map(|_| room.take_slot(address("192.0.2.1")).ok().unwrap()).collect();
        assert_eq!(room.take_slot(address("192.0.2.1")).err(), Some(Cap::Address));
        assert_eq!(room.take_slot(address("::ffff:192.0.2.1")).err(), Some(Cap::Address), "it is the same");
        let _ben = room.take_slot(address("192.0.2.2")).ok().unwrap();
        anna.pop();
        anna.push(room.take_slot(address("192.0.2.1")).ok().unwrap());
        drop(anna);
        assert_eq!(room.counts().by_address.len(), 1, "an address without a connection is forgotten");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_the_cap_in_all_holds_for_every_address() {
        let room = OpenConnections::new(Caps { per_address: 2, in_all: 3 });
        let _held: Vec<_> =
            (1..=2).map(|n| room.take_slot(address(&format!("2001:db8::{n}"))).ok().unwrap()).collect();
        assert_eq!(room.take_slot(address("2001:db8::3")).err(), Some(Cap::Address));
        let _other = room.take_slot(address("2001:db8:0:1::1")).ok().unwrap();
        assert_eq!(room.take_slot(address("192.0.2.1")).err(), Some(Cap::All));
    }

    #[test]
    fn without_a_cap_for_an_address_one_may_hold_all_of_them() {
        let room = OpenConnections::new(Caps { per_address: 0, in_all: 300 });
        let held: Vec<_> = (0..300).map(|_| room.take_slot(address("192.0.2.1")).ok().unwrap()).collect();
        assert_eq!(room.take_slot(address("192.0.2.1")).err(), Some(Cap::All));
        drop(held);
    }
}
