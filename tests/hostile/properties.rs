//! What must hold for every request and response.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use bytes::Bytes;
use coldsign::check::Check;
use coldsign::combine::combine;
use coldsign::digest::Digest;
use coldsign::format::attestation::PredicateType;
use coldsign::format::document::Content;
use coldsign::format::evidence::Descriptor;
use coldsign::format::reference::{Destination, Identity};
use coldsign::request::{Asked, ImageSpec, Request, What as Asks};
use coldsign::response::Response;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use crate::forge::{Extra, Forge, Image, Node, OCI_INDEX, Part, Plain, What, canonical, digest};
use crate::plans::{
    INDEX, PROVENANCE, SPDX, attestation, file, hash, image, index, one, payload, request_of_index, two,
};

/// Tops to choose from; the last one leaves a platform unseen.
fn tops() -> Vec<Node> {
    let unseen = Node::index(OCI_INDEX, INDEX, vec![image("riscv64")], &[image("s390x")]);
    let unseen = Node {
        bytes: String::from_utf8(unseen.bytes)
            .unwrap()
            .replace("amd64", "riscv64")
            .replace("arm64", "s390x")
            .into(),
        ..unseen
    };
    vec![image("amd64"), image("arm64"), index(), unseen]
}

/// Images that stand beside one another: identities without a tag, one digest a destination.
fn images() -> impl Strategy<Value = Vec<Image>> {
    let annotations =
        prop::collection::btree_map("[a-z<&\u{fb33}\u{1f600}]{1,3}", "[ -~\u{2028}\u{10000}]{0,6}", 0..3);
    let one =
        (0..4_usize, 0..3_usize, select(vec!["a", "1", "item-2", "request"]), any::<bool>(), annotations);
    prop::collection::vec(one, 1..6).prop_map(|plans| {
        let tops = tops();
        let image = |(top, repository, tag, by_digest, annotations): (
            usize,
            usize,
            &str,
            bool,
            BTreeMap<String, String>,
        )| {
            let repository = format!("registry.example/r{repository}/t{top}");
            let top = tops[top].clone();
            let destination = if by_digest {
                format!("{repository}@{}", top.digest())
            } else {
                format!("{repository}:{tag}")
            };
            Image { destination, identity: repository, annotations: annotations.into_iter().collect(), top }
        };
        plans.into_iter().map(image).collect()
    })
}

fn specs(images: &[Image]) -> Vec<ImageSpec> {
    let spec = |image: &Image| {
        let destination = Destination::parse_exact(&image.destination).unwrap();
        let identity = Identity::parse_exact(&image.identity).unwrap();
        let annotations = image.annotations.iter().cloned().collect();
        let subject = Descriptor::of(&image.top.media_type, &image.top.bytes);
        ImageSpec::image(destination, identity, annotations, subject)
    };
    images.iter().map(spec).collect()
}

fn carried(node: &Node, into: &mut BTreeMap<Digest, Vec<u8>>) {
    for bytes in [&node.bytes].into_iter().chain(&node.config) {
        into.insert(Digest::of(bytes), bytes.clone());
    }
    node.children.iter().for_each(|child| carried(child, into));
}

/// Payloads of other tools and attestations, of the images to choose from, and what nobody is told of them.
fn extras() -> impl Strategy<Value = Vec<Extra>> {
    let one = (0..4_usize, 0..3_usize, select(vec!["a", "1"]), any::<bool>(), 0..3_usize, "[a-c]{0,1}");
    prop::collection::vec(one, 0..6).prop_map(|plans| {
        let tops = tops();
        let extra =
            |(top, repository, tag, by_digest, kind, text): (usize, usize, &str, bool, usize, String)| {
                let repository = format!("registry.example/r{repository}/t{top}");
                let top = tops[top].clone();
                let destination = if by_digest {
                    format!("{repository}@{}", top.digest())
                } else {
                    format!("{repository}:{tag}")
                };
                match [None, Some(PROVENANCE), Some(SPDX)][kind] {
                    None => payload(&destination, top, text.as_bytes()),
                    Some(kind) => attestation(&destination, top, kind, &format!("{{\"a\": \"{text}\"}}")),
                }
            };
        plans.into_iter().map(extra).collect()
    })
}

