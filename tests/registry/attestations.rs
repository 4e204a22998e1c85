//! Attestations beside an image, in both forms: what counts for `verify-attestation`, and that none counts for `verify`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::digest::Digest;
use coldsign::format::attestation::{self, Layer, Predicate, PredicateType};
use coldsign::format::evidence::Descriptor;
use coldsign::format::{bundle, envelope, statement};
use coldsign::keys::signing::{Signer, SigningKey};
use serde_json::{Value, json};

use crate::registry::{OCI_MANIFEST, Registry};
use crate::support::{Outcome, Run, Sandbox};
use crate::trip::{release, second};

const UNCHECKED: &str = "Warning: the following claims have not been verified:";

const PREDICATE: &str = "{\"builder\":{\"id\":\"ours\"}}\n";

/// A registry with one image and a folder with `release.pub` and `second.pub`.
struct Attested {
    registry: Registry,
    station: Sandbox,
    image: String,
}

impl Attested {
    fn new() -> Self {
        let registry = Registry::start();
        let image = registry.image("app", "1", "an image");
        let station = Sandbox::new();
        station.fixture("format/one.pub", "release.pub").fixture("format/two.pub", "second.pub");
        Self { registry, station, image }
    }

    /// A statement about the image.
    fn statement(&self, kind: &str) -> Vec<u8> {
        statement_of(&self.registry, &self.image, kind)
    }

    /// Puts an `.att` of these envelopes; the annotations are not what is judged.
    fn att(&self, envelopes: &[Vec<u8>]) {
        let kind = PredicateType::parse("custom").unwrap();
        let layers: Vec<Layer> = envelopes.iter().map(|bytes| Layer::of(bytes, kind.clone())).collect();
        let written = attestation::render(&layers);
        for bytes in envelopes {
            self.registry.blob("app", bytes);
        }
        self.registry.blob("app", &written.config);
        self.registry.manifest("app", &self.tag(), OCI_MANIFEST, &written.manifest);
    }

    /// Puts the `.att` that a change of it makes.
    fn att_changed(&self, envelope: &[u8], change: impl FnOnce(&mut Value)) {
        self.att(&[envelope.to_vec()]);
        let mut manifest = serde_json::from_slice(&self.registry.read("app", &self.tag()).unwrap()).unwrap();
        change(&mut manifest);
        self.registry.manifest("app", &self.tag(), OCI_MANIFEST, manifest.to_string().as_bytes());
    }

    fn referrer(&self, bundle: &[u8]) {
        let manifest = self.registry.read("app", &self.image).unwrap();
        let subject = Descriptor::of(OCI_MANIFEST, &manifest);
        let bundle_descriptor = Descriptor::of(bundle::MEDIA_TYPE, bundle);
        let manifest = bundle::render_referrer(&bundle_descriptor, &subject, "urn:anything");
        self.registry.blob("app", bundle);
        self.registry.blob("app", bundle::EMPTY);
        self.registry.manifest("app", "", OCI_MANIFEST, &manifest);
    }

    fn tag(&self) -> String {
        format!("{}.att", self.image.replace(':', "-"))
    }

    fn verify(&self, more: &[&str]) -> Run<'_> {
        let image = self.registry.at("app:1");
        self.station.coldsign().args(["verify-attestation", "--key", "release.pub", &image]).args(more)
    }

    #[track_caller]
    fn refused(&self, more: &[&str], id: &str) -> Outcome {
        let outcome = self.verify(more).expect(12);
        outcome.stdout("").error(id);
        outcome
    }
}

fn statement_of(registry: &Registry, image: &str, kind: &str) -> Vec<u8> {
    let kind = PredicateType::parse(kind).unwrap();
    let predicate = Predicate::parse(PREDICATE).unwrap();
    attestation::render_statement(&registry.at("app"), &Digest::parse(image).unwrap(), &kind, &predicate)
}

fn sign(key: &SigningKey, statement: &[u8]) -> Vec<u8> {
    key.sign(&envelope::pae(statement::MEDIA_TYPE, statement)).unwrap()
}

fn enveloped(key: &SigningKey, statement: &[u8]) -> Vec<u8> {
    attestation::render_envelope(statement, &sign(key, statement)).to_vec()
}

