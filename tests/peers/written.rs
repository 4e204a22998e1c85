//! What the two programs write, from an image in a layout to a signature that others verify.

use crate::support::Sandbox;
use crate::tools::{COSIGNS, Registry, all_there, cosign_verify, tool};

const SINGLE: &str = "19c23ffc203483d654c30a57ffe3f82d0b0edb44cf57f14ea790ec8b73b15aa2";

#[test]
fn cosign_verifies_the_layout_after_an_import() {
    if !all_there(COSIGNS) {
        return;
    }
    for image in ["single", "index"] {
        let sandbox = Sandbox::new();
        sign(&sandbox, image, "registry.example/app:1.4", &[]);
        import(&sandbox, "sig");
        for cosign in COSIGNS {
            cosign_verify(&sandbox, cosign, "release.pub").args(["--local-image", "image"]).expect(0);
        }
    }
}

#[test]
fn cosign_verifies_a_bundle_after_an_import() {
    if !all_there(COSIGNS) {
        return;
    }
    let sandbox = Sandbox::new();
    sign(&sandbox, "single", "registry.example/app:1.4", &["--form", "bundle"]);
    import(&sandbox, "bundle");
    // cosign 2 reads no bundles in a layout.
    cosign_verify(&sandbox, "cosign3", "release.pub").args(["--local-image", "image"]).expect(0);
    cosign_verify(&sandbox, "cosign2", "release.pub").args(["--local-image", "image"]).expect(1);
}

#[test]
fn cosign_verifies_our_response_unpacked() {
    if !all_there(COSIGNS) {
        return;
    }
    for image in ["single", "index"] {
        let sandbox = Sandbox::new();
        sign(&sandbox, image, "registry.example/app:1.4", &[]);
        tar::Archive::new(&*sandbox.read("response.tar"))
            .unpack(sandbox.path("unpacked"))
            .expect("a response is a tar");
        for cosign in COSIGNS {
            cosign_verify(&sandbox, cosign, "release.pub").args(["--local-image", "unpacked"]).expect(0);
        }
    }
}

#[test]
fn oras_pushes_our_signatures_and_cosign_verifies_them() {
    if !all_there(&["skopeo", "oras", "crane", "cosign2", "cosign3"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let registry = Registry::start(&sandbox);
    sign(&sandbox, "single", "registry.example/app:1.4", &[]);
    for (repository, what) in [
        ("sig", format!("response.tar:sha256-{SINGLE}.sig")),
        ("bundle", format!("response.tar@sha256:{SINGLE}")),
    ] {
        let name = format!("{}/{repository}", registry.address());
        let tag = if repository == "sig" { format!("sha256-{SINGLE}.sig") } else { "1.4".to_owned() };
        push(&sandbox, &format!("{name}:1.4"));
        tool(&sandbox, "oras")
            .args([
                "cp",
                "--recursive",
                "--from-oci-layout",
                "--to-plain-http",
                &what,
                &format!("{name}:{tag}"),
            ])
            .expect(0);
        for cosign in COSIGNS {
            cosign_verify(&sandbox, cosign, "release.pub").arg(format!("{name}:1.4")).expect(0);
        }
    }
}

#[test]
fn cosign_takes_our_empty_trusted_root() {
    if !all_there(COSIGNS) {
        return;
    }
    let sandbox = Sandbox::new();
    sign(&sandbox, "single", "registry.example/app:1.4", &[]);
    import(&sandbox, "sig");
    sandbox.coldsign().args(["trusted-root", "create", "-o", "ours.json"]).expect(0);
    for cosign in COSIGNS {
        let flags =
            ["verify", "--key", "release.pub", "--insecure-ignore-tlog=true", "--trusted-root", "ours.json"];
        tool(&sandbox, cosign).args(flags).args(["--local-image", "image"]).expect(0);
    }
}

#[test]
fn leaving_with_an_exported_key_and_a_layout() {
    if !all_there(COSIGNS) {
        return;
    }
    let sandbox = Sandbox::new();
    sign(&sandbox, "single", "registry.example/app:1.4", &[]);
    sandbox.write("new", "pass\n");
    sandbox
        .signer()
        .args(["key", "export", "release", "--home", "home", "--format", "cosign", "-o", "cosign.key"])
        .args(["--allow-swap", "--passphrase-file", "pass", "--new-passphrase-file", "new"])
        .expect(0);
    let public = sandbox.read("release.pub");
    for cosign in COSIGNS {
        let found = tool(&sandbox, cosign).args(["public-key", "--key", "cosign.key"]).expect(0);
        assert_eq!(found.stdout_bytes(), public, "{found}");
        sandbox.write("text", "signed without us");
        tool(&sandbox, cosign)
            .args([
                "sign-blob",
                "--key",
                "cosign.key",
                "--tlog-upload=false",
                "--use-signing-config=false",
                "-y",
            ])
            .args(["--new-bundle-format=false", "--output-signature", &format!("{cosign}.sig"), "text"])
            .expect(0);
        tool(&sandbox, cosign)
            .args(["verify-blob", "--key", "release.pub", "--insecure-ignore-tlog=true", "--signature"])
            .args([&format!("{cosign}.sig"), "text"])
            .expect(0);
    }
}

/// Exports a fixture's layout as `image`, signs it as `release`, leaves `request.tar`, `response.tar`, `release.pub`.
pub(crate) fn sign(sandbox: &Sandbox, fixture: &str, name: &str, more: &[&str]) {
    sandbox.fixture(format!("format/{fixture}"), "image").write("pass", "a passphrase for the test\n");
    let exported =
        sandbox.coldsign().args(["export", "-o", "request.tar", "oci:image:v1", "--as", name]).expect(0);
    let digest = exported.stdout_text().trim_end().to_owned();
    sandbox.signer().args(["init", "--home", "home"]).expect(0);
    let key = ["--home", "home", "--allow-swap", "--passphrase-file", "pass"];
    sandbox.signer().args(["key", "generate", "release"]).args(key).expect(0);
    let public = sandbox.signer().args(["key", "public", "release"]).args(key).expect(0);
    sandbox.write("release.pub", public.stdout_bytes());
    sandbox
        .signer()
        .args(["sign", "request.tar", "--key", "release", "--approve", &digest, "-o", "response.tar"])
        .args(key)
        .args(more)
        .expect(0);
}

/// Imports that response into the layout it came from.
pub(crate) fn import(sandbox: &Sandbox, attach: &str) {
    sandbox
        .coldsign()
        .args([
            "import",
            "response.tar",
            "--request",
            "request.tar",
            "--key",
            "release.pub",
            "--to",
            "oci:image",
        ])
        .args(["--attach", attach])
        .expect(0);
}

/// Pushes the image of the layout to a registry.
pub(crate) fn push(sandbox: &Sandbox, name: &str) {
    tool(sandbox, "skopeo")
        .args([
            "copy",
            "--insecure-policy",
            "--dest-tls-verify=false",
            "oci:image:v1",
            &format!("docker://{name}"),
        ])
        .expect(0);
}
