//! Times, and when a key holds.

use std::fmt;
use std::time::{Duration, SystemTime};

/// A point in time: whole seconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// Reads an RFC 3339 time as protobuf JSON writes it, ending in `Z`; a fraction of a second is dropped.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        since_1970(text).map(|since| Self(since.as_secs()))
    }

    /// The same, a fraction of a second rounded up: from when on something holds.
    #[must_use]
    pub fn parse_start(text: &str) -> Option<Self> {
        let since = since_1970(text)?;
        since.as_secs().checked_add(u64::from(since.subsec_nanos() > 0)).map(Self)
    }
}

fn since_1970(text: &str) -> Option<Duration> {
    humantime::parse_rfc3339(text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC, whole seconds; a number where the year has more than four digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const YEAR_10000: u64 = 253_402_300_800;
        if self.0 >= YEAR_10000 {
            return write!(f, "{} s after 1970", self.0);
        }
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.0);
        humantime::format_rfc3339_seconds(time).fmt(f)
    }
}

/// When a key holds: from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From when on.
    pub start: Time,
    /// Until when; `None` while it has no end.
    pub end: Option<Time>,
}

impl Window {
    /// Whether it holds at `time`.
    #[must_use]
    pub fn contains(&self, time: Time) -> bool {
        self.start <= time && self.end.is_none_or(|end| time <= end)
    }
}
