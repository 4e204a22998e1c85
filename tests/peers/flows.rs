//! The ceremony for everything that can be asked for: exported from a registry, signed by `coldsign-signer`, imported, and
//! judged by us and by both cosigns; and the same the other way round, where cosign can make it.

use std::fs;

use serde_json::Value;

use crate::attest::OWN;
use crate::registries::{SINGLE, manifest, push};
use crate::support::{Outcome, Sandbox};
use crate::tools::{COSIGNS, Kind, Registry, all_there, cosign_verify, tool};
use crate::written::{UNLOCK, key, key_for};

const TOOLS: [&str; 5] = ["skopeo", "crane", "oras", "olareg", "cosign2"];
const TYPES: [&str; 3] = ["p256", "p384", "ed25519"];

/// A registry with the referrers API.
fn registry(sandbox: &Sandbox) -> Option<Registry> {
    (all_there(&TOOLS) && all_there(COSIGNS)).then(|| Registry::serve(sandbox, Kind::Olareg))
}

/// The image of the fixtures in a repository of its own, by tag.
fn image(sandbox: &Sandbox, registry: &Registry, repository: &str) -> String {
    let name = format!("{}/{repository}", registry.address());
    push(sandbox, "single", &name);
    format!("{name}:1.4")
}

/// Exports to `RESPONSE.request`; returns its digest.
fn export(sandbox: &Sandbox, what: &[&str], response: &str) -> String {
    let request = format!("{response}.request");
    let exported = sandbox.coldsign().args(["export", "-o", &request]).args(what).expect(0);
    exported.stdout_text().trim_end().to_owned()
}

/// Signs a request, or a response to it.
fn sign(sandbox: &Sandbox, file: &str, digest: &str, key: &str, response: &str, code: i32) -> Outcome {
    let line = ["sign", file, "--key", key, "--approve", digest, "-o", response];
    sandbox.signer().args(line).args(UNLOCK).expect(code)
}

/// Export and signature.
fn ceremony(sandbox: &Sandbox, what: &[&str], key: &str, response: &str) {
    let digest = export(sandbox, what, response);
    sign(sandbox, &format!("{response}.request"), &digest, key, response, 0);
}

fn import(sandbox: &Sandbox, response: &str, keys: &[&str], more: &[&str]) -> Outcome {
    let keys = keys.iter().flat_map(|key| ["--key", key]);
    sandbox.coldsign().args(["import", response]).args(keys).args(more.iter().copied()).expect(0)
}

/// We and both cosigns say of an image by a key: 0, or 12 as of a `.sig`.
fn judged(sandbox: &Sandbox, key: &str, more: &[&str], image: &str, code: i32) {
    for cosign in COSIGNS {
        cosign_verify(sandbox, cosign, key).args(more).arg(image).expect(code);
    }
    sandbox.coldsign().args(["verify", "--key", key]).args(more).arg(image).expect(code);
}

/// Layers of the image's `.sig` or `.att`.
fn layers(sandbox: &Sandbox, image: &str, suffix: &str) -> usize {
    let repository = image.strip_suffix(":1.4").unwrap_or(image);
    let Some(manifest) = manifest(sandbox, &format!("{repository}:sha256-{SINGLE}.{suffix}")) else {
        return 0;
    };
    let manifest: Value = serde_json::from_str(&manifest).expect("a manifest");
    manifest.pointer("/layers").and_then(Value::as_array).map_or(0, Vec::len)
}

fn lines(outcome: &Outcome) -> usize {
    outcome.stdout_text().lines().count()
}

