//! Signed in the dark, logged later: what coldsign tells real logs and a real authority, and brings back, both cosigns,
//! skopeo, @sigstore/verify and sigstore-rust accept, with nothing but what a private deployment hands out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::documented::{PAGE, blocks, pull};
use crate::logs::{Log, Logs};
use crate::registries::{SINGLE, push};
use crate::support::{Outcome, Run, Sandbox};
use crate::tools::{COSIGNS, Kind, Registry, all_there, clients, tool};
use crate::wire::get;
use crate::written::UNLOCK;

/// What judges.
const JUDGES: [&str; 7] =
    ["cosign2", "cosign3", "skopeo", "oras", "olareg", "sigstore-verify", "sigstore-verify-rust"];

/// A station with an image in a registry of its own, a key, and a response in both forms, with a file, that no log knows.
struct Dark {
    sandbox: Sandbox,
    // Serves until the value is dropped.
    registry: Registry,
    /// The image without its tag.
    name: String,
    image: String,
}

impl Dark {
    fn new(logs: &Logs, repository: &str) -> Self {
        let sandbox = Sandbox::new();
        let registry = Registry::serve(&sandbox, Kind::Olareg);
        let name = format!("{}/{repository}", registry.address());
        push(&sandbox, "single", &name);
        let image = format!("{name}:1.4");
        logs.hand(&sandbox);
        sandbox.write("pass", "a passphrase for the test\n");
        sandbox.signer().args(["init", "--home", "home"]).expect(0);
        let generate = ["key", "generate", "release", "--use", "image", "--use", "blob"];
        sandbox.signer().args(generate).args(UNLOCK).expect(0);
        let public = sandbox.signer().args(["key", "public", "release"]).args(UNLOCK).expect(0);
        sandbox.write("release.pub", public.stdout_bytes());
        sandbox.write("file", format!("{repository}\n"));
        let exported =
            sandbox.coldsign().args(["export", "-o", "request.tar", "--blob", "file", &image]).expect(0);
        let digest = exported.stdout_text().trim_end().to_owned();
        let sign = ["sign", "request.tar", "--key", "release", "--approve", &digest, "-o", "response.tar"];
        sandbox.signer().args(sign).args(UNLOCK).expect(0);
        Self { sandbox, registry, name, image }
    }

