//! What we copy, stock cosign verifies; what `cosign copy` and `cosign save` write, we verify, show and copy.

use crate::registries::{SINGLE, manifest, push};
use crate::support::{Outcome, Sandbox};
use crate::tools::{COSIGNS, Kind, Registry, all_there, cosign_verify, tool};
use crate::written::{approve, export, key};

const PEERS: [&str; 5] = ["skopeo", "oras", "crane", "cosign2", "cosign3"];

macro_rules! on_each_registry {
    ($($kind:ident $name:ident;)+) => { $(
        mod $name {
            use super::{Kind, clean, copies};

            #[test]
            fn both_ways() {
                copies(Kind::$kind);
            }

            #[test]
            fn cleaned() {
                clean(Kind::$kind);
            }
        }
    )+ };
}

on_each_registry! {
    Olareg olareg;
    Registry2 registry2;
    Registry3 registry3;
}

/// `REPOSITORY:1.4`, signed by cosign's key `cosign.pub` in both forms, with an attestation and an SBOM.
fn signed(sandbox: &Sandbox, kind: Kind) -> Option<(Registry, String)> {
    if !all_there(&[&PEERS, [kind.program()].as_slice()].concat()) {
        return None;
    }
    tool(sandbox, "cosign3").args(["generate-key-pair", "--output-key-prefix", "cosign"]).expect(0);
    tool(sandbox, "cosign3").args(["generate-key-pair", "--output-key-prefix", "other"]).expect(0);
    let registry = Registry::serve(sandbox, kind);
    let name = format!("{}/team/app", registry.address());
    push(sandbox, "single", &name);
    let digest = format!("{name}@sha256:{SINGLE}");
    sandbox.write("predicate.json", "{\"a\":1}").write("sbom.spdx", "SPDXVersion: SPDX-2.2\n");
    let offline = ["--key", "cosign.key", "--tlog-upload=false", "-y"];
    let sig = ["sign", "--new-bundle-format=false", "--use-signing-config=false"];
    tool(sandbox, "cosign3").args(sig).args(offline).arg(&digest).expect(0);
    let att = ["attest", "--type", "custom", "--predicate", "predicate.json"];
    tool(sandbox, "cosign2").args(att).args(offline).arg(&digest).expect(0);
    let sbom = ["attach", "sbom", "--sbom", "sbom.spdx", "--type", "spdx"];
    tool(sandbox, "cosign2").args(sbom).arg(&digest).expect(0);
    Some((registry, name))
}

fn sign_bundle(sandbox: &Sandbox, name: &str) {
    tool(sandbox, "cosign3")
        .args(["sign", "--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", "-y"])
        .arg(format!("{name}@sha256:{SINGLE}"))
        .expect(0);
}

fn copy(sandbox: &Sandbox, from: &str, to: &str) -> Outcome {
    let outcome = sandbox.coldsign().args(["copy", from, to]).expect(0);
    outcome.stdout(&format!("sha256:{SINGLE}\n"));
    outcome
}

/// Everybody verifies with the right key and refuses another one.
fn judged(sandbox: &Sandbox, reference: &str, bundle: bool) {
    for cosign in COSIGNS {
        cosign_verify(sandbox, cosign, "cosign.pub").arg(reference).expect(0);
        cosign_verify(sandbox, cosign, "other.pub").arg(reference).expect(if bundle { 1 } else { 12 });
    }
    sandbox.coldsign().args(["verify", "--key", "cosign.pub", reference]).expect(0);
    sandbox.coldsign().args(["verify", "--key", "other.pub", reference]).expect(12);
}

