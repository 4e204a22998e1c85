//! The whole trip through each registry: push, export, sign, import; and what the real verifiers say of it.

use crate::support::{Outcome, Sandbox};
use crate::tools::{COSIGNS, Kind, Registry, all_there, cosign_verify, tool};
use crate::written::{approve, export, key};

/// The image of `fixtures/format/single`.
pub(crate) const SINGLE: &str = "19c23ffc203483d654c30a57ffe3f82d0b0edb44cf57f14ea790ec8b73b15aa2";
/// The index of `fixtures/format/index`.
const INDEX: &str = "b6d68273372cc03937c89e66cfefad48d5426ca122bf595e8669c15c8cd1831f";
/// What it names: amd64, arm64, riscv64.
const PLATFORMS: [&str; 3] = [
    "59ded9b2b208475abf96f862790d13347d62bff658fe9406e6ffaf1ccc49b207",
    "a94e361ac3c2e39741fac2008d1387f27faa2a9d18914db5e9bcb4d4b1b00dc6",
    "9b7447732f304623339c8e4cd36c594506415f2a8437380ac0240c8487058be6",
];

macro_rules! trips {
    ($($name:ident: $kind:ident;)+) => { $(
        mod $name {
            use super::{Kind, trip};

            #[test]
            fn sig() {
                trip(Kind::$kind, "sig");
            }

            #[test]
            fn bundle() {
                trip(Kind::$kind, "bundle");
            }

            #[test]
            fn both() {
                trip(Kind::$kind, "both");
            }
        }
    )+ };
}

trips! {
    olareg: Olareg;
    olareg_without_referrers: OlaregWithoutReferrers;
    registry2: Registry2;
    registry3: Registry3;
    crane: Crane;
}

