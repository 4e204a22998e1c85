//! What a killed run leaves, and that the same run again ends as if nothing had happened.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use coldsign::files::{self, Output};

const FOLDER: &str = "COLDSIGN_TEST_FOLDER";
const CHUNKS: usize = 64;

/// Writes an output in many chunks; on request says so at one of them and waits for its end.
fn write(folder: &Path, stop: Option<usize>) {
    let output = Output::create(&folder.join("out"), 0o600).unwrap();
    let chunks = (0..CHUNKS).map(|number| {
        if stop == Some(number) {
            println!("now");
            std::thread::sleep(std::time::Duration::from_secs(600));
        }
        vec![u8::try_from(number).unwrap(); 40_000]
    });
    output.write(chunks).unwrap();
}

/// The process that is killed: this test again, alone, told by its environment what to do.
#[test]
fn writer_to_be_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let stop = std::env::var("COLDSIGN_TEST_STOP").unwrap().parse().unwrap();
    write(Path::new(&folder), Some(stop));
}

#[test]
fn killed_at_any_chunk_the_same_run_again_ends_well() {
    let expected: Vec<u8> =
        (0..CHUNKS).flat_map(|number| vec![u8::try_from(number).unwrap(); 40_000]).collect();
    for stop in [0, 1, 31, CHUNKS - 1] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer_to_be_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .env("COLDSIGN_TEST_STOP", stop.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = Vec::new();
        let mut stdout = child.stdout.take().unwrap();
        while !said.ends_with(b"now\n") {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            said.extend(byte);
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let (out, partial) = (folder.path().join("out"), folder.path().join(".out.partial"));
        assert!(!out.exists() && partial.exists(), "stopped at {stop}");
        let output = Output::create(&out, 0o600).unwrap();
        assert_eq!(output.replaced(), Some(partial.as_path()));
        drop(output);
        write(folder.path(), None);
        assert_eq!(files::read(&out, 1 << 30).unwrap(), expected);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
