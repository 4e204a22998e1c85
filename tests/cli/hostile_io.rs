//! Bad media: pipes and devices where files belong, files that are endless, disks that are full or read-only, homes
//! with links. No run hangs, reads without bound, or leaves anything behind.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::station::Station;
use crate::support::{Outcome, Run};

/// A refusal that takes longer has read what it should not have.
const SOON: Duration = Duration::from_secs(20);

#[track_caller]
fn soon(station: &Station, run: Run<'_>, code: i32, line: &str) -> Outcome {
    let start = Instant::now();
    let outcome = station.refused(run, code);
    assert!(start.elapsed() < SOON, "{outcome}");
    outcome.stderr_line(line);
    outcome
}

/// Everything that a command reads, as something that is no file, or a file without end.
#[test]
fn what_is_no_file() {
    let station = Station::with_response();
    mknodat(CWD, station.path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    fs::create_dir(station.path("folder")).unwrap();
    let digest = station.digest("request.tar");
    for bad in ["pipe", "folder", "/dev/zero", "/dev/null", "/dev/full"] {
        let line = format!("error[FILE-NOT-REGULAR]: not a regular file: {bad}");
        for arguments in [
            &["inspect", bad][..],
            &["import", bad, "--key", "release.pub", "--to", "oci:layout"],
            &["import", "response.tar", "--key", bad, "--to", "oci:layout"],
            &["import", "response.tar", "--key", "release.pub", "--to", "oci:layout", "--request", bad],
            &["combine", "response.tar", bad, "-o", "out.tar"],
            &["verify", "--key", bad, "oci:layout"],
            &["export", "-o", "out.tar", "--from", bad],
        ] {
            soon(&station, station.coldsign().args(arguments), 1, &line);
        }
        soon(&station, station.signer().args(["inspect", bad]), 1, &line);
        let sign = |input: &str, pass: &str| {
            let sign =
                ["sign", input, "--key", "release", "-o", "out.tar", "--allow-swap", "--passphrase-file"];
            station.signer().args(sign).args([pass, "--approve", &digest])
        };
        soon(&station, sign(bad, "pass"), 1, &line);
        soon(&station, sign("request.tar", bad), 1, &line);
        let key = ["key", "import", bad, "new", "--allow-swap", "--passphrase-file", "pass"];
        soon(&station, station.signer().args(key), 1, &line);
        let check = format!("./{}", bad.trim_start_matches('/'));
        if !bad.starts_with('/') {
            let key = ["key", "check", &check, "--allow-swap", "--passphrase-file", "pass"];
            soon(&station, station.signer().args(key), 1, &format!("error[FILE-NOT-REGULAR]: [..]: {check}"));
        }
    }
    // An archive may come from a pipe, but not without an end.
    let export = ["export", "-o", "out.tar", "--as", "registry.example/app:1"];
    soon(
        &station,
        station.coldsign().args(export).arg("oci-archive:/dev/zero"),
        20,
        "error[SOURCE-[..]]: [..]",
    );
    soon(
        &station,
        station.coldsign().args(export).arg("oci-archive:/dev/null"),
        22,
        "error[SOURCE-[..]]: [..]",
    );
    soon(&station, station.coldsign().args(export).arg("oci-archive:folder"), 22, "error[SOURCE-KIND]: [..]");
}

/// Ten gigabytes of nothing: refused by their size, in little memory.
#[test]
fn what_is_too_large() {
    let station = Station::with_response();
    let digest = station.digest("request.tar");
    station.write("large.tar", "");
    File::options().write(true).open(station.path("large.tar")).unwrap().set_len(10 << 30).unwrap();
    // `refused` reads the whole folder: the sparse file stands in another one.
    let outside = Station::new();
    fs::rename(station.path("large.tar"), outside.path("large.tar")).unwrap();
    let large = outside.path("large.tar").to_str().unwrap().to_owned();
    let line = "error[FILE-SIZE]: [..]large.tar";
    let bounded = |program: &str, arguments: &[&str]| {
        // Address space of 600 MB: whoever reads it, or makes room for it, fails otherwise.
        let run = station.program("bash").args(["-c", "ulimit -v 600000; exec \"$@\"", "bash", program]);
        run.args(arguments).env("COLDSIGN_HOME", "vault").env("RAYON_NUM_THREADS", "2")
    };
    let (coldsign, signer) = (env!("CARGO_BIN_EXE_coldsign"), env!("CARGO_BIN_EXE_coldsign-signer"));
    for arguments in [
        &["inspect", &large][..],
        &["import", &large, "--key", "release.pub", "--to", "oci:layout"],
        &["import", "response.tar", "--key", &large, "--to", "oci:layout"],
        &["combine", &large, "-o", "out.tar"],
        &["export", "-o", "out.tar", "--from", &large],
    ] {
        soon(&station, bounded(coldsign, arguments), 24, line)
            .stderr_line("  10737418240 bytes, at most [..]");
    }
    let sign =
        ["sign", &large, "--key", "release", "-o", "out.tar", "--allow-swap", "--passphrase-file", "pass"];
    let sign: Vec<&str> = sign.into_iter().chain(["--approve", &digest]).collect();
    soon(&station, bounded(signer, &sign), 24, line);
    soon(&station, bounded(signer, &["inspect", &large]), 24, line);
    for arguments in [
        &["verify", "--key", "release.pub", &format!("oci-archive:{large}")][..],
        &["export", "-o", "out.tar", "--as", "registry.example/app:1", &format!("oci-archive:{large}")],
    ] {
        soon(&station, bounded(coldsign, arguments), 20, "error[SOURCE-MALFORMED]: [..]");
    }
    // The control: a good file passes under the same bound.
    bounded(coldsign, &["inspect", "response.tar"]).expect(0);
}

/// `ulimit -f` stands for a disk that is full although there was room when it was asked.
#[test]
fn a_write_that_fails() {
    let station = Station::with_response();
    let digest = station.digest("request.tar");
    let small = |program: &str, arguments: &[&str]| {
        let script = "trap '' XFSZ; ulimit -f 4; exec \"$@\"";
        let run = station.program("bash").args(["-c", script, "bash", program]).args(arguments);
        run.env("COLDSIGN_HOME", "vault")
    };
    let (coldsign, signer) = (env!("CARGO_BIN_EXE_coldsign"), env!("CARGO_BIN_EXE_coldsign-signer"));
    let sign = [
        "sign",
        "request.tar",
        "--key",
        "release",
        "-o",
        "out.tar",
        "--allow-swap",
        "--passphrase-file",
        "pass",
    ];
    let sign: Vec<&str> = sign.into_iter().chain(["--approve", &digest]).collect();
    soon(&station, small(signer, &sign), 1, "error[FILE-WRITE]: cannot write: .out.tar.partial");
    let export = ["export", "-o", "out.tar", "oci:layout", "--as", "registry.example/app:1"];
    soon(&station, small(coldsign, &export), 1, "error[FILE-WRITE]: cannot write: .out.tar.partial");
    let combine = ["combine", "response.tar", "-o", "out.tar"];
    soon(&station, small(coldsign, &combine), 1, "error[FILE-WRITE]: cannot write: .out.tar.partial");
}

/// Runs a script in a mount namespace of its own, where `full` is a small file system and `ro` a read-only one.
fn mounted<'a>(station: &'a Station, script: &str) -> Option<Run<'a>> {
    let allowed =
        Command::new("unshare").args(["-m", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        println!("skipped: no mount namespace may be made here (it takes root and unshare)");
        return None;
    }
    fs::create_dir_all(station.path("full")).unwrap();
    fs::create_dir_all(station.path("ro")).unwrap();
    let script = format!(
        "set -e; mount -t tmpfs -o size=64k none full; mount -t tmpfs none ro; cp -a layout vault ro; \
         mount -o remount,ro ro; set +e; {script}"
    );
    Some(station.program("unshare").args(["-m", "bash", "-c", &script]).env("COLDSIGN_HOME", "vault"))
}

