//! The real tools that judge: where they are, how they are started, a registry on loopback.
//!
//! They come from `tests/peers/install.sh`. A test whose tool is absent says so and ends; with
//! `COLDSIGN_REQUIRE_PEERS=1`, as `.ci/run` sets it, that is a failure.
#![expect(clippy::disallowed_types, reason = "a test asks whether its registry listens")]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::support::{Run, Sandbox};

/// An empty trusted root: with it cosign asks no public service.
const EMPTY_ROOT: &str = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;

/// Both lines of cosign that are in use.
pub(crate) const COSIGNS: &[&str] = &["cosign2", "cosign3"];

/// Whether all of these tools are there; says which is not.
pub(crate) fn all_there(names: &[&str]) -> bool {
    let absent: Vec<_> = names.iter().filter(|name| find(name).is_none()).collect();
    if absent.is_empty() {
        return true;
    }
    let required = std::env::var_os("COLDSIGN_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "absent: {absent:?}; tests/peers/install.sh installs them");
    // Past the test runner, which keeps what is printed of a test that passes: a skip is said.
    let _ =
        writeln!(std::io::stderr(), "skipped: absent: {absent:?}; `just peers` installs them and runs this");
    false
}

/// A run of a tool. Any way out to the network but loopback ends at a closed port.
pub(crate) fn tool<'a>(sandbox: &'a Sandbox, name: &str) -> Run<'a> {
    let path = find(name).unwrap_or_else(|| panic!("{name} is absent"));
    sandbox
        .program(path)
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("COSIGN_PASSWORD", "pass")
}

/// `cosign verify` with the flags that every document of ours names: a key, no log, no public service.
pub(crate) fn cosign_verify<'a>(sandbox: &'a Sandbox, cosign: &str, key: &str) -> Run<'a> {
    sandbox.write("tr0.json", EMPTY_ROOT);
    let flags = ["verify", "--key", key, "--insecure-ignore-tlog=true", "--trusted-root", "tr0.json"];
    tool(sandbox, cosign).args(flags)
}

fn find(name: &str) -> Option<PathBuf> {
    let installed = std::env::var_os("COLDSIGN_PEERS").map(|home| PathBuf::from(home).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    installed
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A registry on loopback, plain HTTP, in memory; ends with the value.
pub(crate) struct Registry {
    server: Child,
    address: String,
}

impl Registry {
    /// Starts one on a port that is free.
    pub(crate) fn start(sandbox: &Sandbox) -> Self {
        let program = find("crane").expect("the caller asked whether crane is there");
        for attempt in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
            let address = free.local_addr().expect("a bound socket has an address").to_string();
            drop(free);
            let log = fs::File::create(sandbox.path(format!("registry-{attempt}.log")))
                .expect("the sandbox is writable");
            let mut server = Command::new(&program)
                .args(["registry", "serve", "--address", &address])
                .env("HOME", sandbox.path(""))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("crane starts");
            for _ in 0..500 {
                if std::net::TcpStream::connect(&address).is_ok() {
                    return Self { server, address };
                }
                if server.try_wait().is_ok_and(|ended| ended.is_some()) {
                    break; // somebody else took the port
                }
                thread::sleep(Duration::from_millis(10));
            }
            drop(server.kill());
        }
        panic!("no registry could be started");
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
