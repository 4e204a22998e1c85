//! Power lost at any write: the program is killed at its first, second, third... change of a file, and then the same
//! command again ends well, with the bytes of a run that nobody disturbed. Between the two nothing is broken.
//!
//! It takes strace, which kills the program inside a system call; without it these tests say that they were skipped.

use std::process::{Command, Stdio};

use crate::station::Station;
use crate::support::Run;

/// The system calls that change what is on a disk.
const CHANGES: &str = "?write,?pwrite64,?writev,?pwritev,?fsync,?fdatasync,?rename,?renameat,?renameat2,?link,?linkat,\
                       ?unlink,?unlinkat,?mkdir,?mkdirat,?chmod,?fchmod,?fchmodat,?ftruncate,?fallocate,\
                       ?copy_file_range";

/// More changes than any of these commands makes in one thread.
const MOST: usize = 400;

fn has_strace() -> bool {
    let probe = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=none", "true"];
    let probe = Command::new("strace").args(probe).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let has = probe.is_ok_and(|status| status.success());
    if !has {
        println!("skipped: strace is absent or may not trace here");
    }
    has
}

/// `run` with strace before it, which kills it when one of its threads makes its change number `at`.
fn killed_at<'a>(station: &'a Station, at: usize, program: &str, arguments: &[&str]) -> Run<'a> {
    let inject = format!("inject={CHANGES}:signal=KILL:when={at}");
    let strace = ["-f", "-qq", "-o", "/dev/null", "-e"];
    station
        .program("strace")
        .args(strace)
        .arg(inject)
        .arg(program)
        .args(arguments)
        .env("COLDSIGN_HOME", "vault")
}

#[test]
fn while_signing() {
    if !has_strace() {
        return;
    }
    let station = Station::with_response();
    let digest = station.digest("request.tar");
    let arguments = ["sign", "request.tar", "--key", "release", "--passphrase-file", "pass", "--allow-swap"];
    let arguments: Vec<&str> =
        arguments.into_iter().chain(["-o", "again.tar", "--approve", &digest]).collect();
    let before = station.everything();
    let mut deaths = 0;
    let mut left_over = 0;
    for at in 1..MOST {
        let outcome = killed_at(&station, at, env!("CARGO_BIN_EXE_coldsign-signer"), &arguments).run();
        let whole = station.path("again.tar").exists();
        if whole {
            station.same("again.tar", "response.tar");
            std::fs::remove_file(station.path("again.tar")).unwrap();
        }
        let partial = station.path(".again.tar.partial").exists();
        left_over += usize::from(partial);
        if outcome.code() == Some(0) {
            assert!(whole && !partial && deaths > 5 && left_over > 0, "{deaths} deaths before\n{outcome}");
            return;
        }
        deaths += 1;
        let again = station.signer().args(&arguments).expect(0);
        if partial {
            again.stderr_line("replacing .again.tar.partial, left over from an earlier run");
        }
        station.same("again.tar", "response.tar");
        std::fs::remove_file(station.path("again.tar")).unwrap();
        assert!(before == station.everything(), "something else changed after death {at}");
    }
    panic!("killed {deaths} times and still not done");
}

#[test]
fn while_importing() {
    if !has_strace() {
        return;
    }
    let done = Station::with_response();
    let arguments =
        ["import", "response.tar", "--key", "release.pub", "--to", "oci:layout", "--attach", "both"];
    let fresh = done.below("layout");
    done.coldsign().args(arguments).expect(0);
    let expected = done.below("layout");
    let response = done.read("response.tar");
    let station = Station::new();
    station.write("response.tar", response);
    let mut deaths = 0;
    for at in 1..MOST {
        std::fs::remove_dir_all(station.path("layout")).unwrap();
        for (name, bytes) in &fresh {
            station.write(name, bytes);
        }
        let outcome = killed_at(&station, at, env!("CARGO_BIN_EXE_coldsign"), &arguments).run();
        if outcome.code() == Some(0) {
            assert!(deaths > 5, "{deaths} deaths before\n{outcome}");
            assert!(expected == station.below("layout"));
            return;
        }
        deaths += 1;
        // Between: the image is there, and it is signed or it is not, nothing else.
        let verify = ["verify", "--key", "release.pub", "oci:layout:v1"];
        let code = station.coldsign().args(verify).run().code();
        assert!(matches!(code, Some(0 | 10)), "{code:?} after death {at}\n{outcome}");
        station.coldsign().args(arguments).expect(0).stderr_line("done: [..] pushed, [..] unchanged; [..]");
        let found = station.below("layout");
        let names =
            |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&found), names(&expected), "after death {at}");
        for ((name, found), (_, expected)) in found.iter().zip(&expected) {
            assert_eq!(
                String::from_utf8_lossy(found),
                String::from_utf8_lossy(expected),
                "{name} after death {at}\n{outcome}"
            );
        }
    }
    panic!("killed {deaths} times and still not done");
}

