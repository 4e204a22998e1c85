//! Proofs that the sealed program has no network code.
//!
//! 1. Its dependency graph equals `fixtures/airgap/allowed.txt`, name, version and checksum.
//! 2. No source outside `src/bin/coldsign/net` names a socket type, and the lint that forbids them is in force.
//! 3. The dynamic release build imports no socket function; a small program that opens a socket shows that the
//!    probe would see one.
//! 4. The static build that ships makes no network call in a whole run of setting up and signing, as strace sees
//!    it; the same small program shows that strace would see one.
//!
//! 3 and 4 need release builds, `nm` and `strace`: they run when `COLDSIGN_SEALED` names the folder that
//! `.ci/dist` wrote (`just sealed` does both), and say so otherwise.

#[path = "support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Sandbox, blessing, fixture, repository};

/// The target whose graph is pinned: the one that ships.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Packages that have no business on the sealed machine, whoever asks for them: network, TLS, async runtimes,
/// decompression, walking of directories, other people's idea of a manifest, and builders of C code.
const FORBIDDEN: &[&str] = &[
    "async-std",
    "attohttpc",
    "aws-lc-rs",
    "aws-lc-sys",
    "bindgen",
    "bzip2",
    "cc",
    "cmake",
    "curl",
    "curl-sys",
    "docker_credential",
    "flate2",
    "hickory-resolver",
    "hyper",
    "idna",
    "indicatif",
    "isahc",
    "libgit2-sys",
    "libz-sys",
    "mio",
    "minreq",
    "native-tls",
    "nix",
    "oci-client",
    "oci-spec",
    "openssl",
    "openssl-sys",
    "p521",
    "pkg-config",
    "polling",
    "quinn",
    "reqwest",
    "ring",
    "rsa",
    "rustls",
    "rustls-native-certs",
    "rustls-platform-verifier",
    "signal-hook",
    "smol",
    "socket2",
    "surf",
    "tokio",
    "ureq",
    "url",
    "walkdir",
    "xz2",
    "zlib-rs",
    "zstd",
    "zstd-sys",
];

/// What a program has to import from the C library before it can talk to anybody.
const SOCKET_FUNCTIONS: &[&str] = &[
    "accept",
    "accept4",
    "bind",
    "connect",
    "freeaddrinfo",
    "getaddrinfo",
    "gethostbyname",
    "gethostbyname_r",
    "getnameinfo",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recv",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "res_init",
    "res_query",
    "send",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socket",
    "socketpair",
];

/// Text of a source that touches the network, or could.
const SOCKET_TEXT: &[&str] = &[
    "std::net",
    "core::net",
    "unix::net",
    "linux::net",
    "rustix::net",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "UnixDatagram",
    "ToSocketAddrs",
    "libc::socket",
];

/// A program that opens a socket: what the probes have to find.
const CONTROL: &str = r#"fn main() { drop(std::net::TcpStream::connect("127.0.0.1:9")); }"#;

#[test]
fn sealed_graph_equals_the_allow_list() {
    let checksums = locked();
    let mut found = String::from(
        "# Every package in the sealed program: name, version, checksum of Cargo.lock.\n\
         # A new line here is a decision: read the package first, then COLDSIGN_BLESS=1 cargo test --test airgap.\n",
    );
    for package in packages(&["-e", "normal", "--no-default-features"]) {
        if package.0 != env!("CARGO_PKG_NAME") {
            let checksum = checksums
                .get(&package)
                .unwrap_or_else(|| panic!("{} has no checksum in Cargo.lock", package.0));
            writeln!(found, "{} {} {checksum}", package.0, package.1).expect("writing to a string");
        }
    }
    let path = fixture("airgap/allowed.txt");
    if blessing() {
        fs::write(&path, &found).expect("the checkout is writable");
    }
    let allowed = fs::read_to_string(&path).expect("the allow-list is there");
    let (allowed, found): (BTreeSet<_>, BTreeSet<_>) = (allowed.lines().collect(), found.lines().collect());
    let new: Vec<_> = found.difference(&allowed).collect();
    let gone: Vec<_> = allowed.difference(&found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "not on the allow-list: {new:#?}\nno longer in the graph: {gone:#?}"
    );
}

#[test]
fn sealed_graph_has_no_network_and_builds_no_c() {
    let sealed = names(&["-e", "normal,build", "--no-default-features"]);
    let found: Vec<_> = FORBIDDEN.iter().filter(|name| sealed.contains(**name)).collect();
    assert!(found.is_empty(), "in the sealed graph: {found:?}");
    // The control: the connected graph holds some of them, so the question was understood.
    let connected = names(&["-e", "normal,build"]);
    for name in
        ["flate2", "oci-spec", "p521", "ring", "rsa", "rustls", "signal-hook", "ureq", "url", "walkdir"]
    {
        assert!(connected.contains(name), "{name} is not in the connected graph: is the list out of date?");
    }
}

