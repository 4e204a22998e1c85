//! Many things at once, and their results in order: how images go through a station.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::thread;

use crate::check::Check;
use crate::error::{Error, Result};

/// How many things are in work at once, and whether a person wants an end.
#[derive(Clone, Copy, Debug)]
pub struct Flow<'a> {
    /// At most this many at once, at least 1.
    pub workers: usize,
    /// Set when a person pressed Ctrl-C: what is begun is finished, nothing more is begun.
    pub stop: &'a AtomicBool,
}

impl Flow<'_> {
    /// Does `work` on every item and hands the results to `each` on this thread, in the order of the items, each as
    /// soon as all before it are there. Workers are at most a few items an each ahead of it, so that memory does not
    /// grow with the number of items. What was not begun before the stop is INTERRUPTED.
    pub fn run<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&T) -> Result<R> + Sync,
        mut each: impl FnMut(usize, Result<R>),
    ) {
        let workers = self.workers.clamp(1, items.len().max(1));
        let ahead = workers * AHEAD;
        let turn = Turn::default();
        let (results, arriving) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..workers {
                let results = results.clone();
                let (turn, work) = (&turn, &work);
                scope.spawn(move || {
                    while let Some(place) = turn.take(items.len(), ahead) {
                        let Some(item) = items.get(place) else { break };
                        if results.send((place, self.check_interrupted().and_then(|()| work(item)))).is_err()
                        {
                            break;
                        }
                    }
                });
            }
            drop(results);
            let mut early = BTreeMap::new();
            let mut next = 0;
            for (place, result) in arriving {
                early.insert(place, result);
                while let Some(result) = early.remove(&next) {
                    each(next, result);
                    next += 1;
                    turn.handed_over(next);
                }
            }
        });
    }

    /// INTERRUPTED: nothing is begun after a person asked for an end.
    pub fn check_interrupted(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::new(Check::Interrupted, "")) } else { Ok(()) }
    }
}

/// Which item is next, and how many were handed over.
#[derive(Default)]
struct Turn {
    places: Mutex<(usize, usize)>,
    moved: Condvar,
}

impl Turn {
    fn take(&self, count: usize, ahead: usize) -> Option<usize> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        while places.0 < count && places.0 >= places.1 + ahead {
            places = self.moved.wait(places).unwrap_or_else(PoisonError::into_inner);
        }
        let place = places.0;
        places.0 += 1;
        (place < count).then_some(place)
    }

    fn handed_over(&self, next: usize) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).1 = next;
        self.moved.notify_all();
    }
}

/// Items that each worker may be ahead of the first one that is still in work.
const AHEAD: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn in_order_whoever_is_first() {
        let stop = AtomicBool::new(false);
        let items: Vec<usize> = (0..1_000).collect();
        let (busy, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut seen = Vec::new();
        Flow { workers: 7, stop: &stop }.run(
            &items,
            |item| {
                most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                if item % 97 == 0 {
                    thread::yield_now();
                }
                busy.fetch_sub(1, Ordering::SeqCst);
                Ok(item * 2)
            },
            |place, result| {
                assert_eq!(result.unwrap(), place * 2);
                seen.push(place);
            },
        );
        assert_eq!(seen, items);
        assert!(most.load(Ordering::SeqCst) <= 7);
        Flow { workers: 3, stop: &stop }.run(&[0_u8; 0], |_| Ok(()), |_, _| panic!("nothing to hand over"));
    }

    #[test]
    fn nothing_is_begun_after_the_stop() {
        let stop = AtomicBool::new(false);
        let items: Vec<usize> = (0..100).collect();
        let (mut done, mut left) = (0, 0);
        Flow { workers: 1, stop: &stop }.run(
            &items,
            |item| {
                stop.fetch_or(*item == 9, Ordering::Relaxed);
                Ok(())
            },
            |_, result| match result {
                Ok(()) => done += 1,
                Err(error) => {
                    assert_eq!(error.check(), Check::Interrupted);
                    left += 1;
                }
            },
        );
        assert_eq!((done, left), (10, 90));
    }
}
