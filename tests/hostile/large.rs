//! Limits from both sides. These files are large: they are made in memory and never kept.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::format::evidence::Descriptor;
use coldsign::format::reference::{Destination, Identity};
use coldsign::request::{Asked, ImageSpec, Request};
use coldsign::response::Response;

use crate::forge::{Blobs, Forge, Image, Key, Member, Node, OCI_INDEX, OCI_MANIFEST, Part, Tar};
use crate::plans::{
    CONFIG, MANIFEST, SPDX, attestation, file, hash, image, named, of, of_extras, of_files, payload, request,
    request_of_attestation, request_of_file, response,
};

#[track_caller]
fn refused(forge: &Forge, check: Check) {
    match Response::read(&Bytes::from(forge.write())) {
        Ok(_) => panic!("accepted, not {check}"),
        Err(error) => assert_eq!((error.check(), error.exit()), (check, check.exit()), "{error}"),
    }
}

#[track_caller]
fn accepted(forge: &Forge) {
    let bytes = Bytes::from(forge.write());
    let response = Response::read(&bytes)
        .unwrap_or_else(|error| panic!("{error} {:?}", error.details().collect::<Vec<_>>()));
    assert!(response.render().to_bytes() == bytes, "written otherwise");
}

#[test]
fn a_file_is_cut_anywhere() {
    for forge in [request(), response()] {
        let bytes = Bytes::from(forge.write());
        let members: Vec<usize> = (0..bytes.len()).step_by(512).collect();
        for end in members
            .iter()
            .flat_map(|end| [*end, end + 1, end + 300, end + 511])
            .filter(|end| *end < bytes.len())
        {
            let error = Response::read(&bytes.slice(..end)).unwrap_err();
            let check = if end < 262 { Check::FileKind } else { Check::ArchiveEnd };
            assert_eq!(error.check(), check, "{end}");
        }
        for end in 1..=3 {
            let longer = Bytes::from([bytes.to_vec(), vec![0; end * 512]].concat());
            assert_eq!(Response::read(&longer).unwrap_err().check(), Check::ArchiveEnd);
        }
    }
}

#[test]
fn the_file_is_too_large() {
    let file = Bytes::from(vec![0; 512 * 1024 * 1024 + 1]);
    assert_eq!(Response::read(&file).unwrap_err().check(), Check::FileSize);
    assert_eq!(Response::read(&file.slice(1..)).unwrap_err().check(), Check::FileKind);
}

#[test]
fn too_many_blobs() {
    let name = |number: u32| format!("blobs/sha256/{number:064x}");
    let mut tar = Tar::new(&Blobs::new(), b"", b"");
    let documents = std::mem::take(&mut tar.members);
    tar.members = (0..250_001).map(|number| Member::new(name(number).as_bytes(), b"")).collect();
    tar.members.extend(documents.clone());
    assert_eq!(Response::read(&Bytes::from(tar.bytes())).unwrap_err().check(), Check::ArchiveBlobs);
    tar.members.remove(0);
    // One less is a question of their digests.
    assert_eq!(Response::read(&Bytes::from(tar.bytes())).unwrap_err().check(), Check::BlobDigest);
}

#[test]
fn a_member_is_too_large() {
    const LIMIT: usize = 64 * 1024 * 1024;
    // Only the header says so: nothing is read.
    let sized = |place: usize, size: usize| {
        request().tar(move |tar| {
            let place = tar.members.len() - 1 - place;
            tar.members[place].set(124, format!("{size:011o}\0").as_bytes());
        })
    };
    for place in [1, 2] {
        refused(&sized(place, LIMIT + 1), Check::BlobSize);
        refused(&sized(place, LIMIT), Check::ArchiveEnd);
    }
    refused(&sized(0, 4 * 1024 * 1024 + 1), Check::BlobSize);
    refused(&sized(0, 4 * 1024 * 1024), Check::ArchiveEnd);
}

