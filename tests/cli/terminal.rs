//! `clean` and `sign` at a terminal, what goes beyond one page and one answer: every page is shown before the approval, each
//! attempt asks for other words, a wrong passphrase does not undo the review, and half a terminal is none.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::station::{PASS, Station, words_of};
use crate::support::Sandbox;

const PATIENCE: Duration = Duration::from_secs(60);
const PAGER: &str = "Enter next, b back, NUMBER all of one image, / search, q refuse: ";

/// A person in front of 24 lines of 80 columns.
struct Seat {
    child: Child,
    keyboard: File,
    shown: Arc<Mutex<Vec<u8>>>,
    read: usize,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Seat {
    fn sign(station: &Station, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coldsign-signer"));
        command.args(["sign", "request.tar", "--key", "release", "-o", "out.tar", "--allow-swap"]);
        command.args(arguments).env("COLDSIGN_HOME", "vault");
        Self::of(station, command)
    }

    fn of(station: &Station, mut command: Command) -> Self {
        command.current_dir(station.path(""));
        Self::at(command)
    }

    /// In front of any program.
    fn at(mut command: Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        tcsetwinsize(&slave, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let keyboard = File::from(master);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, screen) = (keyboard.try_clone().unwrap(), Arc::clone(&shown));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                screen.lock().unwrap().extend(&buffer[..count]);
            }
        });
        Self { child, keyboard, shown, read: 0 }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).replace("\r\n", "\n")
    }

    /// Waits for a text behind the last one; what stood between them.
    #[track_caller]
    fn sees(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let shown = self.text();
            if let Some(at) = shown.get(self.read..).and_then(|rest| rest.find(text)) {
                let before = shown[self.read..self.read + at].to_owned();
                self.read += at + text.len();
                return before;
            }
            assert!(start.elapsed() < PATIENCE, "{text:?} does not come:\n{shown}");
            thread::sleep(Duration::from_millis(3));
        }
    }

    fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// Which words are asked for, counted from 1.
    #[track_caller]
    fn asked(&mut self) -> Vec<usize> {
        self.sees("Words ");
        let places = self.sees(" of the request (q refuses):\n");
        self.sees("> ");
        places.replace("and", ",").split(',').map(|place| place.trim().parse().unwrap()).collect()
    }

    #[track_caller]
    fn ends(&mut self, code: i32) -> String {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                thread::sleep(Duration::from_millis(100));
                assert_eq!(status.code(), Some(code), "{}", self.text());
                return self.text();
            }
            assert!(start.elapsed() < PATIENCE, "it does not end:\n{}", self.text());
            thread::sleep(Duration::from_millis(3));
        }
    }
}

/// `clean` names what would go, and takes nothing but a yes for one.
#[test]
fn clean_asks_first() {
    let sandbox = Sandbox::new();
    sandbox.fixture("peers/cosign-2.5.0/save", "layout");
    let before = sandbox.everything();
    let question = "delete 1 manifest beside oci:layout? [y/N] ";
    let clean = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coldsign"));
        command.args(["clean", "oci:layout"]).current_dir(sandbox.path("")).env_remove("COSIGN_REPOSITORY");
        Seat::at(command)
    };
    for no in ["\n", "n\n", "Nope\n"] {
        let mut person = clean();
        assert!(person.sees(question).contains("would go: .sig, 2 layers, tag\n  sha256-77a2a96a684ef9060"));
        person.types(no);
        assert!(person.ends(34).contains("error[OPERATOR-REFUSED]: "));
        assert_eq!(sandbox.everything(), before);
    }
    let mut person = clean();
    person.sees(question);
    person.types("y\n");
    assert!(person.ends(0).contains("done: 1 manifest deleted\n"));
    sandbox.coldsign().args(["tree", "oci:layout"]).expect(0).stdout_line("  nothing beside it");
}

fn answer(digest: &str, places: &[usize]) -> String {
    let words = words_of(digest);
    places.iter().map(|place| words[place - 1]).collect::<Vec<_>>().join(" ")
}