    fn submit<'a>(&'a self, logs: &Logs, log: Log, response: &str, output: &str) -> Run<'a> {
        self.asked(logs, log, response, output).args(["--yes"])
    }

    /// The same, and nobody said yes.
    fn asked<'a>(&'a self, logs: &Logs, log: Log, response: &str, output: &str) -> Run<'a> {
        let run = self.sandbox.coldsign().args(["log", "submit", response, "-o", output]);
        let run = run.args(["--trusted-root", "logs/trusted_root.json", "--rekor-url", &logs.url(log)]);
        match log {
            Log::V1 => run,
            _ => run.args(["--rekor-tiles-url", &logs.tiles_url(log), "--tsa-url", &logs.tsa_url()]),
        }
    }

    fn import(&self, response: &str, attach: &str, more: &[&str]) -> Outcome {
        let import = ["import", response, "--key", "release.pub", "--attach", attach];
        self.sandbox.coldsign().args(import).args(more).expect(0)
    }

    /// Both cosigns, with the trusted root, and no `--insecure` flag anywhere.
    fn cosigns(&self, more: &[&str], code: i32) {
        for cosign in COSIGNS {
            let root = ["--trusted-root", "logs/trusted_root.json", "--offline"];
            let run = tool(&self.sandbox, cosign).args(["verify", "--key", "release.pub"]).args(root);
            run.args(more).arg(&self.image).expect(code);
        }
    }

    /// Skopeo pulls by the page's policy that demands a log entry, with this log's key in it.
    fn skopeo(&self, log: Log, code: i32) {
        let file = |name: &str| self.sandbox.path(name).to_string_lossy().into_owned();
        let key = format!("logs/{}.pub", log.name());
        let mut requirement = requirement();
        let members = requirement.as_object_mut().expect("an object");
        members.insert("keyPath".to_owned(), json!(file("release.pub")));
        members.insert("rekorPublicKeyPath".to_owned(), json!(file(&key)));
        self.pull(&requirement, code);
        // The same key in the policy itself.
        let members = requirement.as_object_mut().expect("an object");
        members.remove("rekorPublicKeyPath");
        members.insert("rekorPublicKeyData".to_owned(), json!(STANDARD.encode(self.sandbox.read(&key))));
        self.pull(&requirement, code);
    }

    /// Skopeo pulls by this requirement alone.
    fn pull(&self, requirement: &Value, code: i32) {
        let policy = json!({
            "default": [{"type": "reject"}],
            "transports": {"docker": {&self.name: [requirement]}},
        });
        let registries =
            format!("docker: {{\"{}\": {{use-sigstore-attachments: true}}}}\n", self.registry.address());
        self.sandbox.write("policy.json", policy.to_string()).write("registries.d/registry.yaml", registries);
        pull(&self.sandbox, &self.name, code);
    }

    /// The bundles of the image: that of no log in `dark.json`, the other one in `logged.json`.
    fn download_bundles(&self) {
        let found = self.sandbox.coldsign().args(["download", "signature", &self.image]).expect(0);
        let lines: Vec<&str> = found.stdout_text().lines().collect();
        assert_eq!(lines.len(), 2, "{found}");
        for line in lines {
            let bundle: Value = serde_json::from_str(line).expect("JSON");
            let logged = bundle.pointer("/verificationMaterial/tlogEntries/0").is_some();
            self.sandbox.write(if logged { "logged.json" } else { "dark.json" }, line);
        }
    }

    /// The bundle of the file, taken out of a response.
    fn extract_file(&self, response: &str, folder: &str) -> String {
        self.sandbox.coldsign().args(["extract", response, "--output-dir", folder]).expect(0);
        let found = std::fs::read_dir(self.sandbox.path(folder)).expect("a folder").filter_map(|entry| {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            (name.starts_with("2-") && name.contains("bundle")).then_some(name)
        });
        let holds = |name: &String| {
            let bytes = self.sandbox.read(format!("{folder}/{name}"));
            String::from_utf8_lossy(&bytes).contains("messageSignature")
        };
        let name = found.into_iter().find(holds).expect("the file's bundle");
        format!("{folder}/{name}")
    }
}

/// What `docs/verifiers.md` says a policy must hold, so that skopeo demands an entry.
fn requirement() -> Value {
    let found = blocks(PAGE, "json").into_iter().find(|block| block.contains("rekorPublicKeyPath"));
    serde_json::from_str(&found.expect("the page shows it")).expect("JSON")
}

/// A `.sig` that was signed in the dark gets its entry later: cosign 2 and 3 by the variable and by the trusted root; the dark
/// layer stays beside it.
#[test]
fn sigs_in_rekor_v1() {
    if !all_there(&JUDGES) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    let dark = Dark::new(logs, "later/sig");
    dark.import("response.tar", "sig", &[]);
    dark.cosigns(&[], 12);
    dark.submit(logs, Log::V1, "response.tar", "logged.tar").expect(0).stderr_line("3 log entries; [..]");
    let imported = dark.import("logged.tar", "sig", &["--trusted-root", "logs/trusted_root.json"]);
    imported.stderr_line("pushed [..] 1 .sig");
    dark.cosigns(&[], 0);
    for cosign in COSIGNS {
        let key = tool(&dark.sandbox, cosign).env("SIGSTORE_REKOR_PUBLIC_KEY", "logs/v1.pub");
        key.args(["verify", "--key", "release.pub", "--offline", &dark.image]).expect(0);
    }
    // Neither takes the other's place.
    let found = dark.sandbox.coldsign().args(["download", "signature", &dark.image]).expect(0);
    assert_eq!(found.stdout_text().lines().count(), 2, "{found}");
    dark.import("response.tar", "sig", &[]).stderr_line("unchanged [..]");
    dark.import("logged.tar", "sig", &[]).stderr_line("unchanged [..]");
    dark.cosigns(&[], 0);
    let verify = ["verify", "--key", "release.pub", "--rekor-key", "logs/v1.pub", &dark.image];
    dark.sandbox.coldsign().args(verify).expect(0).stderr_line("form: .sig, 1 of 2 valid");
}