#[test]
fn a_full_disk() {
    let station = Station::with_response();
    let digest = station.digest("request.tar");
    let signer = env!("CARGO_BIN_EXE_coldsign-signer");
    let coldsign = env!("CARGO_BIN_EXE_coldsign");
    let script = format!(
        "{signer} sign request.tar --key release --allow-swap --passphrase-file pass --approve {digest} \
         -o full/out.tar; echo code $?; ls -A full; \
         head -c 50000 /dev/zero >full/ballast; \
         {coldsign} export -o full/out.tar oci:layout --as registry.example/app:1; echo code $?; \
         {coldsign} combine response.tar -o full/out.tar; echo code $?; ls -A full; rm full/ballast; \
         cp -a layout full; \
         {coldsign} import response.tar --key release.pub --to oci:full/layout --max-workers 1; echo code $?; \
         diff -q layout/index.json full/layout/index.json && echo same index; ls -A full/layout; \
         {coldsign} verify --key release.pub oci:full/layout; echo code $?"
    );
    let Some(run) = mounted(&station, &script) else { return };
    let outcome = run.expect(0);
    let lines: Vec<&str> = outcome.stdout_text().lines().collect();
    assert_eq!(
        lines,
        [
            "code 1",
            "code 1",
            "code 1",
            "ballast",
            "code 1",
            "same index",
            "blobs",
            "index.json",
            "oci-layout",
            "code 10"
        ],
        "{outcome}"
    );
    outcome.stderr_line("error[OUT-SPACE]: no room for the output: full");
    outcome.stderr_line("  needs 0.1 MB, 0.0 MB free; nothing was written");
    outcome.stderr_line("error[FILE-WRITE]: cannot write: full/layout/[..]");
    // The person was not asked for anything before.
    outcome.never("--approve names this request");
}

