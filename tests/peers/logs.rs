//! Real transparency logs and a timestamp authority on loopback: Rekor v2 twice, with an Ed25519 and a P-256 log key,
//! Rekor v1 over Trillian in memory, and Sigstore's timestamp authority. The tests here are of stock tools alone: what
//! each cosign writes there, each verifies, and refuses where one thing is wrong. So the servers are known to be right
//! where a test asks what coldsign makes of them.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::registries::{SINGLE, push};
use crate::support::{Outcome, Run, Sandbox};
use crate::tools::{CLIENTS, COSIGNS, Kind, Registry, all_there, clients, find, free_port, tool};
use crate::wire::{get, post, serve_files};

/// The programs of `tests/peers/install.sh` that serve.
const SERVERS: [&str; 4] = ["rekor-server-posix", "rekor-server", "trillian-mem", "timestamp-server"];

/// The host that everybody names: an Ed25519 log's id and every checkpoint hold it.
const ORIGIN: &str = "localhost";

/// Since when the logs' keys are good.
const START: &str = "2026-01-01T00:00:00Z";

/// How long servers may take to answer; a second is usual.
const PATIENCE: Duration = Duration::from_secs(60);

/// A log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// Rekor v1: a promise with a time (SET), and a proof.
    V1,
    /// Rekor v2 with an Ed25519 key: a proof, no time.
    V2Ed25519,
    /// Rekor v2 with a P-256 key.
    V2P256,
}

impl Log {
    /// Every one.
    pub(crate) const ALL: [Self; 3] = [Self::V1, Self::V2Ed25519, Self::V2P256];

    /// What its files are named after.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2Ed25519 => "v2-ed25519",
            Self::V2P256 => "v2-p256",
        }
    }
}

/// Where a signature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A layer of `sha256-....sig`, or of `.att`. cosign logs it in Rekor v1 only.
    Sig,
    /// A bundle that refers to the image.
    Bundle,
}

/// How cosign signs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    /// Where the signature stands.
    pub(crate) form: Form,
    /// Who logs it.
    pub(crate) log: Log,
    /// Whether the timestamp authority says when.
    pub(crate) token: bool,
}

impl How {
    /// Every way of cosign 3.
    pub(crate) const ALL: [Self; 8] = [
        Self { form: Form::Sig, log: Log::V1, token: false },
        Self { form: Form::Sig, log: Log::V1, token: true },
        Self { form: Form::Bundle, log: Log::V1, token: false },
        Self { form: Form::Bundle, log: Log::V1, token: true },
        Self { form: Form::Bundle, log: Log::V2Ed25519, token: false },
        Self { form: Form::Bundle, log: Log::V2Ed25519, token: true },
        Self { form: Form::Bundle, log: Log::V2P256, token: false },
        Self { form: Form::Bundle, log: Log::V2P256, token: true },
    ];

    /// Every way that this cosign has. What cosign 2 would log of an image in Rekor v2, an entry of the kind dsse, Rekor no
    /// longer takes.
    pub(crate) fn of(cosign: &str) -> impl Iterator<Item = Self> {
        let both = cosign != "cosign2";
        Self::ALL.into_iter().filter(move |how| both || how.log == Log::V1)
    }

    /// A name for a repository or a file: `sig-v1`, `bundle-v2-p256-token`.
    pub(crate) fn name(self) -> String {
        let form = if self.form == Form::Sig { "sig" } else { "bundle" };
        format!("{form}-{}{}", self.log.name(), if self.token { "-token" } else { "" })
    }
}

/// All the servers; they end with the value, and whatever ends the test process ends them too.
pub(crate) struct Logs {
    folder: PathBuf,
    ports: Ports,
    /// The shell that the servers are children of. It waits for the end of its standard input, which only this process
    /// holds; then it kills them and removes the folder.
    shell: Child,
}

/// Where each listens.
#[derive(Clone, Copy)]
struct Ports {
    /// HTTP, gRPC and metrics.
    v2_ed25519: [u16; 3],
    v2_p256: [u16; 3],
    trillian: u16,
    v1: u16,
    tsa: u16,
    /// The files of the v2 logs, served by this process.
    tiles: [u16; 2],
}

