//! What we write equals what cosign wrote (`fixtures/golden`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::digest::Digest;
use coldsign::format::attestation::{self, PredicateType};
use coldsign::format::evidence::{Descriptor, OCI_MANIFEST};
use coldsign::format::reference::Identity;
use coldsign::format::signature::{self, ANNOTATION, Layer};
use coldsign::format::{bundle, envelope, payload, statement};
use coldsign::keys::public::PublicKey;
use serde_json::Value;

const IMAGE: &str = "sha256:77a2a96a684ef906070011cb9741c8e4fae80ca4033afb41aa728329f996a52e";
const IMAGE_SIZE: u64 = 401;

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/golden/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn image() -> Digest {
    Digest::parse(IMAGE).unwrap()
}

fn annotations() -> BTreeMap<String, String> {
    let given = [
        ("html", "a<b>&c\u{2028}d\u{2029}\\ \u{e9}\u{1f600}"),
        ("\u{fffd}key", "1"),
        ("\u{1f600}key", "2"),
        ("b", "1"),
        ("B", "2"),
    ];
    given.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Blanks after commas outside strings: cosign's protojson puts them, depending on the build.
fn without_blanks(json: &[u8]) -> Vec<u8> {
    let (mut out, mut inside, mut escaped) = (Vec::new(), false, false);
    for byte in json {
        let quote = *byte == b'"' && !escaped;
        escaped = inside && *byte == b'\\' && !escaped;
        inside ^= quote;
        if inside || *byte != b' ' {
            out.push(*byte);
        }
    }
    out
}

#[test]
fn payload_is_cosigns() {
    let identity = Identity::parse("127.0.0.1:46111/app/golden").unwrap();
    let rendered = payload::render(&identity, &image(), &annotations());
    assert_eq!(String::from_utf8(rendered).unwrap(), String::from_utf8(golden("payload.json")).unwrap());
}

#[test]
fn sig_manifest_and_config_are_cosigns() {
    let manifest: Value = serde_json::from_slice(&golden("sig.json")).unwrap();
    let signature = manifest["layers"][0]["annotations"][ANNOTATION].as_str().unwrap();
    let payload = Descriptor::of(payload::MEDIA_TYPE, &golden("payload.json"));
    let rendered = signature::render(&[Layer::dark(payload, STANDARD.decode(signature).unwrap())]);
    assert_eq!(rendered.manifest, golden("sig.json"));
    assert_eq!(rendered.config, golden("config.json"));
}

#[test]
fn statement_bundle_and_referrer_are_cosigns() {
    let rendered = statement::render(&image(), &annotations());
    assert_eq!(
        String::from_utf8(rendered).unwrap(),
        String::from_utf8(without_blanks(&golden("statement.json"))).unwrap()
    );

    let written = golden("bundle.json");
    let parsed: Value = serde_json::from_slice(&written).unwrap();
    let signature = parsed["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap();
    let key = PublicKey::from_pem(&golden("key.pub")).unwrap();
    let rendered = bundle::render(&golden("statement.json"), &key.id(), &STANDARD.decode(signature).unwrap());
    assert_eq!(rendered, without_blanks(&written));

    let subject = Descriptor { media_type: OCI_MANIFEST.to_owned(), digest: image(), size: IMAGE_SIZE };
    let rendered = bundle::render_referrer(
        &Descriptor::of(bundle::MEDIA_TYPE, &written),
        &subject,
        statement::PREDICATE_TYPE,
    );
    assert_eq!(String::from_utf8(rendered.to_vec()).unwrap(), without_created(&golden("referrer.json")));
}

#[test]
fn attestations_are_cosigns() {
    let file = |name: &str| golden(&format!("attestation/{name}"));
    let kind = PredicateType::parse("https://example.org/own/v1").unwrap();
    let predicate = kind.predicate_of(file("predicate.json")).unwrap();
    let statement = attestation::render_statement("127.0.0.1:46222/app/golden", &image(), &kind, &predicate);
    assert_eq!(
        String::from_utf8(statement).unwrap(),
        String::from_utf8(without_blanks(&file("statement.json"))).unwrap()
    );

    let (statement, signature) = attestation::read_envelope(&file("envelope.json")).unwrap();
    assert_eq!(statement, file("statement.json"));
    assert_eq!(attestation::render_envelope(&statement, &signature), file("envelope.json"));
    let key = PublicKey::from_pem(&golden("key.pub")).unwrap();
    assert!(key.verify(&envelope::pae(statement::MEDIA_TYPE, &statement), &signature));
    let rendered = attestation::render(&[attestation::Layer::of(&file("envelope.json"), kind.clone())]);
    assert_eq!(rendered.manifest, file("manifest.json"));
    assert_eq!(rendered.config, file("config.json"));

    let written = file("bundle.json");
    let parsed: Value = serde_json::from_slice(&written).unwrap();
    let signature = parsed["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap();
    let rendered = bundle::render(&statement, &key.id(), &STANDARD.decode(signature).unwrap());
    assert_eq!(rendered, without_blanks(&written));
    let subject = Descriptor { media_type: OCI_MANIFEST.to_owned(), digest: image(), size: IMAGE_SIZE };
    let bundle = Descriptor::of(bundle::MEDIA_TYPE, &written);
    let rendered = bundle::render_referrer(&bundle, &subject, kind.uri());
    assert_eq!(String::from_utf8(rendered.to_vec()).unwrap(), without_created(&file("referrer.json")));
}

#[test]
fn bundle_of_a_file_is_cosigns() {
    let file =
        |name: &str| std::fs::read(format!("{}/fixtures/blob/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let written = without_blanks(&file("p256.cosign3.bundle"));
    let held = bundle::read_message(&written).unwrap();
    assert_eq!(held.over, Digest::of(&file("blob")));
    assert_eq!(held.key_id, PublicKey::from_pem(&file("p256.pub")).unwrap().id());
    assert_eq!(bundle::render_message(&held.over, &held.key_id, &held.signature), written);
}

/// Entries of Rekor 1.5.4 and rekor-tiles 2.3.0, timestamps of timestamp-authority 2.1.3, as cosign 3.1.3 and 2.6.5 write
/// them.
#[test]
fn material_is_cosigns() {
    let file =
        |name: &str| std::fs::read(format!("{}/fixtures/logged/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for (name, kind) in [("v1.bundle.json", "dsse 0.0.1"), ("v2.bundle.json", "hashedrekord 0.0.2")] {
        let written = file(name);
        let held = bundle::read(&written).unwrap();
        let kinds: Vec<String> = held
            .material
            .entries
            .iter()
            .filter_map(|entry| entry.kind.as_ref())
            .map(ToString::to_string)
            .collect();
        assert_eq!((kinds, held.material.tokens.len()), (vec![kind.to_owned()], 1));
        let parsed: Value = serde_json::from_slice(&written).unwrap();
        let statement = parsed["dsseEnvelope"]["payload"].as_str().unwrap();
        let statement = STANDARD.decode(statement).unwrap();
        assert_eq!(held.over, Digest::of(&statement));
        let rendered = bundle::render_with(&statement, &held.key_id, &held.signature, &held.material);
        assert_eq!(String::from_utf8(rendered.to_vec()).unwrap(), String::from_utf8(written).unwrap());
    }
    let written = file("sig.json");
    let layers = signature::read_layers(&written).unwrap();
    assert_eq!((layers[0].material.entries.len(), layers[0].material.tokens.len()), (1, 1));
    assert_eq!(signature::render(&layers).manifest, written);
}

/// A referrer manifest without the time at which cosign made it.
fn without_created(written: &[u8]) -> String {
    let value: Value = serde_json::from_slice(written).unwrap();
    let created =
        value.pointer("/annotations/org.opencontainers.image.created").and_then(Value::as_str).unwrap();
    let created = format!(",\"org.opencontainers.image.created\":\"{created}\"");
    let written = String::from_utf8(written.to_vec()).unwrap();
    assert!(written.contains(&created));
    written.replace(&created, "")
}