fn copies(kind: Kind) {
    let sandbox = Sandbox::new();
    let Some((registry, name)) = signed(&sandbox, kind) else { return };
    let at = |rest: &str| format!("{}/{rest}", registry.address());
    let from = format!("{name}:1.4");

    // We copy, cosign verifies: through the registry, a layout, an archive.
    copy(&sandbox, &from, &at("mirror/app:1"));
    judged(&sandbox, &at("mirror/app:1"), false);
    copy(&sandbox, &from, "oci:layout:1");
    copy(&sandbox, &from, "oci-archive:layout.tar:1");
    for cosign in COSIGNS {
        for (key, code) in [("cosign.pub", 0), ("other.pub", 1)] {
            cosign_verify(&sandbox, cosign, key).args(["--local-image", "layout"]).expect(code);
        }
    }
    for (place, back) in [("oci:layout:1", "back/a:1"), ("oci-archive:layout.tar:1", "back/b:1")] {
        copy(&sandbox, place, &at(back));
        judged(&sandbox, &at(back), false);
        for suffix in ["sig", "att", "sbom"] {
            let tag = |name: &str| manifest(&sandbox, &format!("{name}:sha256-{SINGLE}.{suffix}"));
            let (there, was) = (tag(&at(back.trim_end_matches(":1"))), tag(&name));
            assert!(was.is_some() && there == was, "{suffix}: {there:?}");
        }
    }
    // skopeo and oras read what we wrote.
    let inspect = ["inspect", "--raw", "oci-archive:layout.tar:1"];
    tool(&sandbox, "skopeo").args(inspect).expect(0);
    tool(&sandbox, "oras").args(["manifest", "fetch", "--oci-layout", "layout:1"]).expect(0);
    // cosign loads the layout.
    for cosign in COSIGNS {
        let to = at(&format!("loaded-{cosign}/app:1"));
        tool(&sandbox, cosign).args(["load", "--dir", "layout", &to]).expect(0);
        sandbox.coldsign().args(["verify", "--key", "cosign.pub", &to]).expect(0);
    }

    // cosign copies and saves, we verify, show and copy.
    for cosign in COSIGNS {
        let copied = at(&format!("by-{cosign}/app:1"));
        tool(&sandbox, cosign).args(["copy", &from, &copied]).expect(0);
        sandbox.coldsign().args(["verify", "--key", "cosign.pub", &copied]).expect(0);
        let tree = sandbox.coldsign().args(["tree", &copied]).expect(0);
        tree.stdout_line("  - signatures (.sig), 1 layer").stdout_line("  - attestations (.att), 1 layer");
        let on = at(&format!("on-{cosign}/app:1"));
        copy(&sandbox, &copied, &on);
        judged(&sandbox, &on, false);
        let trap = on.replace(":1", &format!(":sha256-{SINGLE}"));
        assert_eq!(manifest(&sandbox, &trap), None, "the image has the name of its referrers");
    }
    for cosign in COSIGNS {
        let saved = format!("saved-{cosign}");
        tool(&sandbox, cosign).args(["save", "--dir", &saved, &from]).expect(0);
        saved_by(&sandbox, &saved, &at(&format!("from-{cosign}/app:1")), false);
    }
    sign_bundle(&sandbox, &name);
    for cosign in COSIGNS {
        let saved = format!("both-{cosign}");
        tool(&sandbox, cosign).args(["save", "--dir", &saved, &from]).expect(0);
        // cosign 2 does not save bundles.
        saved_by(&sandbox, &saved, &at(&format!("both-from-{cosign}/app:1")), *cosign == "cosign3");
    }
    copy(&sandbox, &from, &at("bundles/app:1"));
    judged(&sandbox, &at("bundles/app:1"), true);
}

/// A layout that cosign saved: verified, shown, copied to a registry and back.
fn saved_by(sandbox: &Sandbox, saved: &str, to: &str, bundle: bool) {
    let place = format!("oci:{saved}");
    sandbox.coldsign().args(["verify", "--key", "cosign.pub", &place]).expect(0);
    sandbox.coldsign().args(["verify", "--key", "other.pub", &place]).expect(12);
    sandbox.coldsign().args(["tree", &place]).expect(0).stdout_line("  - signatures (.sig), 1 layer");
    copy(sandbox, &place, to);
    judged(sandbox, to, bundle);
    let back = format!("oci:{saved}-back:1");
    copy(sandbox, to, &back);
    sandbox.coldsign().args(["verify", "--key", "cosign.pub", &back]).expect(0);
}