impl Logs {
    /// The servers that all tests of this run share, started by the first that asks; none where a program is absent.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Logs>> = OnceLock::new();
        SHARED.get_or_init(|| all_there(&SERVERS).then(Self::start)).as_ref()
    }

    /// Servers of one's own, on ports that are free.
    pub(crate) fn start() -> Self {
        for _ in 0..3 {
            let folder = tempfile::Builder::new().prefix("coldsign-logs-").tempdir();
            let folder = folder.expect("the temporary directory is writable").keep();
            make_keys(&folder);
            let tiles = [Log::V2Ed25519, Log::V2P256].map(|log| {
                let files = folder.join(format!("log-{}", log.name()));
                fs::create_dir(&files).expect("the folder is writable");
                serve_files(&files)
            });
            let three = || [free_port(), free_port(), free_port()];
            let ports = Ports {
                v2_ed25519: three(),
                v2_p256: three(),
                trillian: free_port(),
                v1: free_port(),
                tsa: free_port(),
                tiles,
            };
            let mut shell = Command::new("sh");
            shell.args(["-c", &script(ports)]).current_dir(&folder);
            shell.env_clear().env("HOME", &folder).env("FOLDER", &folder);
            shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
            for name in SERVERS {
                let path = find(name).unwrap_or_else(|| panic!("{name} is absent"));
                shell.env(variable(name), path);
            }
            // Not in our group: what ends us all at once, as Ctrl-C does, must leave somebody to tidy up.
            shell.process_group(0);
            shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let shell = shell.spawn().expect("sh starts");
            let logs = Self { folder, ports, shell };
            if logs.answer() {
                logs.write_configuration();
                return logs;
            }
            let said = logs.said();
            eprintln!("the logs do not answer, perhaps somebody took a port:\n{said}");
        }
        panic!("the logs could not be started");
    }

    /// `http://localhost:PORT` of a log, as a root and a signing configuration name it.
    pub(crate) fn url(&self, log: Log) -> String {
        let port = match log {
            Log::V1 => self.ports.v1,
            Log::V2Ed25519 => self.ports.v2_ed25519[0],
            Log::V2P256 => self.ports.v2_p256[0],
        };
        format!("http://{ORIGIN}:{port}")
    }

    /// Where a v2 log's checkpoint and tiles are read: `URL/checkpoint`, `URL/tile/...`.
    pub(crate) fn tiles_url(&self, log: Log) -> String {
        let port = match log {
            Log::V1 => panic!("Rekor v1 has no tiles"),
            Log::V2Ed25519 => self.ports.tiles[0],
            Log::V2P256 => self.ports.tiles[1],
        };
        format!("http://{ORIGIN}:{port}")
    }

    /// Where the timestamp authority takes requests (RFC 3161).
    pub(crate) fn tsa_url(&self) -> String {
        format!("http://{ORIGIN}:{}/api/v1/timestamp", self.ports.tsa)
    }

    /// Puts into the sandbox's `logs/` what people get of a private deployment: `trusted_root.json` of all logs and the
    /// authority, `trusted_root-LOG[-tsa].json` of one log, `signing-config-LOG[-tsa].json`, `LOG.pub`, and
    /// `tsa-chain.pem`, leaf and root.
    pub(crate) fn hand<'a>(&self, sandbox: &'a Sandbox) -> &'a Sandbox {
        for entry in fs::read_dir(&self.folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            let public = path.extension().is_some_and(|ending| ending == "json" || ending == "pub");
            if public || path.ends_with("tsa-chain.pem") {
                let name = path.file_name().expect("an entry has a name");
                sandbox.write(Path::new("logs").join(name), fs::read(&path).expect("the folder can be read"));
            }
        }
        sandbox
    }

    /// Pushes `fixtures/format/single` and has cosign sign it: `HOST/WAY-COSIGN@sha256:...`, also under the tag 1.4. The
    /// keys are `peer.key` and `peer.pub` of the sandbox, made if they are not there; `logs/` holds what `hand` puts.
    pub(crate) fn image_signed_by(
        &self,
        sandbox: &Sandbox,
        registry: &Registry,
        cosign: &str,
        how: How,
    ) -> String {
        let image = pushed(sandbox, registry, &format!("{}-{cosign}", how.name()));
        self.sign(sandbox, cosign, "sign", how).arg(&image).expect(0);
        image
    }

    /// The same with an attestation of the type `custom`, in `HOST/att-WAY-COSIGN`: what `predicate.json` of the sandbox
    /// holds.
    pub(crate) fn image_attested_by(
        &self,
        sandbox: &Sandbox,
        registry: &Registry,
        cosign: &str,
        how: How,
    ) -> String {
        let image = pushed(sandbox, registry, &format!("att-{}-{cosign}", how.name()));
        let attest = self.sign(sandbox, cosign, "attest", how);
        attest.args(["--type", "custom", "--predicate", "predicate.json", &image]).expect(0);
        image
    }

    /// `cosign sign`, `sign-blob` or `attest` up to what is signed.
    pub(crate) fn sign<'a>(&self, sandbox: &'a Sandbox, cosign: &str, command: &str, how: How) -> Run<'a> {
        self.hand(sandbox);
        peer_key(sandbox);
        let run = tool(sandbox, cosign).args([command, "--key", "peer.key", "-y"]);
        if how.form == Form::Bundle {
            let tsa = if how.token { "-tsa" } else { "" };
            let config = format!("logs/signing-config-{}{tsa}.json", how.log.name());
            let run = run.args(["--signing-config", &config, "--trusted-root", "logs/trusted_root.json"]);
            return if cosign == "cosign2" { run.arg("--new-bundle-format") } else { run };
        }
        // Without it the log's reply is judged by the public log's key.
        let run = run.env("SIGSTORE_REKOR_PUBLIC_KEY", sandbox.path("logs/v1.pub"));
        let run = run.args(["--rekor-url", &self.url(how.log)]);
        let run = if how.token { run.args(["--timestamp-server-url", &self.tsa_url()]) } else { run };
        if cosign == "cosign2" {
            return run;
        }
        run.args(["--use-signing-config=false", "--new-bundle-format=false"])
    }

    /// Waits until each server answers; false when one has ended, as it does when somebody else took its port.
    fn answer(&self) -> bool {
        let start = Instant::now();
        let urls = [
            format!("{}/healthz", self.url(Log::V2Ed25519)),
            format!("{}/healthz", self.url(Log::V2P256)),
            format!("{}/api/v1/log", self.url(Log::V1)),
            format!("{}/certchain", self.tsa_url()),
        ];
        for url in urls {
            while !get(&url).is_ok_and(|reply| reply.status == 200) {
                if start.elapsed() > PATIENCE || !self.all_run() {
                    return false;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        self.all_run()
    }

    /// A child that has ended stays as a zombie: the shell waits for none until the end.
    fn all_run(&self) -> bool {
        let pids = fs::read_to_string(self.folder.join("pids")).unwrap_or_default();
        pids.split_whitespace().all(|pid| {
            fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
        })
    }

    /// What the servers wrote.
    fn said(&self) -> String {
        let names = ["v2-ed25519", "v2-p256", "trillian", "v1", "tsa"];
        let logs = names.map(|name| {
            let said = fs::read_to_string(self.folder.join(format!("{name}.log"))).unwrap_or_default();
            format!("--- {name}\n{said}")
        });
        logs.concat()
    }

    fn write_configuration(&self) {
        let write = |name: String, value: &Value| {
            fs::write(self.folder.join(name), value.to_string()).expect("the folder is writable");
        };
        write("trusted_root.json".to_owned(), &self.trusted_root(&Log::ALL, true));
        for log in Log::ALL {
            for (tsa, ending) in [(false, ""), (true, "-tsa")] {
                let name = log.name();
                write(format!("trusted_root-{name}{ending}.json"), &self.trusted_root(&[log], tsa));
                write(format!("signing-config-{name}{ending}.json"), &self.signing_config(log, tsa));
            }
        }
    }

    fn trusted_root(&self, logs: &[Log], tsa: bool) -> Value {
        let valid = json!({"start": START});
        let tlogs = logs.iter().map(|log| {
            let [spki] = &*self.der(&format!("{}.pub", log.name())) else { panic!("a file holds one key") };
            let ed25519 = *log == Log::V2Ed25519;
            // C2SP signed-note for Ed25519: name, line feed, type, the 32 bytes at the key's end. Others: the whole key.
            let key = spki.last_chunk::<32>().expect("a key is longer");
            let note = [ORIGIN.as_bytes(), b"\n\x01", key].concat();
            let id = Sha256::digest(if ed25519 { &note } else { spki });
            let details = if ed25519 { "PKIX_ED25519" } else { "PKIX_ECDSA_P256_SHA_256" };
            json!({
                "baseUrl": self.url(*log),
                "hashAlgorithm": "SHA2_256",
                "publicKey": {"rawBytes": STANDARD.encode(spki), "keyDetails": details, "validFor": valid},
                "logId": {"keyId": STANDARD.encode(id)},
            })
        });
        let tlogs: Vec<Value> = tlogs.collect();
        let chain = self.der("tsa-chain.pem");
        let chain = chain.iter().map(|certificate| json!({"rawBytes": STANDARD.encode(certificate)}));
        let authority = json!({
            "subject": {"organization": "test", "commonName": "Test TSA Root"},
            "uri": self.tsa_url(),
            "certChain": {"certificates": chain.collect::<Vec<_>>()},
            "validFor": valid,
        });
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": tlogs,
            "certificateAuthorities": [],
            "ctlogs": [],
            "timestampAuthorities": if tsa { vec![authority] } else { Vec::new() },
        })
    }

    fn signing_config(&self, log: Log, tsa: bool) -> Value {
        let service = |url: String, version: u32| json!([{"url": url, "majorApiVersion": version, "validFor": {"start": START}, "operator": "test"}]);
        let version = if log == Log::V1 { 1 } else { 2 };
        let (authorities, choice) = if tsa {
            (service(self.tsa_url(), 1), json!({"selector": "ANY"}))
        } else {
            (json!([]), json!({}))
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "rekorTlogUrls": service(self.url(log), version),
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": authorities,
            "tsaConfig": choice,
        })
    }

    /// The DER of each block of a PEM file.
    fn der(&self, name: &str) -> Vec<Vec<u8>> {
        let pem = fs::read_to_string(self.folder.join(name)).expect("openssl wrote it");
        let blocks = pem.split("-----BEGIN ").skip(1).map(|block| {
            let body = block.lines().skip(1).take_while(|line| !line.starts_with("-----END "));
            STANDARD.decode(body.collect::<String>()).expect("PEM holds base64")
        });
        blocks.collect()
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        drop(self.shell.wait());
    }
}

