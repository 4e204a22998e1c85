//! Which part of a list one of several jobs verifies.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::limits;

/// One part of as many as there are jobs: `3/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shard {
    /// Which one, from 1.
    pub number: usize,
    /// Of how many.
    pub of: usize,
}

impl Shard {
    /// A run without shards is one of one.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Reads `3/16`; an error says what it should be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(number, of)| Some((decimal(number)?, decimal(of)?)));
        let shard = parts.map(|(number, of)| Self { number, of }).filter(|shard| shard.is_one());
        shard.ok_or_else(|| format!("a shard is K/N, K from 1 to N, N at most {}", limits::SHARDS))
    }

    /// Whether there is such a shard.
    #[must_use]
    pub fn is_one(self) -> bool {
        (1..=self.of).contains(&self.number) && self.of <= limits::SHARDS
    }

    /// Which entries of a list are its own, counted from 0. Shards lie side by side: every entry is in exactly one of
    /// them, and no two differ by more than one entry.
    #[must_use]
    pub fn range(self, entries: usize) -> Range<usize> {
        let start = |number: usize| {
            // In whole numbers, without a product that could be too large.
            entries / self.of * number + entries % self.of * number / self.of
        };
        start(self.number - 1)..start(self.number)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// Digits, and no sign.
fn decimal(text: &str) -> Option<usize> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_in_exactly_one_shard() {
        for entries in (0..70).chain([999, 1_000, 1_001, 10_000]) {
            for of in (1..40).chain([255, 1_000]) {
                let ranges = (1..=of).map(|number| Shard { number, of }.range(entries));
                let mut next = 0;
                for range in ranges {
                    assert_eq!(range.start, next);
                    assert!((entries / of..=entries.div_ceil(of)).contains(&range.len()), "{entries} {of}");
                    next = range.end;
                }
                assert_eq!(next, entries);
            }
        }
        assert_eq!(Shard::WHOLE.range(7), 0..7);
    }

    #[test]
    fn a_shard_is_a_number_of_a_number() {
        assert_eq!(Shard::parse("3/16"), Ok(Shard { number: 3, of: 16 }));
        assert_eq!(Shard::parse("1/1"), Ok(Shard::WHOLE));
        assert!(Shard::parse("1000/1000").is_ok());
        for text in ["", "3", "0/16", "17/16", "0/0", "1/1001", "+1/2", "1/2/3", " 1/2", "-1/2", "1/", "/2"] {
            assert!(Shard::parse(text).is_err(), "{text}");
        }
    }
}
