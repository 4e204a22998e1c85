//! The real tools that judge: where they are, how they are started, a registry on loopback.
//!
//! They come from `tests/peers/install.sh`. A test whose tool is absent says so and ends; with
//! `COLDSIGN_REQUIRE_PEERS=1`, as `.ci/run` sets it, that is a failure.
#![expect(clippy::disallowed_types, reason = "a test asks whether its registry listens")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::support::{Run, Sandbox};

/// An empty trusted root: with it cosign asks no public service.
const EMPTY_ROOT: &str = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;

/// Both lines of cosign that are in use.
pub(crate) const COSIGNS: &[&str] = &["cosign2", "cosign3"];

/// Judges of bundles that share no code with cosign or with each other: npm's client, and sigstore-rust's.
pub(crate) const CLIENTS: &[&str] = &["sigstore-verify", "sigstore-verify-rust"];

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

/// Both of `CLIENTS` judge a bundle, given by `--key`, `--trusted-root`, `--bundle` and what it is about; npm's by so many
/// signed times, of which sigstore-rust demands none.
pub(crate) fn clients(sandbox: &Sandbox, times: &str, files: &[&str], code: i32) {
    for client in CLIENTS {
        let run = tool(sandbox, client).args(files);
        let run = if *client == "sigstore-verify" { run.args(["--timestamps", times]) } else { run };
        let judged = run.expect(code);
        assert_eq!(judged.stdout_text() == "ok\n", code == 0, "{judged}");
    }
}

/// Where a tool is installed.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let installed = std::env::var_os("COLDSIGN_PEERS").map(|home| PathBuf::from(home).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    installed
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A registry that others run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// go-containerregistry's: no referrers API, stores whatever it is given.
    Crane,
    /// olareg: the referrers API; strict.
    Olareg,
    /// olareg whose referrers API is switched off: 405.
    OlaregWithoutReferrers,
    /// distribution 2.8, as Debian ships it: no referrers API, absolute upload locations.
    Registry2,
    /// distribution 3: no referrers API.
    Registry3,
}

impl Kind {
    /// The program that serves it.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Crane => "crane",
            Self::Olareg | Self::OlaregWithoutReferrers => "olareg",
            Self::Registry2 => "registry2",
            Self::Registry3 => "registry3",
        }
    }
}

/// Whose certificate a registry has, `server.pem`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// None: plain HTTP.
    None,
    /// One by the sandbox's own authority, `ca.pem`; `other.pem` is an authority that signed nothing.
    Authority,
    /// One for a server that signed itself.
    Itself,
    /// One for an authority that signed itself, as OpenSSL makes them unless told otherwise.
    ItselfAuthority,
}

/// How a registry lets people in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// Anybody.
    None,
    /// `user` with the password `secret`, sent with each request.
    Basic,
    /// The same, for a token of its own `/token`.
    Token,
}

/// What is asked of olareg besides its defaults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Whether it speaks TLS, and who signed its certificate.
    pub(crate) tls: Tls,
    /// Who may come in.
    pub(crate) login: Login,
    /// The most requests a second; 429 beyond.
    pub(crate) rate_limit: Option<u32>,
}

impl Options {
    /// Plain HTTP, anybody, no limit.
    pub(crate) const PLAIN: Self = Self { tls: Tls::None, login: Login::None, rate_limit: None };
}

/// A registry on loopback, in memory; ends with the value.
pub(crate) struct Registry {
    server: Child,
    address: String,
}

impl Registry {
    /// go-containerregistry's, plain HTTP.
    pub(crate) fn start(sandbox: &Sandbox) -> Self {
        Self::serve(sandbox, Kind::Crane)
    }

    /// One of a kind, plain HTTP, open to anybody.
    pub(crate) fn serve(sandbox: &Sandbox, kind: Kind) -> Self {
        Self::serve_with(sandbox, kind, Options::PLAIN)
    }