/// Forty images are several pages. No way leads past one of them.
#[test]
fn every_page_before_the_approval() {
    let station = Station::new();
    let mut list = String::new();
    for number in 10..30 {
        writeln!(list, "oci:layout --as registry.example/team-{}/app-{number}:1", number % 2).unwrap();
    }
    station.write("images.txt", list);
    let digest = station.export("request.tar", &["--from", "images.txt"]);
    let mut seat = Seat::sign(&station, &[]);
    let first = seat.sees(PAGER);
    assert!(first.contains("20 images, 80 items, 20 repositories, 1 registry"), "{first}");
    let rule =
        first.lines().find(|line| line.starts_with("-- registry.example/team-0, 10 images -")).unwrap();
    let pages: usize = rule.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(pages > 4 && rule.contains(" page 1 of "), "{rule}");
    // A search leads to the last image: the pages between are still to come.
    seat.types("/app-29\n");
    assert!(seat.sees(PAGER).contains("/app-29:1"));
    seat.types("no key of ours\n");
    seat.sees(PAGER);
    seat.types("21\n");
    assert!(seat.sees(PAGER).contains("no image 21"));
    seat.types("\n");
    assert!(seat.sees(PAGER).contains("page 2 was not shown yet\n"));
    let mut seen = 0;
    let places = loop {
        seat.types("\n");
        seen += 1;
        assert!(seen < 20, "{}", seat.text());
        let start = Instant::now();
        while !seat.text()[seat.read..].contains(PAGER) && !seat.text()[seat.read..].contains("\n> ") {
            assert!(start.elapsed() < PATIENCE, "{}", seat.text());
            thread::sleep(Duration::from_millis(3));
        }
        if seat.text()[seat.read..].contains("\n> ") {
            break seat.asked();
        }
        seat.sees(PAGER);
    };
    for number in 10..30 {
        assert!(seat.text().contains(&format!("/app-{number}:1")), "{number} was not shown");
    }
    let approval = format!("-- approval --[..]- page {pages} of {pages}");
    let (start, end) = approval.split_once("[..]").unwrap();
    assert!(
        seat.text().lines().any(|line| line.starts_with(start) && line.ends_with(end)),
        "{}",
        seat.text()
    );
    // Letter case and blanks do not matter.
    seat.types(&format!("  {}  \n", answer(&digest, &places).to_uppercase().replace(' ', "   ")));
    seat.sees("ok: paper and stick agree\n");
    seat.sees("Passphrase for release: ");
    seat.types(&format!("{PASS}\n"));
    let shown = seat.ends(0);
    assert!(shown.contains("signed 80 items, "), "{shown}");
    assert!(!shown.contains(PASS));
    for line in shown.lines() {
        assert!(line.len() <= 80 || line.starts_with("Enter next"), "{line}");
    }
    let before = shown.split("ok: paper and stick agree").next().unwrap();
    assert!(!before.contains(&digest[7..15]), "the digest is shown before the approval");
    assert_eq!(station.digest("out.tar"), digest);
}

/// Each attempt asks for six other words; two right answers too late are none.
#[test]
fn wrong_words() {
    let station = Station::with_request();
    let before = station.everything();
    let mut asked = Vec::new();
    let mut seat = Seat::sign(&station, &[]);
    seat.sees(PAGER);
    seat.types("\n");
    let digest = station.digest("request.tar");
    for attempt in 1..=3 {
        let places = seat.asked();
        assert_eq!(places.len(), 6);
        assert!(
            places.windows(2).all(|two| two[0] < two[1]) && places[5] <= 32 && places[0] >= 1,
            "{places:?}"
        );
        // One too few is a slip and costs nothing.
        let right = answer(&digest, &places);
        seat.types(&format!("{}\n", right.rsplit_once(' ').unwrap().0));
        // What is typed before the prompt stands is not taken for an answer.
        seat.sees("6 words are asked for, 5 given\n> ");
        // Right but for one word; right in another order, and in yet another.
        let mut words: Vec<String> = answer(&digest, &places).split(' ').map(str::to_owned).collect();
        match attempt {
            1 => words[5] = if words[5] == "reform" { "hockey".into() } else { "reform".into() },
            2 => words.rotate_left(1),
            _ => words.rotate_right(1),
        }
        seat.types(&format!("{}\n", words.join(" ")));
        seat.sees(&format!("these are not the words of this request (attempt {attempt} of 3)\n"));
        asked.push(places);
    }
    // The chance that three draws of six out of 32 are the same is one in 8e11.
    assert!(asked[0] != asked[1] || asked[1] != asked[2], "{asked:?}");
    let shown = seat.ends(35);
    assert!(shown.contains("error[CHALLENGE]: three wrong answers\n"), "{shown}");
    assert!(!shown.contains("Passphrase"), "{shown}");
    assert!(before == station.everything());
}