fn bundled(key: &SigningKey, statement: &[u8]) -> Vec<u8> {
    bundle::render(statement, &key.public_key().id(), &sign(key, statement)).to_vec()
}

/// What makes a manifest a bad one.
type Change<'a> = &'a dyn Fn(&mut Value);

/// An envelope with any members.
fn loose(envelope: &Value) -> Vec<u8> {
    envelope.to_string().into_bytes()
}

#[test]
fn both_forms_count_and_are_shown_once() {
    let attested = Attested::new();
    let statement = attested.statement("custom");
    attested.verify(&[]).expect(10).stdout("").error("ATT-ABSENT");
    attested.att(&[enveloped(&release(), &statement)]);
    let shown = attested.verify(&[]).expect(0);
    shown.stderr(&format!(
        "\nVerification for {} --\nThe following checks were performed on each of these signatures:\n  \
         - The cosign claims were validated\n  - The signatures were verified against the specified public key\n\
         form: .att, 1 of 1 valid\nsignature: verified; log: absent; proof: absent; timestamp: absent\ntype: https://cosign.sigstore.dev/attestation/v1\n",
        attested.registry.at("app:1")
    ));
    let line: Value = serde_json::from_str(shown.stdout_text()).unwrap();
    assert_eq!(STANDARD.decode(line["payload"].as_str().unwrap()).unwrap(), statement);
    assert_eq!(line["payloadType"], "application/vnd.in-toto+json");
    assert_eq!(shown.stdout_text().lines().count(), 1);
    // The same signature in a bundle is the same line; another's is one more.
    attested.referrer(&bundled(&release(), &statement));
    let both = attested.verify(&[]).expect(0);
    both.stdout(shown.stdout_text()).stderr_line("form: .att, 1 of 1 valid; bundle, 1 of 1 valid");
    attested.referrer(&bundled(&second(), &statement));
    let two = attested.verify(&["--key", "second.pub", "--threshold", "2"]).expect(0);
    assert_eq!(two.stdout_text().lines().count(), 2);
    attested.verify(&["--key", "second.pub", "--threshold", "3"]).expect(2);
    // One key counts once over both forms.
    let one = Attested::new();
    let statement = one.statement("custom");
    one.att(&[enveloped(&release(), &statement)]);
    one.referrer(&bundled(&release(), &statement));
    one.verify(&["--key", "second.pub", "--threshold", "2"]).expect(38).error("VERIFY-THRESHOLD");
}

#[test]
fn the_type_is_the_statements_own() {
    let attested = Attested::new();
    for kind in ["slsaprovenance1", "https://example.org/own/v1"] {
        let statement = attested.statement(kind);
        for form in ["att", "bundle"] {
            let one = Attested::new();
            match form {
                "att" => one.att(&[enveloped(&release(), &statement)]),
                _ => one.referrer(&bundled(&release(), &statement)),
            }
            one.verify(&["--type", kind]).expect(0);
            // Whatever the annotations say, which say custom, and cosign's default.
            one.refused(&[], "ATT-PREDICATE").says("  wanted https://cosign.sigstore.dev/attestation/v1");
            one.refused(&["--type", "spdx"], "ATT-PREDICATE");
        }
    }
    let bad = attested.verify(&["--type", "nonsense"]).expect(2);
    bad.says("[PREDICATE-TYPE]: not a predicate type: nonsense");
    attested.verify(&["--type", "https://sigstore.dev/cosign/sign/v1"]).expect(2).says("PREDICATE-TYPE");
}

