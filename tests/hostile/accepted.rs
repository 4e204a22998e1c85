//! What looks odd and is good: each file of `fixtures/evidence` is accepted, and written again with the same bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::too_many_lines, clippy::assigning_clones)]

use std::collections::BTreeMap;

use bytes::Bytes;
use coldsign::response::Response;
use serde_json::json;

use crate::forge::{Forge, Image, Key, Node, OCI_INDEX, OCI_MANIFEST, digest};
use crate::plans::{
    CONFIG, INDEX, MANIFEST, PREDICATE, PROVENANCE, SPDX, attestation, file, hash, image, index, named, of,
    of_extras, of_files, one, payload, request, request_of_attestation, request_of_file, request_of_hash,
    request_of_index, request_of_kinds, request_of_payload, request_of_two, request_with_unseen, response,
    response_by_two, response_of_kinds, response_of_two, two,
};

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Every good file by name.
pub(crate) fn all() -> BTreeMap<&'static str, Forge> {
    let mut good = evidence();
    good.extend(names());
    good.extend(signed());
    good.extend(kinds());
    good.extend(crate::logged::accepted());
    good
}

fn config(from: &str, to: &str) -> Forge {
    assert!(CONFIG.contains(from), "{from}");
    of(Node::image(OCI_MANIFEST, &CONFIG.replacen(from, to, 1), MANIFEST))
}

fn manifest(from: &str, to: &str) -> Forge {
    assert!(MANIFEST.contains(from), "{from}");
    of(Node::image(OCI_MANIFEST, CONFIG, &MANIFEST.replacen(from, to, 1)))
}

/// An index over these nodes, without platforms.
fn over(children: Vec<Node>, unseen: &[Node]) -> Node {
    let entries: Vec<String> = children
        .iter()
        .chain(unseen)
        .enumerate()
        .map(|(place, child)| {
            format!(
                "{{\"mediaType\":\"{}\",\"digest\":\"{{{place}d}}\",\"size\":{{{place}s}}}}",
                child.media_type
            )
        })
        .collect();
    let text = format!("{{\"schemaVersion\":2,\"manifests\":[{}]}}", entries.join(","));
    Node::index(OCI_INDEX, &text, children, unseen)
}