/// What the shell does. Rekor v1 asks Trillian for a tree when it starts, and ends if nobody answers.
fn script(ports: Ports) -> String {
    let v2 = |name: &str, [http, grpc, metrics]: [u16; 3]| {
        format!(
            r#"
"$REKOR_SERVER_POSIX" serve --hostname {ORIGIN} --storage-dir log-{name} --signer-filepath {name}.pem \
  --http-port {http} --grpc-port {grpc} --http-metrics-port {metrics} --checkpoint-interval 100ms --batch-max-age 20ms \
  --persistent-antispam > {name}.log 2>&1 & servers="$servers $!""#
        )
    };
    let (ed25519, p256) = (v2("v2-ed25519", ports.v2_ed25519), v2("v2-p256", ports.v2_p256));
    let Ports { trillian, v1, tsa, .. } = ports;
    format!(
        r#"
exec 3<&0 < /dev/null
{ed25519}
{p256}
"$TRILLIAN_MEM" --rpc_endpoint 127.0.0.1:{trillian} > trillian.log 2>&1 & servers="$servers $!"
(
  until grep -q "trillian-mem on" trillian.log; do sleep 0.05; done
  exec "$REKOR_SERVER" serve --rekor_server.hostname {ORIGIN} --rekor_server.address 127.0.0.1 --port {v1} \
    --trillian_log_server.address 127.0.0.1 --trillian_log_server.port {trillian} \
    --rekor_server.signer v1.pem --enable_retrieve_api=false --log_type prod
) > v1.log 2>&1 & servers="$servers $!"
"$TIMESTAMP_SERVER" serve --host 127.0.0.1 --port {tsa} --timestamp-signer file --file-signer-key-path tsa.pem \
  --certificate-chain-path tsa-chain.pem --disable-ntp-monitoring --log-type prod \
  > tsa.log 2>&1 & servers="$servers $!"
echo $servers > pids.new && mv pids.new pids
read -r end <&3
kill -9 $servers
wait
rm -rf "$FOLDER"
"#
    )
}

