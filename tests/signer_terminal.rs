//! The sealed station's program with a person at a terminal: a pseudo-terminal, and a script that waits for prompts.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use coldsign::digest::Digest;
use coldsign::words;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// How long a prompt may take on a busy machine: a key derivation lies between.
const PATIENCE: Duration = Duration::from_secs(120);

const PASS: &str = "correct horse";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/format").join(name)
}

fn request_digest() -> Digest {
    let file = fs::read(fixture("single.request.tar")).unwrap();
    coldsign::response::Response::read(&file.into()).unwrap().request().digest()
}

/// A directory with a home that has the key `one`.
fn station() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("pass"), PASS).unwrap();
    let key = fixture("one.pem");
    for arguments in [&["init"][..], &["key", "import", key.to_str().unwrap(), "--passphrase-file", "pass"]] {
        let ended = command(dir.path(), arguments).stdin(Stdio::null()).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    dir
}

fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coldsign-signer"));
    command.args(arguments).current_dir(dir).env("COLDSIGN_HOME", "home");
    // These keys are in the sources: a machine with swap may run the tests.
    if arguments.first().is_some_and(|word| ["key", "sign"].contains(word)) {
        command.arg("--allow-swap");
    }
    command
}

/// A program at a terminal of 24 lines, and everything that its screen showed.
struct Screen {
    child: Child,
    keyboard: File,
    slave: File,
    shown: Arc<Mutex<Vec<u8>>>,
    waited: usize,
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Screen {
    fn start(dir: &Path, arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child =
            command(dir, arguments).stdin(end()).stderr(end()).stdout(Stdio::piped()).spawn().unwrap();
        let keyboard = File::from(master);
        let (mut reader, shown) = (keyboard.try_clone().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let screen = Arc::clone(&shown);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = reader.read(&mut buffer) {
                screen.lock().unwrap().extend(buffer.iter().take(count));
            }
        });
        Self { child, keyboard, slave, shown, waited: 0 }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).replace("\r\n", "\n")
    }

    /// Waits until the screen shows `text` behind what was waited for before.
    fn wait(&mut self, text: &str) -> &mut Self {
        let begin = Instant::now();
        loop {
            let shown = self.text();
            if let Some(place) = shown.get(self.waited..).and_then(|new| new.find(text)) {
                self.waited += place + text.len();
                return self;
            }
            assert!(begin.elapsed() < PATIENCE, "no {text:?} on the screen:\n{shown}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn type_in(&mut self, keys: &str) -> &mut Self {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// The words that the last question asks for.
    fn words(&self) -> String {
        let all = words::words(&request_digest());
        let shown = self.text();
        let question = shown.lines().rev().find(|line| line.starts_with("Words ")).unwrap();
        let places =
            question.split(|character: char| !character.is_ascii_digit()).filter(|part| !part.is_empty());
        let words = places.map(|place| *all.get(place.parse::<usize>().unwrap() - 1).unwrap());
        words.collect::<Vec<_>>().join(" ")
    }

    /// Waits for the end; the terminal shows again what is typed.
    fn end(&mut self) -> (i32, String) {
        let begin = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code().unwrap();
            }
            assert!(begin.elapsed() < PATIENCE, "the program does not end:\n{}", self.text());
            thread::sleep(Duration::from_millis(5));
        };
        assert!(tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ECHO), "echo is back");
        // What the program wrote last may still be on its way through the terminal.
        let mut before = self.text();
        loop {
            thread::sleep(Duration::from_millis(50));
            let now = self.text();
            if now == before {
                return (code, now);
            }
            before = now;
        }
    }
}

const SIGN: [&str; 4] = ["--key", "one", "-o", "out.tar"];
const PAGER: &str = "Enter next, b back, NUMBER all of one image, / search, q refuse: ";

fn sign(dir: &Path) -> Screen {
    let request = fixture("single.request.tar");
    Screen::start(dir, &[&["sign", request.to_str().unwrap()][..], &SIGN].concat())
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn review_words_passphrase() {
    let dir = station();
    let mut screen = sign(dir.path());
    screen.wait("-- registry.example, 1 image -").wait("page 1 of 2\n").wait(PAGER).type_in("1\n");
    screen.wait("-- image 1 ---").wait("item 1 ").wait("q refuse: ").type_in("\n");
    screen.wait("page 1 of 2\n").wait(PAGER).type_in("\n");
    screen.wait("page 2 of 2\n").wait("1 image, 1 item, both forms, key one (P-256, ");
    screen.wait("Words ").wait("> ").type_in("reform hockeys\n");
    screen.wait("these are not the words of this request (attempt 1 of 3)\n").wait("Words ").wait("> ");
    let words = screen.words().to_uppercase();
    screen.type_in(&format!("  {words}\n"));
    screen.wait("ok: paper and stick agree\n").wait("Passphrase for one: ").type_in("wrong one\n");
    screen
        .wait("wrong passphrase, 2 tries left\n")
        .wait("Passphrase for one: ")
        .type_in(&format!("{PASS}\n"));
    screen.wait("signed 1 item, 2 signatures, each verified by a second path\n");
    screen.wait("read back and verified; answers request\n");
    let (code, shown) = screen.end();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains(PASS) && !shown.contains("wrong one"), "{shown}");
    let before = shown.split("ok: paper and stick agree").next().unwrap();
    assert!(!before.contains(request_digest().hex().split_at(8).0), "{before}");
    for line in shown.lines() {
        assert!(line.len() <= 80 && line.is_ascii(), "{line}");
    }
    assert_eq!(names(dir.path()), ["home", "out.tar", "pass"]);
}

