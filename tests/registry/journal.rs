//! The registry is the journal: an import that was killed or interrupted anywhere is completed by the same command,
//! and a run that finds everything there writes nothing.

use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::registry::{Asked, Fault, Manners};
use crate::support::{Outcome, Run};
use crate::trip::{Trip, together};

/// Starts `run`; when the registry has seen `pattern` for the n-th time, the program gets a signal before it is answered.
fn signalled(
    trip: &Trip,
    run: Run<'_>,
    signal: Signal,
    at: (&'static str, &str),
    n: usize,
) -> (Outcome, bool) {
    let (process, sent) = (Arc::new(OnceLock::<Pid>::new()), Arc::new(OnceLock::new()));
    let fault = {
        let (process, sent) = (process.clone(), sent.clone());
        Fault::meanwhile(move || {
            let process = *process.wait();
            sent.get_or_init(|| ());
            kill_process(process, signal).unwrap();
            arrived(process, signal);
        })
    };
    trip.registry.on(at.0, at.1, n..=n, fault);
    let running = run.start();
    process.set(running.pid()).unwrap();
    let outcome = running.finish();
    trip.registry.well();
    (outcome, sent.get().is_some())
}

/// Waits until one of the program's threads has taken the signal: on a busy machine that takes a while.
fn arrived(process: Pid, signal: Signal) {
    let bit = 1_u64 << (signal.as_raw() - 1);
    let is_pending = || {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
        pending.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & bit != 0)
    };
    while is_pending() {
        thread::sleep(Duration::from_millis(1));
    }
    // Taken, but the handler may not have run to its end.
    thread::sleep(Duration::from_millis(10));
}

/// A second run: everything is there, and nothing is brought.
fn brings_nothing(trip: &Trip, attach: &str) {
    trip.registry.asked();
    let before = trip.registry.contents();
    let outcome = trip.import(&["--attach", attach]).expect(0);
    let brought: Vec<Asked> = trip.registry.asked().into_iter().filter(Asked::writes).collect();
    assert!(brought.is_empty() && before == trip.registry.contents(), "{brought:#?}\n{outcome}");
    outcome.says(&format!("done: 0 images pushed, {} unchanged", trip.images.len()));
}

#[test]
fn killed_at_every_request_the_same_command_completes() {
    const STRIDE: usize = 4;
    let variants = [(200, true, "sig"), (200, true, "both"), (404, false, "both")];
    let scenarios = variants.into_iter().flat_map(|variant| (0..STRIDE).map(move |first| (variant, first)));
    together(scenarios, |&((referrers, one_request, attach), first)| {
        let trip = Trip::with(Manners { referrers, one_request, ..Manners::default() }, 1);
        let import = || trip.import(&["--attach", attach, "--max-workers", "1"]);
        let empty = trip.registry.contents();
        import().expect(0);
        let (whole, requests) = (trip.registry.contents(), trip.registry.asked().len());
        assert!(whole != empty && requests > 6, "{requests}");
        for n in (1 + first..).step_by(STRIDE) {
            trip.registry.put_back(&empty);
            let (outcome, sent) = signalled(&trip, import(), Signal::KILL, ("*", "*"), n);
            if !sent {
                assert!(n > requests && outcome.code() == Some(0), "{n} of {requests}\n{outcome}");
                break;
            }
            assert_eq!(outcome.code(), None, "{n} of {requests}\n{outcome}");
            import().expect(0);
            assert!(trip.registry.contents() == whole, "another end after a death at request {n}");
        }
        brings_nothing(&trip, attach);
    });
}

#[test]
fn a_second_run_brings_nothing() {
    together([200, 404, 405], |status| {
        let manners = Manners { referrers: *status, ..Manners::default() };
        let trip = Trip::with(manners, 3);
        trip.import(&["--attach", "both"]).expect(0).says("done: 3 images pushed, 0 unchanged");
        brings_nothing(&trip, "both");
        brings_nothing(&trip, "sig");
    });
}