fn clean(kind: Kind) {
    let sandbox = Sandbox::new();
    let Some((_registry, name)) = signed(&sandbox, kind) else { return };
    sign_bundle(&sandbox, &name);
    let reference = format!("{name}:1.4");
    let clean = |more: &[&str]| sandbox.coldsign().args(["clean", &reference]).args(more);
    clean(&[]).expect(2);
    clean(&["--force", "--type", "referrer"]).expect(0).stderr_line("done: 1 manifest deleted");
    judged(&sandbox, &reference, false);
    clean(&["--force"]).expect(0).stderr_line("done: 3 manifests deleted");
    for cosign in COSIGNS {
        cosign_verify(&sandbox, cosign, "cosign.pub").arg(&reference).expect(10);
    }
    for suffix in ["", ".sig", ".att", ".sbom"] {
        assert_eq!(manifest(&sandbox, &format!("{name}:sha256-{SINGLE}{suffix}")), None);
    }
    assert!(manifest(&sandbox, &reference).is_some());
    // As for cosign, nothing to do is no failure.
    clean(&["--force"]).expect(0).stderr_line(&format!("nothing to delete beside {reference}"));
    tool(&sandbox, "cosign3").args(["clean", "--force", &reference]).expect(0);
}

/// A response with signatures alone is one that stock cosign loads into the image's repository.
#[test]
fn cosign_loads_a_response() {
    let sandbox = Sandbox::new();
    if !all_there(&[&PEERS, ["olareg"].as_slice()].concat()) {
        return;
    }
    let registry = Registry::serve(&sandbox, Kind::Olareg);
    let name = format!("{}/team/app", registry.address());
    push(&sandbox, "single", &name);
    let digest = export(&sandbox, &[&format!("{name}:1.4")]);
    key(&sandbox, "release");
    key(&sandbox, "other");
    approve(&sandbox, &digest, "release", "response.tar", &["--form", "sig"]);
    sandbox.program("mkdir").arg("response").expect(0);
    sandbox.program("tar").args(["-xf", "response.tar", "-C", "response"]).expect(0);
    for cosign in COSIGNS {
        tool(&sandbox, cosign).args(["load", "--dir", "response", &format!("{name}:1.4")]).expect(0);
        for (key, code) in [("release.pub", 0), ("other.pub", 12)] {
            cosign_verify(&sandbox, cosign, key).arg(format!("{name}:1.4")).expect(code);
            sandbox.coldsign().args(["verify", "--key", key, &format!("{name}:1.4")]).expect(code);
        }
        sandbox.coldsign().args(["clean", "--force", &format!("{name}:1.4")]).expect(0);
    }
}

/// An index that cosign saved holds no signatures of its platforms: those it has are carried.
#[test]
fn an_index_is_carried_with_its_platforms() {
    let sandbox = Sandbox::new();
    let Some((registry, _)) = signed(&sandbox, Kind::Olareg) else { return };
    let name = format!("{}/team/index", registry.address());
    push(&sandbox, "index", &name);
    let sign = ["sign", "--recursive", "--key", "cosign.key", "--new-bundle-format=false"];
    let offline = ["--use-signing-config=false", "--tlog-upload=false", "-y"];
    tool(&sandbox, "cosign3").args(sign).args(offline).arg(format!("{name}:1.4")).expect(0);
    let to = format!("{}/mirror/index:1", registry.address());
    sandbox.coldsign().args(["copy", &format!("{name}:1.4"), &to]).expect(0);
    sandbox.coldsign().args(["verify", "--recursive", "--key", "cosign.pub", &to]).expect(0);
    cosign_verify(&sandbox, "cosign3", "cosign.pub").arg(&to).expect(0);
    let platform = format!("{}/mirror/arm:1", registry.address());
    let one = ["--platform", "linux/arm64"];
    sandbox.coldsign().args(["copy", &to, &platform]).args(one).expect(0);
    cosign_verify(&sandbox, "cosign3", "cosign.pub").arg(&platform).expect(0);
    tool(&sandbox, "cosign3").args(["save", "--dir", "saved", &to]).expect(0);
    sandbox.coldsign().args(["verify", "--key", "cosign.pub", "oci:saved"]).expect(0);
    let back = format!("{}/back/index:1", registry.address());
    sandbox.coldsign().args(["copy", "oci:saved", &back]).expect(0);
    cosign_verify(&sandbox, "cosign2", "cosign.pub").arg(&back).expect(0);
}