#[test]
fn evidence_is_too_large() {
    const LIMIT: usize = 4 * 1024 * 1024;
    let blanks = |text: &str, size: usize| format!("{text}{}", " ".repeat(size - text.len()));
    let config = |size: usize| of(Node::image(OCI_MANIFEST, &blanks(CONFIG, size), MANIFEST));
    let manifest = |size: usize| {
        let mut forge = of(image("amd64"));
        forge.images[0].top.bytes.resize(size, b' ');
        forge
    };
    let artifact = |size: usize| {
        of(Node::image(
            OCI_MANIFEST,
            &blanks("", size),
            &MANIFEST.replace("vnd.oci.image.config", "vnd.example"),
        ))
    };
    let plans: [&dyn Fn(usize) -> Forge; 3] = [&config, &manifest, &artifact];
    for plan in plans {
        accepted(&plan(LIMIT));
        refused(&plan(LIMIT + 1), Check::BlobSize);
    }
}

#[test]
fn a_manifest_of_ours_is_too_large() {
    const LIMIT: usize = 4 * 1024 * 1024;
    for (part, check) in [
        (Part::RequestManifest, Check::RequestManifest),
        (Part::SigManifest, Check::SigManifest),
        (Part::Referrer, Check::ReferrerManifest),
        (Part::Bundle, Check::ReferrerManifest),
        (Part::ResponseManifest, Check::ResponseManifest),
    ] {
        let sized = |size: usize| {
            response().bend(part, 0, move |mut bytes| {
                bytes.resize(size, b' ');
                bytes
            })
        };
        refused(&sized(LIMIT), check);
        refused(&sized(LIMIT + 1), Check::BlobSize);
    }
}

#[test]
fn a_payload_is_too_large_with_its_escapes() {
    // `<` takes six bytes in a payload: 256 annotations of 4 KiB reach 4 MiB only there.
    let plan = |strings: usize| {
        let mut forge = request();
        let value = "<".repeat(4096);
        forge.images[0].annotations =
            (0..strings).map(|number| (format!("k{number:03}"), value.clone())).collect();
        forge
    };
    refused(&plan(171), Check::BlobSize);
    accepted(&plan(170));
}

#[test]
fn a_request_is_too_long() {
    let plan = |count: usize| {
        let image = |number: usize| Image {
            identity: "registry.example/app".to_owned(),
            ..named(&format!("registry.example/r{number:05}:1"), image("amd64"))
        };
        Forge::new((0..count).map(image).collect())
    };
    refused(&plan(10_001), Check::DocumentItems);
    accepted(&plan(10_000));
}

#[test]
fn the_response_would_be_too_large() {
    // Each name of one image in one repository is a layer for each of eight keys: 125 are 1,000.
    let plan = |count: usize| {
        let image = |number: usize| Image {
            identity: format!("registry.example/r{number:04}"),
            ..named("registry.example/app:1", image("amd64"))
        };
        Forge::new((0..count).map(image).collect())
    };
    accepted(&plan(125));
    refused(&plan(126), Check::RequestSize);
    // The worst for readers that compare each with each.
    refused(&plan(9_999), Check::RequestSize);
}

#[test]
fn a_predicate_is_too_large() {
    const LIMIT: usize = (3 * 1024 - 8) * 1024;
    let plan = |size: usize| {
        let predicate = format!("{{\"a\":\"{}\"}}", "x".repeat(size - 8));
        of_extras(vec![attestation("registry.example/app:1", image("amd64"), SPDX, &predicate)])
    };
    accepted(&plan(LIMIT));
    refused(&plan(LIMIT + 1), Check::PredicateSize);
}

#[test]
fn a_payload_of_another_tool_is_too_large() {
    const LIMIT: usize = 4 * 1024 * 1024;
    let plan =
        |size: usize| of_extras(vec![payload("registry.example/app:1", image("amd64"), &vec![b'x'; size])]);
    accepted(&plan(LIMIT));
    refused(&plan(LIMIT + 1), Check::BlobSize);
}

#[test]
fn a_file_is_as_large_as_a_member() {
    const LIMIT: usize = 64 * 1024 * 1024;
    let plan = |size: usize| of_files(vec![file("disk.img", &vec![b'x'; size])]);
    accepted(&plan(LIMIT));
    refused(&plan(LIMIT + 1), Check::BlobSize);
}

