//! The main job from end to end on an image that comes with the sources: `cargo run --example quickstart`.
//!
//! Builds both programs, then runs every step as a process of its own and shows its command and its output, uncut,
//! under a heading that says on which side of the gap it runs. Needs neither network nor registry. All files stay in
//! `target/quickstart`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// An image layout with one small image, `v1`.
const LAYOUT: &str = "fixtures/format/single";
const CONNECTED: &str = "CONNECTED";
const SEALED: &str = "SEALED";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = build(sources)?;
    let tour = Tour { programs: target.join("debug"), folder: fresh(target.join("quickstart"))? };
    copy(&sources.join(LAYOUT), &tour.folder.join("sample"))?;
    fs::write(tour.folder.join("pass"), "the passphrase of this tour\n")?;

    heading("1 of 5", CONNECTED, "write the request");
    let digest = tour.step("coldsign export -o request.tar oci:sample:v1 --as registry.example/app:1.4 -a env=prod --note REL-412", 0)?;
    let digest = digest.trim();

    heading("2 of 5", SEALED, "once: a home and a key (--allow-swap: this one guards nothing)");
    println!("$ export COLDSIGN_HOME=vault");
    tour.step("coldsign-signer init", 0)?;
    tour.step("coldsign-signer key generate demo --passphrase-file pass --allow-swap", 0)?;
    tour.step("coldsign-signer key public demo --passphrase-file pass --allow-swap > demo.pub", 0)?;

    heading("3 of 5", SEALED, "review and sign");
    tour.step(&format!("coldsign-signer sign request.tar --key demo --passphrase-file pass --allow-swap --approve {digest} -o response.tar"), 0)?;

    heading("4 of 5", CONNECTED, "check the response and attach its signatures");
    tour.step("coldsign import response.tar --request request.tar --key demo.pub --to oci:sample", 0)?;

    heading("5 of 5", CONNECTED, "verify, as in CI");
    tour.step("coldsign verify --key demo.pub oci:sample:v1", 0)?;

    heading("and if", CONNECTED, "one byte of the response is another on the way back");
    let mut response = fs::read(tour.folder.join("response.tar"))?;
    flip_a_byte_of_a_signature(&mut response)?;
    fs::write(tour.folder.join("changed.tar"), response)?;
    tour.step("coldsign import changed.tar --request request.tar --key demo.pub --to oci:sample", 20)?;

    println!("\nall files of this tour: {}", tour.folder.display());
    println!("with your own image: docs/ceremony.md");
    Ok(())
}

/// The programs, and the folder that stands for both stations and the stick between them.
struct Tour {
    programs: PathBuf,
    folder: PathBuf,
}

impl Tour {
    /// Shows a command, runs it without a terminal, shows what it wrote; its standard output, if it ended as expected.
    fn step(&self, line: &str, expected: i32) -> Result<String> {
        println!("$ {}", wrapped(line));
        let (line, into) = line.split_once(" > ").map_or((line, None), |(line, file)| (line, Some(file)));
        let mut words = line.split(' ');
        let program = self.programs.join(words.next().unwrap_or_default());
        let output = Command::new(program)
            .args(words)
            .env("COLDSIGN_HOME", "vault")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()?;
        print!("{}", String::from_utf8_lossy(&output.stderr));
        let stdout = String::from_utf8(output.stdout)?;
        match into {
            Some(file) => fs::write(self.folder.join(file), &stdout)?,
            None => print!("{stdout}"),
        }
        match output.status.code() {
            Some(code) if code == expected => {
                if code != 0 {
                    println!("exit code {code}");
                }
                Ok(stdout)
            }
            other => Err(format!("exit code {expected} was expected, not {other:?}: {line}").into()),
        }
    }
}

/// Builds both programs with the cargo that runs this; where cargo keeps what it builds.
fn build(sources: &Path) -> Result<PathBuf> {
    // This program is TARGET/PROFILE/examples/quickstart.
    let here = std::env::current_exe()?;
    let target = here.ancestors().nth(3).ok_or("this program is not where cargo puts examples")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--bins", "--target-dir"])
        .arg(target)
        .current_dir(sources)
        .status()?;
    if built.success() { Ok(target.to_owned()) } else { Err("the programs do not build".into()) }
}

/// An empty folder: what an earlier tour left there is removed.
fn fresh(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn heading(step: &str, side: &str, what: &str) {
    println!("\n{step}, {side}: {what}");
}

/// A command on lines of at most 80 columns, broken before an option, as a shell takes it.
fn wrapped(line: &str) -> String {
    let mut shown = String::new();
    let mut column = 2;
    for part in line.replace(" -", "\n-").split('\n') {
        if column > 2 && column + 1 + part.len() > 78 {
            shown.push_str(" \\\n    ");
            column = 4;
        } else if column > 2 {
            shown.push(' ');
            column += 1;
        }
        shown.push_str(part);
        column += part.len();
    }
    shown
}

/// Changes one byte, in the middle of a signature in base64.
fn flip_a_byte_of_a_signature(response: &mut [u8]) -> Result<()> {
    let before = b"\"dev.cosignproject.cosign/signature\":\"";
    let at = response
        .windows(before.len())
        .position(|window| window == before)
        .ok_or("the response has no .sig")?;
    let byte = response.get_mut(at + before.len() + 20).ok_or("the response ends within a signature")?;
    *byte = if *byte == b'A' { b'B' } else { b'A' };
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else {
        fs::copy(from, to)?;
    }
    Ok(())
}
