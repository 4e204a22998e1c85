//! Responses with log entries and timestamps beside their signatures: how they are shown, signed once more, combined,
//! imported and verified. The logs are those of `support/log`, which shares no code with `coldsign`.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::format::json::{Names, Value as Strict};
use coldsign::format::log::{Entry, Material};
use coldsign::keys::public::PublicKey;
use coldsign::response::{Place, Response};
use serde_json::Value;

use crate::log::{Log, TIME, dsse, hashed_rekord, leaf, trusted_root};
use crate::station::{INDEX, Station};
use crate::support::{Sandbox, fixture};

fn key(station: &Station, name: &str) -> PublicKey {
    PublicKey::from_pem(&station.read(format!("{name}.pub"))).unwrap()
}

/// An entry as a reader of bundles has it.
fn in_bundle(entry: &crate::log::Entry) -> Entry {
    let text = format!("[{}]", entry.in_bundle());
    let value = Strict::parse(text.as_bytes(), 16, Names::Exact).unwrap();
    Entry::read_all(Some(&value)).unwrap().remove(0)
}

/// What the logs of Rekor v1 and, in bundles, of Rekor v2 give for every signature of a key.
fn log(station: &Station, input: &str, name: &str, log: &Log, output: &str) {
    let mut response = Response::read(&station.read(input).into()).unwrap();
    let key = key(station, name);
    let places: Vec<Place> = response.signer(&key.id()).unwrap().signatures().keys().copied().collect();
    let mut changed = 0;
    for (number, place) in (1..).zip(places) {
        let signed = response.of(place, &key.id()).unwrap();
        let (text, spki) = (signed.of().text.to_owned(), key.spki());
        let mut entries = Vec::new();
        match place {
            Place::Payload(group, unit) => {
                let payload = &response.request().groups()[group].payloads[unit].payload;
                let body = hashed_rekord(&payload.digest.hex(), &text, spki);
                entries.push(in_bundle(&log.enter("hashedrekord", number, &body)));
            }
            Place::Statement(statement) => {
                let unit = &response.request().statements()[statement];
                let statement = response.request().blob(&unit.statement.digest).unwrap();
                let body = dsse(&signed.envelope().unwrap(), statement, &text, spki);
                entries.push(in_bundle(&log.enter("dsse", number, &body)));
                let pae = [
                    format!("DSSEv1 28 application/vnd.in-toto+json {} ", statement.len()).as_bytes(),
                    statement,
                ]
                .concat();
                entries.push(in_bundle(&Log::v2(1).enter("hashedrekord", 0, &leaf(&pae, &text, spki))));
            }
            Place::File(_) => unreachable!("no file is asked for"),
        }
        let material = Material { entries, tokens: Vec::new() };
        changed += usize::from(response.add_material(&key.id(), place, material.clone()).unwrap());
        assert!(!response.add_material(&key.id(), place, material).unwrap(), "a second time changes nothing");
    }
    assert!(changed > 0);
    let file = response.render();
    file.check_limits().unwrap();
    station.write(output, file.to_bytes());
}

/// With `response.tar`, dark, `logged.tar` and `root.json`, which trusts the logs.
fn logged() -> Station {
    let station = Station::with_response();
    log(&station, "response.tar", "release", &Log::v1(1), "logged.tar");
    station.write("root.json", trusted_root(&[&Log::v1(1), &Log::v2(1)]));
    station
}

const BOTH: [&str; 4] = ["--key", "release.pub", "--attach", "both"];

/// The layers of the `.sig` of the index, and how many bundles refer to it.
fn beside(station: &Station) -> (Vec<Value>, usize) {
    let index: Value = serde_json::from_slice(&station.read("layout/index.json")).unwrap();
    let read = |entry: &Value| -> Value {
        let digest = entry["digest"].as_str().unwrap().replace(':', "/");
        serde_json::from_slice(&station.read(format!("layout/blobs/{digest}"))).unwrap()
    };
    let name = format!("{}.sig", INDEX.replace(':', "-"));
    let entries = index["manifests"].as_array().unwrap();
    let sig = entries
        .iter()
        .find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == name.as_str());
    let layers = sig.map_or_else(Vec::new, |sig| read(sig)["layers"].as_array().unwrap().clone());
    let referrers =
        entries.iter().map(read).filter(|manifest| manifest["subject"]["digest"] == INDEX).count();
    (layers, referrers)
}