#[test]
fn the_response_would_be_too_large_with_other_kinds() {
    // Attestations of one image are a layer for each of eight keys, as payloads are.
    let top = || image("amd64");
    let ascending = |extras: &mut Vec<crate::forge::Extra>| {
        extras.sort_by_cached_key(|extra| match &extra.what {
            crate::forge::What::Payload(bytes) | crate::forge::What::Attestation(_, bytes) => {
                crate::forge::digest(bytes)
            }
        });
    };
    let attested = |count: usize, size: usize| {
        let predicate = |number: usize| format!("{{\"n\":{number},\"x\":\"{}\"}}", "x".repeat(size));
        let about = |number| attestation("registry.example/app:1", top(), SPDX, &predicate(number));
        let mut extras: Vec<_> = (0..count).map(about).collect();
        ascending(&mut extras);
        of_extras(extras)
    };
    accepted(&attested(125, 0));
    refused(&attested(126, 0), Check::RequestSize);
    let beside = |count: usize| {
        let bytes = |number: usize| number.to_string().into_bytes();
        let mut extras: Vec<_> =
            (0..count).map(|number| payload("registry.example/app:1", top(), &bytes(number))).collect();
        ascending(&mut extras);
        of_extras(extras)
    };
    accepted(&beside(125));
    refused(&beside(126), Check::RequestSize);
    // Each key repeats a statement twice, in base64: 70 MiB for a predicate of 3 MiB.
    accepted(&attested(7, 3_000_000));
    refused(&attested(8, 3_000_000), Check::RequestSize);
}

#[test]
fn files_are_items() {
    let plan = |count: usize| {
        let name = |number: usize| format!("{number:05}");
        let one = |number| hash(&name(number), name(number).as_bytes());
        of_files((0..count).map(one).collect())
    };
    accepted(&plan(10_000));
    refused(&plan(10_001), Check::DocumentItems);
}

#[test]
fn what_holds_other_kinds_is_too_large() {
    const LIMIT: usize = 4 * 1024 * 1024;
    let key = [crate::plans::one()];
    for (plan, part, check) in [
        (request_of_attestation(), Part::AttManifest, Check::AttManifest),
        (request_of_attestation(), Part::Bundle, Check::ReferrerManifest),
        (request_of_file(), Part::Bundle, Check::ReferrerManifest),
        (request_of_file(), Part::Referrer, Check::ReferrerManifest),
    ] {
        let sized = |size: usize| {
            plan.clone().signed(&key).bend(part, 0, move |mut bytes| {
                bytes.resize(size, b' ');
                bytes
            })
        };
        refused(&sized(LIMIT), check);
        let over = if part == Part::AttManifest { check } else { Check::BlobSize };
        refused(&sized(LIMIT + 1), over);
    }
}

#[test]
fn a_sig_has_too_many_layers() {
    let layers = |count: usize| {
        response().layers(0, move |layers| {
            let layer = layers[0].clone();
            layers.resize(count, layer);
        })
    };
    refused(&layers(1_001), Check::RequestSize);
    refused(&layers(1_000), Check::SignatureInvalid);
}

#[test]
fn nine_keys() {
    let plan = |count: u8| request().signed(&(1..=count).map(Key::small).collect::<Vec<_>>());
    accepted(&plan(8));
    refused(&plan(9), Check::ResponseKeys);
}

/// An index of these children, each as often as it stands there.
fn over(children: &[&Node], unseen: &[Node]) -> Node {
    let mut text = String::from("{\"schemaVersion\":2,\"manifests\":[");
    let (mut previous, mut digest) = (None, String::new());
    for (place, child) in children.iter().copied().chain(unseen).enumerate() {
        let comma = if place == 0 { "" } else { "," };
        if previous.replace(std::ptr::from_ref(child)) != Some(std::ptr::from_ref(child)) {
            digest = child.digest();
        }
        let (kind, size) = (&child.media_type, child.bytes.len());
        write!(text, "{comma}{{\"mediaType\":\"{kind}\",\"digest\":\"{digest}\",\"size\":{size}}}").unwrap();
    }
    text.push_str("]}");
    let mut distinct: Vec<Node> = Vec::new();
    for (place, child) in children.iter().enumerate() {
        if place == 0 || !std::ptr::eq(*child, children[place - 1]) {
            distinct.push((*child).clone());
        }
    }
    let mut node = Node::index(OCI_INDEX, &text, distinct, &[]);
    node.unseen = unseen.iter().map(Node::digest).collect();
    node
}