#[test]
fn sealed_graph_leaves_the_network_features_off() {
    let features = tree(&["-e", "features", "--no-default-features"]);
    assert!(features.contains("rustix feature \"fs\""), "the control: features are listed\n{features}");
    assert!(!features.contains("rustix feature \"net\""), "rustix has its sockets switched on");
}

#[test]
fn no_source_outside_net_names_a_socket() {
    let mut sources = Vec::new();
    rust_files(&repository().join("src"), &mut sources);
    assert!(sources.len() > 10, "the control: sources are found");
    let net = repository().join("src/bin/coldsign/net");
    let mut found = String::new();
    for path in sources.iter().filter(|path| !path.starts_with(&net)) {
        let text = fs::read_to_string(path).expect("a source is text");
        for (line, name) in socket_names(&text) {
            writeln!(found, "{}:{line}: {name}", path.display()).expect("writing to a string");
        }
    }
    assert!(found.is_empty(), "sockets outside src/bin/coldsign/net:\n{found}");
    assert_eq!(socket_names(CONTROL).len(), 2, "the control: a socket is seen");
}

#[test]
fn lint_forbids_socket_types() {
    let clippy =
        fs::read_to_string(repository().join(".clippy.toml")).expect("the lint's settings are there");
    for name in ["TcpStream", "TcpListener", "UdpSocket", "UnixStream", "UnixListener", "UnixDatagram"] {
        assert!(
            clippy.lines().any(|line| line.contains("path") && line.contains(&format!("::net::{name}\""))),
            "{name}"
        );
    }
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).expect("the manifest is there");
    assert!(manifest.contains("disallowed_types = \"deny\""), "the lint is not denied");
    assert!(manifest.contains("unsafe_code = \"deny\""), "unsafe code could open a socket without a name");
}

#[test]
fn sealed_binary_imports_no_socket_function() {
    let Some(_) = dist() else { return };
    let sandbox = Sandbox::new();
    let control = imports(&control(&sandbox));
    for name in ["socket", "connect"] {
        assert!(control.contains(name), "the control: the probe does not see {name}");
    }
    let connected = imports(Path::new(env!("CARGO_BIN_EXE_coldsign")));
    for name in ["socket", "connect", "getaddrinfo"] {
        assert!(connected.contains(name), "the control: coldsign talks to registries without {name}");
    }
    let target = repository().join("target/sealed");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--release",
            "--locked",
            "--no-default-features",
            "--bin",
            "coldsign-signer",
            "--target-dir",
        ])
        .arg(&target)
        .current_dir(repository())
        .env_remove("RUSTFLAGS")
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the sealed build fails");
    let imports = imports(&target.join("release/coldsign-signer"));
    assert!(imports.contains("write"), "the control: a dynamic program imports write: {imports:?}");
    let found: Vec<_> = SOCKET_FUNCTIONS.iter().filter(|name| imports.contains(**name)).collect();
    assert!(found.is_empty(), "coldsign-signer imports {found:?}");
}

#[test]
fn sealed_run_makes_no_network_call() {
    let Some(dist) = dist() else { return };
    let signer = dist.join("coldsign-signer");
    let sandbox = Sandbox::new();
    assert!(
        trace(&sandbox, &control(&sandbox), &[]).1.contains("socket("),
        "the control: strace does not see a socket"
    );

    sandbox.write("pass", "a passphrase for the test\n");
    sandbox.fixture("format/single.request.tar", "request.tar");
    let digest = request_digest(&sandbox.read("request.tar"));
    for arguments in [
        &["self-test"][..],
        &["init", "--home", "home"],
        &["key", "generate", "demo", "--home", "home", "--allow-swap", "--passphrase-file", "pass"],
        &["key", "list", "--home", "home"],
        &["inspect", "request.tar"],
        &[
            "sign",
            "request.tar",
            "--home",
            "home",
            "--key",
            "demo",
            "--allow-swap",
            "--passphrase-file",
            "pass",
            "--approve",
            &digest,
            "-o",
            "response.tar",
        ],
    ] {
        let (succeeded, calls) = trace(&sandbox, &signer, arguments);
        assert!(succeeded, "{arguments:?} fails:\n{calls}");
        let found: Vec<_> =
            calls.lines().filter(|line| line.contains('(') && !line.contains("+++")).collect();
        assert!(found.is_empty(), "{arguments:?} touches the network: {found:#?}");
    }
    assert!(!sandbox.read("response.tar").is_empty());
}