#[test]
fn one_defect_each() {
    let attested = Attested::new();
    let statement = attested.statement("custom");
    let good = enveloped(&release(), &statement);
    let signature = STANDARD.encode(sign(&release(), &statement));
    let payload = STANDARD.encode(&statement);
    let envelope = |change: &dyn Fn(&mut Value)| {
        let mut envelope = json!({
            "payload": payload, "payloadType": statement::MEDIA_TYPE, "signatures": [{"sig": signature}],
        });
        change(&mut envelope);
        loose(&envelope)
    };
    let signed = |text: String| enveloped(&release(), text.as_bytes());
    let text = String::from_utf8(statement.clone()).unwrap();
    let about = |change: (&str, &str)| signed(text.replace(change.0, change.1));
    let elsewhere = statement_of(&attested.registry, &Digest::of(b"other").to_string(), "custom");
    for (bytes, check) in [
        (envelope(&|envelope| envelope["signatures"] = json!([])), "ATT-ENVELOPE"),
        (envelope(&|envelope| envelope["signatures"] = json!([{"sig": ""}])), "ATT-ENVELOPE"),
        (
            envelope(&|envelope| envelope["signatures"] = json!(vec![json!({"sig": "AAAA"}); 33])),
            "ATT-ENVELOPE",
        ),
        (envelope(&|envelope| envelope["payloadType"] = json!("text/plain")), "ATT-ENVELOPE"),
        (envelope(&|envelope| envelope["more"] = json!(1)), "ATT-ENVELOPE"),
        (b"{}".to_vec(), "ATT-ENVELOPE"),
        (b"not JSON".to_vec(), "ATT-ENVELOPE"),
        (enveloped(&second(), &statement), "SIG-KEY"),
        (envelope(&|envelope| envelope["payload"] = json!(STANDARD.encode(&elsewhere))), "SIG-KEY"),
        (about(("Statement/v0.1", "Statement/v0.2")), "ATT-STATEMENT"),
        (about(("\"predicate\":", "\"predicate\":{},\"predicate\":")), "ATT-STATEMENT"),
        (about(("\"predicateType\"", "\"type\"")), "ATT-STATEMENT"),
        (signed("{}".to_owned()), "ATT-STATEMENT"),
        (enveloped(&release(), &elsewhere), "BUNDLE-SUBJECT"),
        (about(("sha256\":", "sha512\":")), "BUNDLE-SUBJECT"),
        (about(("attestation/v1", "attestation/v2")), "ATT-PREDICATE"),
    ] {
        let one = Attested::new();
        one.att(std::slice::from_ref(&bytes));
        one.refused(&[], check);
        // A bad one beside it voids nothing but itself.
        one.att(&[bytes, good.clone()]);
        one.verify(&[]).expect(0).says("form: .att, 1 of 2 ");
    }
    // Its neighbours: v1, blanks, a key id, another's signature beside ours, a second subject.
    for bytes in [
        about(("Statement/v0.1", "Statement/v1")),
        about(("{\"_type\"", " {\"_type\"")),
        about(("[{\"name\"", "[{\"digest\":{\"sha512\":\"00\"}},{\"name\"")),
        envelope(&|envelope| envelope["signatures"][0]["keyid"] = json!("whatever")),
        envelope(&|envelope| envelope["signatures"] = json!([{"sig": "AAAA"}, {"sig": signature}])),
    ] {
        let one = Attested::new();
        one.att(&[bytes]);
        one.verify(&[]).expect(0);
    }
    // Without claims an .att may be about anything; a bundle may not, as for cosign.
    let one = Attested::new();
    one.att(&[enveloped(&release(), &elsewhere)]);
    one.verify(&["--check-claims=false"]).expect(0).stderr_line(UNCHECKED);
    let one = Attested::new();
    one.referrer(&bundled(&release(), &elsewhere));
    one.refused(&["--check-claims=false"], "BUNDLE-SUBJECT");
}