#[test]
fn several_signatures_of_one_image() {
    let sandbox = Sandbox::new();
    let Some(registry) = registry(&sandbox) else { return };
    for name in ["one", "two", "other"] {
        key(&sandbox, name);
    }
    for way in ["grown", "apart"] {
        let image = image(&sandbox, &registry, way);
        let (first, second) = (format!("{way}-1.tar"), format!("{way}-2.tar"));
        let digest = export(&sandbox, &[&image], &first);
        let request = format!("{first}.request");
        sign(&sandbox, &request, &digest, "one", &first, 0);
        let imports: &[(&str, &[&str])] = if way == "grown" {
            sign(&sandbox, &first, &digest, "two", &second, 0);
            &[(&second, &["one.pub", "two.pub"])]
        } else {
            sign(&sandbox, &request, &digest, "two", &second, 0);
            &[(&first, &["one.pub"]), (&second, &["two.pub"])]
        };
        for (response, keys) in imports {
            import(&sandbox, response, keys, &[])
                .stderr_line("done: 1 image pushed, 0 unchanged; read back and verified");
        }
        for (response, keys) in imports {
            import(&sandbox, response, keys, &[])
                .stderr_line("done: 0 images pushed, 1 unchanged; read back and verified");
        }
        assert_eq!(layers(&sandbox, &image, "sig"), 2, "{way}");
        for (key, code) in [("one.pub", 0), ("two.pub", 0), ("other.pub", 12)] {
            judged(&sandbox, key, &[], &image, code);
        }
    }
    // cosign signs twice, each with its own key.
    let image = image(&sandbox, &registry, "theirs");
    for name in ["three", "four"] {
        tool(&sandbox, "cosign3").args(["generate-key-pair", "--output-key-prefix", name]).expect(0);
        let line = ["sign", "--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false"];
        tool(&sandbox, "cosign3").args(line).args(["-y", "--key", &format!("{name}.key"), &image]).expect(0);
    }
    assert_eq!(layers(&sandbox, &image, "sig"), 2);
    for (key, code) in [("three.pub", 0), ("four.pub", 0), ("other.pub", 12)] {
        judged(&sandbox, key, &[], &image, code);
    }
}