#[test]
fn what_is_shown() {
    let station = logged();
    let outcome = station.coldsign().args(["inspect", "logged.tar"]).expect(0);
    outcome.stdout_line("  beside: 12 log entries, not checked here");
    outcome.stdout_line(".sig 1 by a3256919 64b3a3e9: hashedrekord 0.0.1, index 1, log [..],");
    assert!(outcome.stdout_text().lines().all(|line| line.len() <= 80), "{outcome}");
    assert!(outcome.stdout_text().contains("claims 2025-06-15T15:06:40Z"), "{outcome}");
    let json = station.coldsign().args(["inspect", "--format", "json", "logged.tar"]).expect(0);
    let json: Value = serde_json::from_slice(json.stdout_bytes()).unwrap();
    let entries = json["signers"][0]["logEntries"].as_array().unwrap();
    assert_eq!(entries.len(), 12);
    let first = &entries[0];
    assert_eq!(
        (&first["form"], &first["items"][0], &first["logIndex"]),
        (&".sig".into(), &1.into(), &1.into())
    );
    assert_eq!((&first["integratedTime"], &first["state"]), (&TIME.into(), &"unchecked".into()));
    assert_eq!(json["signers"][0]["timestamps"], Value::Array(Vec::new()));
    // A dark one says nothing of it.
    let dark = station.coldsign().args(["inspect", "response.tar"]).expect(0);
    assert!(!dark.stdout_text().contains("log"), "{dark}");
    // On the sealed side they are counted.
    let sealed = station.signer().args(["inspect", "logged.tar"]).expect(0);
    sealed.stdout_line("  beside: 12 log entries, not checked here");
}

#[test]
fn a_second_signer_keeps_what_is_there() {
    let station = logged();
    station.sign("logged.tar", &["--key", "second"], "both.tar");
    station.sign("response.tar", &["--key", "second"], "dark.tar");
    let read = |name: &str| Response::read(&station.read(name).into()).unwrap();
    let (before, after) = (read("logged.tar"), read("both.tar"));
    let (release, second) = (key(&station, "release").id(), key(&station, "second").id());
    assert_eq!(after.signer(&release).unwrap().material(), before.signer(&release).unwrap().material());
    assert!(after.signer(&second).unwrap().material().is_empty());
    // In whatever order they meet.
    for files in [["logged.tar", "dark.tar"], ["dark.tar", "logged.tar"], ["both.tar", "response.tar"]] {
        let name = format!("{}.union", files[0]);
        station.coldsign().args(["combine", "-o", &name]).args(files).expect(0);
        station.same(&name, "both.tar");
    }
    // Signing again with the same key changes nothing.
    station.sign("logged.tar", &["--key", "release"], "again.tar");
    station.same("again.tar", "logged.tar");
}

#[test]
fn imported_and_verified() {
    let station = logged();
    let trusted = ["--trusted-root", "root.json"];
    let import = |file: &str| station.importing(&[file]).args(BOTH).args(trusted);
    import("logged.tar").expect(0).stderr_line("pushed     registry.example/team/app:1.4[..]");
    assert_eq!((beside(&station).0.len(), beside(&station).1), (1, 1));
    let verify = |more: &[&str], code| {
        station.coldsign().args(["verify", "--key", "release.pub", "oci:layout:v1"]).args(more).expect(code)
    };
    verify(&trusted, 0).stderr_line("form: .sig, 1 of 1 valid; bundle, 1 of 1 valid; log: verified[..]");
    verify(&["--trusted-root", "root.json", "--log-threshold", "2"], 0);
    // Again, and the dark one: what stands there has it all.
    let before = station.below("layout");
    import("logged.tar").expect(0).stderr_line("unchanged  registry.example/team/app:1.4[..]");
    station.importing(&["response.tar"]).args(BOTH).expect(0).stderr_line("unchanged  registry[..]");
    assert!(station.below("layout") == before);
}