/// Files, carried or not; what is in them repeats.
fn files() -> impl Strategy<Value = Vec<Plain>> {
    let one = ("[a-c]{1}", "[a-c]{0,1}", any::<bool>());
    let made = |(name, text, seen): (String, String, bool)| {
        if seen { file(&name, text.as_bytes()) } else { hash(&name, text.as_bytes()) }
    };
    prop::collection::vec(one.prop_map(made), 0..5)
}

fn digest_of(file: &Plain) -> String {
    file.content.as_ref().map_or_else(Clone::clone, |bytes| digest(bytes))
}

/// Extras and files in the order of the format, each once.
fn in_place(extras: &[Extra], files: &[Plain]) -> (Vec<Extra>, Vec<Plain>) {
    let key = |extra: &Extra| match &extra.what {
        What::Payload(bytes) => (0, extra.destination.clone(), String::new(), digest(bytes)),
        What::Attestation(kind, bytes) => (1, extra.destination.clone(), kind.clone(), digest(bytes)),
    };
    let mut extras = extras.to_vec();
    extras.sort_by_cached_key(key);
    extras.dedup_by_key(|extra| key(extra));
    let mut files = files.to_vec();
    files.sort_by_cached_key(|file| (digest_of(file), file.content.is_err(), file.name.clone()));
    files.dedup_by_key(|file| digest_of(file));
    files.sort_by_cached_key(|file| (file.name.clone(), digest_of(file)));
    (extras, files)
}

fn mixed(images: &[Image], extras: &[Extra], files: &[Plain]) -> Forge {
    let mut forge = Forge::new(sorted(images));
    (forge.extras, forge.files) = in_place(extras, files);
    forge
}

fn build_mixed(images: &[Image], extras: &[Extra], files: &[Plain]) -> Response {
    let mut blobs = BTreeMap::new();
    let tops = images.iter().map(|image| &image.top).chain(extras.iter().map(|extra| &extra.top));
    tops.for_each(|top| carried(top, &mut blobs));
    let mut put = |media_type: &str, bytes: &[u8]| {
        blobs.insert(Digest::of(bytes), bytes.to_vec());
        Descriptor::of(media_type, bytes)
    };
    let mut specs = specs(images);
    specs.splice(
        0..0,
        extras.iter().map(|extra| ImageSpec {
            destination: Destination::parse_exact(&extra.destination).unwrap(),
            subject: Descriptor::of(&extra.top.media_type, &extra.top.bytes),
            what: match &extra.what {
                What::Payload(bytes) => Asks::CustomPayload { payload: put(crate::forge::PAYLOAD, bytes) },
                What::Attestation(kind, bytes) => Asks::Attestation {
                    predicate_type: PredicateType::parse(kind).unwrap(),
                    predicate: put("application/json", bytes),
                },
            },
        }),
    );
    let mut content = |file: &Plain| match &file.content {
        Ok(bytes) => Content::Carried(put("application/octet-stream", bytes)),
        Err(digest) => Content::Hash(Digest::parse(digest).unwrap()),
    };
    let files: Vec<(String, Content)> =
        files.iter().map(|file| file.name.clone()).zip(files.iter().map(&mut content)).collect();
    let asked = Asked { images: specs, files, note: None };
    Response::unsigned(Request::build(asked, blobs).unwrap().request)
}

fn build(images: &[Image], note: Option<&str>) -> Response {
    let mut blobs = BTreeMap::new();
    for image in images {
        carried(&image.top, &mut blobs);
    }
    // What no image reaches is left out.
    blobs.insert(Digest::of(b"stranger"), b"stranger".to_vec());
    let asked = Asked { images: specs(images), note: note.map(str::to_owned), ..Asked::default() };
    Response::unsigned(Request::build(asked, blobs).unwrap().request)
}

/// The images in the order of the format, each once.
fn sorted(images: &[Image]) -> Vec<Image> {
    let mut sorted = images.to_vec();
    let annotations = |image: &Image| {
        let members = image.annotations.iter().map(|(key, value)| (key.clone(), json!(value)));
        canonical(&serde_json::Value::Object(members.collect()))
    };
    sorted
        .sort_by_cached_key(|image| (image.destination.clone(), image.identity.clone(), annotations(image)));
    sorted
}

fn written(forge: &Forge) -> Bytes {
    Bytes::from(forge.write())
}

