//! The file format as other tools see it.

use crate::support::Sandbox;
use crate::tools::{COSIGNS, Registry, all_there, cosign_verify, tool};

const DIGEST: &str = "19c23ffc203483d654c30a57ffe3f82d0b0edb44cf57f14ea790ec8b73b15aa2";

#[test]
fn cosign_verifies_an_unpacked_response() {
    if !all_there(COSIGNS) {
        return;
    }
    let sandbox = Sandbox::new();
    for (image, key) in [("single", "one"), ("single", "two"), ("index", "one"), ("index", "two")] {
        let (response, public) = (format!("{image}.response.tar"), format!("{key}.pub"));
        unpack(&sandbox, &response, image);
        sandbox.fixture(format!("format/{public}"), &public);
        for cosign in COSIGNS {
            // cosign finds the bundles of an image in a layout, and those of an index never.
            cosign_verify(&sandbox, cosign, &public).args(["--local-image", image]).expect(0);
        }
    }
}

#[test]
fn cosign_refuses_an_unpacked_response_for_another_key() {
    if !all_there(COSIGNS) {
        return;
    }
    let sandbox = Sandbox::new();
    unpack(&sandbox, "single.response.tar", "layout");
    for cosign in COSIGNS {
        tool(&sandbox, cosign).args(["generate-key-pair", "--output-key-prefix", cosign]).expect(0);
        cosign_verify(&sandbox, cosign, &format!("{cosign}.pub")).args(["--local-image", "layout"]).expect(1);
    }
}

#[test]
fn oras_lists_request_and_response() {
    if !all_there(&["oras"]) {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox
        .fixture("format/single.request.tar", "request.tar")
        .fixture("format/single.response.tar", "response.tar");
    tool(&sandbox, "oras")
        .args(["repo", "tags", "--oci-layout", "request.tar"])
        .expect(0)
        .stdout("1.4\nrequest\n");
    tool(&sandbox, "oras").args(["repo", "tags", "--oci-layout", "response.tar"]).expect(0).stdout(&format!(
        "1.4\nrequest\nresponse-41aaf2c02ef4\nresponse-a325691964b3\n\
         sha256-{DIGEST}.41aaf2c02ef4\nsha256-{DIGEST}.a325691964b3\nsha256-{DIGEST}.sig\n"
    ));
    let found = tool(&sandbox, "oras")
        .args(["discover", "--oci-layout", "--format", "json", "response.tar:1.4"])
        .expect(0);
    let bundles = found
        .stdout_text()
        .matches("\"artifactType\": \"application/vnd.dev.sigstore.bundle.v0.3+json\"")
        .count();
    assert_eq!(bundles, 2, "{found}");
}

#[test]
fn skopeo_reads_every_entry() {
    if !all_there(&["skopeo"]) {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.fixture("format/single.response.tar", "response.tar");
    let sig = format!("sha256-{DIGEST}.sig");
    for (name, kind) in [
        ("request", "application/vnd.coldsign.request.v1+json"),
        ("1.4", "application/vnd.oci.image.layer.v1.tar+gzip"),
        (sig.as_str(), "application/vnd.dev.cosign.simplesigning.v1+json"),
        ("response-a325691964b3", "application/vnd.coldsign.response.v1+json"),
    ] {
        let shown = tool(&sandbox, "skopeo")
            .args(["inspect", "--raw"])
            .arg(format!("oci-archive:response.tar:{name}"))
            .expect(0);
        assert!(shown.stdout_text().contains(kind), "{shown}");
    }
}

#[test]
fn skopeo_and_oras_push_signatures_out_of_a_response() {
    if !all_there(&["skopeo", "oras", "crane", "cosign2", "cosign3"]) {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.fixture("format/single", "image").fixture("format/single.response.tar", "response.tar");
    sandbox.fixture("format/one.pub", "one.pub");
    let registry = Registry::start(&sandbox);
    let address = registry.address();
    let sig = format!("sha256-{DIGEST}.sig");
    let push = |repository: &str| {
        let skopeo = ["copy", "--insecure-policy", "--dest-tls-verify=false", "oci:image:v1"];
        tool(&sandbox, "skopeo").args(skopeo).arg(format!("docker://{address}/{repository}:1.4")).expect(0);
    };
    let verified = |repository: &str, code: i32| {
        for cosign in COSIGNS {
            cosign_verify(&sandbox, cosign, "one.pub")
                .arg(format!("{address}/{repository}:1.4"))
                .expect(code);
        }
    };

    push("by-skopeo");
    verified("by-skopeo", 10);
    let skopeo = ["copy", "--insecure-policy", "--dest-tls-verify=false"];
    tool(&sandbox, "skopeo")
        .args(skopeo)
        .arg(format!("oci-archive:response.tar:{sig}"))
        .arg(format!("docker://{address}/by-skopeo:{sig}"))
        .expect(0);
    verified("by-skopeo", 0);

    push("by-oras");
    tool(&sandbox, "oras")
        .args(["cp", "--from-oci-layout", "--to-plain-http"])
        .args([format!("response.tar:{sig}"), format!("{address}/by-oras:{sig}")])
        .expect(0);
    verified("by-oras", 0);

    push("bundle");
    tool(&sandbox, "oras")
        .args(["cp", "--recursive", "--from-oci-layout", "--to-plain-http"])
        .args([format!("response.tar@sha256:{DIGEST}"), format!("{address}/bundle:1.4")])
        .expect(0);
    verified("bundle", 0);
}

fn unpack(sandbox: &Sandbox, response: &str, layout: &str) {
    let bytes =
        std::fs::read(crate::support::fixture(format!("format/{response}"))).expect("the fixture is there");
    tar::Archive::new(&*bytes).unpack(sandbox.path(layout)).expect("the fixture is a tar");
}
