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
    sandbox.fixture(format!("format/{fixture}"), "image");
    let digest = export(sandbox, &["oci:image:v1", "--as", name]);
    key(sandbox, "release");
    approve(sandbox, &digest, "release", "response.tar", more);
}

/// Writes `request.tar`; returns its digest.
pub(crate) fn export(sandbox: &Sandbox, images: &[&str]) -> String {
    let exported = sandbox.coldsign().args(["export", "-o", "request.tar"]).args(images).expect(0);
    exported.stdout_text().trim_end().to_owned()
}

/// Makes a key, and the home first if there is none; leaves `NAME.pub`.
pub(crate) fn key(sandbox: &Sandbox, name: &str) {
    key_of_type(sandbox, name, "p256");
}

/// The same, of another type.
pub(crate) fn key_of_type(sandbox: &Sandbox, name: &str, kind: &str) {
    key_for(sandbox, name, kind, "image");
}

/// The same, for another use.
pub(crate) fn key_for(sandbox: &Sandbox, name: &str, kind: &str, usage: &str) {
    if !sandbox.path("home").exists() {
        sandbox.write("pass", "a passphrase for the test\n");
        sandbox.signer().args(["init", "--home", "home"]).expect(0);
    }
    let generate = ["key", "generate", name, "--type", kind, "--use", usage];
    sandbox.signer().args(generate).args(UNLOCK).expect(0);
    let public = sandbox.signer().args(["key", "public", name]).args(UNLOCK).expect(0);
    sandbox.write(format!("{name}.pub"), public.stdout_bytes());
}

/// Signs `request.tar`, whose digest this is.
pub(crate) fn approve(sandbox: &Sandbox, digest: &str, key: &str, response: &str, more: &[&str]) {
    sandbox
        .signer()
        .args(["sign", "request.tar", "--key", key, "--approve", digest, "-o", response])
        .args(UNLOCK)
        .args(more)
        .expect(0);
}

/// How a key of the home is opened.
pub(crate) const UNLOCK: &[&str] = &["--home", "home", "--allow-swap", "--passphrase-file", "pass"];

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
