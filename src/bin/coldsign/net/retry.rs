//! When a request is sent again: growing pauses with jitter, and what registries ask for with `Retry-After`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::failure::Kind;

/// Why a request did not get the answer that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setback {
    /// 429.
    Busy,
    /// 500, 502, 503, 504.
    Failing,
    /// The connection ended before the answer did.
    Dropped,
    /// No connection was made.
    Unreached,
}

impl Setback {
    /// What a status is, where another try can help.
    pub(super) fn of_status(status: u16) -> Option<Self> {
        match status {
            429 => Some(Self::Busy),
            500 | 502 | 503 | 504 => Some(Self::Failing),
            _ => None,
        }
    }

    /// What a failure is, where another try can help.
    pub(super) fn of_failure(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Final => None,
            Kind::Dropped => Some(Self::Dropped),
            Kind::Unreached => Some(Self::Unreached),
        }
    }

    /// How often a request is sent in all. A host that is not there fails fast; one that asks for patience gets it.
    fn tries(self) -> u32 {
        match self {
            Self::Busy => 10,
            Self::Failing | Self::Dropped => 5,
            Self::Unreached => 2,
        }
    }
}

/// The pauses between tries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    /// The first one; each is twice the one before.
    pub(super) first: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { first: Duration::from_millis(100) }
    }
}

impl Pauses {
    /// The pause after so many tries (from 1), half of it by chance; `None` after the last one.
    pub(super) fn after(self, setback: Setback, tries: u32) -> Option<Duration> {
        if tries >= setback.tries() {
            return None;
        }
        let grown = self.grown(tries);
        Some(grown / 2 + (grown / 2).mul_f64(chance()))
    }

    /// The pause where a registry asks for one: at least that, never less than without asking, spread.
    pub(super) fn asked(self, wish: Duration, tries: u32) -> Duration {
        spread(wish.max(self.grown(tries)))
    }

    fn grown(self, tries: u32) -> Duration {
        let factor = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(LONGEST)
    }
}

/// What `Retry-After` says (RFC 9110, 10.2.3): seconds, or a date; a date in the past is no wait. `None` for anything
/// else.
pub(super) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Registries that want to be left alone for a while, by origin: every worker waits, not only the one that was told.
#[derive(Debug, Default)]
pub(super) struct Gates {
    closed: Mutex<HashMap<String, Instant>>,
    /// Whether any registry ever asked: most never do, and then nothing is looked up.
    used: AtomicBool,
}

impl Gates {
    /// Nobody sends to the origin before that moment.
    pub(super) fn close(&self, origin: &str, until: Instant) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = closed.entry(origin.to_owned()).or_insert(until);
        *known = (*known).max(until);
        self.used.store(true, Ordering::Release);
    }

    /// How long an origin wants to be left alone from now, if it does.
    pub(super) fn closed(&self, origin: impl FnOnce() -> String) -> Option<Duration> {
        if !self.used.load(Ordering::Acquire) {
            return None;
        }
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let until = closed.get(&origin())?;
        until.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero())
    }
}

/// A wait and a little more by chance, so that those who wait for one moment do not come back at the same one.
pub(super) fn spread(wait: Duration) -> Duration {
    wait + (wait / 4).min(SPREAD).mul_f64(chance())
}

/// A number from 0 to 1. Without randomness from the operating system nothing is spread, and nothing is wrong.
fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

/// The longest that a registry may ask us to wait.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(60);
/// The longest pause that nobody asked for.
const LONGEST: Duration = Duration::from_secs(10);
/// The most by which those who wait for one registry are spread.
pub(super) const SPREAD: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: Pauses = Pauses { first: Duration::from_millis(100) };

    #[test]
    fn pauses_grow_and_end() {
        for (tries, least, most) in [(1, 50, 100), (2, 100, 200), (3, 200, 400), (4, 400, 800)] {
            let pause = PAUSES.after(Setback::Failing, tries).unwrap();
            assert!(
                (Duration::from_millis(least)..=Duration::from_millis(most)).contains(&pause),
                "{tries}: {pause:?}"
            );
        }
        for (setback, tries) in
            [(Setback::Busy, 10), (Setback::Failing, 5), (Setback::Dropped, 5), (Setback::Unreached, 2)]
        {
            assert!(PAUSES.after(setback, tries - 1).is_some(), "{setback:?}");
            assert_eq!(PAUSES.after(setback, tries), None, "{setback:?}");
        }
        assert!(PAUSES.after(Setback::Busy, 9).unwrap() <= LONGEST);
    }

    #[test]
    fn asked_pauses_are_kept_and_never_shorter_than_unasked() {
        let seconds = Duration::from_secs;
        assert!((seconds(20)..=seconds(21)).contains(&PAUSES.asked(seconds(20), 1)));
        assert!((seconds(10)..=seconds(11)).contains(&PAUSES.asked(Duration::ZERO, 40)));
        assert!(PAUSES.asked(Duration::ZERO, 1) >= PAUSES.first);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        let read = |text| retry_after(text, now).map(|wait| wait.as_secs());
        assert_eq!(read("120"), Some(120));
        assert_eq!(read(" 0 "), Some(0));
        assert_eq!(read("99999999999999999999999"), Some(u64::MAX));
        // The three forms of RFC 9110, 5.6.7.
        assert_eq!(read("Sun, 06 Nov 1994 08:49:40 GMT"), Some(3));
        assert_eq!(read("Sunday, 06-Nov-94 08:50:37 GMT"), Some(60));
        assert_eq!(read("Sun Nov  6 08:49:38 1994"), Some(1));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:36 GMT"), Some(0));
        for other in ["", "-1", "1.5", "soon", "+3", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn gates_are_each_origins_own() {
        let gates = Gates::default();
        assert_eq!(gates.closed(|| unreachable!("nobody asked")), None);
        let now = Instant::now();
        gates.close("https://a", now + Duration::from_secs(120));
        gates.close("https://a", now + Duration::from_secs(60));
        gates.close("https://past", now);
        assert!(gates.closed(|| "https://a".to_owned()).unwrap() > Duration::from_secs(60));
        assert_eq!(gates.closed(|| "https://b".to_owned()), None);
        assert_eq!(gates.closed(|| "https://past".to_owned()), None);
    }
}