/// Skopeo with the log's key refuses a `.sig` of no log, and takes one that was logged later, whichever of the two stands
/// first.
#[test]
fn skopeo_demands_the_entry() {
    if !all_there(&JUDGES) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    let root = ["--trusted-root", "logs/trusted_root.json"];
    let dark = Dark::new(logs, "later/skopeo");
    dark.import("response.tar", "sig", &[]);
    dark.skopeo(Log::V1, 1);
    let mut without = requirement();
    let members = without.as_object_mut().expect("an object");
    members.insert("keyPath".to_owned(), json!(dark.sandbox.path("release.pub").to_string_lossy()));
    members.remove("rekorPublicKeyPath");
    dark.pull(&without, 0);
    dark.submit(logs, Log::V1, "response.tar", "logged.tar").expect(0);
    dark.import("logged.tar", "sig", &root);
    dark.skopeo(Log::V1, 0);
    // Another log's key: its promise is nobody's.
    dark.skopeo(Log::V2P256, 1);

    // Two layers now, the dark one first; the other way round, as somebody else may write it.
    let tag = format!("{}:sha256-{SINGLE}.sig", dark.name);
    let fetched = tool(&dark.sandbox, "oras").args(["manifest", "fetch", "--plain-http", &tag]).expect(0);
    let mut manifest: Value = serde_json::from_str(fetched.stdout_text()).expect("JSON");
    let layers = manifest["layers"].as_array_mut().expect("a list");
    let logged = |layer: &Value| layer["annotations"].get("dev.sigstore.cosign/bundle").is_some();
    assert_eq!(layers.iter().map(logged).collect::<Vec<_>>(), [false, true]);
    layers.reverse();
    dark.sandbox.write("reversed.json", manifest.to_string());
    let push = tool(&dark.sandbox, "oras").args(["manifest", "push", "--plain-http", &tag, "reversed.json"]);
    push.expect(0);
    dark.skopeo(Log::V1, 0);
    dark.skopeo(Log::V2P256, 1);
    // Where the logged one stands, import adds no dark one.
    let logged = Dark::new(logs, "later/skopeo-logged-first");
    logged.submit(logs, Log::V1, "response.tar", "logged.tar").expect(0);
    logged.import("logged.tar", "sig", &root);
    logged.skopeo(Log::V1, 0);
    logged.import("response.tar", "sig", &[]).stderr_line("unchanged [..] 1 .sig");
    logged.skopeo(Log::V1, 0);
}

/// Bundles, in each log: cosign 3 without any insecure flag, cosign 2, and @sigstore/verify, also where a token is demanded.
#[test]
fn bundles_in_every_log() {
    if !all_there(&JUDGES) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    for log in Log::ALL {
        let dark = Dark::new(logs, &format!("later/bundle-{}", log.name()));
        dark.import("response.tar", "bundle", &[]);
        dark.cosigns(&[], 1);
        dark.submit(logs, log, "response.tar", "logged.tar").expect(0);
        let root = ["--trusted-root", "logs/trusted_root.json"];
        dark.import("logged.tar", "bundle", &root).stderr_line("pushed [..] 1 bundle");
        dark.cosigns(&[], 0);
        dark.cosigns(&["--use-signed-timestamps"], i32::from(log == Log::V1));
        let verify = dark.sandbox.coldsign().args(["verify", "--key", "release.pub"]).args(root);
        let said = verify.arg(&dark.image).expect(0);
        said.stderr_line("form: bundle, 1 of 2 valid");
        // By clients that know no registries: the image's manifest is what the statement is about.
        dark.download_bundles();
        let timestamps = if log == Log::V1 { "0" } else { "1" };
        let manifest = format!("single/blobs/sha256/{SINGLE}");
        for (bundle, artifact, code) in
            [("logged.json", &*manifest, 0), ("dark.json", &manifest, 1), ("logged.json", "file", 1)]
        {
            let of_image = ["--key", "release.pub", root[0], root[1], "--bundle", bundle, artifact];
            clients(&dark.sandbox, timestamps, &of_image, code);
        }
        // The file's signature is in the same log.
        let bundle = dark.extract_file("logged.tar", "out");
        let of_file = ["--key", "release.pub", root[0], root[1], "--bundle", &bundle, "file"];
        for cosign in COSIGNS {
            let verify = tool(&dark.sandbox, cosign).arg("verify-blob").args(of_file);
            if *cosign == "cosign2" { verify.arg("--new-bundle-format") } else { verify }.expect(0);
        }
        clients(&dark.sandbox, timestamps, &of_file, 0);
        dark.sandbox.coldsign().arg("verify-blob").args(of_file).expect(0);
    }
}