#[test]
fn manifests_and_layers() {
    let attested = Attested::new();
    let good = enveloped(&release(), &attested.statement("custom"));
    let annotation = |name: &'static str| {
        move |manifest: &mut Value| manifest["layers"][0]["annotations"][name] = json!("x")
    };
    let changes: [(Change<'_>, &str); 8] = [
        (&|manifest| manifest["layers"] = json!(1), "ATT-MANIFEST-KIND"),
        (&|manifest| manifest["manifests"] = json!([]), "ATT-MANIFEST-KIND"),
        (&|manifest| manifest["layers"][0]["mediaType"] = json!("text/plain"), "ATT-LAYER-TYPE"),
        (&|manifest| manifest["layers"][0]["size"] = json!(1), "ATT-LAYER-SIZE"),
        (
            &|manifest| manifest["layers"][0]["digest"] = json!(Digest::of(b"gone").to_string()),
            "ATT-LAYER-SIZE",
        ),
        (&annotation("dev.sigstore.cosign/certificate"), "SIG-CERTIFICATE"),
        (&annotation("dev.sigstore.cosign/bundle"), "SIG-LOG"),
        (&annotation("dev.sigstore.cosign/rfc3161timestamp"), "SIG-LOG"),
    ];
    for (change, check) in changes {
        let one = Attested::new();
        one.att_changed(&good, change);
        one.refused(&[], check);
        // What cannot be read in one form hides nothing in the other.
        one.referrer(&bundled(&release(), &one.statement("custom")));
        one.verify(&[]).expect(0);
    }
    let one = Attested::new();
    one.att_changed(&good, |manifest| manifest["layers"] = json!([]));
    one.verify(&[]).expect(10).error("ATT-ABSENT");
    let one = Attested::new();
    let mut logged: Value = serde_json::from_slice(&bundled(&release(), &one.statement("custom"))).unwrap();
    logged["verificationMaterial"]["tlogEntries"] = json!([{}]);
    one.referrer(logged.to_string().as_bytes());
    one.refused(&[], "LOG-SYNTAX");
}

#[test]
fn an_attestation_is_no_signature() {
    let attested = Attested::new();
    let statement = attested.statement("custom");
    let verify = || {
        let image = attested.registry.at("app:1");
        attested.station.coldsign().args(["verify", "--key", "release.pub", &image]).run()
    };
    attested.att(&[enveloped(&release(), &statement)]);
    let att = verify();
    att.stdout("").error("SIG-ABSENT");
    assert_eq!(att.code(), Some(10));
    attested.referrer(&bundled(&release(), &statement));
    let both = verify();
    both.stdout("").error("BUNDLE-PREDICATE");
    assert_eq!(both.code(), Some(12));
    // An envelope under the tag of signatures, and a signature under the one of attestations.
    let held = attested.registry.read("app", &attested.tag()).unwrap();
    attested.registry.manifest("app", &attested.tag().replace(".att", ".sig"), OCI_MANIFEST, &held);
    verify().stdout("").error("BUNDLE-PREDICATE");
    let signed = Attested::new();
    let text = statement::render(&Digest::parse(&signed.image).unwrap(), &BTreeMap::new());
    signed.referrer(&bundled(&release(), &text));
    signed.refused(&[], "ATT-PREDICATE").says("https://sigstore.dev/cosign/sign/v1");
    signed.att(&[enveloped(&release(), &text)]);
    signed.refused(&[], "ATT-PREDICATE");
}

#[test]
fn a_repository_of_their_own() {
    let attested = Attested::new();
    attested.att(&[enveloped(&release(), &attested.statement("custom"))]);
    let held = attested.registry.held("app");
    attested.registry.change("att", |other| other.clone_from(&held));
    attested.registry.change("app", |own| drop(own.tags.remove(&attested.tag())));
    attested.verify(&[]).expect(10).error("ATT-ABSENT");
    let elsewhere = attested.registry.at("att");
    attested.verify(&["--signature-repository", &elsewhere]).expect(0);
    let variable = attested.verify(&[]).env("COSIGN_REPOSITORY", &elsewhere).expect(0);
    variable.says(&format!("looking for attestations in {elsewhere} (COSIGN_REPOSITORY)\n"));
    let empty = attested.registry.at("empty");
    attested.verify(&["--signature-repository", &empty]).expect(10).says(&format!("  looked in {empty} "));
    attested.verify(&["--insecure-ignore-tlog=false"]).expect(2);
    attested.verify(&["--check-claims=false", "--threshold", "2", "--key", "second.pub"]).expect(2);
}

impl Attested {
    fn attach(&self, files: &[&str]) -> Run<'_> {
        let image = self.registry.at("app:1");
        let files = files.iter().flat_map(|file| ["--attestation", file]);
        self.station.coldsign().args(["attach", "attestation", &image]).args(files)
    }

    fn download(&self, more: &[&str]) -> Run<'_> {
        let image = self.registry.at("app:1");
        self.station.coldsign().args(["download", "attestation", &image]).args(more)
    }

    /// A file of these objects, one a line.
    fn file(&self, name: &str, objects: &[&[u8]]) {
        self.station.write(name, objects.join(&b'\n'));
    }
}

