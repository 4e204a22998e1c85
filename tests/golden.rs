//! What we write equals what cosign wrote (`fixtures/golden`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::digest::Digest;
use coldsign::format::evidence::{Descriptor, OCI_MANIFEST};
use coldsign::format::reference::Identity;
use coldsign::format::signature::{self, ANNOTATION, Layer};
use coldsign::format::{bundle, payload, statement};
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
    let rendered = signature::render(&[Layer { payload, signature: STANDARD.decode(signature).unwrap() }]);
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
    let written: Value = serde_json::from_slice(&golden("referrer.json")).unwrap();
    let created = written["annotations"]["org.opencontainers.image.created"].as_str().unwrap();
    let created = format!(",\"org.opencontainers.image.created\":\"{created}\"");
    let written = String::from_utf8(golden("referrer.json")).unwrap();
    assert!(written.contains(&created));
    assert_eq!(String::from_utf8(rendered.to_vec()).unwrap(), written.replace(&created, ""));
}
