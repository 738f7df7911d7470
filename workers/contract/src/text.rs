//! Text from outside is shown to people and written to logs, so it holds nothing that moves a cursor.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// `Err` says what is wrong with a name, a title or a note that somebody sent.
pub fn clean_text(text: &str, chars_max: usize) -> Result<&str, String> {
    if text.trim().is_empty() {
        return Err("is empty".into());
    }
    if text.chars().count() > chars_max {
        return Err(format!("is longer than {chars_max} characters"));
    }
    match text.chars().find(|c| c.is_control() || turns_direction(*c)) {
        Some(bad) => Err(format!("holds the control character U+{:04X}", bad as u32)),
        None => Ok(text),
    }
}

/// Marks that reorder what stands around them: a log line or a label could be made to lie.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// A stock keeping unit: 1 to 64 visible ASCII characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Sku(Arc<str>);

impl Sku {
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Sku {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Sku::new(&text).ok_or_else(|| {
            serde::de::Error::custom("a sku has 1 to 64 visible ASCII characters and no spaces")
        })
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