#[test]
fn a_read_only_disk() {
    let station = Station::with_response();
    let digest = station.digest("request.tar");
    let signer = env!("CARGO_BIN_EXE_coldsign-signer");
    let coldsign = env!("CARGO_BIN_EXE_coldsign");
    let script = format!(
        "{signer} sign request.tar --key release --allow-swap --passphrase-file pass --approve {digest} \
         -o ro/out.tar; echo code $?; {coldsign} export -o ro/out.tar oci:layout --as registry.example/app:1; \
         echo code $?; {coldsign} import response.tar --key release.pub --to oci:ro/layout; echo code $?; \
         {coldsign} import response.tar --key release.pub --to oci:ro/layout --dry-run; echo code $?; \
         {coldsign} export -o out.tar oci:ro/layout --as registry.example/team/app:1.4; echo code $?; \
         {signer} --home ro/vault key list; echo code $?; \
         {signer} --home ro/vault sign request.tar --key release --allow-swap --passphrase-file pass \
         --approve {digest} -o signed.tar; echo code $?"
    );
    let Some(run) = mounted(&station, &script) else { return };
    let outcome = run.expect(0);
    let codes: Vec<&str> =
        outcome.stdout_text().lines().filter_map(|line| line.strip_prefix("code ")).collect();
    assert_eq!(codes, ["1", "1", "1", "0", "0", "0", "0"], "{outcome}");
    outcome.stderr_line("error[FILE-WRITE]: cannot write: ro/out.tar");
    outcome.stderr_line("  nothing was written");
    outcome.stderr_line("dry run: 1 image would be pushed, 0 unchanged; nothing was written");
    station.same("signed.tar", "response.tar");
    station.same("out.tar", "request.tar");
}