    /// One of a kind, on a port that is free.
    pub(crate) fn serve_with(sandbox: &Sandbox, kind: Kind, options: Options) -> Self {
        let program = find(kind.program()).expect("the caller asked whether it is there");
        certificate(sandbox, options.tls);
        fs::create_dir_all(sandbox.path(SEEDS)).expect("the sandbox is writable");
        for _ in 0..10 {
            let port = free_port();
            let address = format!("127.0.0.1:{port}");
            let log = fs::File::create(sandbox.path(format!("registry-{port}.log")))
                .expect("the sandbox is writable");
            let mut server = Command::new(&program)
                .args(arguments(sandbox, kind, options, port))
                .env_clear()
                .env("HOME", sandbox.path(""))
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .current_dir(sandbox.path(""))
                .stdin(Stdio::null())
                .stdout(log.try_clone().expect("a file can be shared"))
                .stderr(log)
                .spawn()
                .expect("the registry starts");
            for _ in 0..1000 {
                if server.try_wait().is_ok_and(|ended| ended.is_some()) {
                    break; // somebody else took the port
                }
                if TcpStream::connect(&address).is_ok() {
                    return Self { server, address };
                }
                thread::sleep(Duration::from_millis(10));
            }
            drop(server.kill());
            drop(server.wait());
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

/// A port that nobody listens on and that no other test of this run was given.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let free = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = free.local_addr().expect("a bound socket has an address").port();
        if GIVEN.lock().expect("nobody panics with it").insert(port) {
            return port;
        }
    }
}

fn arguments(sandbox: &Sandbox, kind: Kind, options: Options, port: u16) -> Vec<String> {
    let mut line = match kind {
        Kind::Crane => format!("registry serve --address 127.0.0.1:{port}"),
        Kind::Olareg | Kind::OlaregWithoutReferrers => format!(
            "serve --addr 127.0.0.1 --port {port} --store-type mem --dir {SEEDS} --api-delete --api-blob-delete \
             --gc-frequency -1s"
        ),
        Kind::Registry2 | Kind::Registry3 => {
            let file = format!("registry-{port}.yml");
            let http = format!("http: {{addr: \"127.0.0.1:{port}\"}}");
            sandbox.write(
                &file,
                format!(
                    "version: 0.1\nlog: {{level: warn}}\nstorage: {{inmemory: {{}}, delete: {{enabled: true}}}}\n{http}\n"
                ),
            );
            format!("serve {file}")
        }
    };
    if kind == Kind::OlaregWithoutReferrers {
        line += " --api-referrer=false";
    }
    if options.tls != Tls::None {
        line += " --tls-cert server.pem --tls-key server.key";
    }
    match options.login {
        Login::None => {}
        Login::Basic => line += " --auth-static-login user:secret",
        Login::Token => {
            sandbox.write("auth.yaml", AUTH);
            let scheme = if options.tls == Tls::None { "http" } else { "https" };
            let _ = write!(line, " --auth-token-opaque auth.yaml --external-url {scheme}://127.0.0.1:{port}");
        }
    }
    if let Some(limit) = options.rate_limit {
        let _ = write!(line, " --rate-limit {limit}");
    }
    line.split_whitespace().map(str::to_owned).collect()
}

/// A folder of the sandbox: each layout in it is a repository that olareg has from the start; nothing is written there.
pub(crate) const SEEDS: &str = "seeds";

/// Who may come in for a token: `user`, with bcrypt's hash of `secret`.
const AUTH: &str = r#"users:
  user: {cred: "$2b$04$J039ceWdhg54dkYEyuAh4eZJvVHZ5PXdrtfSrC2N3iQhTF8CnEw36"}
groups:
  all: {members: [user]}
acls:
  - {repo: "*", members: [all], access: ["*"]}
  - {repo: "", members: [all], access: [read]}
"#;

/// Makes `server.pem` with `server.key` for 127.0.0.1, and who signs it.
fn certificate(sandbox: &Sandbox, tls: Tls) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30";
    let server = "-subj /CN=registry -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout server.key -out server.pem";
    let no_authority = "-addext basicConstraints=critical,CA:FALSE";
    match tls {
        Tls::None => {}
        Tls::Authority => {
            for name in ["ca", "other"] {
                openssl(
                    sandbox,
                    &format!("req -x509 {key} -subj /CN={name} -keyout {name}.key -out {name}.pem"),
                );
            }
            openssl(sandbox, &format!("req -x509 -CA ca.pem -CAkey ca.key {key} {no_authority} {server}"));
        }
        Tls::Itself => openssl(sandbox, &format!("req -x509 {key} {no_authority} {server}")),
        Tls::ItselfAuthority => openssl(sandbox, &format!("req -x509 {key} {server}")),
    }
}

fn openssl(sandbox: &Sandbox, line: &str) {
    sandbox.program("openssl").args(line.split_whitespace()).expect(0);
}