/// The response with only these of its signatures: by key, `.sig` and bundle of each item.
fn part(signatures: &[(usize, bool, usize)]) -> Forge {
    let keys = {
        let mut keys = [one(), two()];
        keys.sort_by_key(crate::forge::Key::id);
        keys
    };
    let used: Vec<usize> = (0..2).filter(|key| signatures.iter().any(|(used, ..)| used == key)).collect();
    let mut forge = request_of_index().signed(&used.iter().map(|key| keys[*key].clone()).collect::<Vec<_>>());
    let kept: Vec<_> = signatures.to_vec();
    for item in 0..3 {
        let (kept, used) = (kept.clone(), used.clone());
        forge = forge.layers(item, move |layers| {
            let mut place = 0;
            layers.retain(|_| {
                place += 1;
                kept.contains(&(used[place - 1], true, item))
            });
        });
    }
    let gone: Vec<usize> = (0..3)
        .flat_map(|item| used.iter().map(move |key| (*key, item)))
        .enumerate()
        .filter(|(_, (key, item))| !signatures.contains(&(*key, false, *item)))
        .map(|(place, _)| place)
        .collect();
    forge.without_bundles(gone)
}

impl Forge {
    /// Leaves out some bundles, by the order in which they are written.
    fn without_bundles(mut self, gone: Vec<usize>) -> Self {
        self.skipped = gone;
        self
    }
}