/// What will be published is said before anybody is asked, and without a yes it is not.
#[test]
fn nothing_is_published_unasked() {
    if !all_there(&JUDGES) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    for log in Log::ALL {
        let dark = Dark::new(logs, &format!("later/unasked-{}", log.name()));
        let hash = dark.sandbox.program("sha256sum").arg("file").expect(0);
        let (hash, _) = hash.stdout_text().split_once(' ').expect("a hash");
        let asked = dark.asked(logs, log, "response.tar", "logged.tar").expect(2);
        asked
            .stderr_line("to be published by [..], for everybody and for ever:")
            .stderr_line("  the P-256 key");
        asked.stderr_line(&format!("    sha256:{hash}"));
        asked.stderr_line("  nothing was published, nothing was written");
        dark.sandbox.no_file("logged.tar");
        let told = dark.submit(logs, log, "response.tar", "logged.tar").expect(0);
        assert!(!told.stderr_text().contains("the log had already"), "{told}");
    }
}

/// The same command again changes nothing; what the log has already is found in it, also after a run that was killed.
#[test]
fn submitted_again_and_again() {
    if !all_there(&JUDGES) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    for log in Log::ALL {
        let dark = Dark::new(logs, &format!("later/again-{}", log.name()));
        dark.submit(logs, log, "response.tar", "first.tar").expect(0);
        // From the dark response: the log says that it knows them.
        let again = dark.submit(logs, log, "response.tar", "second.tar").expect(0);
        assert!(again.stderr_text().contains("of which the log had already; "), "{again}");
        // From the logged one: nothing is asked, and nothing changes.
        let nothing = dark.submit(logs, log, "first.tar", "third.tar").expect(0);
        nothing.stderr_line("0 log entries; 0 timestamps; [..]");
        assert_eq!(dark.sandbox.read("first.tar"), dark.sandbox.read("third.tar"));
        // Killed at any moment, the next run ends with a response in which every signature is logged.
        for wait in [5, 20, 40, 80, 160, 320] {
            let output = format!("killed-{wait}.tar");
            let running = dark.submit(logs, log, "response.tar", &output).start();
            std::thread::sleep(std::time::Duration::from_millis(wait));
            let _ = rustix::process::kill_process(running.pid(), rustix::process::Signal::KILL);
            running.finish();
            let whole = dark.sandbox.path(&output).exists();
            let next = dark.submit(logs, log, "response.tar", &output).expect(i32::from(whole));
            assert_eq!(next.stderr_text().starts_with("error[OUT-EXISTS]: "), whole, "{next}");
            dark.sandbox.no_file(format!("{output}.journal"));
            let all = dark.submit(logs, log, &output, &format!("whole-{wait}.tar")).expect(0);
            all.stderr_line("0 log entries; 0 timestamps; [..]");
        }
    }
}

