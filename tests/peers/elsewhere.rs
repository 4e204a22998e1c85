//! Signatures that other tools make, and what other tools read of ours: openssl signs what `generate` prints, cosign
//! verifies what `attach` puts; openssl and cosign verify what `extract` writes; `triangulate` and `download signature`
//! say what cosign's own commands say.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::documented::blocks;
use crate::registries::{SINGLE, import};
use crate::support::{Outcome, Sandbox};
use crate::tools::{COSIGNS, Kind, Registry, all_there, cosign_verify, find, tool};
use crate::written::{approve, export, key};

const TOOLS: [&str; 4] = ["cosign2", "cosign3", "crane", "oras"];

/// A registry with an image, and the image's name in it without tag.
fn with_image(sandbox: &Sandbox, kind: Kind, repository: &str) -> Option<(Registry, String)> {
    if !all_there(&[&TOOLS, [kind.program()].as_slice()].concat()) {
        return None;
    }
    let registry = Registry::serve(sandbox, kind);
    let name = format!("{}/{repository}", registry.address());
    sandbox.fixture("format/single", "single");
    let copy = ["cp", "--from-oci-layout", "single:v1", "--to-plain-http", &format!("{name}:1.4")];
    tool(sandbox, "oras").args(copy).expect(0);
    Some((registry, name))
}

fn openssl(sandbox: &Sandbox, line: &str) -> Outcome {
    sandbox.program("openssl").args(line.split_whitespace()).expect(0)
}

/// Each kind of key: how it is made, and how it signs.
const KEYS: [(&str, &str, &str); 7] = [
    ("p256", "EC -pkeyopt ec_paramgen_curve:P-256", DGST),
    ("p384", "EC -pkeyopt ec_paramgen_curve:P-384", DGST),
    ("p521", "EC -pkeyopt ec_paramgen_curve:P-521", DGST),
    ("rsa2048", "RSA -pkeyopt rsa_keygen_bits:2048", DGST),
    ("rsa3072", "RSA -pkeyopt rsa_keygen_bits:3072", DGST),
    ("rsa4096", "RSA -pkeyopt rsa_keygen_bits:4096", DGST),
    ("ed25519", "ED25519", "pkeyutl -sign -rawin -inkey openssl.key -out payload.sig -in payload.json"),
];
const DGST: &str = "dgst -sha256 -sign openssl.key -out payload.sig payload.json";

macro_rules! openssl_signs {
    ($($name:ident: $kind:ident;)+) => { $(
        #[test]
        fn $name() {
            flow(stringify!($name), Kind::$kind);
        }
    )+ };
}

// Between them every kind of registry takes one.
openssl_signs! {
    p256: Olareg;
    p384: Registry2;
    p521: Crane;
    rsa2048: OlaregWithoutReferrers;
    rsa3072: Registry3;
    rsa4096: Olareg;
    ed25519: Crane;
}

/// The flow of cosign's page of 2022: generate, openssl, base64, attach, verify.
fn flow(kind_of_key: &str, kind: Kind) {
    let sandbox = Sandbox::new();
    let Some((_registry, name)) = with_image(&sandbox, kind, "team/app") else { return };
    let (_, algorithm, sign) =
        KEYS.iter().find(|(name, ..)| *name == kind_of_key).expect("it is in the table");
    let image = format!("{name}:1.4");
    openssl(&sandbox, &format!("genpkey -algorithm {algorithm} -out openssl.key"));
    openssl(&sandbox, "pkey -in openssl.key -pubout -out openssl.pub");
    sandbox.write("payload.json", sandbox.coldsign().args(["generate", &image]).expect(0).stdout_bytes());
    openssl(&sandbox, sign);
    let wrapped = sandbox.program("base64").arg("payload.sig").expect(0);
    sandbox.write("s.b64", wrapped.stdout_bytes());
    let attach = |signature: &str| {
        let command = ["attach", "signature", "--payload", "payload.json", "--signature", signature];
        sandbox.coldsign().args(command).args(["--key", "openssl.pub", &image])
    };
    attach("s.b64").expect(0).stderr_line(&format!("pushed     {name}@sha256:{SINGLE}"));
    // The same again, from a file, typed and piped, adds nothing, unlike cosign.
    for outcome in [
        attach("s.b64").expect(0),
        attach(wrapped.stdout_text()).expect(0),
        attach("-").stdin(wrapped.stdout_bytes()).expect(0),
    ] {
        outcome.stderr_line(&format!("unchanged  {name}@sha256:{SINGLE}"));
    }
    let sig = sandbox.coldsign().args(["triangulate", &image]).expect(0);
    let manifest = tool(&sandbox, "crane").args(["manifest", sig.stdout_text().trim_end()]).expect(0);
    let manifest: Value = serde_json::from_slice(manifest.stdout_bytes()).expect("a manifest");
    let layers = manifest.pointer("/layers").and_then(Value::as_array).map(Vec::len);
    assert_eq!(layers, Some(1), "{manifest:#}");
    let signature = manifest.pointer("/layers/0/annotations/dev.cosignproject.cosign~1signature");
    assert_eq!(signature.and_then(Value::as_str), Some(&*wrapped.stdout_text().replace('\n', "")));
    // Everybody takes it by its key, nobody by another.
    openssl(&sandbox, &format!("genpkey -algorithm {algorithm} -out other.key"));
    openssl(&sandbox, "pkey -in other.key -pubout -out other.pub");
    for (key, code) in [("openssl.pub", 0), ("other.pub", 12)] {
        sandbox.coldsign().args(["verify", "--key", key, &image]).expect(code);
        for cosign in COSIGNS {
            cosign_verify(&sandbox, cosign, key).arg(&image).expect(code);
        }
    }
    let refused = ["attach", "signature", "--payload", "payload.json", "--signature", "s.b64"];
    let refused = sandbox.coldsign().args(refused).args(["--key", "other.pub", &image]).expect(12);
    refused.stderr_line("error[SIG-KEY]: not signed by the key: s.b64");
}