/// The review stands while a passphrase is wrong, and three wrong ones end it with nothing written.
#[test]
fn wrong_passphrases() {
    let station = Station::with_request();
    let before = station.everything();
    let digest = station.digest("request.tar");
    let mut seat = Seat::sign(&station, &[]);
    seat.sees(PAGER);
    seat.types("\n");
    let places = seat.asked();
    seat.types(&format!("{}\n", answer(&digest, &places)));
    seat.sees("ok: paper and stick agree\n");
    for left in [
        "wrong passphrase, 2 tries left\n",
        "wrong passphrase, 1 try left\n",
        "error[KEY-PASSPHRASE]: wrong passphrase: release\n",
    ] {
        seat.sees("Passphrase for release: ");
        seat.types("not this one\n");
        seat.sees(left);
    }
    let shown = seat.ends(41);
    assert_eq!(shown.matches("Words ").count(), 1, "{shown}");
    assert!(!shown.contains("not this one"), "{shown}");
    assert!(shown.ends_with("  the key was not opened, nothing was written\n"), "{shown}");
    assert!(before == station.everything());
}

/// Words that were typed before they were asked for are no answer, at none of the questions.
#[test]
fn answers_before_the_question() {
    let station = Station::with_request();
    let digest = station.digest("request.tar");
    let mut seat = Seat::sign(&station, &[]);
    seat.sees(PAGER);
    seat.types("\nq\nq\nq\n");
    let places = seat.asked();
    // The right words, and behind them a passphrase that nobody asked for yet.
    seat.types(&format!("{}\nwrong\n", answer(&digest, &places)));
    seat.sees("Passphrase for release: ");
    seat.types(&format!("{PASS}\n"));
    let shown = seat.ends(0);
    assert!(!shown.contains("wrong passphrase") && !shown.contains("these are not"), "{shown}");
}

/// Input or messages that go elsewhere: nobody can be asked, whoever sits there.
#[test]
fn half_a_terminal_is_none() {
    let station = Station::with_request();
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let run = |stdin: bool, stderr: bool| {
        let end = |real: bool| if real { Stdio::from(slave.try_clone().unwrap()) } else { Stdio::null() };
        let sign = ["sign", "request.tar", "--key", "release", "-o", "out.tar", "--allow-swap"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_coldsign-signer"));
        command.args(sign).current_dir(station.path("")).env("COLDSIGN_HOME", "vault");
        command.stdin(end(stdin)).stdout(Stdio::null()).stderr(end(stderr)).status().unwrap().code()
    };
    let before = station.everything();
    assert_eq!((run(true, false), run(false, true), run(false, false)), (Some(2), Some(2), Some(2)));
    assert!(before == station.everything());
    let digest = station.digest("request.tar");
    let shown = Seat::sign(&station, &["--approve", &digest, "--passphrase-file", "pass"]).ends(2);
    assert!(
        shown.starts_with("error[APPROVAL-TERMINAL]: --approve is for stations without a terminal\n"),
        "{shown}"
    );
    assert!(before == station.everything());
}

/// `coldsign public-key` asks for the passphrase of cosign's key, three times at most, and shows none of them.
#[test]
fn the_passphrase_of_a_foreign_key() {
    let station = Station::new();
    station.fixture("keys/by-cosign-3.1.1.key", "cosign.key");
    let ask = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coldsign"));
        command.args(["public-key", "--key", "cosign.key"]).env_remove("COSIGN_PASSWORD");
        Seat::of(&station, command)
    };
    let mut seat = ask();
    seat.sees("Passphrase for cosign.key: ");
    seat.types("hunter2\n");
    seat.sees("wrong passphrase, 2 tries left\n");
    seat.sees("Passphrase for cosign.key: ");
    seat.types("pass\n");
    let public =
        String::from_utf8(std::fs::read(crate::support::fixture("keys/by-cosign-3.1.1.pub")).unwrap());
    seat.sees(&public.unwrap());
    assert!(!seat.ends(0).contains("hunter2"));
    let mut seat = ask();
    for _ in 0..3 {
        seat.sees("Passphrase for cosign.key: ");
        seat.types("hunter2\n");
    }
    seat.sees("error[KEY-PASSPHRASE-DAMAGED]: ");
    assert!(!seat.ends(41).contains("hunter2"));
}
