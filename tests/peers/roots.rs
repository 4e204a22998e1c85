//! Trusted roots: what `coldsign trusted-root create` writes of a deployment, both cosigns, @sigstore/verify and sigstore-rust
//! take; what `cosign trusted-root create` writes, coldsign reads as its own.

use serde_json::Value;

use crate::logs::{Form, How, Log, Logs};
use crate::support::{Run, Sandbox};
use crate::tools::{CLIENTS, COSIGNS, Kind, Registry, all_there, clients, tool};

/// Since when the keys are good, where that is said.
const SINCE: &str = ",start-time=2026-01-01T00:00:00Z";

/// The flags that name these logs and the authority; `time` is added to each.
fn services(logs: &Logs, of: &[Log], time: &str) -> Vec<String> {
    let logs_of = of.iter().map(|log| {
        let (url, name) = (logs.url(*log), log.name());
        format!("--rekor=url={url},public-key=logs/{name}.pub{time}")
    });
    let authority = format!("--tsa=url={},certificate-chain=logs/tsa-chain.pem{time}", logs.tsa_url());
    logs_of.chain([authority]).collect()
}

fn create<'a>(sandbox: &'a Sandbox, output: &str, services: &[String]) -> Run<'a> {
    sandbox.coldsign().args(["trusted-root", "create", "-o", output]).args(services)
}

/// With a start and with none, which is 1970; a root that names the other logs is taken by nobody.
#[test]
fn everybody_takes_ours() {
    if !all_there(&[COSIGNS, CLIENTS, &["skopeo", "olareg"]].concat()) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    let sandbox = Sandbox::new();
    let registry = Registry::serve(&sandbox, Kind::Olareg);
    logs.hand(&sandbox);
    create(&sandbox, "always.json", &services(logs, &Log::ALL, "")).expect(0);
    create(&sandbox, "since.json", &services(logs, &Log::ALL, SINCE)).expect(0);
    for log in Log::ALL {
        let others: Vec<Log> = Log::ALL.into_iter().filter(|other| *other != log).collect();
        create(&sandbox, &format!("not-{}.json", log.name()), &services(logs, &others, "")).expect(0);
    }
    for how in How::ALL.into_iter().filter(|how| how.token) {
        let image = logs.image_signed_by(&sandbox, &registry, "cosign3", how);
        let (bundle, others) = (how.form == Form::Bundle, format!("not-{}.json", how.log.name()));
        let file = how.name();
        let evidence = format!("{file}.json");
        if bundle {
            sandbox.write(&file, format!("roots {file}\n"));
            logs.sign(&sandbox, "cosign3", "sign-blob", how).args(["--bundle", &evidence, &file]).expect(0);
        }
        for (root, accepted) in [("always.json", true), ("since.json", true), (&*others, false)] {
            let refused = i32::from(!accepted);
            for cosign in COSIGNS {
                let verify =
                    tool(&sandbox, cosign).args(["verify", "--key", "peer.pub", "--trusted-root", root]);
                let verify = verify.args(["--offline", "--use-signed-timestamps", &image]);
                verify.expect(if bundle { refused } else { refused * 12 });
            }
            if bundle {
                let of_file = ["--key", "peer.pub", "--trusted-root", root, "--bundle", &evidence, &file];
                for cosign in COSIGNS {
                    let verify = tool(&sandbox, cosign).arg("verify-blob").args(of_file);
                    let verify = verify.arg("--use-signed-timestamps");
                    let verify =
                        if *cosign == "cosign2" { verify.arg("--new-bundle-format") } else { verify };
                    verify.expect(refused);
                }
                clients(&sandbox, "1", &of_file, refused);
            }
        }
    }
}

/// Each cosign's root of the same services says the same as ours, and coldsign verifies with it.
#[test]
fn cosigns_are_read() {
    if !all_there(COSIGNS) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    let sandbox = Sandbox::new();
    logs.hand(&sandbox);
    let how = How { form: Form::Bundle, log: Log::V2Ed25519, token: true };
    sandbox.write("file", "roots of cosign\n");
    logs.sign(&sandbox, "cosign3", "sign-blob", how).args(["--bundle", "file.json", "file"]).expect(0);
    let files = |root: &str| {
        ["--key", "peer.pub", "--bundle", "file.json", "--trusted-root", root, "file"].map(str::to_owned)
    };
    let ended = format!("{SINCE},end-time=2036-12-31T23:59:59Z");
    for (case, time) in [("open", SINCE), ("ended", &ended)] {
        let services = services(logs, &Log::ALL, time);
        let ours = format!("ours-{case}.json");
        create(&sandbox, &ours, &services).expect(0);
        // In cosign 2 the logs stand in any order.
        let read = |root: &str| {
            let inspect = ["trusted-root", "inspect", "--format", "json", root];
            let said = sandbox.coldsign().args(inspect).expect(0);
            let mut value: Value = serde_json::from_str(said.stdout_text()).expect("JSON");
            let logs = value.get_mut("logs").and_then(Value::as_array_mut).expect("a list");
            logs.sort_by_key(|log| log["id"].to_string());
            value
        };
        for cosign in COSIGNS {
            let theirs = |name: &str, origin: &str| {
                let services = services.iter().map(|service| {
                    let origin = if service.starts_with("--rekor") { origin } else { "" };
                    format!("{service}{origin}")
                });
                let root = format!("{cosign}-{case}{name}.json");
                tool(&sandbox, cosign)
                    .args(["trusted-root", "create", "--out", &root])
                    .args(services)
                    .expect(0);
                root
            };
            let root = theirs("", ",origin=localhost");
            assert_eq!(read(&root), read(&ours), "{cosign}, {case}");
            let verify = sandbox.coldsign().arg("verify-blob").args(files(&root));
            verify.args(["--tsa", "require"]).expect(0);
            let judge = |root: &str| {
                tool(&sandbox, cosign).args(["verify-blob", "--new-bundle-format"]).args(files(root))
            };
            judge(&root).expect(0);
            // Without the origin cosign computes another id for an Ed25519 log, and no entry has it.
            let root = theirs("-no-origin", "");
            let refused = sandbox.coldsign().arg("verify-blob").args(files(&root)).expect(61);
            assert!(refused.stderr_text().contains("error[LOG-REQUIRED]"), "{refused}");
            judge(&root).expect(1);
        }
    }
}
