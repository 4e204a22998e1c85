//! `triangulate`, `download`: what stands beside an image.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::digest::Digest;
use serde_json::{Value, json};

use crate::station::{SINGLE, Station};
use crate::support::Outcome;

#[test]
fn where_it_is_asks_nobody() {
    let station = Station::new();
    let hex = &SINGLE[7..];
    let image = format!("registry.invalid/team/app@{SINGLE}");
    for (kind, wanted) in [
        (None, format!(":sha256-{hex}.sig")),
        (Some("signature"), format!(":sha256-{hex}.sig")),
        (Some("attestation"), format!(":sha256-{hex}.att")),
        (Some("sbom"), format!(":sha256-{hex}.sbom")),
        (Some("digest"), format!("@{SINGLE}")),
    ] {
        let run = |image: &str| {
            let run = station.coldsign().args(["triangulate", image]);
            kind.iter().fold(run, |run, kind| run.args(["--type", kind]))
        };
        run(&image).expect(0).stdout(&format!("registry.invalid/team/app{wanted}\n")).stderr("");
        run("oci:single").expect(0).stdout(&format!("oci:single{wanted}\n"));
        let other = format!("other.invalid/sigs{wanted}\n");
        run(&image).args(["--signature-repository", "other.invalid/sigs"]).expect(0).stdout(&other);
        run(&image).env("COSIGN_REPOSITORY", "other.invalid/sigs").expect(0).stdout(&other);
    }
    let hub = station.coldsign().args(["triangulate", &format!("alpine@{SINGLE}")]).expect(0);
    hub.stdout(&format!("index.docker.io/library/alpine:sha256-{hex}.sig\n"));
    station.refused(station.coldsign().args(["triangulate", "registry.invalid/team/app:1"]), 50);
    station.refused(station.coldsign().args(["triangulate", "--type", "key", &image]), 2);
}

