//! Good plans: every hostile file differs from one of these, or from a neighbour of it, in one thing.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::json;

use crate::forge::{Extra, Forge, Image, Key, Node, OCI_INDEX, OCI_MANIFEST, Plain, What, digest};

pub(crate) const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","config":{"Labels":{"version":"1.4"}},"rootfs":{"type":"layers","diff_ids":["sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]}}"#;

pub(crate) const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{cd}","size":{cs}},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","size":7}]}"#;

pub(crate) const INDEX: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{0d}","size":{0s},"platform":{"architecture":"amd64","os":"linux"}},{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{1d}","size":{1s},"platform":{"architecture":"arm64","os":"linux"}}]}"#;

/// An image of this architecture.
pub(crate) fn image(architecture: &str) -> Node {
    Node::image(OCI_MANIFEST, &CONFIG.replace("amd64", architecture), MANIFEST)
}

/// An index of two platforms.
pub(crate) fn index() -> Node {
    Node::index(OCI_INDEX, INDEX, vec![image("amd64"), image("arm64")], &[])
}

/// One image under its own name.
pub(crate) fn named(destination: &str, top: Node) -> Image {
    Image {
        destination: destination.to_owned(),
        identity: destination.to_owned(),
        annotations: Vec::new(),
        top,
    }
}

/// A request for one image.
pub(crate) fn of(top: Node) -> Forge {
    Forge::new(vec![named("registry.example/app:1.4", top)])
}

/// A request for one image with an annotation and a note.
pub(crate) fn request() -> Forge {
    let mut forge = of(image("amd64"));
    forge.images[0].annotations.push(("env".to_owned(), "prod".to_owned()));
    forge.optional = json!({"note": "REL-412"});
    forge
}

/// A request for an index of two platforms: three items.
pub(crate) fn request_of_index() -> Forge {
    of(index())
}

/// An index whose second platform is not carried.
pub(crate) fn request_with_unseen() -> Forge {
    of(Node::index(OCI_INDEX, INDEX, vec![image("amd64")], &[image("arm64")]))
}

/// Two images in two repositories.
pub(crate) fn request_of_two() -> Forge {
    Forge::new(vec![
        named("registry.example/app:1.4", image("amd64")),
        named("registry.example/web:7.0.2", image("arm64")),
    ])
}

pub(crate) fn one() -> Key {
    Key::from_pem(include_str!("../../fixtures/format/one.pem"))
}

pub(crate) fn two() -> Key {
    Key::from_pem(include_str!("../../fixtures/format/two.pem"))
}

/// One image signed by one key in both forms.
pub(crate) fn response() -> Forge {
    request().signed(&[one()])
}

/// One image signed by two keys in both forms.
pub(crate) fn response_by_two() -> Forge {
    request().signed(&[one(), two()])
}

/// Two images signed by one key in both forms.
pub(crate) fn response_of_two() -> Forge {
    request_of_two().signed(&[one()])
}

pub(crate) const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
pub(crate) const SPDX: &str = "https://spdx.dev/Document";
pub(crate) const PREDICATE: &str =
    " {\"builder\": {\"id\": \"https://builder.example/<1>\"},\t\"steps\": [1, 2.50]}\n";

/// Bytes of another tool, beside an image.
pub(crate) fn payload(destination: &str, top: Node, bytes: &[u8]) -> Extra {
    Extra { destination: destination.to_owned(), top, what: What::Payload(bytes.to_vec()) }
}

/// A statement about an image.
pub(crate) fn attestation(destination: &str, top: Node, kind: &str, predicate: &str) -> Extra {
    let what = What::Attestation(kind.to_owned(), predicate.as_bytes().to_vec());
    Extra { destination: destination.to_owned(), top, what }
}

/// A file whose content is carried.
pub(crate) fn file(name: &str, bytes: &[u8]) -> Plain {
    Plain { name: name.to_owned(), content: Ok(bytes.to_vec()) }
}

/// The hash of a file that nobody sees.
pub(crate) fn hash(name: &str, bytes: &[u8]) -> Plain {
    Plain { name: name.to_owned(), content: Err(digest(bytes)) }
}

/// A request for these alone.
pub(crate) fn of_extras(extras: Vec<Extra>) -> Forge {
    let mut forge = Forge::new(Vec::new());
    forge.extras = extras;
    forge
}

/// A request for these files alone.
pub(crate) fn of_files(files: Vec<Plain>) -> Forge {
    let mut forge = Forge::new(Vec::new());
    forge.files = files;
    forge
}

/// One payload of another tool.
pub(crate) fn request_of_payload() -> Forge {
    of_extras(vec![payload("registry.example/app:1.4", image("amd64"), b"{\"severity\":\"critical\"}")])
}

/// One attestation.
pub(crate) fn request_of_attestation() -> Forge {
    of_extras(vec![attestation("registry.example/app:1.4", image("amd64"), PROVENANCE, PREDICATE)])
}

/// One file.
pub(crate) fn request_of_file() -> Forge {
    of_files(vec![file("release.tgz", b"\x1f\x8b release\n")])
}

/// One hash alone.
pub(crate) fn request_of_hash() -> Forge {
    of_files(vec![hash("disk.img", b"a disk that nobody carries")])
}

/// Every kind: an index of three items, payloads beside two images, three attestations, a file and a hash alone.
pub(crate) fn request_of_kinds() -> Forge {
    let mut forge = request_of_index();
    forge.extras = vec![
        payload("registry.example/app:1.4", index(), b"another tool"),
        payload("registry.example/web:7.0.2", image("arm64"), b"\x00\xff"),
        attestation("registry.example/app:1.4", index(), PROVENANCE, PREDICATE),
        attestation("registry.example/app:1.4", index(), SPDX, "{}"),
        attestation("registry.example/web:7.0.2", image("arm64"), SPDX, "{}"),
    ];
    forge.files =
        vec![hash("disk.img", b"a disk that nobody carries"), file("release.tgz", b"\x1f\x8b release\n")];
    forge.optional = json!({"note": "REL-413"});
    forge
}

/// Every kind signed by two keys.
pub(crate) fn response_of_kinds() -> Forge {
    request_of_kinds().signed(&[one(), two()])
}