/// Looking up and logging in one go: `verify --rekor-url`, `import --rekor-url`.
#[test]
fn looked_up_and_imported() {
    if !all_there(&JUDGES) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    let dark = Dark::new(logs, "later/looked-up");
    dark.import("response.tar", "sig", &[]);
    let root = ["--trusted-root", "logs/trusted_root.json"];
    let url = logs.url(Log::V1);
    let verify = || {
        let verify = dark.sandbox.coldsign().args(["verify", "--key", "release.pub", "--rekor-url", &url]);
        verify.args(root).arg(&dark.image)
    };
    let absent = verify().expect(12);
    assert!(absent.stderr_text().starts_with("error[LOG-ABSENT]: "), "{absent}");
    dark.submit(logs, Log::V1, "response.tar", "logged.tar").expect(0);
    verify()
        .expect(0)
        .stderr_line("  log entry [..]: verified, localhost (logs/trusted_root.json), [..], looked up");
    // A log that is not the one that is trusted is never believed.
    let other = dark.sandbox.coldsign().args(["verify", "--key", "release.pub", "--rekor-url", &url]);
    let other = other.args(["--trusted-root", "logs/trusted_root-v2-p256.json"]).arg(&dark.image).expect(12);
    assert!(other.stderr_text().starts_with("error[LOG-REQUIRED]: "), "{other}");
    // All at once, and again without a change.
    let both = Dark::new(logs, "later/imported");
    let more = [root[0], root[1], "--rekor-url", &url, "--yes"];
    both.import("response.tar", "both", &more).stderr_line("pushed [..] 1 .sig, 1 bundle");
    both.cosigns(&[], 0);
    both.import("response.tar", "both", &more).stderr_line("unchanged [..] 1 .sig, 1 bundle");
}

/// An entry that came by file: Rekor's own answers.
#[test]
fn entries_that_came_by_file() {
    if !all_there(&JUDGES) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    let dark = Dark::new(logs, "later/by-file");
    dark.submit(logs, Log::V1, "response.tar", "there.tar").expect(0);
    let root = ["--trusted-root", "logs/trusted_root.json"];
    let inspected = dark.sandbox.coldsign().args(["inspect", "--format", "json", "there.tar"]).expect(0);
    let value: serde_json::Value = serde_json::from_str(inspected.stdout_text()).expect("JSON");
    let mut indexes = Vec::new();
    collect(&value, &mut indexes);
    indexes.sort_unstable();
    indexes.dedup();
    assert_eq!(indexes.len(), 3, "{value}");
    let files: Vec<String> = indexes
        .iter()
        .map(|index| {
            let reply = get(&format!("{}/api/v1/log/entries?logIndex={index}", logs.url(Log::V1)));
            let name = format!("entry-{index}.json");
            dark.sandbox.write(&name, reply.expect("an answer").body);
            name
        })
        .collect();
    let entries = files.iter().flat_map(|file| ["--entry", file.as_str()]);
    let add = dark.sandbox.coldsign().args(["log", "add", "response.tar", "-o", "added.tar"]).args(root);
    add.args(entries).expect(0).stderr_line("3 files: 3 attached, 0 there already");
    dark.import("added.tar", "both", &root);
    dark.cosigns(&[], 0);
    // One of another response is nobody's here.
    let other = Dark::new(logs, "later/by-file-other");
    other.sandbox.write("entry.json", dark.sandbox.read(&files[0]));
    let add = ["log", "add", "response.tar", "-o", "x.tar", "--entry", "entry.json", root[0], root[1]];
    let refused = other.sandbox.coldsign().args(add).expect(61);
    assert!(refused.stderr_text().starts_with("error[LOG-SIGNATURE]: "), "{refused}");
    other.sandbox.no_file("x.tar");
}

/// Every number that stands beside an `index` of a log entry.
fn collect(value: &serde_json::Value, indexes: &mut Vec<u64>) {
    match value {
        serde_json::Value::Object(members) => {
            if let (Some(index), true) =
                (members.get("logIndex").and_then(serde_json::Value::as_u64), members.contains_key("logId"))
            {
                indexes.push(index);
            }
            members.values().for_each(|member| collect(member, indexes));
        }
        serde_json::Value::Array(elements) => elements.iter().for_each(|element| collect(element, indexes)),
        _ => {}
    }
}