fn all_signatures() -> Vec<(usize, bool, usize)> {
    (0..2)
        .flat_map(|key| {
            [true, false].into_iter().flat_map(move |form| (0..3).map(move |item| (key, form, item)))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// The order in which images are given, and giving one twice, changes no byte; another program writes the same.
    #[test]
    fn order_of_images_changes_nothing(images in images(), turn in 0..6_usize, note in prop::option::of("[ -~]{1,20}")) {
        let note = note.as_deref();
        let bytes = build(&images, note).render().to_bytes();
        let mut turned = images.clone();
        turned.rotate_left(turn % images.len());
        turned.push(images[0].clone());
        turned.reverse();
        prop_assert!(build(&turned, note).render().to_bytes() == bytes);
        let mut forge = Forge::new(sorted(&images));
        if let Some(note) = note {
            forge.optional = json!({"note": note});
        }
        prop_assert!(written(&forge) == bytes);
    }

    /// What was written is read, and written again the same; signatures change nothing of that.
    #[test]
    fn written_again_the_same(images in images(), keys in 0..3_usize) {
        let forge = Forge::new(sorted(&images)).signed(&[one(), two()][..keys]);
        let bytes = written(&forge);
        let response = Response::read(&bytes);
        let response = response.map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        prop_assert!(response.render().to_bytes() == bytes);
        prop_assert_eq!(response.render().size(), u64::try_from(bytes.len()).unwrap());
        prop_assert_eq!(response.signers().len(), keys);
        let read_back = response.read_back(&bytes);
        prop_assert!(read_back.is_ok_and(|again| again.render().to_bytes() == bytes));
    }

    /// The same of requests of every kind, files by name and digest: the order changes no byte, nor does anything that
    /// stands twice; what is written is read, and written again the same; signatures of two keys are united in any order.
    #[test]
    fn every_kind_in_any_order(images in images(), extras in extras(), files in files(), turn in 0..6_usize) {
        let forge = mixed(&images, &extras, &files);
        let bytes = written(&forge);
        prop_assert!(build_mixed(&images, &extras, &files).render().to_bytes() == bytes);
        let (mut more, mut files_again, mut turned) = (extras.clone(), files.clone(), images.clone());
        more.extend(extras.iter().take(turn).cloned());
        more.reverse();
        files_again.extend(files.iter().take(turn).cloned());
        files_again.reverse();
        turned.rotate_left(turn % images.len());
        prop_assert!(build_mixed(&turned, &more, &files_again).render().to_bytes() == bytes);
        let by = |keys: &[crate::forge::Key]| written(&forge.clone().signed(keys));
        let read = |bytes: &Bytes| {
            let read = Response::read(bytes);
            read.map_err(|error| TestCaseError::fail(format!("{error:?}")))
        };
        let (first, second, both) = (by(&[one()]), by(&[two()]), by(&[one(), two()]));
        prop_assert!(read(&both)?.render().to_bytes() == both);
        prop_assert!(read(&both)?.read_back(&both).is_ok_and(|again| again.render().to_bytes() == both));
        prop_assert!(combine(read(&first)?, [read(&second)?]).unwrap().render().to_bytes() == both);
        prop_assert!(combine(read(&second)?, [read(&first)?, read(&bytes)?]).unwrap().render().to_bytes() == both);
        prop_assert!(combine(read(&both)?, [read(&first)?, read(&both)?]).unwrap().render().to_bytes() == both);
    }

    /// Combining is commutative, associative and idempotent, and nothing is lost or added.
    #[test]
    fn combining_is_a_union(
        a in subsequence(all_signatures(), 0..=12),
        b in subsequence(all_signatures(), 0..=12),
        c in subsequence(all_signatures(), 0..=12),
    ) {
        let read = |signatures: &[(usize, bool, usize)]| Response::read(&written(&part(signatures))).unwrap();
        let mut union = [a.clone(), b.clone(), c.clone()].concat();
        union.sort_unstable();
        union.dedup();
        let wanted = written(&part(&union));
        let bytes = |response: Response| response.render().to_bytes();
        prop_assert!(bytes(combine(read(&a), [read(&b), read(&c)]).unwrap()) == wanted);
        prop_assert!(bytes(combine(read(&c), [read(&b), read(&a)]).unwrap()) == wanted);
        prop_assert!(bytes(combine(combine(read(&b), [read(&a)]).unwrap(), [read(&c), read(&a)]).unwrap()) == wanted);
        prop_assert!(bytes(combine(read(&a), [combine(read(&c), [read(&b)]).unwrap()]).unwrap()) == wanted);
        prop_assert!(bytes(combine(read(&union), [read(&a), read(&union)]).unwrap()) == wanted);
    }

    /// A response to one request is never read as one to another, and never combined with one.
    #[test]
    fn a_response_answers_one_request(first in images(), second in images()) {
        let (first, second) = (Forge::new(sorted(&first)), Forge::new(sorted(&second)));
        let (a, b) = (written(&first), written(&second));
        prop_assume!(a != b);
        let document = |file: &Bytes| Response::read(file).unwrap().request().digest();
        prop_assert_ne!(document(&a), document(&b));
        let other = document(&b).to_string();
        let moved = first.clone().signed(&[one()]).bend(Part::ResponseDocument, 0, move |bytes| {
            let mut document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            document["critical"]["request"] = json!(other);
            canonical(&document)
        });
        prop_assert_eq!(Response::read(&written(&moved)).unwrap_err().check(), Check::ResponseRequest);
        let responses = [first.signed(&[one()]), second.signed(&[one()])].map(|forge| Response::read(&written(&forge)).unwrap());
        let [a, b] = responses;
        prop_assert_eq!(combine(a, [b]).unwrap_err().check(), Check::CombineRequest);
    }
}

#[test]
fn of_two_signatures_the_smaller_one_stays() {
    let (der, mirrored) = (
        written(&request_of_index().signed(&[one()])),
        written(&request_of_index().signed(&[one().mirrored()])),
    );
    assert_ne!(digest(&der), digest(&mirrored));
    let read = |bytes: &Bytes| Response::read(bytes).unwrap();
    let both = combine(read(&der), [read(&mirrored)]).unwrap();
    let again = combine(read(&mirrored), [read(&der)]).unwrap();
    let bytes = both.render().to_bytes();
    assert!(again.render().to_bytes() == bytes);
    let (first, second) = (read(&der), read(&mirrored));
    let signer = |response: &Response| response.signers().next().unwrap().key().id();
    let id = signer(&first);
    for (place, kept) in both.signer(&id).unwrap().signatures() {
        let found = [&first, &second]
            .map(|response| response.signer(&id).unwrap().signatures()[place].as_bytes().to_vec());
        assert_eq!(kept.as_bytes(), found.iter().min().unwrap().as_slice());
    }
    assert!(read(&bytes).render().to_bytes() == bytes);
}

#[test]
fn nine_keys_are_not_combined() {
    let by = |number: u8| {
        Response::read(&written(&request_of_index().signed(&[crate::forge::Key::small(number)]))).unwrap()
    };
    assert_eq!(combine(by(1), (2..=8).map(by)).unwrap().signers().len(), 8);
    assert_eq!(combine(by(1), (2..=9).map(by)).unwrap_err().check(), Check::CombineKeys);
}