/// A machine with swap: no key is opened on it, unless the person says that it may be.
#[test]
fn active_swap() {
    let station = Station::with_response();
    let digest = station.digest("request.tar");
    let area = "Filename\tType\tSize\tUsed\tPriority\n/dev/sda9 partition 2097148 0 -2\n";
    station.write("swaps", area);
    let signer = env!("CARGO_BIN_EXE_coldsign-signer");
    let script = format!(
        "mount --bind swaps /proc/swaps; \
         sign() {{ {signer} sign request.tar --key release --passphrase-file pass --approve {digest} -o out.tar $1; }}; \
         sign; echo code $?; {signer} key generate new --passphrase-file pass; echo code $?; \
         {signer} key list >/dev/null; echo code $?; {signer} inspect request.tar >/dev/null; echo code $?; \
         sign --allow-swap; echo code $?"
    );
    let Some(run) = mounted(&station, &script) else { return };
    let outcome = run.expect(0);
    let codes: Vec<&str> =
        outcome.stdout_text().lines().filter_map(|line| line.strip_prefix("code ")).collect();
    assert_eq!(codes, ["1", "1", "0", "0", "0"], "{outcome}");
    outcome.stderr_line("error[SWAP-ACTIVE]: swap is active: /dev/sda9").stderr_line("  no key was opened");
    station.same("out.tar", "response.tar");
    station.no_file("vault/keys/new.key");
}

/// Below the home there are files and folders, nothing else; the home itself may be reached by a link.
#[test]
fn links_and_pipes_in_the_home() {
    let station = Station::with_request();
    let list = || station.signer().args(["key", "list"]);
    symlink("vault", station.path("link")).unwrap();
    station.unchanged(list().env("COLDSIGN_HOME", "link"), 0).stdout_line("release, [..]");
    let outside = station.read("vault/keys/release.key");
    station.write("outside.key", &outside);

    let entry = station.path("vault/keys/third.key");
    symlink("../../outside.key", &entry).unwrap();
    station
        .refused(list(), 1)
        .stderr_line("error[HOME-ENTRY]: home has an entry that is no regular file: [..]third.key");
    fs::remove_file(&entry).unwrap();
    mknodat(CWD, &entry, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    soon(&station, list(), 1, "error[HOME-ENTRY]: [..]third.key");
    fs::remove_file(&entry).unwrap();

    fs::rename(station.path("vault/keys"), station.path("keys")).unwrap();
    symlink("../keys", station.path("vault/keys")).unwrap();
    station.refused(list(), 1).stderr_line("error[HOME-ENTRY]: [..]keys");
    fs::remove_file(station.path("vault/keys")).unwrap();
    fs::rename(station.path("keys"), station.path("vault/keys")).unwrap();
    station.unchanged(list(), 0);
}

/// Where the output goes is not followed: a link that stands there is refused like a file.
#[test]
fn links_where_the_output_goes() {
    let station = Station::with_request();
    station.write("victim", "mine");
    for target in ["victim", "nowhere"] {
        symlink(target, station.path("out.tar")).unwrap();
        let sign = station.signing("request.tar", &["--key", "release"], "out.tar");
        let refused = station.refused(sign.args(["--approve", &station.digest("request.tar")]), 1);
        refused.stderr_line("error[OUT-EXISTS]: output is there already: out.tar");
        fs::remove_file(station.path("out.tar")).unwrap();
        symlink(target, station.path(".out.tar.partial")).unwrap();
        let export = ["export", "-o", "out.tar", "oci:layout", "--as", "registry.example/app:1"];
        station
            .refused(station.coldsign().args(export), 1)
            .stderr_line("error[FILE-NOT-REGULAR]: [..].out.tar.partial");
        fs::remove_file(station.path(".out.tar.partial")).unwrap();
    }
    assert_eq!(station.read("victim"), b"mine");
}

/// TERMINAL-FAILED: a result that nobody can read is no success.
#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let station = Station::with_request();
    let script = format!("exec {} inspect --digest request.tar > /dev/full", env!("CARGO_BIN_EXE_coldsign"));
    let outcome =
        std::process::Command::new("sh").args(["-c", &script]).current_dir(station.path(".")).output();
    let outcome = outcome.unwrap();
    let said = String::from_utf8(outcome.stderr).unwrap();
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error[TERMINAL-FAILED]: terminal cannot be used: stdout\n"), "{said}");
}
