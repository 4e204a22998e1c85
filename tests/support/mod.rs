//! A sandbox for tests that run the programs as a person does: a directory of its own, a clean environment, and
//! expectations that show everything when they fail.
//!
//! ```text
//! let sandbox = Sandbox::new();
//! sandbox.fixture("format/single", "layout");
//! sandbox.coldsign().args(["inspect", "request.tar"]).expect(0).stdout("sha256:...\n").stderr("");
//! sandbox.signer().args(["sign", "request.tar"]).stdin("no\n").expect(34).stderr_line("error[OPERATOR-REFUSED]: ...");
//! sandbox.no_file("response.tar");
//! ```
#![allow(dead_code)] // every test crate compiles this module and uses a part of it

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use tempfile::TempDir;

/// A run that takes longer is ended and fails: a program that waits for input that never comes is a defect.
const PATIENCE: Duration = Duration::from_secs(120);

/// What stands for the sandbox's own path in expected text.
const HERE: &str = "[HERE]";

/// What stands for any text within one line of expected text.
const ANY: &str = "[..]";

/// A directory of its own, removed in the end.
pub(crate) struct Sandbox {
    directory: TempDir,
}

impl Sandbox {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { directory: TempDir::with_prefix("coldsign-").expect("the temporary directory is writable") }
    }

    /// Where `name` is or would be.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file, with the directories above it.
    pub(crate) fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file is in a directory"))
            .expect("directories can be made");
        fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self
    }

    /// Copies a file or a directory of `fixtures/`.
    pub(crate) fn fixture(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> &Self {
        copy(&fixture(from), &self.path(to));
        self
    }

    /// Reads a file that must be there.
    pub(crate) fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Fails if anything has that name.
    #[track_caller]
    pub(crate) fn no_file(&self, name: impl AsRef<Path>) -> &Self {
        let path = self.path(name);
        assert!(path.symlink_metadata().is_err(), "{} is there", path.display());
        self
    }

    /// Fails unless the file has these bytes.
    #[track_caller]
    pub(crate) fn expect_file(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> &Self {
        let (found, wanted) = (self.read(name.as_ref()), bytes.as_ref());
        let differ = found.iter().zip(wanted).position(|(found, wanted)| found != wanted);
        assert!(
            found == wanted,
            "{}: {} bytes found, {} wanted, first difference at {:?}",
            name.as_ref().display(),
            found.len(),
            wanted.len(),
            differ.unwrap_or(found.len().min(wanted.len()))
        );
        self
    }

    /// Every file below with its bytes, links by their target: equal before and after, a refused run left no trace.
    pub(crate) fn everything(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        collect(self.directory.path(), Path::new(""), &mut found);
        found
    }

    /// A run of `coldsign`.
    pub(crate) fn coldsign(&self) -> Run<'_> {
        self.program(program("coldsign", option_env!("CARGO_BIN_EXE_coldsign")))
    }

    /// A run of `coldsign-signer`.
    pub(crate) fn signer(&self) -> Run<'_> {
        self.program(program("coldsign-signer", option_env!("CARGO_BIN_EXE_coldsign-signer")))
    }

    /// A run of another program. Its environment holds `PATH` and `HOME` only, `HOME` is the sandbox, and its
    /// standard input is empty: no run sees a terminal.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Run<'_> {
        let mut command = Command::new(program.as_ref());
        command.env_clear().env("HOME", self.directory.path()).current_dir(self.directory.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        Run { sandbox: self, command, stdin: Vec::new() }
    }

    fn shown(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).replace(&*self.directory.path().to_string_lossy(), HERE)
    }
}

/// A file or directory of `fixtures/`.
pub(crate) fn fixture(name: impl AsRef<Path>) -> PathBuf {
    repository().join("fixtures").join(name)
}

/// The checkout.
pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A program about to run.
pub(crate) struct Run<'a> {
    sandbox: &'a Sandbox,
    command: Command,
    stdin: Vec<u8>,
}

impl<'a> Run<'a> {
    /// One more argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// More arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// A variable of the environment.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs in a directory below the sandbox.
    pub(crate) fn within(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(self.sandbox.path(directory));
        self
    }

