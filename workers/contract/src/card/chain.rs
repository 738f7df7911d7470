//! Groups of digits with few characters between them, and whether some that follow each other are a card number.

use std::ops::ControlFlow;

use super::DIGITS;

/// More characters between two groups mean that they do not belong together.
const SEPARATORS_MAX: usize = 3;
/// E.164: what follows a `+` is a telephone number up to here.
const PHONE_DIGITS_MAX: usize = 15;
/// A longer group that begins like today's time or date is a counter or a time, as in `web-4821-1796500000`.
const CARD_GROUP_DIGITS_MAX: usize = 8;

/// Twice a digit, and the digits of that added up.
const DOUBLED: [u32; 10] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];

/// One digit, and where it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digit {
    pub(super) value: u8,
    pub(super) from: usize,
    pub(super) to: usize,
}

#[derive(Default)]
pub(super) struct Chain {
    digits: Vec<Digit>,
    /// Up to each digit, the two sums of the Luhn check: with the even digits doubled, and with the odd ones. So
    /// checking any run is one subtraction.
    sums: Vec<[u32; 2]>,
    /// At which digit each group begins.
    groups: Vec<usize>,
    /// How many separators there were since the last digit. White space counts once, however long it is.
    separators: usize,
    after_space: bool,
    after_plus: bool,
}

impl Chain {
    pub(super) fn is_empty(&self) -> bool {
        self.digits.is_empty()
    }

    pub(super) fn push(&mut self, digit: Digit, after_plus: bool) {
        if self.digits.is_empty() {
            self.after_plus = after_plus;
        }
        if self.digits.is_empty() || self.separators > 0 {
            self.groups.push(self.digits.len());
        }
        let [even, odd] = self.sum_before(self.digits.len());
        let (once, twice) = (u32::from(digit.value), DOUBLED[usize::from(digit.value)]);
        self.sums.push(match self.digits.len() % 2 {
            0 => [even + twice, odd + once],
            _ => [even + once, odd + twice],
        });
        self.digits.push(digit);
        (self.separators, self.after_space) = (0, false);
    }

    pub(super) fn separate(
        &mut self,
        by: char,
        found: &mut impl FnMut(&[Digit]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.digits.is_empty() {
            return ControlFlow::Continue(());
        }
        let space = by.is_whitespace();
        if !(space && self.after_space) {
            self.separators += 1;
        }
        self.after_space = space;
        if self.separators > SEPARATORS_MAX { self.end(found) } else { ControlFlow::Continue(()) }
    }

    /// Checks every run of groups that is as long as a card number: a year or a house number beside one does not hide
    /// it. A run has at most 19 groups, so the work is linear in the length of the text.
    pub(super) fn end(&mut self, found: &mut impl FnMut(&[Digit]) -> ControlFlow<()>) -> ControlFlow<()> {
        if self.digits.len() >= *DIGITS.start() {
            for first in 0..self.groups.len() {
                let from = self.groups[first];
                for last in first..self.groups.len() {
                    let to = self.end_of(last);
                    if to - from > *DIGITS.end() {
                        break;
                    }
                    if DIGITS.contains(&(to - from)) && self.is_card_number(first, last) {
                        found(&self.digits[from..to])?;
                    }
                }
            }
        }
        self.digits.clear();
        self.sums.clear();
        self.groups.clear();
        (self.separators, self.after_space) = (0, false);
        ControlFlow::Continue(())
    }

    fn end_of(&self, group: usize) -> usize {
        self.groups.get(group + 1).copied().unwrap_or(self.digits.len())
    }

    fn group(&self, group: usize) -> &[Digit] {
        &self.digits[self.groups[group]..self.end_of(group)]
    }

    fn is_card_number(&self, first: usize, last: usize) -> bool {
        let (from, to) = (self.groups[first], self.end_of(last));
        let digits = &self.digits[from..to];
        let phone = self.after_plus && to <= PHONE_DIGITS_MAX;
        let issued = if first == last { !is_unissued(digits) } else { is_issued(digits) };
        issued && !phone && self.passes_luhn(from, to) && (first == last || !self.holds_a_moment(first, last))
    }

    fn sum_before(&self, digit: usize) -> [u32; 2] {
        digit.checked_sub(1).map_or([0, 0], |last| self.sums[last])
    }

    /// From the last digit back, every second one is doubled.
    fn passes_luhn(&self, from: usize, to: usize) -> bool {
        let which = to % 2;
        (self.sum_before(to)[which] - self.sum_before(from)[which]).is_multiple_of(10)
    }

    fn holds_a_moment(&self, first: usize, last: usize) -> bool {
        let stamp = |group: usize| {
            let digits = self.group(group);
            digits.len() > CARD_GROUP_DIGITS_MAX && is_unissued(digits)
        };
        (first..=last).any(stamp) || (first..last.saturating_sub(1)).any(|group| self.is_date(group))
    }

    /// `2026-11-29`
    fn is_date(&self, group: usize) -> bool {
        let [year, month, day] = [group, group + 1, group + 2].map(|group| self.group(group));
        let sizes = [year, month, day].map(<[Digit]>::len);
        sizes == [4, 2, 2] && matches!(number(year), 1900..=2099) && number(month) <= 12 && number(day) <= 31
    }
}

/// No issuer's numbers begin with 0 or 20, and those with 1 are an airline's own; but today's time in milliseconds
/// begins with 1, and today's date with 20.
fn is_unissued(digits: &[Digit]) -> bool {
    let value = |at: usize| digits.get(at).map(|digit| digit.value);
    matches!((value(0), value(1)), (Some(0 | 1), _) | (Some(2), Some(0)))
}

/// Whether a card of this length can begin like this. Digits in separate groups are often something else, so these
/// have to match an issuer.
fn is_issued(digits: &[Digit]) -> bool {
    let length = digits.len();
    match number(&digits[..4]) {
        // Visa
        4000..=4999 => matches!(length, 13 | 16 | 19),
        // Mastercard, RuPay, Troy
        5100..=5599 | 2221..=2720 | 8100..=8299 | 9792 => length == 16,
        // American Express
        3400..=3499 | 3700..=3799 => length == 15,
        // Diners
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => length >= 14,
        // JCB, Mir
        3528..=3589 | 2200..=2204 => length >= 16,
        // Maestro, Discover, UnionPay
        5000..=5099 | 5600..=5899 | 6000..=6999 => true,
        _ => false,
    }
}

fn number(digits: &[Digit]) -> u32 {
    digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit.value))
}