/// The variable that holds a server's path.
fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

/// The keys of the logs and of the authority, its certificate and its root's.
fn make_keys(folder: &Path) {
    const P256: &str = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out";
    let openssl = |line: &str| {
        let run = Command::new("openssl").args(line.split_whitespace()).current_dir(folder).output();
        let run = run.expect("openssl starts");
        assert!(run.status.success(), "openssl {line}\n{}", String::from_utf8_lossy(&run.stderr));
    };
    openssl("genpkey -algorithm ED25519 -out v2-ed25519.pem");
    for name in ["v2-p256", "v1", "tsa", "tsa-root"] {
        openssl(&format!("{P256} {name}.pem"));
    }
    for log in Log::ALL.map(Log::name) {
        openssl(&format!("pkey -in {log}.pem -pubout -out {log}.pub"));
    }
    openssl(
        "req -x509 -new -key tsa-root.pem -days 30 -subj /O=test/CN=tsa-root -out tsa-root.crt \
         -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign",
    );
    openssl(
        "req -x509 -new -key tsa.pem -CA tsa-root.crt -CAkey tsa-root.pem -days 30 -subj /O=test/CN=tsa -out tsa.crt \
         -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
         -addext extendedKeyUsage=critical,timeStamping",
    );
    let chain =
        ["tsa.crt", "tsa-root.crt"].map(|name| fs::read(folder.join(name)).expect("openssl wrote it"));
    fs::write(folder.join("tsa-chain.pem"), chain.concat()).expect("the folder is writable");
}