/// Where `.ci/dist` left the program that ships.
fn dist() -> Option<PathBuf> {
    let dist = std::env::var_os("COLDSIGN_SEALED").map(|folder| repository().join(folder));
    if dist.is_none() {
        println!(
            "skipped: COLDSIGN_SEALED is not set; `just sealed` builds the program that ships and runs this"
        );
    }
    dist
}

/// Name and version of each package in a dependency graph.
fn packages(arguments: &[&str]) -> BTreeSet<(String, String)> {
    let tree = tree(arguments);
    let package = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next()?;
        let version = words.next()?.strip_prefix('v')?;
        Some((name.to_owned(), version.to_owned()))
    };
    let found: BTreeSet<_> = tree
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| package(line).unwrap_or_else(|| panic!("not a package: {line}")))
        .collect();
    assert!(found.len() > 20, "the control: a graph has packages");
    found
}

fn names(arguments: &[&str]) -> BTreeSet<String> {
    packages(arguments).into_iter().map(|package| package.0).collect()
}

fn tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none", "--target", TARGET])
        .args(arguments)
        .current_dir(repository())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo tree fails: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("package names are text")
}

/// The checksums of Cargo.lock by name and version.
fn locked() -> BTreeMap<(String, String), String> {
    let lock =
        fs::read_to_string(repository().join("Cargo.lock")).expect("Cargo.lock is part of the project");
    let mut found = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let member = |name: &str| {
            let value = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""))?;
            value.strip_suffix('"').map(str::to_owned)
        };
        if let (Some(name), Some(version), Some(checksum)) =
            (member("name"), member("version"), member("checksum"))
        {
            found.insert((name, version), checksum);
        }
    }
    found
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("sources can be read") {
        let path = entry.expect("sources can be read").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn socket_names(text: &str) -> Vec<(usize, &'static str)> {
    let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.flat_map(|(line, text)| {
        SOCKET_TEXT.iter().filter(move |name| text.contains(**name)).map(move |name| (line + 1, *name))
    })
    .collect()
}

/// Compiles the control.
fn control(sandbox: &Sandbox) -> PathBuf {
    sandbox.write("control.rs", CONTROL);
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let built = Command::new(rustc)
        .args(["--edition", "2024", "-O", "-o"])
        .arg(sandbox.path("control"))
        .arg(sandbox.path("control.rs"))
        .status()
        .expect("rustc runs");
    assert!(built.success(), "the control does not compile");
    sandbox.path("control")
}

/// The functions that a dynamic program imports, without the versions of their symbols.
fn imports(program: &Path) -> BTreeSet<String> {
    let output = Command::new("nm")
        .args(["-D", "--undefined-only"])
        .arg(program)
        .output()
        .expect("nm runs (binutils)");
    assert!(output.status.success(), "nm fails: {}", String::from_utf8_lossy(&output.stderr));
    let listing = String::from_utf8(output.stdout).expect("symbols are text");
    let symbols = listing.lines().filter_map(|line| line.split_whitespace().next_back());
    symbols.map(|symbol| symbol.split('@').next().unwrap_or(symbol).to_owned()).collect()
}

/// Runs a program under strace; whether it succeeded, and the network calls it and its threads made.
fn trace(sandbox: &Sandbox, program: &Path, arguments: &[&str]) -> (bool, String) {
    let log = sandbox.path("calls");
    let outcome = sandbox
        .program("strace")
        .args(["-f", "-qq", "-e", "trace=%network", "-e", "signal=none", "-o"])
        .arg(&log)
        .arg(program)
        .args(arguments)
        .run();
    let calls =
        fs::read_to_string(&log).unwrap_or_else(|error| panic!("strace wrote no log: {error}\n{outcome}"));
    (outcome.code() == Some(0), if outcome.code() == Some(0) { calls } else { format!("{calls}{outcome}") })
}

/// The digest of the request in a file: what is approved.
fn request_digest(file: &[u8]) -> String {
    let member = |name: &str| {
        let mut archive = tar::Archive::new(file);
        let mut entries = archive.entries().expect("the fixture is a tar");
        let mut entry = entries
            .find_map(|entry| {
                entry.ok().filter(|entry| entry.path().is_ok_and(|path| path == Path::new(name)))
            })
            .unwrap_or_else(|| panic!("{name} is not in the fixture"));
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).expect("the fixture is whole");
        serde_json::from_slice::<serde_json::Value>(&bytes).expect("the fixture is JSON")
    };
    let digest = |value: &serde_json::Value, pointer: &str| {
        value
            .pointer(pointer)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_else(|| panic!("no {pointer}"))
            .to_owned()
    };
    let manifest = digest(&member("index.json"), "/manifests/0/digest");
    digest(&member(&manifest.replace("sha256:", "blobs/sha256/")), "/layers/0/digest")
}
