//! Two writers of one tag: how long to wait until the other one has written as well.
//!
//! Registries have no compare-and-swap. Another writer who read a tag before our last PUT may put over it what lacks
//! ours; that takes it as long as it takes us. What stands there after a multiple of the longest GET-to-PUT of this run
//! is what stays.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What is known of the writes of a run.
#[derive(Default)]
pub(crate) struct Settling(Mutex<Writes>);

#[derive(Default)]
struct Writes {
    /// The longest time from a GET that was merged into to the end of its PUT, in this run.
    slowest: Duration,
    /// When the last PUT since the last wait ended.
    last: Option<Instant>,
}

impl Settling {
    /// Notes a PUT that ended now, of what was merged into what a GET that began at `read` gave.
    pub(crate) fn note(&self, read: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).note(read, Instant::now());
    }

    /// Waits until a writer who read before our last PUT has written as well; not at all where nothing was put since the
    /// last time.
    pub(crate) fn wait(&self) {
        let until = {
            let mut writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Without randomness two writers are in step more often, and no worse.
            writes.settled(getrandom::u32().unwrap_or_default())
        };
        if let Some(until) = until {
            thread::sleep(until.saturating_duration_since(Instant::now()));
        }
    }
}

impl Writes {
    fn note(&mut self, read: Instant, put: Instant) {
        self.slowest = self.slowest.max(put.saturating_duration_since(read));
        self.last = Some(self.last.map_or(put, |last| last.max(put)));
    }

    /// When everything that was put until now is settled; `None` where nothing was put since this was last asked.
    fn settled(&mut self, random: u32) -> Option<Instant> {
        self.last.take().map(|last| last + pause(self.slowest, random))
    }
}

/// Four times the slowest GET-to-PUT, at least 250 ms, and up to half as much again: writers who wait for each other do
/// not stay in step.
fn pause(slowest: Duration, random: u32) -> Duration {
    let least = slowest.saturating_mul(FACTOR).max(LEAST);
    least.mul_f64(1.0 + f64::from(random) / f64::from(u32::MAX) / 2.0)
}

/// How many times the slowest GET-to-PUT is waited.
const FACTOR: u32 = 4;
/// The shortest wait.
const LEAST: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_four_times_the_slowest_and_250_ms() {
        let ms = Duration::from_millis;
        for (slowest, random, expected) in [
            (0, 0, 250),
            (62, 0, 250),
            (63, 0, 252),
            (100, 0, 400),
            (100, u32::MAX, 600),
            (0, u32::MAX, 375),
            (300_000, 0, 1_200_000),
        ] {
            assert_eq!(pause(ms(slowest), random), ms(expected), "{slowest} ms");
        }
        assert!(pause(ms(100), u32::MAX / 2) > ms(499) && pause(ms(100), u32::MAX / 2) < ms(501));
    }

    #[test]
    fn from_the_end_of_the_last_put() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut writes = Writes::default();
        assert_eq!(writes.settled(0), None, "nothing was put");
        writes.note(at(0), at(200));
        writes.note(at(250), at(300));
        writes.note(at(210), at(290)); // of another thread, noted late
        assert_eq!(writes.settled(0), Some(at(300 + 4 * 200)));
        assert_eq!(writes.settled(0), None, "nothing was put since");
        writes.note(at(2_000), at(2_010));
        assert_eq!(writes.settled(0), Some(at(2_010 + 4 * 200)), "the slowest of the whole run counts");
        writes.note(at(3_001), at(3_000));
        assert_eq!(writes.settled(u32::MAX), Some(at(3_000 + 6 * 200)));
    }
}