/// As `TestSignVerify` of cosign's: nothing verifies before it is signed, nor with annotations that were not.
#[test]
fn annotations_by_ceremony() {
    let sandbox = Sandbox::new();
    let Some(registry) = registry(&sandbox) else { return };
    key(&sandbox, "release");
    let image = image(&sandbox, &registry, "team/app");
    judged(&sandbox, "release.pub", &[], &image, 10);
    ceremony(&sandbox, &[&image], "release", "plain.tar");
    import(&sandbox, "plain.tar", &["release.pub"], &[]);
    judged(&sandbox, "release.pub", &[], &image, 0);
    judged(&sandbox, "release.pub", &["-a", "foo=bar"], &image, 12);
    ceremony(&sandbox, &["-a", "foo=bar", "-a", "baz=bat", &image], "release", "r.tar");
    import(&sandbox, "r.tar", &["release.pub"], &[]);
    for (pairs, code) in [
        (&["-a", "foo=bar"][..], 0),
        (&["-a", "foo=bar", "-a", "baz=bat"], 0),
        (&["-a", "foo=bar", "-a", "baz=other"], 12),
        (&["-a", "absent=1"], 12),
    ] {
        judged(&sandbox, "release.pub", pairs, &image, code);
    }
    let payload = sandbox.coldsign().args(["generate", "-a", "foo=bar", "-a", "baz=bat", &image]).expect(0);
    assert!(payload.stdout_text().ends_with(r#""optional":{"baz":"bat","foo":"bar"}}"#), "{payload}");
}

/// One digest under two names: both signatures stand there, and each name is printed.
#[test]
fn two_identities_of_one_image() {
    let sandbox = Sandbox::new();
    let Some(registry) = registry(&sandbox) else { return };
    key(&sandbox, "release");
    let image = image(&sandbox, &registry, "team/app");
    for name in ["registry.example/one:1", "registry.example/two:2"] {
        let response = format!("{}.tar", &name[name.len() - 1..]);
        ceremony(&sandbox, &["--identity", name, &image], "release", &response);
        let request = format!("{response}.request");
        import(&sandbox, &response, &["release.pub"], &["--request", &request]);
    }
    assert_eq!(layers(&sandbox, &image, "sig"), 2);
    judged(&sandbox, "release.pub", &[], &image, 0);
    let ours = sandbox.coldsign().args(["verify", "--key", "release.pub", &image]).expect(0);
    for name in ["registry.example/one:1", "registry.example/two:2"] {
        assert!(ours.stdout_text().contains(&format!("\"docker-reference\":\"{name}\"")), "{ours}");
    }
}

/// A key that cosign made signs here, in both forms; what it signed is taken away again.
#[test]
fn an_imported_key_signs_and_its_signatures_go() {
    let sandbox = Sandbox::new();
    let Some(registry) = registry(&sandbox) else { return };
    key(&sandbox, "other"); // makes the home
    tool(&sandbox, "cosign3").args(["generate-key-pair", "--output-key-prefix", "cosign"]).expect(0);
    sandbox.write("theirs", "pass");
    let unlock = ["--home", "home", "--allow-swap", "--passphrase-file", "theirs"];
    let key = ["key", "import", "cosign.key", "release", "--new-passphrase-file", "pass"];
    sandbox.signer().args(key).args(unlock).expect(0);
    for form in ["sig", "bundle", "both"] {
        let (image, response) = (image(&sandbox, &registry, form), format!("{form}.tar"));
        ceremony(&sandbox, &[&image], "release", &response);
        import(&sandbox, &response, &["cosign.pub"], &["--attach", form]);
        judged(&sandbox, "cosign.pub", &[], &image, 0);
        sandbox.coldsign().args(["verify", "--key", "other.pub", &image]).expect(12);
        sandbox.coldsign().args(["clean", "--force", &image]).expect(0);
        judged(&sandbox, "cosign.pub", &[], &image, 10);
    }
}

#[test]
fn a_payload_of_another_tool() {
    let sandbox = Sandbox::new();
    let Some(registry) = registry(&sandbox) else { return };
    key(&sandbox, "other");
    sandbox.write("payload", "{\"made\": \"elsewhere\"}\n");
    for kind in TYPES {
        key_for(&sandbox, kind, kind, "image");
        let (image, public) = (image(&sandbox, &registry, kind), format!("{kind}.pub"));
        let (request, response) = (format!("{kind}.tar.request"), format!("{kind}.tar"));
        let digest = export(&sandbox, &["--payload", "payload", &image], &response);
        // Only by a key that may.
        sign(&sandbox, &request, &digest, kind, &response, 30).stderr_line("error[KEY-USES]: [..]");
        sandbox.no_file(&response);
        let add = ["key", "uses", kind, "--add", "custom-payload"];
        sandbox.signer().args(add).args(UNLOCK).expect(0);
        sign(&sandbox, &request, &digest, kind, &response, 0);
        import(&sandbox, &response, &[&public], &["--request", &request]);
        judged(&sandbox, &public, &["--check-claims=false"], &image, 0);
        judged(&sandbox, "other.pub", &["--check-claims=false"], &image, 12);
        judged(&sandbox, &public, &[], &image, 12);
        import(&sandbox, &response, &[&public], &["--request", &request]);
        assert_eq!(layers(&sandbox, &image, "sig"), 1);
    }
    // What would pass for the signature of an image, or of a statement, is not even asked for.
    for (n, bytes) in ["DSSEv1 29 text", "{\"CRITICAL\":{}}"].iter().enumerate() {
        sandbox.write("bad", bytes);
        let image = format!("{}/p256:1.4", registry.address());
        let export = ["export", "-o", &format!("{n}.tar"), "--payload", "bad", &image];
        sandbox.coldsign().args(export).expect(30).stderr_line("error[CUSTOM-PAYLOAD]: [..]");
    }
    // cosign's way to sign one.
    for cosign in COSIGNS {
        tool(&sandbox, cosign).args(["generate-key-pair", "--output-key-prefix", cosign]).expect(0);
        let image = image(&sandbox, &registry, cosign);
        let line = ["sign", "--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false"];
        let key = format!("{cosign}.key");
        tool(&sandbox, cosign)
            .args(line)
            .args(["-y", "--payload", "payload", "--key", &key, &image])
            .expect(0);
        judged(&sandbox, &format!("{cosign}.pub"), &["--check-claims=false"], &image, 0);
        judged(&sandbox, &format!("{cosign}.pub"), &[], &image, 12);
    }
}

/// What both cosigns and we say of attestations by a key.
fn attested(sandbox: &Sandbox, key: &str, kind: &str, image: &str, accepted: bool) {
    for cosign in COSIGNS {
        tool(sandbox, cosign)
            .args(["verify-attestation", "--key", key, "--type", kind, "--insecure-ignore-tlog=true"])
            .args(["--trusted-root", "tr0.json", image])
            .expect(i32::from(!accepted));
    }
    let ours = sandbox.coldsign().args(["verify-attestation", "--key", key, "--type", kind, image]);
    let ours = ours.expect(if accepted { 0 } else { 12 });
    assert_eq!(lines(&ours), usize::from(accepted), "{ours}");
}

#[test]
fn attestations_by_ceremony() {
    let sandbox = Sandbox::new();
    let Some(registry) = registry(&sandbox) else { return };
    key_for(&sandbox, "other", "p256", "attestation");
    cosign_verify(&sandbox, "cosign3", "other.pub"); // writes tr0.json
    sandbox.write("sbom.json", "{\"spdxVersion\":\"SPDX-2.3\",\"name\":\"<&>\"}\n");
    sandbox
        .write("any.txt", "any <text> & \"more\"\n")
        .write("own.json", "{\"zeta\": [ 1.50 ], \"alpha\": {\"b\":1, \"a\":2}}");
    for (kind, forms) in
        [("p256", &["sig", "bundle", "both"][..]), ("p384", &["both"]), ("ed25519", &["both"])]
    {
        key_for(&sandbox, kind, kind, "attestation");
        let public = format!("{kind}.pub");
        for form in forms {
            let image = image(&sandbox, &registry, &format!("{kind}/{form}"));
            for (n, (predicate_type, predicate)) in
                [("spdxjson", "sbom.json"), ("custom", "any.txt"), (OWN, "own.json")].iter().enumerate()
            {
                let response = format!("{kind}-{form}-{n}.tar");
                let attest = ["--attest", "--type", predicate_type, "--predicate", predicate, &image];
                ceremony(&sandbox, &attest, kind, &response);
                let first = import(&sandbox, &response, &[&public], &["--attach", form]);
                // No signature of the image is there: nothing is hidden, and nothing for `cosign verify`.
                first.never("BUNDLE-HIDES-SIG").never("cosign verify ");
                let again = import(&sandbox, &response, &[&public], &["--attach", form]);
                again.stderr_line("done: 0 images pushed, 1 unchanged; read back and verified");
            }
            for predicate_type in ["spdxjson", "custom", OWN] {
                attested(&sandbox, &public, predicate_type, &image, true);
                attested(&sandbox, "other.pub", predicate_type, &image, false);
            }
            attested(&sandbox, &public, "vuln", &image, false);
            // It is no signature of the image.
            let verify = sandbox.coldsign().args(["verify", "--key", &public, &image]);
            verify.expect(if *form == "sig" { 10 } else { 12 });
            let wanted = if *form == "both" { 6 } else { 3 };
            let found = sandbox.coldsign().args(["download", "attestation", &image]).expect(0);
            assert_eq!(lines(&found), wanted, "{found}");
            let one = ["download", "attestation", "--predicate-type", OWN, &image];
            assert_eq!(lines(&sandbox.coldsign().args(one).expect(0)), wanted / 3);
            assert_eq!(layers(&sandbox, &image, "att"), if *form == "bundle" { 0 } else { 3 });
        }
    }
}

/// A bundle of an attestation keeps stock cosign from looking at the `.sig`: import says so, and what helps, helps.
#[test]
fn an_attestation_hides_a_sig() {
    let sandbox = Sandbox::new();
    let Some(registry) = registry(&sandbox) else { return };
    key(&sandbox, "release");
    key_for(&sandbox, "attest", "p256", "attestation");
    let image = image(&sandbox, &registry, "team/app");
    sandbox.write("predicate.json", "{}");
    let attest = ["--attest", "--type", OWN, "--predicate", "predicate.json", &image];
    ceremony(&sandbox, &[&image], "release", "image.tar");
    ceremony(&sandbox, &attest, "attest", "att.tar");
    import(&sandbox, "image.tar", &["release.pub"], &[]);
    import(&sandbox, "att.tar", &["attest.pub"], &[]).never("BUNDLE-HIDES-SIG");
    judged(&sandbox, "release.pub", &[], &image, 0);
    let hides = format!("warning[BUNDLE-HIDES-SIG]: stock cosign will not look at .sig: {image}");
    import(&sandbox, "att.tar", &["attest.pub"], &["--attach", "both"])
        .stderr_line(&hides)
        .stderr_line("hint: import the image's own signatures with --attach both")
        .never("cosign verify ");
    for cosign in COSIGNS {
        cosign_verify(&sandbox, cosign, "release.pub").arg(&image).expect(1);
    }
    sandbox.coldsign().args(["verify", "--key", "release.pub", &image]).expect(0);
    import(&sandbox, "image.tar", &["release.pub"], &["--attach", "both"]).never("BUNDLE-HIDES-SIG");
    judged(&sandbox, "release.pub", &[], &image, 0);
    import(&sandbox, "att.tar", &["attest.pub"], &["--attach", "both"]);
}

/// A key for images signs no attestation, and one for attestations no image.
#[test]
fn uses_are_kept_apart() {
    let sandbox = Sandbox::new();
    let Some(registry) = registry(&sandbox) else { return };
    for usage in ["image", "attestation", "blob"] {
        key_for(&sandbox, usage, "p256", usage);
    }
    let image = image(&sandbox, &registry, "team/app");
    sandbox.write("predicate.json", "{}").write("file", "a file");
    let attest = ["--attest", "--type", "custom", "--predicate", "predicate.json", &image];
    for (usage, what) in [("image", &[&*image][..]), ("attestation", &attest), ("blob", &["--blob", "file"])]
    {
        let response = format!("{usage}.tar");
        let digest = export(&sandbox, what, &response);
        for key in ["image", "attestation", "blob"] {
            let (request, out) = (format!("{response}.request"), format!("{key}-{response}"));
            if key == usage {
                sign(&sandbox, &request, &digest, key, &out, 0);
            } else {
                sign(&sandbox, &request, &digest, key, &out, 30).stderr_line("error[KEY-USES]: [..]");
            }
        }
    }
}

#[test]
fn files_by_ceremony() {
    if !all_there(COSIGNS) {
        return;
    }
    let sandbox = Sandbox::new();
    key_for(&sandbox, "other", "p256", "blob");
    cosign_verify(&sandbox, "cosign3", "other.pub"); // writes tr0.json
    sandbox.write("app.tar.gz", "the content of a file\n").write("changed", "the content of a file");
    let sum = sandbox.program("sha256sum").arg("app.tar.gz").expect(0);
    let hash = format!("app.tar.gz=sha256:{}", &sum.stdout_text()[..64]);
    for kind in TYPES {
        key_for(&sandbox, kind, kind, "blob");
        for (way, what) in [("blob", ["--blob", "app.tar.gz"]), ("hash", ["--blob-digest", &hash])] {
            let name = format!("{kind}-{way}");
            if (kind, way) == ("ed25519", "hash") {
                // Pure Ed25519 signs no digest.
                let digest = export(&sandbox, &what, &name);
                let refused = sign(&sandbox, &format!("{name}.request"), &digest, kind, &name, 43);
                refused.stderr_line("error[KEY-TYPE]: key of a type that cannot be used for this: [..]");
                continue;
            }
            ceremony(&sandbox, &what, kind, &name);
            sandbox.coldsign().args(["extract", &name, "--output-dir", &format!("{name}-out")]).expect(0);
            let (bundle, bare) =
                (extracted(&sandbox, &name, ".blob.bundle"), extracted(&sandbox, &name, ".b64"));
            for (key, file, accepted) in
                [(kind, "app.tar.gz", true), ("other", "app.tar.gz", false), (kind, "changed", false)]
            {
                file_judged(&sandbox, &format!("{key}.pub"), [&bundle, &bare], file, accepted);
            }
            if kind != "ed25519" {
                let raw = extracted(&sandbox, &name, ".sig");
                let public = format!("{kind}.pub");
                let dgst = ["dgst", "-sha256", "-verify", &public, "-signature", &raw, "app.tar.gz"];
                sandbox.program("openssl").args(dgst).expect(0).stdout("Verified OK\n");
            }
        }
    }
}

/// The one file with that ending that `extract` wrote into `NAME-out`.
fn extracted(sandbox: &Sandbox, name: &str, ending: &str) -> String {
    let folder = format!("{name}-out");
    let mut found: Vec<String> = fs::read_dir(sandbox.path(&folder))
        .expect("extract wrote it")
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .filter(|file| file.ends_with(ending))
        .collect();
    assert_eq!(found.len(), 1, "{ending}: {found:?}");
    format!("{folder}/{}", found.swap_remove(0))
}

/// A file by its bundle and by the bare signature: we and both cosigns.
fn file_judged(sandbox: &Sandbox, key: &str, [bundle, bare]: [&str; 2], file: &str, accepted: bool) {
    for cosign in COSIGNS {
        let verify = |more: &[&str]| {
            tool(sandbox, cosign)
                .args(["verify-blob", "--key", key, "--insecure-ignore-tlog=true"])
                .args(more)
                .arg(file)
                .expect(i32::from(!accepted));
        };
        verify(&["--new-bundle-format", "--trusted-root", "tr0.json", "--bundle", bundle]);
        verify(&["--new-bundle-format=false", "--signature", bare]);
    }
    for by in [["--bundle", bundle], ["--signature", bare]] {
        let code = if accepted { 0 } else { 12 };
        sandbox.coldsign().args(["verify-blob", "--key", key]).args(by).arg(file).expect(code);
    }
}

/// With `COSIGN_REPOSITORY` everything lands in the other repository, and is found there alone.
#[test]
fn a_repository_for_signatures() {
    let sandbox = Sandbox::new();
    let Some(registry) = registry(&sandbox) else { return };
    key(&sandbox, "release");
    key_for(&sandbox, "attest", "p256", "attestation");
    let image = image(&sandbox, &registry, "team/app");
    let elsewhere = format!("{}/signatures", registry.address());
    sandbox.write("predicate.json", "{}");
    let attest = ["--attest", "--type", OWN, "--predicate", "predicate.json", &image];
    ceremony(&sandbox, &[&image], "release", "image.tar");
    ceremony(&sandbox, &attest, "attest", "att.tar");
    for (response, key) in [("image.tar", "release.pub"), ("att.tar", "attest.pub")] {
        let import = sandbox.coldsign().args(["import", response, "--key", key]);
        import.env("COSIGN_REPOSITORY", &elsewhere).expect(0);
    }
    for suffix in ["sig", "att"] {
        assert_eq!(layers(&sandbox, &elsewhere, suffix), 1, "{suffix}");
        assert_eq!(layers(&sandbox, &image, suffix), 0, "{suffix}");
    }
    for (place, there) in [(Some(&elsewhere), true), (None, false)] {
        let code = |absent| if there { 0 } else { absent };
        let run = |program: &str, words: &[&str], code| {
            let run = if program == "coldsign" { sandbox.coldsign() } else { tool(&sandbox, program) };
            let run = run.args(words.iter().copied());
            place.into_iter().fold(run, |run, place| run.env("COSIGN_REPOSITORY", place)).expect(code)
        };
        let verify = ["verify", "--key", "release.pub", &image];
        let attestation = ["verify-attestation", "--key", "attest.pub", "--type", OWN, &image];
        let offline = ["--insecure-ignore-tlog=true", "--trusted-root", "tr0.json"];
        cosign_verify(&sandbox, "cosign3", "release.pub"); // writes tr0.json
        run("coldsign", &verify, code(10));
        run("coldsign", &attestation, code(10));
        for cosign in COSIGNS {
            run(cosign, &[&verify[..], &offline].concat(), code(10));
            run(cosign, &[&attestation[..], &offline].concat(), code(1));
        }
        assert_eq!(lines(&run("coldsign", &["download", "signature", &image], code(10))), usize::from(there));
        let downloaded = run("coldsign", &["download", "attestation", &image], code(10));
        assert_eq!(lines(&downloaded), usize::from(there));
        let tree = run("coldsign", &["tree", &image], 0);
        assert_eq!(tree.stdout_text().matches("1 layer\n").count(), if there { 3 } else { 1 }, "{tree}");
    }
    // Bundles go there as well.
    let import = ["import", "image.tar", "--key", "release.pub", "--attach", "bundle"];
    sandbox.coldsign().args(import).env("COSIGN_REPOSITORY", &elsewhere).expect(0);
    for (program, found) in [("coldsign", 2), ("cosign3", 1)] {
        let download = |place: Option<&String>, code| {
            let run = if program == "coldsign" { sandbox.coldsign() } else { tool(&sandbox, program) };
            let run = run.args(["download", "signature", &image]);
            place.into_iter().fold(run, |run, place| run.env("COSIGN_REPOSITORY", place)).expect(code)
        };
        let there = download(Some(&elsewhere), 0);
        assert_eq!(
            (lines(&there), there.stdout_text().matches("dsseEnvelope").count()),
            (found, 1),
            "{there}"
        );
        download(None, if program == "coldsign" { 10 } else { 1 });
    }
    for cosign in COSIGNS {
        let verify = cosign_verify(&sandbox, cosign, "release.pub").arg(&image);
        verify.env("COSIGN_REPOSITORY", &elsewhere).expect(0);
        cosign_verify(&sandbox, cosign, "release.pub").arg(&image).expect(10);
    }
    // A flag says the same as the environment.
    let flag = ["verify", "--key", "release.pub", "--signature-repository", &elsewhere, &image];
    sandbox.coldsign().args(flag).expect(0);
}

/// Three jobs share a list; what they found is one report, in which the image that fails hides no other.
#[test]
fn many_images_in_shards() {
    let sandbox = Sandbox::new();
    let Some(registry) = registry(&sandbox) else { return };
    key(&sandbox, "release");
    let images: Vec<String> = (0..7).map(|n| image(&sandbox, &registry, &format!("team/app{n}"))).collect();
    let signed: Vec<&str> = images.iter().skip(1).map(String::as_str).collect();
    ceremony(&sandbox, &signed, "release", "r.tar");
    import(&sandbox, "r.tar", &["release.pub"], &[]);
    sandbox.write("images.txt", images.join("\n"));
    let verify = |more: &[&str], code| {
        let line = ["verify", "--key", "release.pub", "--from", "images.txt"];
        sandbox.coldsign().args(line).args(more.iter().copied()).expect(code)
    };
    let codes = [1, 2, 3].map(|n| {
        let (shard, report) = (format!("{n}/3"), format!("json:part-{n}.json"));
        let line = ["verify", "--key", "release.pub", "--from", "images.txt"];
        let run = sandbox.coldsign().args(line).args(["--shard", &shard, "--report", &report]).run();
        run.code().expect("it ends by itself")
    });
    let mut sorted = codes;
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 0, 10]);
    let merge = |parts: &[&str], more: &[&str], code| {
        sandbox
            .coldsign()
            .args(["report", "merge"])
            .args(parts.iter().copied())
            .args(more.iter().copied())
            .expect(code)
    };
    let parts = ["part-1.json", "part-2.json", "part-3.json"];
    let reports = ["--report", "json:all.json", "--report", "junit:all.xml", "--report", "sarif:all.sarif"];
    merge(&parts, &reports, 10);
    verify(&["--report", "json:whole.json"], 10);
    let (all, whole): (Value, Value) = (json(&sandbox, "all.json"), json(&sandbox, "whole.json"));
    let rows = |report: &Value| {
        report.pointer("/results").and_then(Value::as_array).map(Vec::len).unwrap_or_default()
    };
    assert_eq!((rows(&all), &all), (7, &whole));
    let junit = String::from_utf8(sandbox.read("all.xml")).expect("text");
    assert_eq!(junit.matches("<failure").count(), 1, "{junit}");
    merge(&parts[..2], &["--report", "json:two.json"], 23);
    sandbox.no_file("two.json");
    // Each of the others is one that stock cosign takes, too.
    for (n, image) in images.iter().enumerate() {
        cosign_verify(&sandbox, "cosign3", "release.pub").arg(image).expect(if n == 0 { 10 } else { 0 });
    }
}

fn json(sandbox: &Sandbox, name: &str) -> Value {
    serde_json::from_slice(&sandbox.read(name)).expect("a report is JSON")
}