fn evidence() -> BTreeMap<&'static str, Forge> {
    let mut good = BTreeMap::new();
    let mut add = |name: &'static str, forge: Forge| assert!(good.insert(name, forge).is_none(), "{name}");
    add(
        "labels-fold",
        config(
            "\"version\":\"1.4\"",
            "\"a\":\"1\",\"A\":\"2\",\"k\":\"3\",\"\u{212a}\":\"4\",\"s\":\"5\",\"\u{17f}\":\"6\",\"\":\"7\"",
        ),
    );
    add("labels-null", config("{\"version\":\"1.4\"}", "null"));
    add("no-labels", config("\"config\":{\"Labels\":{\"version\":\"1.4\"}},", ""));
    add("config-null", config("\"config\":{\"Labels\":{\"version\":\"1.4\"}}", "\"config\":null"));
    add(
        "volumes-fold",
        config(
            "\"Labels\":",
            "\"Volumes\":{\"/a\":{},\"/A\":{}},\"ExposedPorts\":{\"1/tcp\":{},\"1/TCP\":{}},\"Labels\":",
        ),
    );
    add(
        "annotations-fold",
        manifest("\"layers\":", "\"annotations\":{\"a\":\"1\",\"A\":\"2\",\"\u{e9}\":\"3\"},\"layers\":"),
    );
    add("annotations-null", manifest("\"layers\":", "\"annotations\":null,\"layers\":"));
    add("unknown-members", manifest("\"layers\":", "\"x\":{\"y\":[1.5,-1,true,null,1e99]},\"layers\":"));
    add("number-large", config("{\"arch", "{\"x\":100000000000000000000000,\"arch"));
    let mut blanks = of(Node::image(OCI_MANIFEST, &format!("\n\t {CONFIG}\r\n "), MANIFEST));
    blanks.images[0].top.bytes.extend_from_slice(b" \n");
    blanks.images[0].top.bytes.insert(0, b'\t');
    add("blanks-around", blanks);
    let oci = "application/vnd.oci.image.manifest.v1+json";
    add("no-media-type", manifest(&format!("\"mediaType\":\"{oci}\","), ""));
    add(
        "no-layers",
        of(Node::image(
            OCI_MANIFEST,
            &CONFIG.replace(&format!("\"sha256:{}\"", "a".repeat(64)), ""),
            &format!("{}\"layers\":[]}}", MANIFEST.split_once("\"layers\"").unwrap().0),
        )),
    );
    let docker = |text: &str| {
        text.replace("vnd.oci.image.manifest.v1+json", "vnd.docker.distribution.manifest.v2+json")
            .replace("vnd.oci.image.config.v1+json", "vnd.docker.container.image.v1+json")
            .replace("vnd.oci.image.layer.v1.tar+gzip", "vnd.docker.image.rootfs.diff.tar.gzip")
            .replace("vnd.oci.image.index.v1+json", "vnd.docker.distribution.manifest.list.v2+json")
    };
    let child = |architecture: &str| {
        Node::image(DOCKER_MANIFEST, &CONFIG.replace("amd64", architecture), &docker(MANIFEST))
    };
    add(
        "docker-list",
        of(Node::index(DOCKER_LIST, &docker(INDEX), vec![child("amd64"), child("arm64")], &[])),
    );
    let mixed = INDEX.replacen(oci, DOCKER_MANIFEST, 1);
    let other = Node::image(
        OCI_MANIFEST,
        &CONFIG.replace("amd64", "arm64"),
        &MANIFEST.replace(&"b".repeat(64), &"d".repeat(64)),
    );
    add("docker-below-oci", of(Node::index(OCI_INDEX, &mixed, vec![child("amd64"), other], &[])));
    let artifact = |media_type: &str, config: &str| {
        let text = MANIFEST.replace("application/vnd.oci.image.config.v1+json", media_type);
        Node::image(
            OCI_MANIFEST,
            config,
            &text.replace("\"layers\":", "\"artifactType\":\"application/vnd.example\",\"layers\":"),
        )
    };
    add(
        "artifact-config",
        of(artifact("application/vnd.example.config.v1+json", "\u{feff}{\"a\":1,\"a\":NaN} and more")),
    );
    add("artifact-config-none", of(artifact("application/vnd.example.config.v1+json", "")));
    add("artifact-empty-config", of(artifact("application/vnd.oci.empty.v1+json", "{}")));
    let subject = "\"subject\":{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\",\"size\":7},";
    add("subject", manifest("\"layers\":", &format!("{subject}\"layers\":")));
    add(
        "subject-of-index",
        of(Node::index(
            OCI_INDEX,
            &INDEX.replace("\"manifests\":", &format!("{subject}\"manifests\":")),
            vec![image("amd64"), image("arm64")],
            &[],
        )),
    );
    let layer = MANIFEST.replace(&"b".repeat(64), &digest(b"a layer")[7..]);
    add(
        "data",
        of(Node::image(
            OCI_MANIFEST,
            CONFIG,
            &layer.replace("\"size\":7", "\"size\":7,\"data\":\"YSBsYXllcg==\""),
        )),
    );
    let attestation = Node::image(
        OCI_MANIFEST,
        &CONFIG.replace("amd64", "unknown").replace("linux", "unknown"),
        &MANIFEST
            .replace("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.in-toto+json")
            .replace(&"b".repeat(64), &"d".repeat(64)),
    );
    let platform = "\"platform\":{\"architecture\":\"unknown\",\"os\":\"unknown\"},\"annotations\":{\"vnd.docker.reference.type\":\"attestation-manifest\",\"vnd.docker.reference.digest\":\"{0d}\"}";
    let text = INDEX.replace("\"platform\":{\"architecture\":\"arm64\",\"os\":\"linux\"}", platform);
    add("attestation", of(Node::index(OCI_INDEX, &text, vec![image("amd64"), attestation], &[])));
    add("child-twice", of(over(vec![image("amd64"), image("arm64"), image("amd64")], &[])));
    let (first, second) =
        (over(vec![image("amd64"), image("arm64")], &[]), over(vec![image("arm64"), image("riscv64")], &[]));
    add("child-of-two", of(over(vec![first, second.clone()], &[])));
    add("child-of-two-depths", of(over(vec![over(vec![second.clone()], &[]), second, image("amd64")], &[])));
    add("nested", of(over(vec![over(vec![over(vec![index()], &[])], &[])], &[])));
    add("unseen", request_with_unseen());
    add("unseen-all", of(over(Vec::new(), &[image("amd64"), image("arm64")])));
    add("unseen-index", of(over(vec![image("amd64")], &[index()])));
    add("unseen-below", of(over(vec![over(vec![image("amd64")], &[image("arm64")]), image("riscv64")], &[])));
    let with = |config: &str, below: &str| {
        let child =
            Node::image(OCI_MANIFEST, &CONFIG.replace("{\"arch", &format!("{{{config}\"arch")), MANIFEST);
        of(Node::index(
            OCI_INDEX,
            &INDEX.replacen("\"os\":\"linux\"", &format!("\"os\":\"linux\"{below}"), 1),
            vec![child, image("arm64")],
            &[],
        ))
    };
    add("variant-of-index", with("", ",\"variant\":\"v8\",\"os.version\":\"1\",\"os.features\":[\"x\"]"));
    add("variant-of-config", with("\"variant\":\"v8\",\"os.version\":\"1\",", ""));
    let other = Node::image(OCI_MANIFEST, &CONFIG.replace("amd64", "arm64"), MANIFEST);
    let same_config = Node::image(
        OCI_MANIFEST,
        CONFIG,
        &MANIFEST.replace("\"layers\":", "\"annotations\":{\"a\":\"b\"},\"layers\":"),
    );
    add("config-of-two", of(over(vec![image("amd64"), same_config, other], &[])));
    // One blob is an image config to one manifest and any artifact's config to another.
    add(
        "config-of-two-kinds",
        of(over(vec![image("amd64")], &[])).also(artifact("application/vnd.example", CONFIG)),
    );
    good
}