#[test]
fn everything_in_every_file_is_attached() {
    let attested = Attested::new();
    let one = enveloped(&release(), &attested.statement("custom"));
    let two = enveloped(&release(), &attested.statement("vuln"));
    let three = bundled(&release(), &attested.statement("openvex"));
    let four = bundled(&release(), &attested.statement("link"));
    attested.file("a.jsonl", &[&three, &one]);
    let pretty: Value = serde_json::from_slice(&two).unwrap();
    attested.station.write("b.json", format!("{pretty:#}\n"));
    attested.file("c.json", &[&four]);
    // What another put there stays.
    let theirs = enveloped(&second(), &attested.statement("custom"));
    attested.att(&[theirs]);
    let by = ["--key", "release.pub"];
    let attached = attested.attach(&["a.jsonl", "b.json", "c.json"]).args(by).expect(0);
    let name = format!("{}@{}", attested.registry.at("app"), attested.image);
    attached.stdout("").stderr(&format!(
        "a.jsonl: object 1: bundle, https://openvex.dev/ns\n\
         a.jsonl: object 2: envelope, https://cosign.sigstore.dev/attestation/v1\n\
         b.json: envelope, https://cosign.sigstore.dev/attestation/vuln/v1\n\
         c.json: bundle, https://in-toto.io/Link/v1\n\
         pushed     {name}\n           .att and bundles, beside 1 other attestation; read back and verified\n"
    ));
    for kind in ["custom", "vuln", "openvex", "link"] {
        attested.verify(&["--type", kind]).expect(0);
    }
    attested.verify(&["--key", "second.pub", "--threshold", "2"]).expect(0);
    // The bytes as they were given.
    assert!(
        attested.registry.held("app").blobs.values().any(|blob| *blob == format!("{pretty:#}").into_bytes())
    );
    let contents = attested.registry.contents();
    attested.registry.asked();
    attested.attach(&["a.jsonl", "b.json", "c.json"]).args(by).expect(0).says("unchanged  ");
    assert_eq!(attested.registry.contents(), contents);
    assert!(attested.registry.asked().iter().all(|asked| !asked.writes()));

    // Downloaded, and put beside another copy: envelopes first, then bundles.
    let all = attested.download(&[]).expect(0);
    all.stderr("");
    assert_eq!(all.stdout_text().lines().count(), 5);
    let one_type = attested.download(&["--predicate-type", "vuln"]).expect(0);
    assert_eq!(one_type.stdout_text().trim_end(), serde_json::to_string(&pretty).unwrap());
    one_type.stderr("4 not of type https://cosign.sigstore.dev/attestation/vuln/v1, not printed\n");
    attested.download(&["--predicate-type", "spdx"]).expect(10).stdout("").error("ATT-ABSENT");
    attested.download(&["--predicate-type", "nonsense"]).expect(2);
    let copy = Attested::new();
    copy.download(&[]).expect(10).stdout("").error("ATT-ABSENT");
    copy.station.write("all.jsonl", all.stdout_bytes());
    copy.attach(&["all.jsonl"]).args(["--key", "release.pub", "--key", "second.pub"]).expect(0);
    assert_eq!(copy.download(&[]).expect(0).stdout_text(), all.stdout_text());
}