/// The image in a repository of its own, by its digest.
fn pushed(sandbox: &Sandbox, registry: &Registry, repository: &str) -> String {
    let name = format!("{}/{repository}", registry.address());
    push(sandbox, "single", &name);
    format!("{name}@sha256:{SINGLE}")
}

/// Makes `peer.key` and `peer.pub`, once.
fn peer_key(sandbox: &Sandbox) {
    if !sandbox.path("peer.key").exists() {
        tool(sandbox, "cosign3").args(["generate-key-pair", "--output-key-prefix", "peer"]).expect(0);
    }
}

/// What the tests of images run.
const JUDGES: [&str; 4] = ["cosign2", "cosign3", "skopeo", "olareg"];

macro_rules! signed_by {
    ($($cosign:ident;)+) => { $(
        mod $cosign {
            #[test]
            fn images_are_verified_by_both_cosigns() {
                super::signed_by(stringify!($cosign));
            }

            #[test]
            fn attestations_are_verified_by_both_cosigns() {
                super::attested_by(stringify!($cosign));
            }
        }
    )+ };
}

signed_by! {
    cosign2;
    cosign3;
}

/// Stock verification by what a private deployment hands out, and what each flag and each missing part does.
fn signed_by(cosign: &str) {
    if !all_there(&JUDGES) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    let sandbox = Sandbox::new();
    let registry = Registry::serve(&sandbox, Kind::Olareg);
    sandbox.fixture("format/two.pub", "other.pub");
    for how in How::of(cosign) {
        let image = logs.image_signed_by(&sandbox, &registry, cosign, how);
        let (alone, others) = (how.log.name(), if how.log == Log::V1 { "v2-p256" } else { "v1" });
        // cosign says which signature is wrong by 12, which bundle is by 1.
        let refused = if how.form == Form::Sig { 12 } else { 1 };
        for judge in COSIGNS {
            let verify = |key: &str, root: &str, more: &[&str], code: i32| {
                let root = format!("logs/{root}.json");
                let flags = ["verify", "--key", key, "--trusted-root", &root, "--offline"];
                tool(&sandbox, judge).args(flags).args(more).arg(&image).expect(code);
            };
            let root_of = |log: &str| format!("trusted_root-{log}-tsa");
            verify("peer.pub", "trusted_root", &[], 0);
            verify("peer.pub", &root_of(alone), &[], 0);
            verify("peer.pub", &root_of(others), &[], refused);
            verify("other.pub", "trusted_root", &[], refused);
            // A token is demanded of bundles; of a `.sig` it is not, and one that stands there is judged.
            let timed = how.token || how.form == Form::Sig;
            let demand = ["--use-signed-timestamps"];
            verify("peer.pub", "trusted_root", &demand, i32::from(!timed));
            if how.token {
                // Nobody vouches for the authority. Of this cosign 2 dies where it reads a `.sig`.
                let dies = judge == &"cosign2" && how.form == Form::Sig;
                verify("peer.pub", &format!("trusted_root-{alone}"), &demand, if dies { 2 } else { refused });
            }
        }
    }
}