fn names() -> BTreeMap<&'static str, Forge> {
    let mut good = BTreeMap::new();
    let mut add = |name: &'static str, forge: Forge| assert!(good.insert(name, forge).is_none(), "{name}");
    add("request", request());
    add("request-of-index", request_of_index());
    let mut unknown = request();
    unknown.optional = json!({"note": "REL-412", "ticket": {"id": [1, 2]}, "when": "now"});
    add("unknown-optional", unknown.items(|items| items[0]["optional"] = json!({"reviewer": "x"})));
    let mut odd = request();
    odd.images[0].annotations = [
        ("empty", ""),
        ("<a&b>", "<a&b>\u{2028}\u{2029}"),
        ("\"\\", "\"\\/"),
        ("\u{1f600}", "1"),
        ("\u{fb33}", "2"),
        ("Creator", "x"),
        ("timestamps", "now"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec();
    add("annotations", odd.signed(&[one()]));
    let share = |identity: &str| {
        let mut forge = request_of_two();
        forge.images.iter_mut().for_each(|image| image.identity = identity.to_owned());
        forge
    };
    add("identity-without-tag", share("registry.example/base"));
    let called = |destination: &str, identity: &str, top: Node| Image {
        identity: identity.to_owned(),
        ..named(destination, top)
    };
    add(
        "identity-of-family",
        Forge::new(vec![
            called("registry.example/app:1.4", "registry.example/app:1.4", index()),
            called("registry.example/copy:1.4", "registry.example/app:1.4", image("arm64")),
        ]),
    );
    let child = |architecture: &str| format!("registry.example/app@{}", image(architecture).digest());
    add(
        "child-left-out",
        Forge::new(vec![
            called("registry.example/app:1.4", "registry.example/app", index()),
            called("registry.example/app:1.5", "registry.example/app", index()),
        ]),
    );
    add(
        "child-again",
        Forge::new(vec![
            called("registry.example/app:1.4", "registry.example/app", index()),
            called(&child("amd64"), "registry.example/app:amd64", image("amd64")),
        ]),
    );
    add(
        "two-tags",
        Forge::new(vec![
            named("registry.example/app:1", image("amd64")),
            named("registry.example/app:1.4", image("amd64")),
            named("registry.example/base:1.4", image("amd64")),
        ])
        .signed(&[one(), two()]),
    );
    let mut twice = request();
    let mut second = twice.images[0].clone();
    second.annotations[0].1 = "test".to_owned();
    twice.images.push(second);
    add("two-annotations", twice.signed(&[one()]));
    let key = one().id();
    add(
        "ref-names",
        Forge::new(vec![
            called("registry.example/app:item-2", "registry.example/app", index()),
            called("registry.example/app:item-5", "registry.example/app", image("riscv64")),
            called("registry.example/app:request", "registry.example/app", image("amd64")),
            called(
                &format!("registry.example/app:response-{}", &key[..12]),
                "registry.example/app",
                image("amd64"),
            ),
            called(
                &format!("registry.example/app:sha256-{}.sig", &image("amd64").digest()[7..]),
                "registry.example/app",
                image("amd64"),
            ),
            called("registry.example/base:item-2", "registry.example/base", image("amd64")),
            called("registry.example/web:item-2", "registry.example/web", image("amd64")),
        ])
        .signed(&[one(), two()]),
    );
    for (name, destination) in [
        ("host-letter-case", "Registry.Example:5000/a.b/c_d/e__f/g--h:A_b.c-1"),
        ("host-local", "localhost/app:1"),
        ("host-hub", "index.docker.io/library/alpine:3"),
        ("host-address", "127.0.0.1:65535/app:1"),
    ] {
        add(name, Forge::new(vec![named(destination, image("amd64"))]).signed(&[one()]));
    }
    add(
        "destination-digest",
        Forge::new(vec![called(&child("amd64"), "registry.example/app", image("amd64"))]).signed(&[one()]),
    );
    good
}

fn signed() -> BTreeMap<&'static str, Forge> {
    let mut good = BTreeMap::new();
    let mut add = |name: &'static str, forge: Forge| assert!(good.insert(name, forge).is_none(), "{name}");
    add("response", response());
    add("response-by-two", response_by_two());
    add("response-of-index", request_of_index().signed(&[one(), two()]));
    let only = |forms: (bool, bool)| {
        let mut forge = response_by_two();
        forge.forms = forms;
        forge
    };
    add("response-sig", only((true, false)));
    add("response-bundle", only((false, true)));
    add("response-p384", request().signed(&[Key::p384()]));
    add("response-ed25519", request().signed(&[Key::ed25519(), one()]));
    add("response-high-s", request().signed(&[one().mirrored()]));
    add("response-by-eight", request().signed(&(1..=8).map(Key::small).collect::<Vec<_>>()));
    add("response-second-sig-left-out", response_of_two().layers(1, Vec::clear));
    add("response-one-layer-left-out", response_by_two().layers(0, |layers| drop(layers.remove(0))));
    good
}

