//! `verify -a`: what cosign makes of it in each form, and what we do.
//!
//! cosign 2.6 does not compare annotations in bundles and prints that it did: a wrong one exits 0. cosign 3.1 compares
//! them. Neither is asked to change: what is recorded here is why a verdict of ours may differ.

use crate::registries::SINGLE;
use crate::support::{Outcome, Sandbox};
use crate::tools::{COSIGNS, Kind, Registry, all_there, cosign_verify, tool};

const VERIFIED: &str = "  - The specified annotations were verified.";

/// An image that cosign 3 signed with `foo=bar` and `baz=bat`, as `.sig` or as a bundle; its name at the registry.
fn signed(sandbox: &Sandbox, registry: &Registry, bundle: bool) -> String {
    let name = format!("{}/{}", registry.address(), if bundle { "bundle" } else { "sig" });
    let push = ["cp", "--from-oci-layout", "--to-plain-http", "single:v1"];
    sandbox.fixture("format/single", "single");
    tool(sandbox, "oras").args(push).arg(format!("{name}:1.4")).expect(0);
    let form: &[&str] = if bundle { &[] } else { &["--new-bundle-format=false"] };
    tool(sandbox, "cosign3")
        .args(["sign", "--key", "cosign3.key", "--use-signing-config=false", "--tlog-upload=false", "-y"])
        .args(["-a", "foo=bar", "-a", "baz=bat"])
        .args(form)
        .arg(format!("{name}@sha256:{SINGLE}"))
        .expect(0);
    format!("{name}:1.4")
}

/// By cosign 2, cosign 3 and us, in this order: the exit codes, and our outcome.
#[track_caller]
fn verify(sandbox: &Sandbox, image: &str, pairs: &[&str]) -> (Vec<Option<i32>>, Outcome) {
    let pairs: Vec<&str> = pairs.iter().flat_map(|pair| ["-a", pair]).collect();
    let theirs = |cosign: &&str| {
        let end = cosign_verify(sandbox, cosign, "cosign3.pub").args(&pairs).arg(image).run();
        // It says so whether it did or not.
        assert_eq!(end.stderr_text().contains(VERIFIED), !pairs.is_empty() && end.code() == Some(0), "{end}");
        end.code()
    };
    let mut codes: Vec<Option<i32>> = COSIGNS.iter().map(theirs).collect();
    let ours = sandbox.coldsign().args(["verify", "--key", "cosign3.pub"]).args(&pairs).arg(image).run();
    codes.push(ours.code());
    (codes, ours)
}

#[test]
fn a_pair_that_is_missing_or_different() {
    if !all_there(&["cosign2", "cosign3", "oras", "olareg"]) {
        return;
    }
    let sandbox = Sandbox::new();
    tool(&sandbox, "cosign3").args(["generate-key-pair", "--output-key-prefix", "cosign3"]).expect(0);
    let registry = Registry::serve(&sandbox, Kind::Olareg);
    for (bundle, refused) in [(false, [12, 12, 12]), (true, [0, 1, 12])] {
        let image = signed(&sandbox, &registry, bundle);
        for pairs in [&[][..], &["foo=bar"], &["baz=bat", "foo=bar"]] {
            let (codes, ours) = verify(&sandbox, &image, pairs);
            assert_eq!(codes, [Some(0); 3], "{pairs:?} {ours}");
        }
        for (pairs, named) in [
            (&["foo=other"][..], &["  wanted foo=other", "  signed foo=bar"][..]),
            (&["foo=bar", "absent=1"], &["  wanted absent=1", "  signed without absent"]),
            (&["Foo=bar"], &["  wanted Foo=bar", "  signed without Foo"]),
        ] {
            let (codes, ours) = verify(&sandbox, &image, pairs);
            assert_eq!(codes, refused.map(Some), "{pairs:?} {ours}");
            ours.stderr_line("error[PAYLOAD-ANNOTATIONS]: missing or different annotation: [..]");
            for line in named {
                ours.stderr_line(line);
            }
        }
    }
}

/// Without the claims the digest in a bundle is still compared, by cosign and by us; in a `.sig` by nobody.
#[test]
fn without_claims() {
    if !all_there(&["cosign2", "cosign3", "oras", "olareg"]) {
        return;
    }
    let sandbox = Sandbox::new();
    tool(&sandbox, "cosign3").args(["generate-key-pair", "--output-key-prefix", "cosign3"]).expect(0);
    tool(&sandbox, "cosign3").args(["generate-key-pair", "--output-key-prefix", "other"]).expect(0);
    let registry = Registry::serve(&sandbox, Kind::Olareg);
    for (bundle, others) in [(false, [12, 12, 12]), (true, [1, 1, 12])] {
        let image = signed(&sandbox, &registry, bundle);
        for (key, codes) in [("cosign3.pub", [0; 3]), ("other.pub", others)] {
            let off = ["--check-claims=false", &image];
            for (place, cosign) in COSIGNS.iter().enumerate() {
                cosign_verify(&sandbox, cosign, key)
                    .args(off)
                    .expect(codes[place])
                    .never("Warning: the following");
            }
            let ours = sandbox.coldsign().args(["verify", "--key", key]).args(off).expect(codes[2]);
            if codes[2] == 0 {
                ours.stderr_line("Warning: the following claims have not been verified:");
            }
        }
    }
}