/// The lines of `download signature`.
fn lines(outcome: &Outcome) -> Vec<Value> {
    outcome.stdout_text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// With the signatures of `release` in both forms in `layout`, and its index's digest.
fn imported(attach: &str) -> Station {
    let station = Station::with_response();
    station.importing(&["response.tar", "--key", "release.pub", "--attach", attach]).expect(0);
    station
}

#[test]
fn both_forms_are_told_apart() {
    let station = imported("both");
    let found = lines(&station.coldsign().args(["download", "signature", "oci:layout"]).expect(0));
    let [sig, bundle] = found.as_slice() else { panic!("{found:#?}") };
    let members: Vec<&str> = sig.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["Base64Signature", "Bundle", "Cert", "Chain", "Payload", "RFC3161Timestamp"]);
    for null in ["Bundle", "Cert", "Chain", "RFC3161Timestamp"] {
        assert_eq!(sig[null], Value::Null);
    }
    assert_eq!(bundle["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
    // What is printed is what was made.
    station.coldsign().args(["extract", "response.tar", "--output-dir", "out"]).expect(0);
    let made = |kind: &str| {
        let ours = station.below("out").into_iter().filter(|(name, _)| name.contains("/1-"));
        ours.into_iter().find(|(name, _)| name.ends_with(kind)).unwrap().1
    };
    assert_eq!(STANDARD.decode(sig["Payload"].as_str().unwrap()).unwrap(), made(".payload"));
    assert_eq!(sig["Base64Signature"].as_str().unwrap().as_bytes(), made(".b64"));
    let whole = station.below("out").into_iter();
    let mut whole = whole.filter(|(name, _)| name.contains("/1-") && name.ends_with(".bundle"));
    let made = whole.find(|(name, _)| !name.ends_with(".blob.bundle")).unwrap().1;
    assert_eq!(bundle, &serde_json::from_slice::<Value>(&made).unwrap());
    // One form alone, and a response itself.
    for (attach, is_bundle) in [("sig", false), ("bundle", true)] {
        let station = imported(attach);
        let found = lines(&station.coldsign().args(["download", "signature", "oci:layout"]).expect(0));
        assert_eq!(found.iter().map(|one| one.get("mediaType").is_some()).collect::<Vec<_>>(), [is_bundle]);
    }
    let named = "oci-archive:response.tar:registry.example/team/app:1.4";
    let of_response = station.coldsign().args(["download", "signature", named]).expect(0);
    assert_eq!(lines(&of_response), found);
}

#[test]
fn nothing_there_is_ten() {
    let station = Station::new();
    let none = station.refused(station.coldsign().args(["download", "signature", "oci:single"]), 10);
    none.stderr(&format!("error[SIG-ABSENT]: no signatures found: oci:single@{SINGLE}\n"));
    station.refused(station.coldsign().args(["download", "signature", "oci:single:none"]), 11);
}

/// Puts a `.sig` of these layers beside `single`: payload, annotations.
fn put_sig(station: &Station, layers: &[(&[u8], Value)]) {
    let put = |bytes: &[u8]| {
        station.write(format!("single/blobs/sha256/{}", Digest::of(bytes).hex()), bytes);
        json!({"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
    };
    let layer = |(payload, annotations): &(&[u8], Value)| {
        let mut layer = put(payload);
        layer["annotations"] = annotations.clone();
        layer
    };
    let mut config = put(b"{}");
    config["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": layers.iter().map(layer).collect::<Vec<_>>()});
    let mut entry = put(manifest.to_string().as_bytes());
    entry["mediaType"] = json!("application/vnd.oci.image.manifest.v1+json");
    entry["annotations"] =
        json!({"org.opencontainers.image.ref.name": format!("sha256-{}.sig", &SINGLE[7..])});
    let mut index: Value = serde_json::from_slice(&station.read("single/index.json")).unwrap();
    index["manifests"].as_array_mut().unwrap().push(entry);
    station.write("single/index.json", index.to_string());
}

#[test]
fn foreign_text_is_escaped_and_a_broken_layer_hides_no_other() {
    const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
    let station = Station::new();
    let foul = "\u{1b}[2J\u{202e}<script>&\u{9b}";
    let log = "{ \"Payload\" : {\"body\":\"x y\",\r\n\"integratedTime\":1} }";
    put_sig(
        &station,
        &[
            (b"no signature", json!({"x": "y"})),
            (b"\x1b[2J", json!({SIGNATURE: foul, "dev.sigstore.cosign/bundle": log})),
            (b"bad log", json!({SIGNATURE: "AAAA", "dev.sigstore.cosign/bundle": "nonsense"})),
            (b"bad certificate", json!({SIGNATURE: "AAAA", "dev.sigstore.cosign/certificate": foul})),
            (b"empty", json!({SIGNATURE: "", "dev.sigstore.cosign/certificate": ""})),
        ],
    );
    // What could not be read decides the exit code: SIG-ANNOTATION is the first.
    let found = station.coldsign().args(["download", "signature", "oci:single"]).expect(12);
    for text in [found.stdout_text(), found.stderr_text()] {
        assert!(text.chars().all(|one| matches!(one, ' '..='~' | '\n')), "{found}");
    }
    for id in ["SIG-ANNOTATION", "SIG-LOG", "SIG-CERTIFICATE"] {
        found.stderr_line(&format!("error[{id}]: [..]"));
    }
    let found = lines(&found);
    let [first, second] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((&first["Base64Signature"], &first["Payload"]), (&json!(foul), &json!("G1sySg==")));
    assert_eq!(first["Bundle"], json!({"Payload": {"body": "x y", "integratedTime": 1}}));
    assert_eq!((&second["Base64Signature"], &second["Cert"]), (&json!(""), &Value::Null));
}

/// Of a certificate its DER is printed, whatever lines its PEM has.
#[test]
fn certificates_are_printed_as_der() {
    let station = Station::new();
    let pem = |name: &str| {
        let pem = std::fs::read_to_string(crate::support::fixture(format!("tls/{name}.pem"))).unwrap();
        let end = "-----END CERTIFICATE-----\n";
        pem.split_inclusive(end).find(|block| block.contains("BEGIN CERTIFICATE")).unwrap().to_owned()
    };
    let der = |pem: &str| pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let (leaf, root) = (pem("loopback"), pem("authority"));
    let annotations = json!({"dev.cosignproject.cosign/signature": "AAAA",
        "dev.sigstore.cosign/certificate": leaf,
        "dev.sigstore.cosign/chain": format!("{leaf}{root}"),
        "dev.sigstore.cosign/rfc3161timestamp": "{\"SignedRFC3161Timestamp\":\"AAAA\"}"});
    put_sig(&station, &[(b"payload", annotations)]);
    let found = lines(&station.coldsign().args(["download", "signature", "oci:single"]).expect(0));
    let [found] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(found["Cert"], json!({"Raw": der(&leaf)}));
    assert_eq!(found["Chain"], json!([{"Raw": der(&leaf)}, {"Raw": der(&root)}]));
    assert_eq!(found["RFC3161Timestamp"], json!({"SignedRFC3161Timestamp": "AAAA"}));
}

/// A bundle beside `single` that holds a statement of this kind.
fn put_bundle(station: &Station, predicate_type: &str) {
    const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let put = |media_type: &str, bytes: &[u8]| {
        station.write(format!("single/blobs/sha256/{}", Digest::of(bytes).hex()), bytes);
        json!({"mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
    };
    let statement = json!({"_type": "https://in-toto.io/Statement/v1", "predicateType": predicate_type});
    let bundle = json!({"mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": ""}},
        "dsseEnvelope": {"payload": STANDARD.encode(statement.to_string()), "signatures": []}});
    let image = station.read(format!("single/blobs/sha256/{}", &SINGLE[7..]));
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [put(BUNDLE, format!("{bundle:#}").as_bytes())],
        "subject": put("application/vnd.oci.image.manifest.v1+json", &image)});
    put("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
}

#[test]
fn an_attestation_is_no_signature() {
    let station = Station::new();
    let download = || station.coldsign().args(["download", "signature", "oci:single"]);
    put_bundle(&station, "https://slsa.dev/provenance/v1");
    let none = download().expect(10);
    none.stdout("").stderr_line("1 bundle is an attestation, not printed");
    put_bundle(&station, "https://sigstore.dev/cosign/sign/v1");
    let signature = download().expect(0);
    signature.stderr("1 bundle is an attestation, not printed\n");
    let found = lines(&signature);
    assert_eq!(found.len(), 1, "pretty JSON is on one line: {found:#?}");
    assert_eq!(found[0]["verificationMaterial"], json!({"publicKey": {"hint": ""}}));
    put_bundle(&station, "https://cyclonedx.org/bom");
    download().expect(0).stderr("2 bundles are attestations, not printed\n");
}
