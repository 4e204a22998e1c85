//! Every setting of `docs/verifiers.md`, taken from the page and run. Only names of places are replaced.

use std::fs;

use crate::attest;
use crate::support::{Sandbox, repository};
use crate::tools::{COSIGNS, Registry, all_there, cosign_verify, tool};
use crate::written::{push, sign};

pub(crate) const PAGE: &str = "docs/verifiers.md";
const DIGEST: &str = "19c23ffc203483d654c30a57ffe3f82d0b0edb44cf57f14ea790ec8b73b15aa2";

#[test]
fn cosign_commands_of_the_page() {
    if !all_there(&["skopeo", "crane", "cosign2", "cosign3"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let registry = Registry::start(&sandbox);
    signed_image(&sandbox, &registry);
    let response =
        fs::read(crate::support::fixture("format/single.response.tar")).expect("the fixture is there");
    tar::Archive::new(&*response).unpack(sandbox.path("layout")).expect("the fixture is a tar");
    sandbox.fixture("format/one.pub", "release.pub");
    // Writes tr0.json, which the page's commands name.
    cosign_verify(&sandbox, "cosign3", "release.pub").args(["--local-image", "layout"]).expect(0);

    sandbox.fixture("format/one.pub", "attest.pub");
    let image = format!("{}/app@sha256:{DIGEST}", registry.address());
    sandbox.write("made.json", attest::envelope(&image, attest::OWN));
    let attach = ["attach", "attestation", "--attestation", "made.json", "--key", "attest.pub", &image];
    sandbox.coldsign().args(attach).expect(0);
    sandbox.write("app.tar.gz", "a file");
    let (bundle, bare) = attest::of_file(b"a file");
    sandbox.write("app.bundle", bundle).write("app.sig", bare);

    let blocks = blocks(PAGE, "sh");
    let commands: Vec<_> = blocks
        .iter()
        .flat_map(|block| block.lines())
        .filter_map(|line| line.strip_prefix("cosign "))
        .collect();
    assert!(commands.len() >= 4, "the page shows how: {commands:?}");
    for command in commands {
        let command = command.replace("registry.example", registry.address());
        let words: Vec<_> = command.split_whitespace().collect();
        for cosign in COSIGNS {
            tool(&sandbox, cosign).args(&words).expect(0);
        }
    }
}

#[test]
fn podman_policy_of_the_page() {
    if !all_there(&["skopeo", "oras", "crane"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let registry = Registry::start(&sandbox);
    let name = format!("{}/app", registry.address());
    sign(&sandbox, "single", &format!("{name}:1.4"), &[]);
    push(&sandbox, &format!("{name}:1.4"));
    push_sig(&sandbox, &name);
    policy(
        &sandbox,
        "matchRepository",
        &[
            ("registry.example", registry.address()),
            ("/etc/containers/release.pub", &path(&sandbox, "release.pub")),
        ],
    );
    pull(&sandbox, &name, 0);
    sandbox.fixture("format/one.pub", "release.pub");
    pull(&sandbox, &name, 1);
}

#[test]
fn podman_policy_of_the_page_for_a_mirror() {
    if !all_there(&["skopeo", "crane"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let registry = Registry::start(&sandbox);
    let name = signed_image(&sandbox, &registry);
    sandbox.fixture("format/two.pub", "release.pub");
    let places = [
        ("mirror.example", registry.address()),
        ("/etc/containers/release.pub", &*path(&sandbox, "release.pub")),
    ];
    policy(&sandbox, "remapIdentity", &places);
    pull(&sandbox, &name, 0);
    // Without the mapping the same signature is for another name.
    policy(&sandbox, "matchRepository", &[("registry.example", registry.address()), places[1]]);
    pull(&sandbox, &name, 1);
}

/// The image of the fixtures in a registry, with the `.sig` of their response.
fn signed_image(sandbox: &Sandbox, registry: &Registry) -> String {
    let name = format!("{}/app", registry.address());
    sandbox.fixture("format/single", "image").fixture("format/single.response.tar", "response.tar");
    push(sandbox, &format!("{name}:1.4"));
    push_sig(sandbox, &name);
    name
}

fn push_sig(sandbox: &Sandbox, name: &str) {
    tool(sandbox, "skopeo")
        .args(["copy", "--insecure-policy", "--dest-tls-verify=false"])
        .args([
            format!("oci-archive:response.tar:sha256-{DIGEST}.sig"),
            format!("docker://{name}:sha256-{DIGEST}.sig"),
        ])
        .expect(0);
}

/// Writes the page's policy that has this word, and its registries.d, for these places.
fn policy(sandbox: &Sandbox, word: &str, places: &[(&str, &str)]) {
    let put = |text: &str| places.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    let policies = blocks(PAGE, "json");
    let whole = |block: &&String| block.contains("transports") && block.contains(word);
    let policy = policies.iter().find(whole).expect("the page shows the policy");
    let registries = blocks(PAGE, "yaml");
    let attachments = registries
        .iter()
        .find(|block| block.contains("use-sigstore-attachments"))
        .expect("the page shows registries.d");
    let host = if word == "remapIdentity" {
        attachments.replace("registry.example", "mirror.example")
    } else {
        attachments.clone()
    };
    sandbox.write("policy.json", put(policy)).write("registries.d/registry.yaml", put(&host));
}

/// A pull of the tag 1.4 by `policy.json`, and the refusal where one is wanted.
pub(crate) fn pull(sandbox: &Sandbox, name: &str, code: i32) {
    let sandbox_flags = ["--policy", "policy.json", "--registries.d", "registries.d"];
    let pulled = tool(sandbox, "skopeo")
        .args(sandbox_flags)
        .args([
            "copy",
            "--src-tls-verify=false",
            "--remove-signatures",
            &format!("docker://{name}:1.4"),
            "dir:pulled",
        ])
        .expect(code);
    assert!(code == 0 || pulled.stderr_text().contains("Source image rejected: "), "{pulled}");
}

fn path(sandbox: &Sandbox, name: &str) -> String {
    sandbox.path(name).to_string_lossy().into_owned()
}

/// The fenced blocks of a page in one language.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let page = fs::read_to_string(repository().join(page)).expect("the page is there");
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.strip_prefix("```").is_some_and(|info| info == language) {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push(block.join("\n") + "\n");
        } else if line.starts_with("```") {
            lines.by_ref().take_while(|line| *line != "```").for_each(drop);
        }
    }
    found
}