#[test]
fn a_dark_layer_stays_beside_the_logged_one() {
    let station = logged();
    station.importing(&["response.tar"]).args(BOTH).expect(0);
    let (dark, _) = beside(&station);
    let trusted = ["--trusted-root", "root.json"];
    let verify = |more: &[&str]| {
        let run = station.coldsign().args(["verify", "--key", "release.pub", "oci:layout:v1"]);
        run.args(trusted).args(more).expect(0)
    };
    verify(&["--log", "if-present"]).stderr_line("form: [..]; log: absent");
    let dry = station.importing(&["logged.tar", "--dry-run"]).args(BOTH).args(trusted).expect(0);
    dry.stderr_line("would push registry.example/team/app:1.4[..]");
    station.importing(&["logged.tar"]).args(BOTH).args(trusted).expect(0);
    let (layers, referrers) = beside(&station);
    assert_eq!((layers.len(), referrers, &layers[0]), (2, 2, &dark[0]));
    verify(&[]).stderr_line("form: .sig, 1 of 2 valid; bundle, 1 of 2 valid; log: verified[..]");
    // An entry of another log is another layer; both bundles stay, and a third has all of it.
    log(&station, "response.tar", "release", &Log::v1(2), "other.tar");
    station.importing(&["other.tar"]).args(BOTH).expect(0);
    let (more, referrers) = beside(&station);
    assert_eq!((more.len(), referrers, &more[..2]), (3, 3, &layers[..]));
    // What stands there has everything of each.
    let before = station.below("layout");
    for file in ["response.tar", "logged.tar", "other.tar"] {
        station.importing(&[file]).args(BOTH).expect(0).stderr_line("unchanged  registry[..]");
    }
    assert!(station.below("layout") == before);
    // `copy` carries each of them, and `tree` counts them.
    station.coldsign().args(["copy", "oci:layout:v1", "oci:copied:v1"]).expect(0);
    station.coldsign().args(["verify", "--key", "release.pub", "oci:copied:v1"]).args(trusted).expect(0);
    let download = |place: &str| {
        let run = station.coldsign().args(["download", "signature", place]).expect(0);
        run.stdout_text().to_owned()
    };
    assert_eq!(download("oci:copied:v1"), download("oci:layout:v1"));
    assert_eq!(download("oci:layout:v1").lines().count(), 6);
    let tree = station.coldsign().args(["tree", "oci:layout:v1"]).expect(0);
    assert_eq!(
        station.coldsign().args(["tree", "oci:copied:v1"]).expect(0).stdout_text().lines().count(),
        tree.stdout_text().lines().count()
    );
}

#[test]
fn what_does_not_hold_is_not_pushed() {
    let station = logged();
    // Demanded, and not there.
    let refused = station
        .refused(station.importing(&["response.tar"]).args(BOTH).args(["--trusted-root", "root.json"]), 61);
    refused.stderr_line("error[LOG-REQUIRED]: [..]").stderr_line("  nothing was pushed");
    // Bound to the signature, and not the log's: a file is nobody's word.
    let mut forged = Response::read(&station.read("response.tar").into()).unwrap();
    let id = key(&station, "release").id();
    let places: Vec<Place> = forged.signer(&id).unwrap().signatures().keys().copied().collect();
    for place in places {
        let Place::Payload(group, unit) = place else { continue };
        let digest = forged.request().groups()[group].payloads[unit].payload.digest.hex();
        let text = forged.of(place, &id).unwrap().of().text.to_owned();
        let mut entry = Log::v1(1).enter(
            "hashedrekord",
            1,
            &hashed_rekord(&digest, &text, key(&station, "release").spki()),
        );
        entry.time += 1;
        let material = Material { entries: vec![in_bundle(&entry)], tokens: Vec::new() };
        assert!(forged.add_material(&id, place, material).unwrap());
    }
    station.write("forged.tar", forged.render().to_bytes());
    let trusted = ["--trusted-root", "root.json", "--log", "if-present"];
    let sig = ["--key", "release.pub"];
    let refused = station.refused(station.importing(&["forged.tar"]).args(sig).args(trusted), 61);
    refused
        .stderr_line("error[LOG-SET]: promise (SET) is not the log's: [..]")
        .stderr_line("  nothing was pushed");
    // Without trust it is unchecked, and pushed. Beside that the dark signature goes as a layer of its own, once it is
    // known that the other one does not hold.
    station.importing(&["forged.tar"]).args(sig).expect(0);
    let (before, _) = beside(&station);
    station.importing(&["response.tar"]).args(sig).expect(0).stderr_line("unchanged  registry[..]");
    station
        .importing(&["response.tar"])
        .args(sig)
        .args(trusted)
        .expect(0)
        .stderr_line("pushed     registry[..]");
    let (layers, _) = beside(&station);
    assert_eq!((before.len(), layers.len()), (1, 2));
    station.coldsign().args(["verify", "--key", "release.pub", "oci:layout:v1"]).args(trusted).expect(0);
}