    /// What stands on standard input, a pipe.
    pub(crate) fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = bytes.as_ref().to_vec();
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(self) -> Outcome {
        self.start().finish()
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn start(mut self) -> Running<'a> {
        let line = self.line();
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            self.command.spawn().unwrap_or_else(|error| panic!("$ {line}\ndoes not start: {error}"));
        let mut stdin = child.stdin.take().expect("it is a pipe");
        let input = self.stdin;
        // A program that refuses early closes its input: that is no failure of the test.
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));
        let stdout = drain(child.stdout.take().expect("it is a pipe"));
        let stderr = drain(child.stderr.take().expect("it is a pipe"));
        Running { sandbox: self.sandbox, line, child, pipes: (writer, stdout, stderr) }
    }

    /// Runs it and fails, with all of its output, unless it ends with this exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Outcome {
        let outcome = self.run();
        assert!(outcome.code == Some(code), "exit code {code} wanted\n{outcome}");
        outcome
    }

    fn line(&self) -> String {
        let program = Path::new(self.command.get_program()).file_name().unwrap_or_default();
        let words = std::iter::once(program).chain(self.command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }
}

/// A program that runs.
pub(crate) struct Running<'a> {
    sandbox: &'a Sandbox,
    line: String,
    child: Child,
    pipes: (thread::JoinHandle<()>, thread::JoinHandle<Vec<u8>>, thread::JoinHandle<Vec<u8>>),
}

impl Running<'_> {
    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Outcome {
        let code = wait(&mut self.child, &self.line);
        let (writer, stdout, stderr) = self.pipes;
        writer.join().expect("the writer does not panic");
        let stdout = stdout.join().expect("the reader does not panic");
        let stderr = stderr.join().expect("the reader does not panic");
        let shown = (self.sandbox.shown(&stdout), without_swap(&self.sandbox.shown(&stderr)));
        Outcome {
            line: self.line.replace(&*self.sandbox.directory.path().to_string_lossy(), HERE),
            code,
            stdout,
            shown,
        }
    }
}

/// A program that has run.
pub(crate) struct Outcome {
    line: String,
    code: Option<i32>,
    stdout: Vec<u8>,
    shown: (String, String),
}

impl Outcome {
    /// The exit code; `None` if a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.code
    }

    /// What it wrote to standard output, byte for byte.
    pub(crate) fn stdout_bytes(&self) -> &[u8] {
        &self.stdout
    }

    /// What it wrote to standard output, the sandbox's path as `[HERE]`.
    pub(crate) fn stdout_text(&self) -> &str {
        &self.shown.0
    }

    /// What it wrote to standard error, the sandbox's path as `[HERE]`.
    pub(crate) fn stderr_text(&self) -> &str {
        &self.shown.1
    }

    /// Fails unless standard output is this text; `[..]` stands for anything within its line.
    #[track_caller]
    pub(crate) fn stdout(&self, expected: &str) -> &Self {
        assert!(fits(expected, &self.shown.0), "stdout wanted:\n{expected}\n{self}");
        self
    }

    /// Fails unless standard error is this text; `[..]` stands for anything within its line.
    #[track_caller]
    pub(crate) fn stderr(&self, expected: &str) -> &Self {
        assert!(fits(expected, &self.shown.1), "stderr wanted:\n{expected}\n{self}");
        self
    }

    /// Fails unless one line of standard output is this one.
    #[track_caller]
    pub(crate) fn stdout_line(&self, expected: &str) -> &Self {
        assert!(
            self.shown.0.lines().any(|line| fits_line(expected, line)),
            "stdout line wanted: {expected}\n{self}"
        );
        self
    }

    /// Fails unless one line of standard error is this one.
    #[track_caller]
    pub(crate) fn stderr_line(&self, expected: &str) -> &Self {
        assert!(
            self.shown.1.lines().any(|line| fits_line(expected, line)),
            "stderr line wanted: {expected}\n{self}"
        );
        self
    }

    /// Fails if the text stands anywhere in the output.
    #[track_caller]
    pub(crate) fn never(&self, text: &str) -> &Self {
        let shown = self.shown.0.contains(text) || self.shown.1.contains(text);
        assert!(!shown, "this must not be shown: {text}\n{self}");
        self
    }

    /// Compares command, exit code, stdout and stderr with `tests/snapshots/<name>.txt`, which
    /// `COLDSIGN_BLESS=1` writes; a line whose gaps still fit keeps them.
    #[track_caller]
    pub(crate) fn snapshot(&self, name: &str) -> &Self {
        let path = repository().join("tests/snapshots").join(name).with_extension("txt");
        let found = self.to_string();
        if blessing() {
            fs::create_dir_all(path.parent().expect("a file is in a directory"))
                .expect("the checkout is writable");
            let before = fs::read_to_string(&path).unwrap_or_default();
            fs::write(&path, keep_gaps(&before, &found)).expect("the checkout is writable");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            fits(&expected, &found),
            "{} says otherwise (COLDSIGN_BLESS=1 writes it again):\n{expected}\nfound:\n{found}",
            path.display()
        );
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = format!("$ {}\n", self.line);
        match self.code {
            Some(code) => writeln!(text, "exit code {code}")?,
            None => writeln!(text, "ended by a signal")?,
        }
        for (name, shown) in [("stdout", &self.shown.0), ("stderr", &self.shown.1)] {
            writeln!(
                text,
                "--- {name}\n{shown}{}",
                if shown.is_empty() || shown.ends_with('\n') { "" } else { "\n--- (no newline)" }
            )?;
        }
        f.write_str(&text)
    }
}

