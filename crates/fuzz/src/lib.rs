//! Tries seeded mutations of stored inputs on the code that parses bytes from outsiders.
//!
//! Each target has a folder below `tests/corpus`: every file there is tried as it is, and is a starting point for
//! mutations. A run ends by time or by count, whichever comes first. `CHECKOUT_FUZZ_S` makes it longer, `SEED`
//! repeats one. A failing input is printed as a command that writes it to a file: it belongs into the corpus,
//! together with the fix.

// A harness of tests: it may print and panic as they do.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// In a normal run, for each target.
const USUALLY: Duration = Duration::from_secs(2);
const TRIES_USUALLY: u64 = 200_000;
/// More than the largest body that is accepted, so that the limit itself is tried as well.
const BYTES_MAX: usize = 80 * 1024;
/// Inputs that had a new result are mutated further, up to this many.
const POOL_MAX: usize = 2048;
const MUTATIONS_MAX: usize = 6;

/// Stands in the corpora and among the words where real inputs have personal data: no reason may repeat it.
pub const PERSONAL: &str = "geheim-4242";

/// What JSON parsers have trouble with, and numbers and texts that we must refuse.
pub const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "[[[[[[[[",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "{}",
    "[]",
    "0",
    "-0",
    "-1",
    "1e309",
    "-1e-999",
    "1.5",
    "0.001",
    "9223372036854775808",
    "99999999999999999999999999999999999999",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\uffff\"",
    "\u{feff}",
    "\0",
    "\u{202e}",
    "\"geheim-4242\"",
    "\"999999999999999999.99\"",
    "\"EUR\"",
    "\"JPY\"",
    "\"order_id\":",
    "\"items\":",
    "\"quantity\":",
    "\"amount\":",
    "\"at\":",
    "\"id\":",
    "\"type\":",
    "\"data\":",
    "\"9999-12-31T23:59:59.999Z\"",
    "\"01932b4a-1111-7000-8000-000000000001\"",
    "\"reply_to\":",
];

pub struct Target {
    /// The folder below `tests/corpus`.
    pub name: &'static str,
    /// Inserted whole.
    pub words: &'static [&'static str],
}

impl Target {
    /// `check` panics on failure; otherwise it returns a word for what became of the input. Inputs with a new word
    /// are mutated further.
    pub fn run(&self, check: impl Fn(&[u8]) -> String) {
        let mut pool = self.corpus();
        assert!(!pool.is_empty(), "{} has no corpus", self.name);
        let mut seen = BTreeSet::new();
        for input in &pool {
            seen.insert(self.tried(&check, input, 0));
        }
        let longer =
            std::env::var("CHECKOUT_FUZZ_S").ok().map(|s| s.parse().expect("CHECKOUT_FUZZ_S: seconds"));
        let (time, tries_max) =
            longer.map_or((USUALLY, TRIES_USUALLY), |s| (Duration::from_secs(s), u64::MAX));
        let chosen = std::env::var("SEED").ok().map(|seed| seed.parse().expect("SEED: a whole number"));
        // A normal run is the same each time; a longer one has a random seed.
        let seed = chosen.unwrap_or_else(|| longer.map_or(1, |_| uuid::Uuid::new_v4().as_u64_pair().0));
        let (mut chance, begun, mut tries) = (Chance(seed), Instant::now(), 0);
        while tries < tries_max && begun.elapsed() < time {
            let input = self.mutated(&mut chance, &pool);
            tries += 1;
            if seen.insert(self.tried(&check, &input, seed)) && pool.len() < POOL_MAX {
                pool.push(input);
            }
        }
        println!("{}: {tries} inputs, {} outcomes, seed {seed}", self.name, seen.len());
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus").join(self.name);
        let mut files: Vec<_> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|one| one.path()).collect();
        files.sort();
        files.iter().map(|file| std::fs::read(file).unwrap()).collect()
    }

    fn tried(&self, check: impl Fn(&[u8]) -> String, input: &[u8], seed: u64) -> String {
        catch_unwind(AssertUnwindSafe(|| check(input))).unwrap_or_else(|_| {
            let octal = input.iter().fold(String::new(), |mut text, byte| {
                write!(text, "\\{byte:03o}").expect("a string takes everything");
                text
            });
            let file = format!("tests/corpus/{}/found-{:016x}", self.name, fnv(input));
            panic!("{} fails; seed {seed}. To keep it:\nprintf '{octal}' > {file}", self.name)
        })
    }

    fn mutated(&self, chance: &mut Chance, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut input = pool[chance.below(pool.len())].clone();
        for _ in 0..=chance.below(MUTATIONS_MAX) {
            let at = chance.below(input.len() + 1);
            let to = at + chance.below((input.len() - at).min(64) + 1);
            match chance.below(9) {
                0 if at < input.len() => input[at] ^= 1 << chance.below(8),
                1 if at < input.len() => {
                    input[at] = [0, 1, 0x1f, b' ', 0x7f, 0x80, 0xc3, 0xff][chance.below(8)]
                }
                2 => drop(input.drain(at..to)),
                3 => input.truncate(at),
                4 | 5 => {
                    let word = self.words[chance.below(self.words.len())].bytes();
                    drop(input.splice(at..if chance.below(2) == 0 { at } else { to }, word));
                }
                // A piece repeated, which nests or fills. Large inputs are slow, and seldom find more.
                6 => {
                    let most = if chance.below(16) == 0 { 12 } else { 4 };
                    let times = 1 << chance.below(most);
                    let piece = input[at..to].repeat(times);
                    input.splice(at..at, piece.into_iter().take(BYTES_MAX));
                }
                7 => {
                    let other = &pool[chance.below(pool.len())];
                    let from = chance.below(other.len() + 1);
                    input.splice(at.., other[from..].iter().copied());
                }
                // A length field, as in a wire format.
                8 if at + 4 <= input.len() => {
                    let length = [0, 1, 255, 65_535, 65_536, u32::MAX / 2, u32::MAX][chance.below(7)];
                    input[at..at + 4].copy_from_slice(&length.to_be_bytes());
                }
                _ => {}
            }
            input.truncate(BYTES_MAX);
        }
        input
    }
}

/// A refusal must tell the sender the reason, without repeating anything that may be personal. Returns the reason
/// without the position in the input.
pub fn refusal(code: &str, why: &str, input: &[u8]) -> String {
    assert!(!code.is_empty() && why.len() > 10, "no reason: {code} {why}");
    let there = input.windows(PERSONAL.len()).any(|window| window == PERSONAL.as_bytes());
    assert!(!there || !why.contains(PERSONAL), "a value is repeated: {why}");
    let told = why.chars().filter(|c| !c.is_ascii_digit()).take(60).collect::<String>();
    format!("{code} {told}")
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).expect("less than a usize")
    }
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