/// The same for attestations: a `.att` layer or a bundle.
fn attested_by(cosign: &str) {
    if !all_there(&JUDGES) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    let sandbox = Sandbox::new();
    let registry = Registry::serve(&sandbox, Kind::Olareg);
    sandbox.fixture("format/two.pub", "other.pub").write("predicate.json", "{\"tested\":true}\n");
    for how in How::of(cosign) {
        let image = logs.image_attested_by(&sandbox, &registry, cosign, how);
        for judge in COSIGNS {
            let verify = |key: &str, root: &str, more: &[&str], code: i32| {
                let root = format!("logs/{root}.json");
                let flags = ["verify-attestation", "--type", "custom", "--key", key];
                let flags = tool(&sandbox, judge).args(flags).args(["--trusted-root", &root, "--offline"]);
                flags.args(more).arg(&image).expect(code);
            };
            verify("peer.pub", "trusted_root", &[], 0);
            verify("peer.pub", &format!("trusted_root-{}", how.log.name()), &[], 0);
            verify(
                "peer.pub",
                if how.log == Log::V1 { "trusted_root-v2-p256" } else { "trusted_root-v1" },
                &[],
                1,
            );
            verify("other.pub", "trusted_root", &[], 1);
            // The token of a `.att` is over the layer's bytes; cosign 3 writes one over the signature's, which nobody takes.
            let code = match (how.form, cosign, *judge) {
                (Form::Sig, "cosign3", "cosign2") if how.token => 2,
                (Form::Sig, "cosign3", _) if how.token => 1,
                (Form::Sig, ..) => 0,
                (Form::Bundle, ..) => i32::from(!how.token),
            };
            verify("peer.pub", "trusted_root", &["--use-signed-timestamps"], code);
        }
    }
}

/// Message signatures, by three who do not share their code, one of them twice.
#[test]
fn blobs_are_verified_by_four() {
    if !all_there(&[COSIGNS, CLIENTS].concat()) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    let sandbox = Sandbox::new();
    sandbox.fixture("format/two.pub", "other.pub").write("other", "other\n");
    for how in How::ALL.into_iter().filter(|how| how.form == Form::Bundle) {
        // Another file each time: what a log knows already it answers with 409.
        let file = how.name();
        let bundle = format!("{file}.json");
        sandbox.write(&file, format!("{file}\n"));
        logs.sign(&sandbox, "cosign3", "sign-blob", how).args(["--bundle", &bundle, &file]).expect(0);
        for (key, file, accepted) in
            [("peer.pub", &*file, true), ("other.pub", &file, false), ("peer.pub", "other", false)]
        {
            let root = "logs/trusted_root.json";
            let files = ["--key", key, "--trusted-root", root, "--bundle", &bundle, file];
            let code = i32::from(!accepted);
            for cosign in COSIGNS {
                let verify = tool(&sandbox, cosign).arg("verify-blob").args(files);
                let verify = if *cosign == "cosign2" { verify.arg("--new-bundle-format") } else { verify };
                verify.expect(code);
            }
            let timestamps = if how.token { "1" } else { "0" };
            clients(&sandbox, timestamps, &files, code);
        }
        let more = if how.token || how.log == Log::V1 { "3" } else { "1" };
        let files =
            ["--key", "peer.pub", "--trusted-root", "logs/trusted_root.json", "--bundle", &bundle, &file];
        let judged = tool(&sandbox, "sigstore-verify").args(["--timestamps", more]).args(files).expect(1);
        judged.stdout_line("TIMESTAMP_ERROR: expected [..] timestamps, got [..]");
    }
}