#[test]
fn nothing_is_put_that_was_not_checked() {
    let attested = Attested::new();
    let statement = attested.statement("custom");
    let good = enveloped(&release(), &statement);
    let elsewhere = statement_of(&attested.registry, &Digest::of(b"other").to_string(), "custom");
    let signature = statement::render(&Digest::parse(&attested.image).unwrap(), &BTreeMap::new());
    for (name, bad, code, check) in [
        ("stranger", enveloped(&second(), &statement), 12, "SIG-KEY"),
        ("stranger-bundle", bundled(&second(), &statement), 12, "SIG-KEY"),
        ("elsewhere", enveloped(&release(), &elsewhere), 12, "BUNDLE-SUBJECT"),
        ("elsewhere-bundle", bundled(&release(), &elsewhere), 12, "BUNDLE-SUBJECT"),
        ("signature", bundled(&release(), &signature), 12, "ATT-PREDICATE"),
        ("envelope", b"{\"payloadType\":\"text/plain\"}".to_vec(), 12, "ATT-ENVELOPE"),
        ("bundle", b"{\"dsseEnvelope\":{}}".to_vec(), 12, "BUNDLE-SYNTAX"),
        ("statement", statement.clone(), 22, "ATT-FILE"),
        ("text", b"text".to_vec(), 22, "ATT-FILE"),
        ("empty", Vec::new(), 22, "ATT-FILE"),
    ] {
        attested.file(name, &[&good, &bad]);
        if name == "empty" {
            attested.file(name, &[&bad]);
        }
        let before = attested.registry.contents();
        let refused = attested.attach(&[name]).args(["--key", "release.pub"]).expect(code);
        refused.stdout("").error(check).says("  nothing was pushed\n");
        assert_eq!(attested.registry.contents(), before, "{name}");
        // Whose it is is all that may be left open.
        let code = if check == "SIG-KEY" { 0 } else { code };
        let unverified = attested.attach(&[name]).arg("--allow-unverified").expect(code);
        if code == 0 {
            unverified.says("; read back, not verified\n");
        } else {
            assert_eq!(attested.registry.contents(), before, "{name}");
        }
        attested.registry.put_back(&before);
    }
    attested.file("good", &[&good]);
    attested.attach(&["good"]).expect(2);
    attested.attach(&["good"]).args(["--key", "release.pub", "--allow-unverified"]).expect(2);
    attested.attach(&["absent"]).args(["--key", "release.pub"]).expect(1).error("FILE-READ");
    let absent = attested.registry.at("app:2");
    let line = ["attach", "attestation", &absent, "--attestation", "good", "--key", "release.pub"];
    attested.station.coldsign().args(line).expect(11).error("IMAGE-ABSENT");
}

#[test]
fn a_layout_and_a_repository_of_their_own() {
    let attested = Attested::new();
    attested.station.fixture("format/single", "layout");
    let digest = "sha256:19c23ffc203483d654c30a57ffe3f82d0b0edb44cf57f14ea790ec8b73b15aa2";
    let statement = statement_of(&attested.registry, digest, "custom");
    attested.file("both", &[&enveloped(&release(), &statement), &bundled(&release(), &statement)]);
    let line = ["attach", "attestation", "oci:layout", "--attestation", "both", "--key", "release.pub"];
    attested.station.coldsign().args(line).expect(0).says("pushed     oci:layout@sha256:19c23ffc");
    attested.station.coldsign().args(line).expect(0).says("unchanged  oci:layout@sha256:19c23ffc");
    let verified =
        attested.station.coldsign().args(["verify-attestation", "--key", "release.pub", "oci:layout"]);
    verified.expect(0).says("form: .att, 1 of 1 valid; bundle, 1 of 1 valid\n");
    let printed = attested.station.coldsign().args(["download", "attestation", "oci:layout"]).expect(0);
    assert_eq!(printed.stdout_text().lines().count(), 2);
    attested.station.write("layout.tar", "");
    let archive =
        ["attach", "attestation", "oci-archive:layout.tar", "--attestation", "both", "--key", "release.pub"];
    attested.station.coldsign().args(archive).expect(2).says("nothing is put into an archive");

    // Elsewhere, and with a bundle beside a .sig: stock cosign looks at it no more.
    let own = attested.statement("custom");
    attested.file("own", &[&enveloped(&release(), &own), &bundled(&release(), &own)]);
    let elsewhere = attested.registry.at("elsewhere");
    let attached = attested
        .attach(&["own"])
        .args(["--key", "release.pub", "--signature-repository", &elsewhere])
        .expect(0);
    attached.says(&format!(".att and bundles in {elsewhere}; read back and verified\n"));
    attested.verify(&[]).expect(10);
    attested.verify(&["--signature-repository", &elsewhere]).expect(0);
    attested.registry.manifest("app", &attested.tag().replace(".att", ".sig"), OCI_MANIFEST, b"{}");
    attested.attach(&["own"]).args(["--key", "release.pub"]).expect(0).warning("BUNDLE-HIDES-SIG");
}