/// Whether rendered files and snapshots are to be written anew.
pub(crate) fn blessing() -> bool {
    std::env::var_os("COLDSIGN_BLESS").is_some_and(|value| value == "1")
}

fn program(name: &str, built: Option<&str>) -> OsString {
    built.unwrap_or_else(|| panic!("{name} is not part of this build: its feature is off")).into()
}

fn drain(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

fn wait(child: &mut Child, line: &str) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status.code();
        }
        if start.elapsed() > PATIENCE {
            child.kill().expect("a child can be ended");
            panic!("$ {line}\nstill runs after {} s", PATIENCE.as_secs());
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("directories can be made");
        for entry in fs::read_dir(from).expect("a fixture can be read") {
            let entry = entry.expect("a fixture can be read");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::create_dir_all(to.parent().expect("a file is in a directory")).expect("directories can be made");
        let bytes = fs::read(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        fs::write(to, bytes).expect("the sandbox is writable");
    }
}

fn collect(directory: &Path, below: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(directory).expect("the sandbox can be read") {
        let entry = entry.expect("the sandbox can be read");
        let (path, name) = (entry.path(), below.join(entry.file_name()));
        let kind = entry.file_type().expect("the sandbox can be read");
        if kind.is_dir() {
            collect(&path, &name, found);
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).expect("a link can be read");
            found.insert(name, format!("-> {}", target.display()).into_bytes());
        } else if kind.is_file() {
            found.insert(name, fs::read(&path).expect("the sandbox can be read"));
        }
    }
}

/// `found` with the lines of `before` that have gaps and fit, each in its turn.
fn keep_gaps(before: &str, found: &str) -> String {
    let mut gaps = before.split('\n').filter(|line| line.contains(ANY)).peekable();
    let lines = found.split('\n').map(|line| gaps.next_if(|gap| fits_line(gap, line)).unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

fn fits(expected: &str, found: &str) -> bool {
    let (mut expected, mut found) = (expected.split('\n'), found.split('\n'));
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return true,
            (Some(expected), Some(found)) if fits_line(expected, found) => {}
            _ => return false,
        }
    }
}

fn fits_line(expected: &str, found: &str) -> bool {
    let mut parts = expected.split(ANY);
    let Some(mut rest) = found.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    true
}

#[test]
fn expected_text_with_gaps() {
    for (expected, found, is) in [
        ("a\n", "a\n", true),
        ("a\n", "a", false),
        ("a[..]c", "abc", true),
        ("a[..]c", "abcd", false),
        ("[..]b[..]", "abc", true),
        ("a[..]", "a\nb", false),
        ("a[..]a", "a", false),
    ] {
        assert_eq!(fits(expected, found), is, "{expected:?} {found:?}");
    }
}

/// What is said on stderr without the warning of a machine with swap, where tests say `--allow-swap`.
fn without_swap(stderr: &str) -> String {
    let mut warned = false;
    let kept = stderr.split_inclusive('\n').filter(|line| {
        warned = line.starts_with("warning[SWAP-ACTIVE]") || (warned && line.starts_with("  "));
        !warned
    });
    kept.collect()
}