fn numbered(number: usize) -> Node {
    let manifest =
        MANIFEST.replace("\"layers\":", &format!("\"annotations\":{{\"n\":\"{number:05}\"}},\"layers\":"));
    Node::image(OCI_MANIFEST, CONFIG, &manifest)
}

#[test]
fn too_many_manifests_below() {
    let unseen: Vec<Node> = (0..1_001).map(numbered).collect();
    accepted(&of(over(&[], &unseen[1..])));
    refused(&of(over(&[], &unseen)), Check::EvidenceDepth);
    // Over two levels: 500 below one index, 499 below another, and the two.
    let two = |count: usize| over(&[&over(&[], &unseen[..500]), &over(&[], &unseen[500..count])], &[]);
    accepted(&of(two(998)));
    refused(&of(two(999)), Check::EvidenceDepth);
    // Carried ones.
    let carried: Vec<Node> = (0..300).map(numbered).collect();
    accepted(&of(over(&carried.iter().collect::<Vec<_>>(), &unseen[300..1_000])));
    refused(&of(over(&carried.iter().collect::<Vec<_>>(), &unseen[300..])), Check::EvidenceDepth);
}

#[test]
fn an_index_bomb_costs_what_it_weighs() {
    // Four levels, each naming the one below 20,000 times: 160,000,000,000,000,000 ways to the bottom.
    let bomb = |depth: usize| (0..depth).fold(image("amd64"), |below, _| over(&vec![&below; 20_000], &[]));
    accepted(&of(bomb(4)));
    refused(&of(bomb(5)), Check::EvidenceDepth);
}

#[test]
fn an_entry_that_stands_often_is_refused_before_any_work() {
    // Each entry would cost the verification of all that it names, and an index holds a hundred thousand.
    for (place, words) in [(2, "a .sig"), (3, "a bundle")] {
        let plan = response().entries(move |entries| {
            let twin = entries[place].clone();
            entries.splice(place..place, vec![twin; 1_000]);
        });
        let error = Response::read(&Bytes::from(plan.write())).unwrap_err();
        assert_eq!(error.check(), Check::LayoutIndex);
        assert!(error.details().any(|line| line.contains(words)), "{error:?}");
    }
}

fn images(images: Vec<ImageSpec>) -> Asked {
    Asked { images, ..Asked::default() }
}

#[test]
fn many_names_of_one_heavy_image() {
    // 5,000 tags of a manifest with 20,000 layers: it is read once.
    let layer = format!("{{\"mediaType\":\"a/b\",\"digest\":\"sha256:{}\",\"size\":7}}", "b".repeat(64));
    let layers = vec![layer; 20_000].join(",");
    let manifest = MANIFEST.replace("vnd.oci.image.config", "vnd.example");
    let manifest = format!("{}\"layers\":[{layers}]}}", manifest.split_once("\"layers\"").unwrap().0);
    let heavy = Node::image(OCI_MANIFEST, "{}", &manifest);
    let subject = Descriptor::of(OCI_MANIFEST, &heavy.bytes);
    let spec = |number: usize| {
        let destination = Destination::parse_exact(&format!("registry.example/app:{number:05}")).unwrap();
        let identity = Identity::parse_exact("registry.example/app").unwrap();
        ImageSpec::image(destination, identity, BTreeMap::new(), subject.clone())
    };
    let blobs = [heavy.bytes.clone(), b"{}".to_vec()].map(|bytes| (Digest::of(&bytes), bytes));
    let built = Request::build(images((0..5_000).map(spec).collect()), BTreeMap::from(blobs)).unwrap();
    let bytes = Response::unsigned(built.request).render().to_bytes();
    assert_eq!(Response::read(&bytes).unwrap().request().items().len(), 5_000);
}