#[test]
fn extracted_for_cosign_and_attached_again() {
    let station = logged();
    station.coldsign().args(["extract", "logged.tar", "--output-dir", "out"]).expect(0);
    let file = |kind: &str| format!("out/1-{}-{}.{kind}", &INDEX[7..19], key(&station, "release").id().hex());
    let kept: Value = serde_json::from_slice(&station.read(file("cosign.bundle"))).unwrap();
    assert_eq!(kept["base64Signature"].as_str().unwrap().as_bytes(), station.read(file("b64")));
    assert_eq!(kept["rekorBundle"]["Payload"]["logIndex"], 1);
    let payload = format!("out/1-{}.payload", &INDEX[7..19]);
    let (b64, cosigns) = (file("b64"), file("cosign.bundle"));
    let attach = |key: &str, signature: &str, response: &str| {
        let command =
            ["attach", "signature", "oci:layout:v1", "--payload", &payload, "--signature", signature];
        station.coldsign().args(command).args(["--key", key, "--rekor-response", response])
    };
    let attached = attach("release.pub", &b64, &cosigns).expect(0);
    attached.stderr_line("log entry: index 1, log [..],");
    attached.stderr_line("           of this signature; who made it is not checked here");
    let verified = ["verify", "--key", "release.pub", "--trusted-root", "root.json", "oci:layout:v1"];
    station.coldsign().args(verified).expect(0);
    attach("release.pub", &b64, &cosigns).expect(0).stderr_line("unchanged  [..]");
    // The annotation alone, and what is none.
    station.write("annotation.json", kept["rekorBundle"].to_string());
    attach("release.pub", &b64, "annotation.json").expect(0);
    for (text, code, line) in [
        ("{\"base64Signature\":\"AAAA\"}", 12, "error[SIG-LOG]: [..]"),
        ("[]", 12, "error[SIG-LOG]: [..]"),
        ("\u{e9}", 12, "error[SIG-LOG]: [..]"),
    ] {
        station.write("bad.json", text);
        station.refused(attach("release.pub", &b64, "bad.json"), code).stderr_line(line);
    }
    // An entry of another item's signature.
    let other = fs::read_dir(station.path("out")).unwrap().map(|entry| entry.unwrap().file_name());
    let other = other.map(|name| format!("out/{}", name.to_string_lossy()));
    let other = other.filter(|name| name.ends_with(".cosign.bundle") && *name != cosigns).min().unwrap();
    let refused = station.refused(attach("release.pub", &b64, &other), 61);
    refused.stderr_line("error[LOG-SIGNATURE]: entry holds another signature: [..]");
    refused.stderr_line("  nothing was pushed");
}

/// cosign 2.6.5 signed, Rekor 1.5.4 logged, timestamp-authority 2.1.3 stamped: what is attached is what cosign wrote.
#[test]
fn attached_is_what_cosign_wrote() {
    let sandbox = Sandbox::new();
    let image = fs::read(fixture("logged/image.json")).unwrap();
    let digest = coldsign::digest::Digest::of(&image);
    sandbox.write(format!("layout/blobs/sha256/{}", digest.hex()), &image);
    sandbox.write("layout/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
    sandbox.write("layout/index.json", format!(
        "{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"{digest}\",\
         \"size\":{},\"annotations\":{{\"org.opencontainers.image.ref.name\":\"v1\"}}}}]}}", image.len()
    ));
    for name in ["key.pub", "payload.json", "trusted_root.json"] {
        sandbox.fixture(format!("logged/{name}"), name);
    }
    let written = fs::read(fixture("logged/sig.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&written).unwrap();
    let annotation = |name: &str| manifest["layers"][0]["annotations"][name].as_str().unwrap().to_owned();
    let token = annotation("dev.sigstore.cosign/rfc3161timestamp");
    sandbox.write("signature.b64", annotation("dev.cosignproject.cosign/signature"));
    sandbox.write("entry.json", annotation("dev.sigstore.cosign/bundle")).write("token.json", &token);
    let token: Value = serde_json::from_str(&token).unwrap();
    let der = STANDARD.decode(token["SignedRFC3161Timestamp"].as_str().unwrap()).unwrap();
    sandbox.write("token.der", &der).write("cut.der", &der[..der.len() - 1]);
    let attach = |more: &[&str], code| {
        let command = [
            "attach",
            "signature",
            "oci:layout:v1",
            "--payload",
            "payload.json",
            "--signature",
            "signature.b64",
        ];
        sandbox.coldsign().args(command).args(["--key", "key.pub"]).args(more).expect(code)
    };
    attach(&["--tsr", "cut.der"], 62).stderr_line("error[TOKEN-SYNTAX]: [..]: cut.der");
    let outcome = attach(&["--rekor-response", "entry.json", "--tsr", "token.der"], 0);
    outcome.stderr_line("timestamp: [..] bytes, of this signature; who made it is not checked here");
    attach(&["--rekor-response", "entry.json", "--rfc3161-timestamp", "token.json"], 0)
        .stderr_line("unchanged  [..]");
    let put = sandbox.read(format!("layout/blobs/sha256/{}", coldsign::digest::Digest::of(&written).hex()));
    assert!(put == written, "byte for byte");
    let verify = [
        "verify",
        "--key",
        "key.pub",
        "--trusted-root",
        "trusted_root.json",
        "--tsa",
        "require",
        "oci:layout:v1",
    ];
    sandbox.coldsign().args(verify).expect(0);
    // The timestamp of another signature.
    let other = sandbox.coldsign().args(["attach", "signature", "oci:layout:v1", "--allow-unverified"]);
    other.args(["--signature", "signature.b64", "--payload", "payload.json", "--tsr", "token.der"]).expect(2);
}