/// Payloads of other tools, attestations and files.
fn kinds() -> BTreeMap<&'static str, Forge> {
    const APP: &str = "registry.example/app:1.4";
    let mut good = BTreeMap::new();
    let mut add = |name: &'static str, forge: Forge| assert!(good.insert(name, forge).is_none(), "{name}");
    let keys = [one(), two()];
    add("kind-payload", request_of_payload().signed(&keys));
    add("kind-attestation", request_of_attestation().signed(&keys));
    add("kind-file", request_of_file().signed(&keys));
    add("kind-hash", request_of_hash().signed(&keys));
    add("kind-hash-p384", request_of_hash().signed(&[Key::p384()]));
    add("kinds-request", request_of_kinds());
    add("kinds", response_of_kinds());
    let with_forms = |forms: (bool, bool)| {
        let mut forge = response_of_kinds();
        forge.forms = forms;
        forge
    };
    add("kinds-form-sig", with_forms((true, false)));
    add("kinds-form-bundle", with_forms((false, true)));
    add("kinds-without-images", with_forms((false, false)));
    add("kinds-high-s", request_of_kinds().signed(&[one().mirrored()]));
    // Carried files are signed as they are, so that every key can.
    let mut carried = request_of_kinds();
    carried.files.remove(0);
    add("kinds-ed25519", carried.signed(&[Key::ed25519(), one()]));
    // Of one key some, of another others.
    let mut some = response_of_kinds().layers(0, |layers| drop(layers.pop()));
    some.skipped = vec![6];
    add("kinds-some-by-each", some);
    let top = request_with_unseen().images[0].top.clone();
    let about = |top: Node, kind: &str, predicate: &str| attestation(APP, top, kind, predicate);
    add("attestation-unseen", of_extras(vec![about(top.clone(), PROVENANCE, PREDICATE)]).signed(&[one()]));
    add("payload-unseen", of_extras(vec![payload(APP, top, b"x")]).signed(&[one()]));
    add(
        "attestations-of-one",
        of_extras(vec![about(image("amd64"), PROVENANCE, "{}"), about(image("amd64"), SPDX, "{}")])
            .signed(&keys),
    );
    // One statement under two tags, and by digest, is signed once; in another repository it is another one.
    let by_digest = format!("registry.example/app@{}", image("amd64").digest());
    let stated = |destination: &str| attestation(destination, image("amd64"), SPDX, "{\"same\":true}");
    let twice = ["registry.example/app:1", APP, by_digest.as_str(), "registry.example/copy:1"];
    add(
        "attestation-same-statement",
        of_extras(twice.iter().map(|name| stated(name)).collect()).signed(&keys),
    );
    // A payload under two tags is a layer once.
    let again = |name: &&str| payload(name, image("amd64"), b"another tool");
    add("payload-same-layer", of_extras(twice.iter().map(again).collect()).signed(&keys));
    // A child is attested for itself, beside what is attested of its index.
    let child = format!("registry.example/app@{}", image("amd64").digest());
    let mut beside = request_of_index();
    beside.extras = vec![about(index(), SPDX, "{}"), attestation(&child, image("amd64"), SPDX, "{}")];
    add("attestation-of-child", beside.signed(&keys));
    // An attestation before anything else is item 1, though its `.att` is of a later one too.
    add(
        "attestation-second-destination",
        of_extras(vec![
            attestation("registry.example/app:1", image("amd64"), SPDX, "{}"),
            attestation("registry.example/base:1", image("amd64"), SPDX, "{}"),
        ])
        .signed(&keys),
    );
    // Bytes that are something else in the same file.
    let mut shared = request_of_index();
    shared.files = vec![
        file("config.json", CONFIG.as_bytes()),
        file("empty", b""),
        file("empty-object", b"{}"),
        file("manifest.json", &image("amd64").bytes),
    ];
    shared.extras = vec![
        payload(APP, index(), CONFIG.as_bytes()),
        about(index(), SPDX, &String::from_utf8(image("amd64").bytes).unwrap()),
    ];
    add("kinds-shared-bytes", shared.signed(&keys));
    // What is signed of an image, as the hash of a file: another kind of key signs it.
    let signed = crate::forge::payload(APP, &image("amd64").digest(), &[]);
    add("hash-of-payload", of_files(vec![hash("payload.json", &signed)]).signed(&[one()]));
    let mut names: Vec<_> =
        ["..", "-rf", "/etc/passwd", "a b", "\u{9b}2J", "\u{202e}gpj.exe", "\u{1f600}", "sha256:x"]
            .iter()
            .enumerate()
            .map(|(place, name)| file(name, format!("content {place}").as_bytes()))
            .collect();
    names.sort_by(|a, b| a.name.cmp(&b.name));
    add("file-names", of_files(names).signed(&[one()]));
    let mut same_name = vec![file("same", b"a"), file("same", b"b"), hash("same", b"c")];
    same_name.sort_by_key(|file| match &file.content {
        Ok(bytes) => digest(bytes),
        Err(digest) => digest.clone(),
    });
    add("file-same-name", of_files(same_name).signed(&keys));
    add("payload-none", of_extras(vec![payload(APP, image("amd64"), b"")]).signed(&[one()]));
    add(
        "predicate-odd",
        of_extras(vec![about(
            image("amd64"),
            "tag:example.org,2026:a/b?c#d&e=",
            "\r\n{\"a\":-0,\"A\":1e300,\"\":[null,\"<>&\u{2028}\"]} ",
        )])
        .signed(&[one()]),
    );
    add(
        "unknown-optional-kinds",
        request_of_kinds().items(|items| {
            for place in [3, 5, 8] {
                items[place]["optional"] = json!({"ticket": [1]});
            }
        }),
    );
    good
}

impl Forge {
    /// One more image, behind the others.
    fn also(mut self, top: Node) -> Self {
        self.images.push(named("registry.example/web:1", top));
        self
    }
}

#[test]
fn each_is_accepted_and_written_again_the_same() {
    let mut files = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, forge) in all() {
        let bytes = Bytes::from(forge.write());
        match Response::read(&bytes) {
            Ok(response) if response.render().to_bytes() == bytes => {}
            Ok(_) => wrong.push(format!("{name}: written otherwise")),
            Err(error) => wrong.push(format!("{name}: {error} {:?}", error.details().collect::<Vec<_>>())),
        }
        files.insert(format!("{name}.tar"), bytes.to_vec());
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), files.len(), wrong.join("\n"));
    crate::hold("evidence", &files);
}

#[test]
fn what_is_unknown_in_optional_is_named() {
    let bytes = Bytes::from(all()["unknown-optional"].write());
    let response = Response::read(&bytes).unwrap();
    assert_eq!(
        response.request().unknown_optional(),
        ["item 1: optional.reviewer", "optional.ticket", "optional.when"]
    );
    assert_eq!(response.request().note(), Some("REL-412"));
}