/// One request to Rekor v2 by hand: logged once, then refused as known; its checkpoint and its entry are files.
#[test]
fn rekor_v2_logs_an_entry_once_and_publishes_it() {
    let Some(logs) = Logs::shared() else { return };
    let sandbox = Sandbox::new();
    openssl(&sandbox, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out own.pem");
    openssl(&sandbox, "pkey -in own.pem -pubout -outform der -out own.der");
    for log in [Log::V2Ed25519, Log::V2P256] {
        let file = log.name();
        sandbox.write(file, file);
        openssl(&sandbox, &format!("dgst -sha256 -sign own.pem -out signature {file}"));
        let request = json!({"hashedRekordRequestV002": {
            "digest": STANDARD.encode(Sha256::digest(file)),
            "signature": {
                "content": STANDARD.encode(sandbox.read("signature")),
                "verifier": {
                    "publicKey": {"rawBytes": STANDARD.encode(sandbox.read("own.der"))},
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                },
            },
        }});
        let url = format!("{}/api/v2/log/entries", logs.url(log));
        let log_it = || post(&url, "application/json", request.to_string().as_bytes()).expect("a reply");
        let logged = log_it();
        assert_eq!(logged.status, 201, "{}", String::from_utf8_lossy(&logged.body));
        let entry: Value = serde_json::from_slice(&logged.body).expect("JSON");
        let index = entry.pointer("/logIndex").and_then(Value::as_str).expect("an index");
        let known = log_it();
        assert_eq!(known.status, 409, "{}", String::from_utf8_lossy(&known.body));
        let message =
            format!("an equivalent entry already exists in the transparency log with index {index}");
        let body: Value = serde_json::from_slice(&known.body).expect("JSON");
        assert_eq!(body.pointer("/message").and_then(Value::as_str), Some(&*message));

        let tiles = logs.tiles_url(log);
        let read = |path: &str| get(&format!("{tiles}/{path}")).expect("a reply");
        let checkpoint = read("checkpoint");
        let text = String::from_utf8(checkpoint.body).expect("a note is text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((checkpoint.status, lines[0]), (200, ORIGIN), "{text}");
        let (size, index): (u64, u64) = (lines[1].parse().expect("a size"), index.parse().expect("a number"));
        assert!(size > index, "{text}");
        // 256 entries in a tile, fewer in the last one.
        let (tile, width) = (index / 256, size - index / 256 * 256);
        let part = if width < 256 { format!(".p/{width}") } else { String::new() };
        let entries = read(&format!("tile/entries/{tile:03}{part}"));
        let leaf = entry.pointer("/canonicalizedBody").and_then(Value::as_str).expect("a body");
        let leaf = STANDARD.decode(leaf).expect("base64");
        let stands = entries.body.windows(leaf.len()).any(|bytes| bytes == leaf);
        assert!(entries.status == 200 && stands, "{index} of {size}");
        // Nothing but what a log publishes.
        for path in [".state/version", "../v1.pem", "tile/../checkpoint", "tile", "nothing", ""] {
            assert_eq!(read(path).status, 404, "{path}");
        }
        assert_eq!(post(&format!("{tiles}/checkpoint"), "text/plain", b"").expect("a reply").status, 405);
    }
}

#[test]
fn openssl_takes_the_authoritys_token() {
    let Some(logs) = Logs::shared() else { return };
    let sandbox = Sandbox::new();
    logs.hand(&sandbox).write("signature", "any bytes").write("other", "other bytes");
    openssl(&sandbox, "ts -query -data signature -sha256 -cert -out query");
    let reply =
        post(&logs.tsa_url(), "application/timestamp-query", &sandbox.read("query")).expect("a reply");
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    sandbox.write("token", &reply.body);
    for (data, code) in [("signature", 0), ("other", 1)] {
        let verify = format!("ts -verify -data {data} -in token -CAfile logs/tsa-chain.pem");
        sandbox.program("openssl").args(verify.split_whitespace()).expect(code);
    }
}

/// Servers of one's own are others than the shared ones, and leave nothing.
#[test]
fn servers_end_with_their_value() {
    if !all_there(&SERVERS) {
        return;
    }
    let logs = Logs::start();
    let (folder, urls) = (logs.folder.clone(), Log::ALL.map(|log| logs.url(log)));
    let urls = [urls.as_slice(), &[logs.tsa_url()]].concat();
    assert!(folder.exists());
    drop(logs);
    assert!(!folder.exists(), "{}", folder.display());
    for url in urls {
        let error = get(&url).expect_err("nobody listens any more");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused, "{url}");
    }
}

fn openssl(sandbox: &Sandbox, line: &str) -> Outcome {
    sandbox.program("openssl").args(line.split_whitespace()).expect(0)
}