/// What was typed before the question is no answer to it.
#[test]
fn typed_ahead_is_dropped() {
    let dir = station();
    let mut screen = sign(dir.path());
    // One write: the second line waits in the terminal when the question comes.
    screen.wait(PAGER).type_in("\nq\n");
    screen.wait("Words ").wait("> ");
    let words = screen.words();
    screen.type_in(&format!("{words}\n")).wait("Passphrase for one: ").type_in(&format!("{PASS}\n"));
    let (code, shown) = screen.end();
    assert_eq!(code, 0, "{shown}");
}

#[test]
fn three_wrong_answers() {
    let dir = station();
    let mut screen = sign(dir.path());
    screen.wait(PAGER).type_in("\n");
    for _ in 0..3 {
        screen.wait("Words ").wait("> ").type_in("these are six words of mine\n");
    }
    let (code, shown) = screen.end();
    let expected = "\
these are not the words of this request (attempt 3 of 3)
error[CHALLENGE]: three wrong answers
  nothing was signed or written, the key was not opened
hint: stick and paper do not belong together; on the connected side compare
      coldsign inspect request.tar
      with the paper; if they differ, find out why before you export again
";
    assert!(shown.ends_with(expected), "{shown}");
    assert_eq!((code, names(dir.path())), (35, vec!["home".to_owned(), "pass".to_owned()]));
}

#[test]
fn refused_by_the_operator() {
    let dir = station();
    for at in [1, 2, 3] {
        let mut screen = sign(dir.path());
        screen.wait(PAGER).type_in(if at == 1 { "q\n" } else { "\n" });
        if at == 2 {
            screen.wait("> ").type_in("q\n");
        }
        if at == 3 {
            screen.wait("> ");
            let words = screen.words();
            // Ctrl-C where nothing is shown must not leave the shell so.
            screen.type_in(&format!("{words}\n")).wait("Passphrase for one: ").type_in("half\u{3}");
        }
        let (code, shown) = screen.end();
        assert_eq!(code, 34, "{shown}");
        assert!(shown.contains("error[OPERATOR-REFUSED]: refused by the operator"), "{shown}");
        assert_eq!(names(dir.path()), ["home", "pass"]);
    }
}

#[test]
fn three_wrong_passphrases() {
    let dir = station();
    let mut screen = Screen::start(dir.path(), &["key", "public", "one"]);
    for left in ["2 tries", "1 try", ""] {
        screen.wait("Passphrase for one: ").type_in("wrong\n");
        if !left.is_empty() {
            screen.wait(&format!("wrong passphrase, {left} left\n"));
        }
    }
    let (code, shown) = screen.end();
    assert_eq!(code, 41, "{shown}");
    assert!(shown.contains("error[KEY-PASSPHRASE]: wrong passphrase: one\n"), "{shown}");
}

#[test]
fn a_new_passphrase_is_typed_twice() {
    let dir = station();
    let mut screen = Screen::start(dir.path(), &["key", "generate", "release"]);
    screen.wait("New passphrase for release: ").type_in("first\n").wait("Again: ").type_in("second\n");
    screen.wait("the two passphrases differ, 2 tries left\n");
    screen
        .wait("New passphrase for release: ")
        .type_in("zweimal ge\u{fc}bt\n")
        .wait("Again: ")
        .type_in("zweimal ge\u{fc}bt\n");
    let (code, shown) = screen.end();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("first") && !shown.contains("zweimal"), "{shown}");
    fs::write(dir.path().join("typed"), "zweimal ge\u{fc}bt\n").unwrap();
    let checked =
        command(dir.path(), &["key", "check", "release", "--passphrase-file", "typed"]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let mut screen = Screen::start(dir.path(), &["key", "generate", "empty"]);
    screen.wait("New passphrase for empty: ").type_in("\n");
    let (code, shown) = screen.end();
    assert!(shown.contains("error[PASSPHRASE-EMPTY]: empty passphrase"), "{shown}");
    assert_eq!(code, 2);
}

#[test]
fn approve_is_refused_at_a_terminal() {
    let dir = station();
    let (request, digest) = (fixture("single.request.tar"), request_digest().to_string());
    let arguments = [&["sign", request.to_str().unwrap()][..], &SIGN, &["--approve", &digest]].concat();
    let (code, shown) = Screen::start(dir.path(), &arguments).end();
    let expected = "error[APPROVAL-TERMINAL]: --approve is for stations without a terminal\n";
    assert!(shown.starts_with(expected), "{shown}");
    assert_eq!((code, names(dir.path())), (2, vec!["home".to_owned(), "pass".to_owned()]));
}
