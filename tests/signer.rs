//! The sealed station's program without a terminal: what it prints, how it ends, what it leaves on the disk.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use clap::CommandFactory as _;

#[path = "../src/bin/coldsign-signer/cli.rs"]
mod cli;

/// One image for one platform, with a note and an annotation.
const SINGLE: &str = "single.request.tar";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/format").join(name)
}

/// A station with a home, in a directory of its own.
struct Station {
    dir: tempfile::TempDir,
}

struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Station {
    fn new() -> Self {
        let station = Self { dir: tempfile::tempdir().unwrap() };
        fs::write(station.path("pass"), "correct horse\n").unwrap();
        fs::write(station.path("other"), "battery staple\r\n").unwrap();
        station.ok(&["init"]);
        station
    }

    /// With the key of the format's fixtures.
    fn with_key() -> Self {
        let station = Self::new();
        let key = fixture("one.pem");
        station.ok(&["key", "import", key.to_str().unwrap(), "one", "--passphrase-file", "pass"]);
        station
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coldsign-signer"));
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env("COLDSIGN_HOME", "home")
            .stdin(Stdio::null());
        // These keys are in the sources: a machine with swap may run the tests.
        let opens = ["sign", "generate", "import", "public", "check", "passphrase", "export"];
        if arguments.iter().any(|word| opens.contains(word)) {
            command.arg("--allow-swap");
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        ended(&self.command(arguments).output().unwrap())
    }

    fn ok(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
        ended
    }

    /// Runs what is refused, and checks that the disk is as it was.
    fn refused(&self, arguments: &[&str]) -> Ended {
        let before = self.files();
        let ended = self.run(arguments);
        assert_eq!(self.files(), before, "{arguments:?}");
        ended
    }

    fn same(&self, name: &str, other: &Path) -> bool {
        fs::read(self.path(name)).unwrap() == fs::read(other).unwrap()
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut folders = vec![self.dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push((path.clone(), fs::read(path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }
}

fn ended(output: &Output) -> Ended {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ended { code: output.status.code().unwrap(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

fn request_digest(name: &str) -> String {
    let response = coldsign::response::Response::read(&fs::read(fixture(name)).unwrap().into()).unwrap();
    response.request().digest().to_string()
}

#[test]
fn command_line_is_whole() {
    cli::Cli::command().debug_assert();
}

/// Help is ASCII, at most 80 columns wide, and has an example wherever a file is read or written.
#[test]
fn help_fits_the_screen() {
    fn walk(command: &mut clap::Command, name: &str) {
        for help in [command.render_help(), command.render_long_help()] {
            for line in help.to_string().lines() {
                assert!(line.len() <= 80 && line.is_ascii(), "{name}: {line}");
            }
        }
        for below in command.get_subcommands_mut() {
            let name = format!("{name} {}", below.get_name());
            walk(below, &name);
        }
    }
    let mut command = cli::Cli::command();
    command.build();
    walk(&mut command, "coldsign-signer");
}

#[test]
fn usage_is_exit_2() {
    let station = Station::new();
    for arguments in [
        &[][..],
        &["key"],
        &["nonsense"],
        &["sign", "request.tar"],
        &["sign", "request.tar", "--key", "one", "-o", "out", "--approve", "sha256:00"],
        &["sign", "a", "--key", "k", "-o", "o", "--passphrase-file", "p", "--passphrase-fd", "3"],
        &["key", "export", "one", "--format", "pkcs8", "-o", "out"],
    ] {
        let ended = station.refused(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}");
    }
    assert!(station.ok(&["--help"]).stdout.starts_with("Review and sign container images"));
    assert_eq!(station.ok(&["--version"]).stdout, format!("coldsign-signer {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn there_is_no_default_home() {
    let station = Station::new();
    for home in [None, Some("")] {
        let mut command = station.command(&["key", "list"]);
        command.env_remove("COLDSIGN_HOME");
        if let Some(home) = home {
            command.env("COLDSIGN_HOME", home);
        }
        let ended = ended(&command.output().unwrap());
        assert_eq!(ended.stderr, "error[HOME-UNSET]: no home given: --home DIR or COLDSIGN_HOME\n");
        assert_eq!(ended.code, 2);
    }
    let ended = station.refused(&["--home", "elsewhere", "key", "list"]);
    assert!(
        ended.stderr.starts_with("error[HOME-ABSENT]: not a coldsign home: elsewhere\n"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.code, 1);
}

#[test]
fn keys_from_birth_to_leaving() {
    let station = Station::new();
    let made = station.ok(&["key", "generate", "release", "--passphrase-file", "pass"]);
    let lines: Vec<&str> = made.stderr.lines().collect();
    assert_eq!(lines[0], "release, P-256, key id");
    let id = lines[1].trim().to_owned();
    assert_eq!(id.len(), 71);
    let expected = "\
wrote home/keys/release.key, sealed with the passphrase
next: copy it to a second medium and try that: coldsign-signer key check FILE
      carry out the public key: coldsign-signer key public release > release.pub
      (it asks for the passphrase: a header alone proves nothing)";
    assert_eq!((made.stdout.as_str(), lines[2..].join("\n").as_str()), ("", expected));

    let listed = station.ok(&["key", "list"]);
    assert_eq!(listed.stdout, format!("release, P-256, use image, not proven\n  {id}\n"));
    let public = station.ok(&["key", "public", "release", "--passphrase-file", "pass"]).stdout;
    let public = coldsign::keys::public::PublicKey::from_pem(public.as_bytes()).unwrap();
    assert_eq!(public.id().grouped(), id);

    fs::copy(station.path("home/keys/release.key"), station.path("backup.key")).unwrap();
    let checked = station.ok(&["key", "check", "./backup.key", "--passphrase-file", "pass"]);
    assert_eq!(checked.stderr, "ok: opens, signs, verifies; the same key as release in home\n");
    station.ok(&[
        "key",
        "passphrase",
        "release",
        "--passphrase-file",
        "pass",
        "--new-passphrase-file",
        "other",
    ]);
    let refused = station.refused(&["key", "check", "release", "--passphrase-file", "pass"]);
    assert!(
        refused.stderr.starts_with("error[KEY-PASSPHRASE]: wrong passphrase: release\n"),
        "{}",
        refused.stderr
    );
    assert_eq!(refused.code, 41);
    station.ok(&["key", "check", "release", "--passphrase-file", "other"]);

    let leave =
        ["key", "export", "release", "--format", "cosign", "-o", "cosign.key", "--passphrase-file", "other"];
    let left = station.ok(&[&leave[..], &["--new-passphrase-file", "pass"]].concat());
    assert!(left.stderr.contains("cosign's format has no uses"), "{}", left.stderr);
    station.ok(&["key", "import", "cosign.key", "--passphrase-file", "pass"]);
    let listed = station.ok(&["key", "list"]).stdout;
    assert!(listed.starts_with(&format!("cosign, P-256, use image, not proven\n  {id}\n")), "{listed}");
    let again = station.refused(&[&leave[..], &["--new-passphrase-file", "pass"]].concat());
    assert!(again.stderr.starts_with("error[OUT-EXISTS]"), "{}", again.stderr);
}

#[test]
fn key_commands_refuse() {
    let station = Station::with_key();
    fs::write(station.path("empty"), "\n").unwrap();
    fs::copy(station.path("home/keys/one.key"), station.path("home/keys/damaged.key")).unwrap();
    let mut damaged = fs::read(station.path("home/keys/one.key")).unwrap();
    damaged[200] ^= 1;
    fs::write(station.path("home/keys/damaged.key"), damaged).unwrap();
    let pass = ["--passphrase-file", "pass"];
    for (arguments, id, code) in [
        (&["key", "generate", "one"][..], "KEY-EXISTS", 1),
        (&["key", "generate", "Release"], "KEY-NAME", 2),
        (&["key", "generate", "../x"], "KEY-NAME", 2),
        (&["key", "public", "two"], "KEY-ABSENT", 40),
        (&["key", "public", "damaged"], "KEY-DAMAGED", 42),
        (&["key", "check", "two"], "KEY-ABSENT", 40),
        (&["key", "check", "./two"], "FILE-READ", 1),
        (&["key", "import", "pass", "two"], "KEY-FORMAT", 43),
        (&["key", "export", "two", "--format", "cosign", "-o", "out"], "KEY-ABSENT", 40),
        (&["init"], "HOME-EXISTS", 1),
    ] {
        let pass = if arguments[0] == "init" { &[][..] } else { &pass };
        let ended = station.refused(&[arguments, pass].concat());
        assert!(ended.stderr.contains(&format!("error[{id}]: ")), "{arguments:?}: {}", ended.stderr);
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{arguments:?}");
    }
    let listed = station.refused(&["key", "list"]);
    assert!(listed.stdout.starts_with("one, P-256"), "{}", listed.stdout);
    assert!(listed.stderr.starts_with("error[KEY-DAMAGED]: key file is damaged: keys/damaged.key\n"));
    assert_eq!(listed.code, 42);
    for (arguments, id, code) in [
        (&["key", "generate", "two"][..], "PASSPHRASE-SOURCE", 2),
        (&["key", "generate", "two", "--passphrase-file", "empty"], "PASSPHRASE-EMPTY", 2),
        (&["key", "generate", "two", "--passphrase-file", "absent"], "FILE-READ", 1),
        (&["key", "generate", "two", "--passphrase-file", "home"], "FILE-NOT-REGULAR", 1),
        (&["key", "generate", "two", "--passphrase-fd", "99"], "FILE-READ", 1),
        (&["key", "public", "one"], "PASSPHRASE-SOURCE", 2),
    ] {
        let ended = station.refused(arguments);
        assert!(ended.stderr.contains(&format!("error[{id}]: ")), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.code, code, "{arguments:?}");
    }
}

/// A backup of another key under the same name is not a backup.
#[test]
fn a_backup_is_the_same_key() {
    let station = Station::with_key();
    station.ok(&["--home", "second", "init"]);
    station.ok(&["--home", "second", "key", "generate", "one", "--passphrase-file", "pass"]);
    let ended = station.refused(&["key", "check", "second/keys/one.key", "--passphrase-file", "pass"]);
    assert!(ended.stderr.starts_with("error[KEY-BACKUP]: "), "{}", ended.stderr);
    assert_eq!(ended.code, 23);
}

#[test]
fn passphrase_from_a_descriptor() {
    let station = Station::with_key();
    let mut command = station.command(&["key", "check", "one", "--passphrase-fd", "0"]);
    let ended = ended(&command.stdin(fs::File::open(station.path("pass")).unwrap()).output().unwrap());
    assert_eq!((ended.code, ended.stderr.as_str()), (0, "ok: opens, signs, verifies: one in home\n"));
}

/// The whole of it: the screen, the disk, and bytes that an independent program wrote from the specification.
#[test]
fn signs_the_bytes_of_the_format() {
    let station = Station::with_key();
    let (request, approve) = (fixture(SINGLE), request_digest(SINGLE));
    let sign = |more: &[&str]| {
        let approved = [&["sign"], more, &["--passphrase-file", "pass", "--approve", &approve]].concat();
        station.ok(&approved)
    };
    let signed = sign(&[request.to_str().unwrap(), "--key", "one", "-o", "one.tar"]);
    assert_eq!(signed.stdout, "");
    let room = "ok  room for the response: ";
    let stable: Vec<&str> = signed.stderr.lines().filter(|line| !line.starts_with(room)).collect();
    let expected = format!(
        "coldsign-signer {}, self-test ok, home home
ok  archive; 7 blobs; 1 payload and 1 statement rendered again
ok  key one: P-256, use image; all but the signatures rendered
1 image, 1 item, 1 repository, 1 registry
requester says: \"REL-412\"         all items: env=\"prod\"
look twice: one platform only: 1
 1  registry.example/app:1.4                                               image
    19c23ffc 203483d6 54c30a57 ffe3f82d 0b0edb44 cf57f14e a790ec8b 73b15aa2
    version \"1.0\"  revision \"0000000000000000000000000000000000000000\"
    linux/amd64   1 layer   111 B   created 2026-01-02 03:04 UTC
1 image, 1 item, both forms, key one (P-256, {})
ok: --approve names this request
signed 1 item, 2 signatures, each verified by a second path
wrote one.tar, {}, read back and verified; answers request
  {}",
        env!("CARGO_PKG_VERSION"),
        &station.ok(&["key", "list"]).stdout.lines().nth(1).unwrap()[2..19],
        coldsign::terminal::size(fs::metadata(station.path("one.tar")).unwrap().len()),
        coldsign::digest::Digest::parse(&approve).unwrap().grouped(),
    );
    assert_eq!(stable.join("\n"), expected);

    // The same key again: the same bytes.
    let again = sign(&["one.tar", "--key", "one", "-o", "again.tar"]);
    assert!(again.stderr.contains("\nalready signed by one: 1 of 1 item\n"), "{}", again.stderr);
    assert!(station.same("again.tar", &station.path("one.tar")));

    // Another key adds, one form after the other or both keys at once: the same bytes.
    let second = fixture("two.pem");
    station.ok(&["key", "import", second.to_str().unwrap(), "--passphrase-file", "pass"]);
    let added = sign(&["one.tar", "--key", "one", "--key", "two", "--form", "sig", "-o", "half.tar"]);
    assert!(added.stderr.contains("\nsigned already: "), "{}", added.stderr);
    assert!(added.stderr.contains("\nsigned 1 item, 1 signature, each verified"), "{}", added.stderr);
    let inspected = station.ok(&["inspect", "half.tar"]).stdout;
    assert!(inspected.contains("P-256: .sig 1 of 1, bundle 0 of 1\n"), "{inspected}");
    assert!(inspected.contains("P-256: .sig 1 of 1, bundle 1 of 1\n"), "{inspected}");
    sign(&["half.tar", "--key", "two", "-o", "whole.tar"]);
    sign(&[request.to_str().unwrap(), "--key", "two", "--key", "one", "-o", "both.tar"]);
    for whole in ["whole.tar", "both.tar"] {
        assert!(station.same(whole, &fixture("single.response.tar")), "{whole}");
    }
}

/// One passphrase for all keys, or one for each in their order.
#[test]
fn a_passphrase_for_each_key() {
    let station = Station::with_key();
    let (request, approve, second) = (fixture(SINGLE), request_digest(SINGLE), fixture("two.pem"));
    station.ok(&["key", "import", second.to_str().unwrap(), "--passphrase-file", "other"]);
    let sign = [
        "sign",
        request.to_str().unwrap(),
        "--key",
        "two",
        "--key",
        "one",
        "-o",
        "out.tar",
        "--approve",
        &approve,
    ];
    let wrong = ["--passphrase-file", "pass", "--passphrase-file", "other"];
    let refused = station.refused(&[&sign[..], &wrong].concat());
    assert!(refused.stderr.ends_with(
        "error[KEY-PASSPHRASE]: wrong passphrase: two\n  the key was not opened, nothing was written\n"
    ));
    station.ok(&[&sign[..], &["--passphrase-file", "other", "--passphrase-file", "pass"]].concat());
    assert!(station.same("out.tar", &fixture("single.response.tar")));
}

#[test]
fn sign_refuses_before_anything_is_written() {
    let station = Station::with_key();
    let (request, approve) = (fixture(SINGLE), request_digest(SINGLE));
    let request = request.to_str().unwrap();
    fs::write(station.path("there.tar"), "").unwrap();
    let other = format!("sha256:{}", "0".repeat(64));
    let sign = |more: &[&'static str]| [&["sign"], more].concat();
    let (out, pass) = (["-o", "out.tar"], ["--passphrase-file", "pass"]);
    let approved = ["--approve", &approve];
    for (arguments, id, code) in [
        ([&[request, "--key", "one"][..], &out, &pass].concat(), "APPROVAL-MISSING", 2),
        (
            [&[request, "--key", "one"][..], &out, &pass, &["--approve", &other]].concat(),
            "APPROVAL-OTHER",
            36,
        ),
        ([&[request, "--key", "two"][..], &out, &pass, &approved].concat(), "KEY-ABSENT", 40),
        ([&[request, "--key", "one", "--key", "one"][..], &out, &pass, &approved].concat(), "USAGE", 2),
        ([&[request, "--key", "one"][..], &out, &pass, &pass, &approved].concat(), "USAGE", 2),
        ([&[request, "--key", "one"][..], &out, &approved].concat(), "PASSPHRASE-SOURCE", 2),
        (
            [&[request, "--key", "one", "--passphrase-file", "other"][..], &out, &approved].concat(),
            "KEY-PASSPHRASE",
            41,
        ),
        ([&[request, "--key", "one", "-o", "there.tar"][..], &pass, &approved].concat(), "OUT-EXISTS", 1),
        (
            [&[request, "--key", "one", "-o", "absent/out.tar"][..], &pass, &approved].concat(),
            "FILE-WRITE",
            1,
        ),
        (
            [&[request, "--key", "one", "--max-items", "0"][..], &out, &pass, &approved].concat(),
            "ITEMS-MANY",
            24,
        ),
        ([&["pass", "--key", "one"][..], &out, &pass, &approved].concat(), "FILE-KIND", 22),
        ([&["home", "--key", "one"][..], &out, &pass, &approved].concat(), "FILE-NOT-REGULAR", 1),
    ] {
        let arguments = [sign(&[]), arguments].concat();
        let ended = station.refused(&arguments);
        assert!(ended.stderr.contains(&format!("error[{id}]: ")), "{arguments:?}: {}", ended.stderr);
        assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{arguments:?}");
        if id == "APPROVAL-OTHER" {
            assert!(!ended.stderr.contains(&approve["sha256:".len()..][..8]), "{}", ended.stderr);
        }
    }
}

/// The sealed side's inspect tells neither the digest nor the words, and needs no home.
#[test]
fn inspect_does_not_tell() {
    let station = Station::new();
    let response = fixture("index.response.tar");
    let mut command = station.command(&["inspect", response.to_str().unwrap()]);
    let ended = ended(&command.env_remove("COLDSIGN_HOME").output().unwrap());
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let digest = coldsign::digest::Digest::parse(&request_digest("index.response.tar")).unwrap();
    assert!(!ended.stdout.contains(&digest.hex()[..8]), "{}", ended.stdout);
    assert!(
        coldsign::words::words(&digest).iter().all(|word| !ended.stdout.contains(word)),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.starts_with("response\n1 image, 4 items, 1 repository, 1 registry\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_closed_stdout_ends_quietly() {
    let station = Station::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let request = fixture("index.request.tar");
    for arguments in [&["inspect", request.to_str().unwrap()][..], &["self-test"], &["--help"]] {
        let mut command = station.command(arguments);
        let ended = ended(&command.stdout(writer.try_clone().unwrap()).output().unwrap());
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

/// No key byte and no passphrase in any output, nor in any file but the person's own.
#[test]
fn secrets_stay_inside() {
    let station = Station::with_key();
    let (request, approve) = (fixture(SINGLE), request_digest(SINGLE));
    let sign =
        ["sign", request.to_str().unwrap(), "--key", "one", "-o", "out.tar", "--passphrase-file", "pass"];
    let mut told = Vec::new();
    for arguments in [
        &[&sign[..], &["--approve", &approve]].concat()[..],
        &["key", "list"],
        &["key", "check", "one", "--passphrase-file", "pass"],
        &["key", "check", "one", "--passphrase-file", "other"],
        &["key", "passphrase", "one", "--passphrase-file", "pass", "--new-passphrase-file", "other"],
        &["key", "export", "one", "--format", "cosign", "-o", "cosign.key", "--passphrase-file", "other"],
    ] {
        let ended = station.run(arguments);
        told.extend([ended.stdout.into_bytes(), ended.stderr.into_bytes()]);
    }
    let own = [station.path("pass"), station.path("other")];
    told.extend(station.files().into_iter().filter(|(path, _)| !own.contains(path)).map(|(_, bytes)| bytes));
    // The private scalar of fixtures/format/one.pem: 32 bytes behind the header of PKCS#8 and SEC1.
    let pem = fs::read_to_string(fixture("one.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &body).unwrap();
    let scalar = &der[36..68];
    assert_eq!(&der[34..36], [0x04, 0x20]);
    let hex = coldsign::digest::Digest::from_bytes(scalar.try_into().unwrap()).hex();
    for secret in [
        &b"correct horse"[..],
        b"battery staple",
        &scalar[..16],
        &scalar[16..],
        hex.as_bytes(),
        &body.as_bytes()[48..90],
    ] {
        for bytes in &told {
            assert!(
                !bytes.windows(secret.len()).any(|window| window == secret),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
}