/// An image and an index go there and back; everybody judges.
fn trip(kind: Kind, attach: &str) {
    if !all_there(&[kind.program(), "skopeo", "oras", "crane", "cosign2", "cosign3"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let registry = Registry::serve(&sandbox, kind);
    let (single, index) =
        (format!("{}/team/single", registry.address()), format!("{}/team/index", registry.address()));
    push(&sandbox, "single", &single);
    push(&sandbox, "index", &index);
    let references = references(&single, &index);
    unsigned(&sandbox, &references);

    let digest = export(&sandbox, &[&format!("{single}:1.4"), &format!("{index}:1.4")]);
    key(&sandbox, "release");
    key(&sandbox, "other");
    approve(&sandbox, &digest, "release", "response.tar", &[]);
    let imported = import(&sandbox, &["response.tar", "--request", "request.tar", "--attach", attach]);
    imported.stderr_line("done: 2 images pushed, 0 unchanged; read back and verified");

    by_cosign(&sandbox, &references, kind, attach);
    by_coldsign(&sandbox, &references, &index);
    if attach != "bundle" {
        by_skopeo(&sandbox, &single, &index);
        by_the_printed_command(&sandbox, &imported, &single, attach);
    }
    where_they_are(&sandbox, kind, attach, &single, SINGLE);
    for digest in [&[INDEX], PLATFORMS.as_slice()].concat() {
        where_they_are(&sandbox, kind, attach, &index, digest);
    }

    let again = import(&sandbox, &["response.tar", "--attach", attach]);
    again.stderr_line("done: 0 images pushed, 2 unchanged; read back and verified");
    again
        .stderr_line(&format!("unchanged  {single}:1.4[..]"))
        .stderr_line(&format!("unchanged  {index}:1.4[..]"));
    where_they_are(&sandbox, kind, attach, &single, SINGLE);
}

/// Every name under which somebody verifies: tags, digests, each platform.
fn references(single: &str, index: &str) -> Vec<String> {
    let mut all = vec![
        format!("{single}:1.4"),
        format!("{single}@sha256:{SINGLE}"),
        format!("{index}:1.4"),
        format!("{index}@sha256:{INDEX}"),
    ];
    all.extend(PLATFORMS.map(|platform| format!("{index}@sha256:{platform}")));
    all
}

/// Nobody takes an image that was not signed.
fn unsigned(sandbox: &Sandbox, references: &[String]) {
    sandbox.fixture("format/one.pub", "one.pub");
    for reference in references {
        cosign_verify(sandbox, "cosign3", "one.pub").arg(reference).expect(10);
        sandbox.coldsign().args(["verify", "--key", "one.pub", reference]).expect(10);
    }
}

fn by_cosign(sandbox: &Sandbox, references: &[String], kind: Kind, attach: &str) {
    // cosign takes 405 for «no bundles» and looks at `.sig`; any other form it judges by the bundles alone.
    let finds_bundles = attach != "sig" && kind != Kind::OlaregWithoutReferrers;
    let (accepted, refused) = match (attach, finds_bundles) {
        ("bundle", false) => (10, 10),
        (_, true) => (0, 1),
        (_, false) => (0, 12),
    };
    for cosign in COSIGNS {
        for reference in references {
            cosign_verify(sandbox, cosign, "release.pub").arg(reference).expect(accepted);
            cosign_verify(sandbox, cosign, "other.pub").arg(reference).expect(refused);
        }
    }
}

fn by_coldsign(sandbox: &Sandbox, references: &[String], index: &str) {
    for reference in references {
        sandbox.coldsign().args(["verify", "--key", "release.pub", reference]).expect(0);
        sandbox.coldsign().args(["verify", "--key", "other.pub", reference]).expect(12);
    }
    let index = format!("{index}:1.4");
    for (key, code) in [("release.pub", 0), ("other.pub", 12)] {
        sandbox.coldsign().args(["verify", "--key", key, "--recursive", &index]).expect(code);
        sandbox.coldsign().args(["verify", "--key", key, "--from", "response.tar"]).expect(code);
    }
}

/// containers/image compares the name as well: by tag the one that was signed, by digest the repository.
fn by_skopeo(sandbox: &Sandbox, single: &str, index: &str) {
    tool(sandbox, "crane").args(["tag", &format!("{single}:1.4"), "latest"]).expect(0);
    let platform = PLATFORMS[1];
    for (reference, all, exact, repository) in [
        (format!("{single}:1.4"), false, true, true),
        (format!("{single}@sha256:{SINGLE}"), false, true, true),
        (format!("{single}:latest"), false, false, true),
        (format!("{index}:1.4"), true, true, true),
        // This machine's platform of the index, whose own signature has the name of the index.
        (format!("{index}:1.4"), false, true, true),
        (format!("{index}@sha256:{INDEX}"), true, true, true),
        (format!("{index}@sha256:{platform}"), false, true, true),
    ] {
        let all: &[&str] = if all { &["--all"] } else { &[] };
        pulled(sandbox, &reference, all, "release.pub", "matchRepoDigestOrExact", exact);
        pulled(sandbox, &reference, all, "release.pub", "matchRepository", repository);
        pulled(sandbox, &reference, all, "other.pub", "matchRepository", false);
    }
}

/// Whether a policy that wants this key and compares names this way lets the image be pulled.
pub(crate) fn pulled(
    sandbox: &Sandbox,
    reference: &str,
    all: &[&str],
    key: &str,
    identity: &str,
    accepted: bool,
) {
    let (host, _) = reference.split_once('/').expect("a reference has a registry");
    sandbox
        .write("registries.d/all.yaml", format!("docker:\n  {host}:\n    use-sigstore-attachments: true\n"));
    sandbox.write(
        "policy.json",
        format!(
            r#"{{"default":[{{"type":"reject"}}],"transports":{{"docker":{{"{host}":[{{"type":"sigstoreSigned",
            "keyPath":"{key}","signedIdentity":{{"type":"{identity}"}}}}]}}}}}}"#
        ),
    );
    let run = tool(sandbox, "skopeo")
        .args(["--policy", "policy.json", "--registries.d", "registries.d"])
        .args(["copy", "--src-tls-verify=false", "--remove-signatures"])
        .args(all)
        .args([&format!("docker://{reference}"), "dir:pulled"])
        .expect(i32::from(!accepted));
    assert!(accepted || run.stderr_text().contains("Source image rejected: "), "{run}");
}