#[test]
fn many_manifests_of_one_heavy_config() {
    // 900 manifests, one config of 3 MiB with 100,000 labels: it is read once, and kept once.
    let labels: Vec<String> =
        (0..100_000).map(|number| format!("\"label-{number:06}\":\"{number:010}\"")).collect();
    let config = CONFIG.replace("\"version\":\"1.4\"", &labels.join(","));
    let template = MANIFEST.replace("{cd}", &crate::forge::digest(config.as_bytes()));
    let template = template.replace("{cs}", &config.len().to_string());
    let manifest = |number: usize| {
        template
            .replace("\"layers\":", &format!("\"annotations\":{{\"n\":\"{number:05}\"}},\"layers\":"))
            .into_bytes()
    };
    let manifests: Vec<Vec<u8>> = (0..900).map(manifest).collect();
    let spec = |(number, manifest): (usize, &Vec<u8>)| {
        let destination = Destination::parse_exact(&format!("registry.example/app:{number:05}")).unwrap();
        let identity = Identity::parse_exact("registry.example/app").unwrap();
        ImageSpec::image(destination, identity, BTreeMap::new(), Descriptor::of(OCI_MANIFEST, manifest))
    };
    let specs = manifests.iter().enumerate().map(spec).collect();
    let blobs = manifests
        .iter()
        .chain([&config.clone().into_bytes()])
        .map(|bytes| (Digest::of(bytes), bytes.clone()))
        .collect();
    let built = Request::build(images(specs), blobs).unwrap();
    let bytes = Response::unsigned(built.request).render().to_bytes();
    assert_eq!(Response::read(&bytes).unwrap().request().items().len(), 900);
}

#[test]
fn a_small_file_that_promises_much() {
    // One item with 2 MiB of annotations over an index of 1,000 platforms that are no items: each of them would be
    // rendered with all annotations before the first one is missed.
    let children: Vec<Node> = (0..1_000).map(numbered).collect();
    let mut forge = of(over(&children.iter().collect::<Vec<_>>(), &[]));
    let value = "x".repeat(4096);
    forge.images[0].annotations =
        (0..256).map(|number| (format!("{number:0>4096}"), value.clone())).collect();
    // The forge would make them all too.
    let top = forge.images[0].top.clone();
    let light = Forge::new(vec![Image { annotations: Vec::new(), ..forge.images[0].clone() }]);
    let annotations = forge.images[0].annotations.clone();
    let digest = top.digest();
    let payload = crate::forge::payload("registry.example/app:1.4", &digest, &annotations);
    let statement = crate::forge::statement(&digest, &annotations);
    let (kept, stated) = (payload.clone(), statement.clone());
    let forge = light
        .items(move |items| {
            items.truncate(1);
            let item = &mut items[0]["critical"];
            item["payload"] = crate::forge::descriptor(crate::forge::PAYLOAD, &kept);
            item["statement"] = crate::forge::descriptor(crate::forge::STATEMENT, &stated);
            item["annotations"] =
                annotations.iter().map(|(key, value)| (key.clone(), serde_json::json!(value))).collect();
        })
        .blobs(move |blobs| {
            for bytes in [&payload, &statement] {
                blobs.insert(crate::forge::digest(bytes)[7..].to_owned(), bytes.clone());
            }
        });
    let bytes = Bytes::from(forge.write());
    assert_eq!(Response::read(&bytes).unwrap_err().check(), Check::ItemList);
}

#[test]
fn a_document_of_too_many_values() {
    let values = |text: &str| coldsign::format::json::Value::parse_document(text.as_bytes());
    // The array counts too.
    let zeros = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
    values(&zeros(4_000_000)).unwrap();
    let refused = values(&zeros(4_000_001)).unwrap_err();
    assert_eq!((refused.check(), refused.exit()), (Check::JsonSize, Check::JsonSize.exit()));
}