#[test]
fn while_making_a_home_and_a_key() {
    if !has_strace() {
        return;
    }
    let station = Station::new();
    let signer = env!("CARGO_BIN_EXE_coldsign-signer");
    for at in 1..MOST {
        let init = ["--home", "new", "init"];
        let outcome = killed_at(&station, at, signer, &init).run();
        if outcome.code() == Some(0) {
            assert!(at > 2, "{outcome}");
            break;
        }
        let again = station.signer().args(init).run();
        // Killed behind its last change it is a home already.
        assert!(matches!(again.code(), Some(0 | 1)), "{again}");
        let list = station.signer().args(["--home", "new", "key", "list"]).expect(0);
        list.stdout("").stderr("no keys in new\n");
        std::fs::remove_dir_all(station.path("new")).unwrap();
    }
    let before = station.below("vault");
    let key = ["key", "passphrase", "release", "--passphrase-file", "pass", "--new-passphrase-file", "pass2"];
    for at in 1..MOST {
        let outcome = killed_at(&station, at, signer, &key).args(["--allow-swap"]).run();
        // The key file is the old one or the new one, and opens.
        let check = |pass: &str| {
            let check = ["key", "check", "release", "--allow-swap", "--passphrase-file", pass];
            station.signer().args(check).run().code()
        };
        let (old, new) = (check("pass"), check("pass2"));
        assert!(
            matches!((old, new), (Some(0), Some(41)) | (Some(41), Some(0))),
            "{old:?} {new:?}\n{outcome}"
        );
        if new == Some(0) {
            if outcome.code() == Some(0) {
                return;
            }
            for (name, bytes) in &before {
                std::fs::write(station.path(name), bytes).unwrap();
            }
        }
    }
    panic!("still not done");
}

/// `key uses` goes the way of the passphrase: the file is the old one or the new one.
#[test]
fn while_changing_uses() {
    if !has_strace() {
        return;
    }
    let station = Station::new();
    let signer = env!("CARGO_BIN_EXE_coldsign-signer");
    let key = ["key", "uses", "release", "--add", "blob", "--passphrase-file", "pass", "--allow-swap"];
    let before = station.read("vault/keys/release.key");
    let mut deaths = 0;
    for at in 1..MOST {
        let outcome = killed_at(&station, at, signer, &key).run();
        let show = ["key", "uses", "release", "--passphrase-file", "pass", "--allow-swap"];
        let shown = station.signer().args(show).expect(0);
        match shown.stdout_text() {
            "release, use image\n" => {}
            "release, use blob, image\n" if outcome.code() == Some(0) => {
                assert!(deaths > 1, "{deaths} deaths before\n{outcome}");
                return;
            }
            "release, use blob, image\n" => {
                std::fs::write(station.path("vault/keys/release.key"), &before).unwrap();
            }
            other => panic!("{other} after {deaths} deaths\n{outcome}"),
        }
        deaths += 1;
    }
    panic!("killed {deaths} times and still not done");
}

/// Where the process cannot be closed to others, it does nothing at all.
#[test]
fn memory_that_stays_open() {
    if !has_strace() {
        return;
    }
    let station = Station::with_request();
    for call in ["prctl", "prlimit64,?setrlimit"] {
        let inject = format!("inject={call}:error=EPERM");
        let signer = env!("CARGO_BIN_EXE_coldsign-signer");
        let strace = ["-f", "-qq", "-o", "/dev/null", "-e", &inject, signer, "key", "list"];
        let run = station.program("strace").args(strace).env("COLDSIGN_HOME", "vault");
        let refused = station.refused(run, 1);
        refused.stderr_line("error[PROCESS-OPEN]: memory of this process cannot be closed to others");
    }
}