#[test]
fn no_payload_is_the_one_that_cosign_implies() {
    let sandbox = Sandbox::new();
    let Some((_registry, name)) = with_image(&sandbox, Kind::Olareg, "team/app") else { return };
    let image = format!("{name}@sha256:{SINGLE}");
    openssl(&sandbox, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out openssl.key");
    openssl(&sandbox, "pkey -in openssl.key -pubout -out openssl.pub");
    sandbox.write("payload.json", sandbox.coldsign().args(["generate", &image]).expect(0).stdout_bytes());
    openssl(&sandbox, DGST);
    let wrapped = sandbox.program("base64").arg("payload.sig").expect(0);
    let attach = ["attach", "signature", "--signature", "-", "--key", "openssl.pub", &image];
    let attached = sandbox.coldsign().args(attach).stdin(wrapped.stdout_bytes()).expect(0);
    attached.stderr_line(&format!("  coldsign generate {image}"));
    // Two cosigns attach the same in the same way: what they imply is what we imply.
    sandbox.write("s.b64", wrapped.stdout_bytes());
    for cosign in COSIGNS {
        tool(&sandbox, cosign).args(["attach", "signature", "--signature", "s.b64", &image]).expect(0);
    }
    let found = sandbox.coldsign().args(["download", "signature", &image]).expect(0);
    let payloads: BTreeSet<String> = lines(&found)
        .iter()
        .map(|line| line.get("Payload").map(Value::to_string).unwrap_or_default())
        .collect();
    assert_eq!((lines(&found).len(), payloads.len()), (3, 1), "{found}");
}

/// Every `sh` block of `docs/elsewhere.md`, in its order, by each cosign.
#[test]
fn commands_of_the_page() {
    for cosign in COSIGNS {
        let sandbox = Sandbox::new();
        let Some((registry, name)) = with_image(&sandbox, Kind::Olareg, "app") else { return };
        openssl(&sandbox, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out openssl.key");
        openssl(&sandbox, "pkey -in openssl.key -pubout -out openssl.pub");
        let digest = export(&sandbox, &[&format!("{name}:1.4")]);
        key(&sandbox, "release");
        approve(&sandbox, &digest, "release", "response.tar", &[]);
        cosign_verify(&sandbox, cosign, "release.pub"); // writes tr0.json
        let blocks = blocks("docs/elsewhere.md", "sh");
        assert_eq!(blocks.len(), 3);
        for block in blocks {
            let script = block.replace("registry.example", registry.address());
            // The page's cosign is this one, its crane the installed one.
            let program = |name: &str| find(name).expect("it was asked whether it is there");
            let functions = format!(
                "set -eu\ncosign() {{ '{}' \"$@\"; }}\ncrane() {{ '{}' \"$@\"; }}\ncoldsign() {{ '{}' \"$@\"; }}\n",
                program(cosign).display(),
                program("crane").display(),
                env!("CARGO_BIN_EXE_coldsign")
            );
            let run = tool(&sandbox, "sh").args(["-c", &format!("{functions}{script}")]).expect(0);
            run.never("SIG-ABSENT");
        }
    }
}

/// In another repository, which cosign finds there too.
#[test]
fn in_a_repository_of_its_own() {
    let sandbox = Sandbox::new();
    let Some((registry, name)) = with_image(&sandbox, Kind::Olareg, "team/app") else { return };
    let (image, elsewhere) = (format!("{name}:1.4"), format!("{}/signatures", registry.address()));
    openssl(&sandbox, "genpkey -algorithm ED25519 -out openssl.key");
    openssl(&sandbox, "pkey -in openssl.key -pubout -out openssl.pub");
    sandbox.write("payload.json", sandbox.coldsign().args(["generate", &image]).expect(0).stdout_bytes());
    openssl(&sandbox, "pkeyutl -sign -rawin -inkey openssl.key -out payload.sig -in payload.json");
    let wrapped = sandbox.program("base64").arg("payload.sig").expect(0);
    let attach =
        ["attach", "signature", "--payload", "payload.json", "--signature", "-", "--key", "openssl.pub"];
    let attach = sandbox.coldsign().args(attach).arg(&image).stdin(wrapped.stdout_bytes());
    attach.env("COSIGN_REPOSITORY", &elsewhere).expect(0);
    sandbox.coldsign().args(["verify", "--key", "openssl.pub", &image]).expect(10);
    for cosign in COSIGNS {
        let verify = cosign_verify(&sandbox, cosign, "openssl.pub").arg(&image);
        verify.env("COSIGN_REPOSITORY", &elsewhere).expect(0);
        cosign_verify(&sandbox, cosign, "openssl.pub").arg(&image).expect(10);
        // Where it is, both say the same.
        for kind in ["signature", "attestation", "sbom", "digest"] {
            let command = ["triangulate", "--type", kind, &image];
            let theirs = tool(&sandbox, cosign).args(command).env("COSIGN_REPOSITORY", &elsewhere).expect(0);
            let ours = sandbox.coldsign().args(command).env("COSIGN_REPOSITORY", &elsewhere).expect(0);
            ours.stdout(theirs.stdout_text());
            let theirs = tool(&sandbox, cosign).args(command).expect(0);
            sandbox.coldsign().args(command).expect(0).stdout(theirs.stdout_text());
        }
    }
    let found = ["download", "signature", "--signature-repository", &elsewhere, &image];
    assert_eq!(lines(&sandbox.coldsign().args(found).expect(0)).len(), 1);
    sandbox.coldsign().args(["download", "signature", &image]).expect(10);
}

/// The payload is cosign's, byte for byte, with every character that is escaped and those that are not.
#[test]
fn generate_is_cosigns() {
    let sandbox = Sandbox::new();
    let Some((_registry, name)) = with_image(&sandbox, Kind::Olareg, "team/app") else { return };
    let controls: String = ('\u{1}'..='\u{1f}').filter(|one| !matches!(one, '\n' | '\r')).collect();
    let escapes =
        format!("value=<>&'\\/{controls}\u{7f}\u{80}\u{a0}\u{e9}\u{2028}\u{2029}\u{feff}\u{fffd}\u{1f600}");
    let annotations =
        ["-a", "foo=bar", "-a", &escapes, "-a", "<k>=", "-a", "\u{e9}=1", "-a", "Z=1", "-a", "a=2"];
    for reference in
        [format!("{name}:1.4"), format!("{name}@sha256:{SINGLE}"), format!("alpine@sha256:{SINGLE}")]
    {
        for annotations in [&[][..], &annotations] {
            let ours = sandbox.coldsign().arg("generate").args(annotations).arg(&reference).expect(0);
            for cosign in COSIGNS {
                let theirs =
                    tool(&sandbox, cosign).arg("generate").args(annotations).arg(&reference).expect(0);
                assert_eq!(ours.stdout_bytes(), theirs.stdout_bytes(), "{ours}{theirs}");
            }
        }
    }
}

/// For a digest no socket is made, by `generate` and `triangulate`; for a tag one is.
#[test]
fn a_digest_needs_no_network() {
    if !all_there(&["strace"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let coldsign = env!("CARGO_BIN_EXE_coldsign");
    for (command, reference, asks) in [
        ("generate", format!("127.0.0.1:9/app@sha256:{SINGLE}"), false),
        ("triangulate", format!("127.0.0.1:9/app@sha256:{SINGLE}"), false),
        ("generate", "127.0.0.1:9/app:1".to_owned(), true),
    ] {
        let strace = ["-f", "-e", "trace=network", "-o", "trace", coldsign, command, &reference];
        sandbox.program("strace").args(strace).expect(if asks { 50 } else { 0 });
        let trace = String::from_utf8(sandbox.read("trace")).expect("strace writes text");
        assert_eq!(trace.contains("socket("), asks, "{command} {reference}\n{trace}");
    }
}

/// What `extract` writes verifies where signatures of blobs do.
#[test]
fn extracted_signatures_verify_elsewhere() {
    let sandbox = Sandbox::new();
    let Some((_registry, name)) = with_image(&sandbox, Kind::Olareg, "team/app") else { return };
    let digest = export(&sandbox, &[&format!("{name}:1.4")]);
    key(&sandbox, "release");
    key(&sandbox, "other");
    approve(&sandbox, &digest, "release", "response.tar", &[]);
    sandbox.coldsign().args(["extract", "response.tar", "--output-dir", "out"]).expect(0);
    let named = |ending: &str| {
        let all = sandbox.everything().into_keys().map(|name| name.display().to_string());
        let mut found: Vec<String> =
            all.filter(|name| name.starts_with("out/") && name.ends_with(ending)).collect();
        found.sort_by_key(String::len);
        found.swap_remove(0)
    };
    let (payload, raw, base64) = (named(".payload"), named(".sig"), named(".b64"));
    let (blob, bundle) = (named(".blob.bundle"), named(".bundle"));
    assert_ne!(blob, bundle);
    let image = format!("single/blobs/sha256/{SINGLE}");
    for (key, code) in [("release.pub", 0), ("other.pub", 1)] {
        let dgst = ["dgst", "-sha256", "-verify", key, "-signature", &raw, &payload];
        sandbox.program("openssl").args(dgst).expect(code);
        let with_bundle = ["--bundle", &blob, &payload];
        let of_image = ["--bundle", &bundle, &image];
        for cosign in COSIGNS {
            cosign_verify(&sandbox, cosign, key);
            let verify = |more: &[&str]| {
                let flags = ["verify-blob", "--key", key, "--insecure-ignore-tlog=true"];
                tool(&sandbox, cosign).args(flags).args(more.iter().copied()).expect(code);
            };
            // cosign 3 refuses --trusted-root beside a bare signature; cosign 2 wants it with a bundle.
            verify(&["--new-bundle-format=false", "--signature", &base64, &payload]);
            verify(
                &[["--new-bundle-format", "--trusted-root", "tr0.json"].as_slice(), &with_bundle].concat(),
            );
            verify(&[["--new-bundle-format", "--trusted-root", "tr0.json"].as_slice(), &of_image].concat());
        }
    }
}

fn lines(outcome: &Outcome) -> Vec<Value> {
    outcome.stdout_text().lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}

/// `download signature` prints what cosign's prints: 2.6 of a `.sig`, 3.1 of bundles where there are any.
#[test]
fn download_signature_is_cosigns() {
    let sandbox = Sandbox::new();
    let Some((_registry, name)) = with_image(&sandbox, Kind::Olareg, "team/app") else { return };
    let image = format!("{name}:1.4");
    let download = |program: &str, code| {
        let command = ["download", "signature", &image];
        let run = if program == "coldsign" { sandbox.coldsign() } else { tool(&sandbox, program) };
        run.args(command).expect(code)
    };
    download("coldsign", 10).stdout("").stderr_line("error[SIG-ABSENT]: no signatures found: [..]");
    for cosign in COSIGNS {
        download(cosign, 1);
    }
    let digest = export(&sandbox, &[&image, "-a", "note=<&>\u{e9}"]);
    key(&sandbox, "release");
    key(&sandbox, "other");
    approve(&sandbox, &digest, "release", "one.tar", &[]);
    approve(&sandbox, &digest, "other", "two.tar", &[]);
    import(&sandbox, &["one.tar"]);
    sandbox.coldsign().args(["import", "two.tar", "--key", "other.pub"]).expect(0);
    let sig = lines(&download("coldsign", 0));
    assert_eq!(sig.len(), 2);
    for cosign in COSIGNS {
        assert_eq!(lines(&download(cosign, 0)), sig, "{cosign}");
    }
    import(&sandbox, &["one.tar", "--attach", "bundle"]);
    let both = lines(&download("coldsign", 0));
    let (bundles, layers): (Vec<Value>, Vec<Value>) =
        both.into_iter().partition(|line| line.get("mediaType").is_some());
    assert_eq!(layers, sig);
    assert_eq!(lines(&download("cosign2", 0)), layers);
    assert_eq!(lines(&download("cosign3", 0)), bundles);
    assert_eq!(bundles.len(), 1);
}