/// INTERRUPTED: what is begun is finished and read back, the rest is not begun, and the screen says so once.
#[test]
fn interrupted_it_ends_cleanly_with_what_was_done() {
    const IMAGES: usize = 12;
    let trip = Trip::with(Manners::default(), IMAGES);
    let import = || trip.import(&["--max-workers", "2", "--report", "json:r.json"]);
    let (outcome, sent) = signalled(&trip, import(), Signal::INT, ("PUT", "/v2/*/manifests/*.sig"), 4);
    assert!(sent);
    assert_eq!(outcome.code(), Some(51), "{outcome}");
    outcome.stderr_line("stopping: what is begun is being finished; Ctrl-C again ends at once");
    assert_eq!(outcome.stderr_text().matches("error[").count(), 1, "{outcome}");
    let pushed = (0..IMAGES).filter(|image| trip.sigs(*image) == 1).count();
    assert!((4..IMAGES).contains(&pushed), "{pushed}");
    let left = IMAGES - pushed;
    outcome.stderr_line(&format!("error[INTERRUPTED]: interrupted: {left} images not begun"));
    let done = format!("done: {pushed} images pushed, 0 unchanged, {left} not begun; read back and verified");
    outcome.stderr_line(&done);
    assert_eq!(outcome.stderr_text().matches("not begun").count(), 2, "no row for each\n{outcome}");
    let report: Value = serde_json::from_slice(&trip.station.read("r.json")).unwrap();
    assert_eq!(report["totals"]["notBegun"], left);
    let statuses = report["images"].as_array().unwrap().iter().map(|row| row["status"].as_str().unwrap());
    assert_eq!(statuses.filter(|status| *status == "not begun").count(), left);
    import().expect(0).says(&format!("done: {} images pushed, {pushed} unchanged", IMAGES - pushed));
}

/// Interrupted before anything was pushed: the exit code is that of the interruption, not that of a registry's refusal.
#[test]
fn interrupted_early_it_pushes_nothing() {
    let trip = Trip::with(Manners::default(), 3);
    let (before, import) = (trip.registry.contents(), || trip.import(&["--max-workers", "1"]));
    let (outcome, sent) = signalled(&trip, import(), Signal::INT, ("POST", "*"), 1);
    assert!(sent && before == trip.registry.contents(), "{outcome}");
    assert_eq!(outcome.code(), Some(1), "{outcome}");
    outcome.error("INTERRUPTED").says("nothing was pushed");
    let asked = trip.registry.asked();
    assert_eq!(
        asked.iter().filter(|asked| asked.method == "POST").count(),
        1,
        "it goes on asking: {asked:#?}"
    );
    import().expect(0);
}

/// Interrupted, export writes no file, and verify says which images nobody looked at.
#[test]
fn interrupted_readers_say_what_they_did_not_do() {
    const IMAGES: usize = 8;
    let trip = Trip::with(Manners::default(), IMAGES);
    trip.import(&[]).expect(0);
    let export = trip.export("other.tar").args(["--max-workers", "1"]);
    let (outcome, sent) = signalled(&trip, export, Signal::INT, ("GET", "/v2/*/manifests/1"), 3);
    assert!(sent);
    assert_eq!(outcome.code(), Some(1), "{outcome}");
    outcome.error("INTERRUPTED");
    trip.station.no_file("other.tar");
    let verify = ["verify", "--key", "release.pub", "--from", "response.tar", "--max-workers", "1"];
    let verify = || trip.station.coldsign().args(verify);
    let (outcome, sent) = signalled(&trip, verify(), Signal::INT, ("GET", "/v2/*/manifests/*.sig"), 3);
    assert!(sent);
    assert_eq!(outcome.code(), Some(1), "{outcome}");
    outcome.error("INTERRUPTED");
    assert_eq!(outcome.stderr_text().matches("error[INTERRUPTED]").count(), 1, "{outcome}");
    verify().expect(0);
}
