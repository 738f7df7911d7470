//! Everything that looks random follows from the seed and the key: the same ask has the same result.

use contract::OrderId;
use uuid::Uuid;

/// SplitMix64: small, fast, and even enough to decide about play money.
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn of(seed: u64, key: &str) -> Self {
        Self(scramble(seed) ^ fnv1a(key))
    }

    /// True in `rate` of all draws.
    pub(super) fn happens(&mut self, rate: f64) -> bool {
        // 53 bits are what an f64 holds exactly; the value is below 1.0, so that a rate of 1 always happens.
        ((self.next() >> 11) as f64) / ((1_u64 << 53) as f64) < rate
    }

    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        let span = most.saturating_sub(least).saturating_add(1);
        least + self.next() % span
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T], otherwise: T) -> T {
        let at = self.between(0, choices.len().saturating_sub(1) as u64);
        usize::try_from(at).ok().and_then(|at| choices.get(at)).copied().unwrap_or(otherwise)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        scramble(self.0)
    }
}

/// An id that looks like a payment gateway's: `ch_` and 22 letters and digits. It begins with the time in the order's
/// id, so that ids of one time are near each other in an index, and ends with 80 bits of the key's hash.
pub(super) fn id(prefix: &str, order: OrderId, key: &str) -> String {
    format!("{prefix}{}", digits::<62, 22>(order, prefix, key))
}

/// The same in capitals, as PayPal writes them.
pub(super) fn id_in_capitals(prefix: &str, order: OrderId, key: &str) -> String {
    format!("{prefix}{}", digits::<36, 25>(order, prefix, key))
}

/// In ASCII order, so that ids sort as their numbers do. The first 36 are without small letters.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Separates these ids from all others.
const NAMESPACE: Uuid = Uuid::from_u128(0x51c3_8a0e_2d64_4f6b_9f1f_0a57_c0de_ca5e);

/// `LENGTH` digits to the base `RADIX` hold 128 bits: 62^22 and 36^25 are both above 2^128.
fn digits<const RADIX: u128, const LENGTH: usize>(order: OrderId, prefix: &str, key: &str) -> String {
    let mut bytes = Uuid::new_v5(&NAMESPACE, format!("{prefix}{key}").as_bytes()).into_bytes();
    bytes[..6].copy_from_slice(&order.uuid().as_bytes()[..6]);
    let mut number = u128::from_be_bytes(bytes);
    let mut text = [b'0'; LENGTH];
    for digit in text.iter_mut().rev() {
        *digit = ALPHABET[(number % RADIX) as usize];
        number /= RADIX;
    }
    debug_assert_eq!(number, 0);
    text.iter().map(|digit| char::from(*digit)).collect()
}

fn scramble(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn fnv1a(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