/// The command that import prints is one that works, and refuses another key.
pub(crate) fn by_the_printed_command(sandbox: &Sandbox, imported: &Outcome, image: &str, attach: &str) {
    let said = imported.stderr_text().replace("\\\n", " ");
    let line =
        said.lines().find(|line| line.trim_start().starts_with("cosign verify ")).expect("it is printed");
    let line = line.replace(" IMAGE", &format!(" {image}:1.4"));
    let words: Vec<_> = line.split_whitespace().take_while(|word| *word != "#").skip(1).collect();
    assert!(words.contains(&"release.pub"), "{line}");
    // Writes tr0.json, which the command names.
    cosign_verify(sandbox, "cosign3", "release.pub").arg(format!("{image}:1.4")).expect(0);
    for cosign in COSIGNS {
        tool(sandbox, cosign).args(&words).expect(0);
    }
    assert!(attach != "sig" || imported.stderr_text().contains("--attach both"), "{imported}");
}

/// What lies where: the tag of the `.sig`, the referrers, and nothing that was not asked for.
fn where_they_are(sandbox: &Sandbox, kind: Kind, attach: &str, name: &str, digest: &str) {
    let sig = manifest(sandbox, &format!("{name}:sha256-{digest}.sig"));
    assert_eq!(sig.is_some(), attach != "bundle", "{sig:?}");
    if let Some(sig) = sig {
        assert_eq!(sig.matches("dev.cosignproject.cosign/signature").count(), 1, "{sig}");
    }
    let wanted = usize::from(attach != "sig");
    if kind != Kind::OlaregWithoutReferrers {
        let found = tool(sandbox, "oras")
            .args(["discover", "--plain-http", "--format", "json", &format!("{name}@sha256:{digest}")])
            .expect(0);
        assert_eq!(found.stdout_text().matches(BUNDLE_TYPE).count(), wanted, "{found}");
    }
    let fallback = manifest(sandbox, &format!("{name}:sha256-{digest}"));
    let entries = fallback.as_deref().map_or(0, |index| index.matches(BUNDLE_TYPE).count());
    assert_eq!(entries, if kind == Kind::Olareg { 0 } else { wanted }, "{fallback:?}");
}

const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What a tag or digest names, as crane sees it.
pub(crate) fn manifest(sandbox: &Sandbox, reference: &str) -> Option<String> {
    let found = tool(sandbox, "crane").args(["manifest", reference]).run();
    let absent = found.code() == Some(1) && found.stderr_text().contains("MANIFEST_UNKNOWN");
    assert!(absent || found.code() == Some(0), "{found}");
    (!absent).then(|| found.stdout_text().to_owned())
}

/// Pushes an image of the fixtures, an index with all that it names, as `NAME:1.4`.
pub(crate) fn push(sandbox: &Sandbox, fixture: &str, name: &str) {
    sandbox.fixture(format!("format/{fixture}"), fixture);
    tool(sandbox, "skopeo")
        .args(["copy", "--insecure-policy", "--all", "--preserve-digests", "--dest-tls-verify=false"])
        .args([format!("oci:{fixture}:v1"), format!("docker://{name}:1.4")])
        .expect(0);
}

/// An import that succeeds, for signatures of `release.pub`.
pub(crate) fn import(sandbox: &Sandbox, more: &[&str]) -> Outcome {
    sandbox.coldsign().args(["import", "--key", "release.pub"]).args(more).expect(0)
}
