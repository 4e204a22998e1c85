//! Flips, cuts, splices and repeats of every fixture through every parser: the same verdict or a refusal, never a panic,
//! bounded memory. Seeded: a failure names the run that shows it again.
//!
//! `COLDSIGN_MUTATIONS` multiplies the work (1 unless given); `COLDSIGN_SEED` gives other mutations.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::type_complexity)]
#![allow(clippy::case_sensitive_file_extension_comparisons)] // names of our own fixtures

#[cfg(test)]
#[path = "hostile/forge.rs"]
mod forge;
#[cfg(test)]
#[path = "hostile/plans.rs"]
mod plans;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::format::attestation::{self, Predicate, PredicateType};
use coldsign::format::document::{RequestDocument, ResponseDocument};
use coldsign::format::evidence::{Config, Descriptor, Manifest, OCI_MANIFEST};
use coldsign::format::json::{Names, Value};
use coldsign::format::payload::Payload;
use coldsign::format::reference::{Destination, Identity, Reference};
use coldsign::format::statement::Statement;
use coldsign::format::{bundle, layout, signature};
use coldsign::keys::foreign::ForeignKey;
use coldsign::keys::public::PublicKey;
use coldsign::keys::sealed::SealedKey;
use coldsign::response::Response;
use coldsign::verify::{BlobSignature, BlobVerifier, Claims, Demand, Evidence, Found, Purpose, Verifier};

use forge::{Forge, Part};

/// xorshift64*: small, seeded, the same everywhere.
struct Source(u64);

impl Source {
    fn new(name: &str) -> Self {
        let seed: u64 = std::env::var("COLDSIGN_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
        let name = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self((name ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `bound`, or 0.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).expect("it fits");
        usize::try_from(self.next() % bound).expect("it is below")
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A range of at most `longest` bytes.
    fn range(&mut self, length: usize, longest: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..(start + self.below(longest + 1)).min(length)
    }

    /// A change of `bytes`, with pieces of `other`. It may come out as it was.
    fn mutate(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let place = self.below(out.len());
            let longest = *self.pick(&[1, 2, 8, 64, 512, 4096]);
            match self.below(11) {
                0 | 1 if !out.is_empty() => out[place] ^= 1 << self.below(8),
                2 if !out.is_empty() => {
                    out[place] = *self.pick(b"\0\x1f \"',:0179@AZ[]_az{}\x7f\x80\xc3\xe2\xf4\xff");
                }
                3 => out.truncate(place),
                4 => {
                    let gone = self.range(out.len(), longest);
                    out.drain(gone);
                }
                5 => {
                    let piece = self.range(out.len(), longest);
                    let piece = out[piece].to_vec();
                    out.splice(place..place, piece);
                }
                6 => {
                    let piece = other[self.range(other.len(), longest)].to_vec();
                    out.splice(place..place, piece);
                }
                7 => {
                    let piece = other[self.range(other.len(), longest)].to_vec();
                    let end = (place + piece.len()).min(out.len());
                    out.splice(place..end, piece);
                }
                8 if out.len() >= 1024 => {
                    // Blocks of a tar change places.
                    let blocks = out.len() / 512;
                    let (a, b) = (self.below(blocks) * 512, self.below(blocks) * 512);
                    let block = out[a..a + 512].to_vec();
                    out.copy_within(b..b + 512, a);
                    out[b..b + 512].copy_from_slice(&block);
                }
                9 => {
                    let odd: &[&[u8]] = &[
                        b"null",
                        b"1e999",
                        b"-0",
                        b"9007199254740993",
                        b"\\ud800",
                        b"\\u0000",
                        b"{}",
                        b"[]",
                        b"[[[[[[[[",
                        b"\"a\":1,\"a\":1",
                        b"\xe2\x84\xaa",
                        b"\xef\xbb\xbf",
                        b"\r\n",
                        b"sha256:",
                        b"NaN",
                        b"==",
                    ];
                    let odd = *self.pick(odd);
                    out.splice(place..place, odd.iter().copied());
                }
                _ => out.extend_from_slice(&other[self.range(other.len(), longest)]),
            }
        }
        out
    }
}

/// Names the run that was under way when something panicked.
struct Run<'a> {
    name: &'a str,
    number: usize,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("mutation {} of {}", self.number, self.name);
        }
    }
}

/// As many runs as asked for, each with a mutation of one of `seeds`, which it is told too.
fn mutations<'a>(
    name: &str,
    runs: usize,
    seeds: &'a [(String, Vec<u8>)],
    mut judge: impl FnMut(&'a (String, Vec<u8>), &[u8]),
) {
    let factor: usize =
        std::env::var("COLDSIGN_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut source = Source::new(name);
    assert!(!seeds.is_empty(), "{name}: no fixtures");
    for number in 0..runs * factor {
        // Every seed comes first as it is.
        let seed = seeds.get(number).unwrap_or_else(|| source.pick(seeds));
        let other = source.pick(seeds);
        let mutant = if number < seeds.len() { seed.1.clone() } else { source.mutate(&seed.1, &other.1) };
        let run = Run { name: &seed.0, number };
        judge(seed, &mutant);
        drop(run);
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The files below some folders of `fixtures`.
fn files(folders: &[&str], fits: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    fn walk(path: &Path, into: &mut Vec<(String, Vec<u8>)>) {
        let mut entries: Vec<_> = std::fs::read_dir(path)
            .expect("a fixture")
            .map(|entry| entry.expect("a fixture").path())
            .collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, into);
            } else {
                into.push((path.to_string_lossy().into_owned(), std::fs::read(&path).expect("a fixture")));
            }
        }
    }
    let mut found = Vec::new();
    for folder in folders {
        walk(&fixtures().join(folder), &mut found);
    }
    found.retain(|(name, _)| fits(name));
    found
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join(name)).expect("a fixture")
}

/// Every JSON text that a parser may meet: blobs of the good files, documents and manifests of the peers.
fn texts() -> Vec<(String, Vec<u8>)> {
    let mut texts = files(&["format", "peers"], |name| !name.ends_with(".tar"));
    for plan in [
        plans::response_by_two(),
        plans::request_of_index(),
        plans::request_with_unseen(),
        plans::response_of_kinds(),
    ] {
        let bodies = plan.pack().members.into_iter().map(|member| member.body);
        texts.extend(bodies.enumerate().map(|(place, body)| (format!("member {place}"), body)));
    }
    texts
}

#[test]
fn files_as_they_are() {
    let good = files(&["format", "evidence"], |name| name.ends_with(".tar"));
    mutations("good", 1_500, &good, |(_, seed), mutant| {
        let bytes = Bytes::copy_from_slice(mutant);
        match Response::read(&bytes) {
            Ok(_) => assert!(mutant == seed.as_slice(), "accepted"),
            Err(_) => assert!(mutant != seed.as_slice(), "refused"),
        }
    });
    let hostile = files(&["hostile", "tars"], |name| name.ends_with(".tar"));
    let mut judged = 0;
    mutations("hostile", hostile.len() + 1_500, &hostile, |(name, seed), mutant| {
        let bytes = Bytes::copy_from_slice(mutant);
        if let Ok(response) = Response::read(&bytes) {
            // A mutation may heal: then nothing of the defect is left.
            assert!(mutant != seed.as_slice() || name.contains("response-absent"));
            assert!(response.render().to_bytes() == bytes);
        }
        judged += 1;
    });
    assert!(judged >= 1_500);
    check_memory();
}

#[test]
fn files_below_their_digests() {
    below_their_digests(
        "below",
        1_200,
        &plans::response_by_two(),
        &[
            (Part::Payload, 1),
            (Part::Statement, 1),
            (Part::Document, 1),
            (Part::RequestManifest, 1),
            (Part::SigConfig, 1),
            (Part::SigManifest, 1),
            (Part::Bundle, 2),
            (Part::Referrer, 2),
            (Part::ResponseDocument, 2),
            (Part::ResponseManifest, 2),
            (Part::Index, 1),
            (Part::Layout, 1),
        ],
    );
}

/// The same of every kind: an index of three items, two payloads of other tools, three attestations, two files.
#[test]
fn every_kind_below_its_digest() {
    let mut parts = vec![
        (Part::Document, 1),
        (Part::RequestManifest, 1),
        (Part::SigConfig, 4),
        (Part::SigManifest, 4),
        (Part::AttConfig, 2),
        (Part::AttManifest, 2),
        (Part::Bundle, 16),
        (Part::Referrer, 16),
        (Part::ResponseDocument, 2),
        (Part::Index, 1),
    ];
    parts.extend([(Part::Statement, 3); 2]);
    below_their_digests("kinds", 300, &plans::response_of_kinds(), &parts);
}

fn below_their_digests(name: &str, runs: usize, plan: &Forge, parts: &[(Part, usize)]) {
    let good = plan.write();
    let seeds = [(name.to_owned(), good.clone())];
    let pieces: Vec<Vec<u8>> = plan.pack().members.into_iter().map(|member| member.body).collect();
    let mut source = Source::new(name);
    mutations(name, runs, &seeds, |_, _| {
        let (part, count) = *source.pick(parts);
        let (place, other) = (source.below(count), source.pick(&pieces).clone());
        let inner = std::cell::RefCell::new(Source(source.next() | 1));
        let changed = std::rc::Rc::new(std::cell::Cell::new(false));
        let told = changed.clone();
        let bent = plan.clone().bend(part, place, move |bytes| {
            let mutant = inner.borrow_mut().mutate(&bytes, &other);
            told.set(mutant != bytes);
            mutant
        });
        // The document of a mutant cannot always be read again by the forge, which names its blobs: it need not.
        let bytes = Bytes::from(bent.write());
        match Response::read(&bytes) {
            Ok(response) => {
                // Only the request document is anybody's own words; nothing else may differ.
                assert!(!changed.get() || part == Part::Document, "{part:?} {place}: accepted");
                assert!(response.render().to_bytes() == bytes);
            }
            Err(error) => assert!(changed.get(), "{part:?}: {error}"),
        }
    });
}

#[test]
fn evidence_below_its_digests() {
    let plan = plans::request_of_index();
    let seeds: Vec<(String, Vec<u8>)> = (0..2)
        .flat_map(|child| {
            let node = &plan.images[0].top.children[child];
            [
                (format!("{child} manifest"), node.bytes.clone()),
                (format!("{child} config"), node.config.clone().expect("an image")),
            ]
        })
        .collect();
    let original = Response::read(&Bytes::from(plan.write())).expect("it is good");
    mutations("evidence", 1_000, &seeds, |(name, seed), mutant| {
        let mut node = plan.images[0].top.children[0].clone();
        if name.ends_with("config") {
            let (from, to) = (forge::digest(node.config.as_ref().expect("an image")), forge::digest(mutant));
            let text = String::from_utf8(node.bytes.clone()).expect("text").replace(&from, &to);
            let size = |bytes: &[u8]| format!("\"{}\",\"size\":{}", forge::digest(bytes), bytes.len());
            let old = format!("\"{to}\",\"size\":{}", node.config.as_ref().map_or(0, Vec::len));
            node.bytes = text.replace(&old, &size(mutant)).into_bytes();
            node.config = Some(mutant.to_vec());
        } else {
            node.bytes = mutant.to_vec();
        }
        let bytes = Bytes::from(plans::of(node.clone()).write());
        if let Ok(response) = Response::read(&bytes) {
            assert!(response.render().to_bytes() == bytes);
            // Whoever accepts other evidence signs another digest.
            let digest = response.request().items()[0].subject.digest;
            let same = original.request().items().iter().any(|item| item.subject.digest == digest);
            assert!(!same || mutant == seed.as_slice() || seeds.iter().any(|(_, known)| known == mutant));
        }
    });
}

#[test]
fn json_and_documents() {
    let texts = texts();
    mutations("json", texts.len() + 20_000, &texts, |(_, seed), mutant| {
        let folded = Value::parse(mutant, 32, Names::Folded);
        let exact = Value::parse(mutant, 32, Names::Exact);
        if let Ok(value) = &folded {
            assert_eq!(exact.as_ref().ok(), Some(value), "stricter is never more");
            let again = serde_json::from_slice::<serde_json::Value>(mutant);
            assert!(again.is_ok(), "another reader refuses it");
        }
        if let Ok(value) = Value::parse_document(mutant) {
            assert!(value.to_canonical() == mutant);
        }
        if let Ok(document) = RequestDocument::parse(mutant) {
            // Unknown members of `optional` are read and not written.
            assert!(document.render() == mutant || !document.unknown.is_empty());
        }
        if let Ok(document) = ResponseDocument::parse(mutant) {
            assert!(document.render() == mutant);
        }
        if let Ok(payload) = Payload::parse(mutant) {
            let digest = payload.digest().to_string();
            assert!(String::from_utf8_lossy(mutant).contains(&digest[7..]) || mutant.contains(&b'\\'));
        }
        if let Ok(statement) = Statement::parse(mutant) {
            let _ = (statement.predicate_type(), statement.annotations_of(&Digest::of(seed)));
        }
        let manifest = Manifest::parse(mutant, &Descriptor::of(OCI_MANIFEST, mutant));
        if let Ok(Manifest::Image(image)) = &manifest {
            let mut image = image.clone();
            image.config = Descriptor::of(&image.config.media_type, seed);
            let _ = Config::parse(seed, &image);
        }
        if let Ok(Manifest::Image(image)) = Manifest::parse(seed, &Descriptor::of(OCI_MANIFEST, seed)) {
            let mut image = image;
            image.config = Descriptor::of(&image.config.media_type, mutant);
            let _ = Config::parse(mutant, &image);
        }
        let _ = (layout::read_index(mutant), layout::read_manifest(mutant), signature::read_layers(mutant));
        let _ = (bundle::read_referrer(mutant), bundle::read(mutant), bundle::read_message(mutant));
        let _ = (attestation::read_layers(mutant), attestation::read_envelope(mutant));
        let _ = (Predicate::parse(mutant.to_vec()), Statement::parse_attestation(mutant));
    });
    check_memory();
}

#[test]
fn configs() {
    let image = |config: &[u8]| {
        let text = plans::MANIFEST
            .replace("{cd}", &forge::digest(config))
            .replace("{cs}", &config.len().to_string());
        let manifest = Manifest::parse(text.as_bytes(), &Descriptor::of(OCI_MANIFEST, text.as_bytes()));
        match manifest.expect("it is good") {
            Manifest::Image(image) => image,
            Manifest::Index(_) => unreachable!("it is an image"),
        }
    };
    let seeds = files(&["format", "peers"], |name| name.contains("blobs") || name.contains("config"));
    let mut seeds: Vec<_> =
        seeds.into_iter().filter(|(_, bytes)| bytes.windows(8).any(|part| part == b"diff_ids")).collect();
    seeds.push(("config".to_owned(), plans::CONFIG.as_bytes().to_vec()));
    let mut accepted = 0;
    mutations("config", 5_000, &seeds, |_, mutant| {
        if let Ok(config) = Config::parse(mutant, &image(mutant)) {
            assert_eq!(config.diff_ids, 1);
            accepted += 1;
        }
    });
    assert!(accepted > 100, "{accepted}: these mutations reach nothing");
}

#[test]
fn references() {
    let names = [
        "registry.example/app:1.4",
        "alpine",
        "localhost:5000/a/b/c:latest",
        "index.docker.io/library/alpine:3",
        "registry.example/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "registry.example/team/app_x/y--z.a:1.4@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ];
    let seeds = names.map(|name| (name.to_owned(), name.as_bytes().to_vec()));
    mutations("reference", 40_000, &seeds, |_, mutant| {
        let text = String::from_utf8_lossy(mutant);
        let reference = Reference::parse(&text);
        if let Ok(reference) = &reference {
            let shown = reference.to_string();
            assert!(shown.is_ascii() && shown.len() <= 512);
            assert_eq!(Reference::parse(&shown).ok().as_ref(), Some(reference), "{shown}");
            let identity = reference.identity().to_string();
            assert_eq!(Identity::parse_exact(&identity).ok(), Some(reference.identity()));
        }
        if let Ok(destination) = Destination::parse_exact(&text) {
            assert_eq!(destination.to_string(), text);
            assert_eq!(reference.as_ref().ok().map(ToString::to_string).as_deref(), Some(&*text));
        }
        if let Ok(identity) = Identity::parse_exact(&text) {
            assert_eq!(identity.to_string(), text);
        }
        if let Ok(digest) = Digest::parse(&text) {
            assert_eq!(digest.to_string(), text);
        }
    });
}

#[test]
fn keys() {
    let public = files(&["keys", "keys-openssl", "format", "peers"], |name| name.ends_with(".pub"));
    mutations("public", 4_000, &public, |_, mutant| {
        if let Ok(key) = PublicKey::from_pem(mutant) {
            assert_eq!(PublicKey::from_pem(key.to_pem().as_bytes()).ok().as_ref(), Some(&key));
            assert_eq!(key.id(), Digest::of(key.spki()));
        }
    });
    let der: Vec<(String, Vec<u8>)> = public
        .iter()
        .filter_map(|(name, pem)| Some((name.clone(), PublicKey::from_pem(pem).ok()?.spki().to_vec())))
        .collect();
    mutations("der", 4_000, &der, |_, mutant| {
        if let Ok(key) = PublicKey::from_der(mutant) {
            assert_eq!(key.spki(), mutant, "two encodings of one key");
        }
    });
    // Opening takes work that the file asks for: only reading is tried here.
    let private =
        files(&["keys", "keys-openssl", "format"], |name| name.ends_with(".key") || name.ends_with(".pem"));
    mutations("private", 6_000, &private, |_, mutant| {
        let _ = SealedKey::from_pem(mutant);
        if let Ok(key) = ForeignKey::from_pem(mutant) {
            assert!(
                key.format().needs_passphrase()
                    || key.open(None).is_ok_and(|_| true)
                    || key.open(None).is_err()
            );
        }
    });
    let sealed = sealed();
    let good = sealed.to_pem().into_bytes();
    let seeds = [("sealed".to_owned(), good.clone()), ("other".to_owned(), read("keys/cosign32.key"))];
    mutations("sealed", 4_000, &seeds, |_, mutant| {
        if let Ok(key) = SealedKey::from_pem(mutant) {
            // The checksum covers every member: what is left to differ is the PEM around it.
            assert!(key.to_pem().into_bytes() == good, "another sealed key");
        }
    });
}

fn sealed() -> SealedKey {
    use coldsign::keys::sealed::{Cost, Use, Uses};
    use coldsign::keys::signing::{SigningKey, SigningKind};
    use coldsign::secret::{OsRandom, Passphrase};
    let key = SigningKey::generate(SigningKind::P256, &mut OsRandom).expect("there is randomness");
    let uses = Uses::new([Use::Image]).expect("one use");
    let cost = Cost::new(1 << 15).expect("the least that is allowed");
    SealedKey::seal(&key, uses, "a comment", &Passphrase::new(b"pass".to_vec()), cost, &mut OsRandom)
        .expect("it can be sealed")
}

#[test]
fn signatures_at_a_destination() {
    let demand = |key: &str| Demand {
        keys: vec![PublicKey::from_pem(&read(key)).expect("a key")],
        purpose: Purpose::Signature,
        annotations: BTreeMap::new(),
        claims: true,
        threshold: 1,
        evidence: Evidence::none(),
    };
    let manifest = read("peers/cosign-2.5.0/sign-annotation.manifest.json");
    let payload = read("peers/cosign-2.5.0/sign-annotation.payload.json");
    let mut by_cosign = demand("peers/cosign-2.5.0/signer.pub");
    let subject = Payload::parse(&payload).expect("a payload").digest();
    let valid = |manifest: &[u8], payload: &[u8], demand: &Demand| {
        let found = Found {
            media_type: OCI_MANIFEST,
            manifest,
            content: &|_: &Descriptor| Ok(Bytes::copy_from_slice(payload)),
        };
        let verdicts = Verifier::default().judge_sig(&found, &subject, demand).unwrap_or_default();
        let valid = verdicts.into_iter().filter_map(|verdict| verdict.outcome.ok());
        valid
            .map(|valid| match valid.claims() {
                Claims::Payload(bytes) | Claims::Statement(bytes) => bytes.to_vec(),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(valid(&manifest, &payload, &by_cosign), std::slice::from_ref(&payload));
    let seeds = [("manifest".to_owned(), manifest.clone())];
    mutations("sig", 3_000, &seeds, |_, mutant| {
        assert!(valid(mutant, &payload, &by_cosign).iter().all(|claims| *claims == payload), "other claims");
    });
    let seeds = [("payload".to_owned(), payload.clone())];
    mutations("payload", 1_000, &seeds, |_, mutant| {
        let found = valid(&manifest, mutant, &by_cosign);
        assert_eq!(!found.is_empty(), mutant == payload.as_slice());
    });
    by_cosign.claims = false;
    // Sizes and digests repaired, so that it is the signature that refuses.
    mutations("payload repaired", 1_000, &seeds, |_, mutant| {
        let text = String::from_utf8(manifest.clone()).expect("text");
        let text = text.replace(&forge::digest(&payload), &forge::digest(mutant));
        let text = text.replace(
            &format!("\"size\":{},\"digest\":\"{}\"", payload.len(), forge::digest(mutant)),
            &format!("\"size\":{},\"digest\":\"{}\"", mutant.len(), forge::digest(mutant)),
        );
        let found = valid(text.as_bytes(), mutant, &by_cosign);
        assert_eq!(!found.is_empty(), mutant == payload.as_slice());
    });

    let bundle = read("peers/cosign-3.1.1/referrer.bundle.json");
    let by_cosign = demand("peers/cosign-3.1.1/signer.pub");
    let (statement, ..) = statement_of(&bundle);
    let subject = subject_of(&statement);
    let judge = |bundle: &[u8]| {
        let verdict = Verifier::default().judge_bundle(bundle, bundle::MEDIA_TYPE, &subject, &by_cosign);
        verdict.outcome.map(|valid| match valid.claims() {
            Claims::Payload(bytes) | Claims::Statement(bytes) => bytes.to_vec(),
        })
    };
    assert_eq!(judge(&bundle).ok(), Some(statement.clone()));
    let seeds = [("bundle".to_owned(), bundle)];
    mutations("bundle", 3_000, &seeds, |_, mutant| {
        if let Ok(claims) = judge(mutant) {
            assert_eq!(claims, statement, "other claims");
        }
    });
}

#[test]
fn attestations_and_signatures_of_files() {
    let kind = PredicateType::parse("https://example.org/own/v1").expect("a URI");
    let mut demand = Demand {
        keys: vec![PublicKey::from_pem(&read("golden/key.pub")).expect("a key")],
        purpose: Purpose::Attestation(Some(kind.clone())),
        annotations: BTreeMap::new(),
        claims: true,
        threshold: 1,
        evidence: Evidence::none(),
    };
    let statement = read("golden/attestation/statement.json");
    let subject = subject_of(&statement);
    // Sizes and digests repaired, so that it is the signature that refuses.
    let judge = |envelope: &[u8], demand: &Demand| {
        let manifest = attestation::render(&[attestation::Layer::of(envelope, kind.clone())]).manifest;
        let content = |_: &Descriptor| Ok(Bytes::copy_from_slice(envelope));
        let found = Found { media_type: OCI_MANIFEST, manifest: &manifest, content: &content };
        let verdicts = Verifier::default().judge_att(&found, &subject, demand).expect("a manifest of ours");
        verdicts.into_iter().filter_map(|verdict| verdict.outcome.ok()).collect::<Vec<_>>()
    };
    let envelope = read("golden/attestation/envelope.json");
    assert_eq!(judge(&envelope, &demand).len(), 1);
    demand.purpose = Purpose::Signature;
    assert!(judge(&envelope, &demand).is_empty());
    demand.purpose = Purpose::Attestation(None);
    let seeds = [("envelope".to_owned(), envelope)];
    mutations("envelope", 3_000, &seeds, |_, mutant| {
        for valid in judge(mutant, &demand) {
            assert!(
                matches!(valid.claims(), Claims::Statement(bytes) if *bytes == statement),
                "other claims"
            );
        }
    });

    let keys = [PublicKey::from_pem(&read("blob/p256.pub")).expect("a key")];
    let (blob, bundle) = (read("blob/blob"), read("blob/p256.cosign3.bundle"));
    let verify = |bundle: &[u8], blob: &[u8]| {
        let signature = BlobSignature::of_bundle(bundle)?;
        let mut verifier = BlobVerifier::new(&keys, &signature);
        verifier.update(blob);
        verifier.finish(&Evidence::none()).map(|_| ())
    };
    verify(&bundle, &blob).expect("cosign's");
    let seeds = [("bundle".to_owned(), bundle.clone())];
    mutations("blob bundle", 3_000, &seeds, |_, mutant| drop(verify(mutant, &blob)));
    let seeds = [("blob".to_owned(), blob.clone())];
    mutations("blob", 300, &seeds, |_, mutant| {
        assert_eq!(verify(&bundle, mutant).is_ok(), mutant == blob.as_slice());
    });
}

/// The statement in a bundle.
fn statement_of(bundle: &[u8]) -> (Vec<u8>, serde_json::Value) {
    use base64::Engine as _;
    let value: serde_json::Value = serde_json::from_slice(bundle).expect("a bundle");
    let payload = value["dsseEnvelope"]["payload"].as_str().expect("a payload");
    (base64::engine::general_purpose::STANDARD.decode(payload).expect("base64"), value)
}

fn subject_of(statement: &[u8]) -> Digest {
    let value: serde_json::Value = serde_json::from_slice(statement).expect("a statement");
    Digest::parse_hex(value["subject"][0]["digest"]["sha256"].as_str().expect("a digest")).expect("a digest")
}

/// The lenient reader of the exporting side.
#[cfg(feature = "connected")]
#[test]
fn archives_of_other_tools() {
    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let path = directory.path().join("archive.tar");
    let seeds = files(&["tars", "format"], |name| name.ends_with(".tar"));
    mutations("tars", 800, &seeds, |_, mutant| {
        std::fs::write(&path, mutant).expect("the temporary directory is writable");
        if let Ok(layout) = coldsign::transfer::archive_in::open(&path) {
            drop(layout);
        }
    });
    check_memory();
}

/// A mutation may make a file promise much; what it takes is bounded by what it is.
fn check_memory() {
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells");
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
        assert!(peak < 1024 * 1024, "{peak} KiB were taken");
    }
}

/// The table of checks and the mutations agree on what a refusal is: every check has an exit code that is none of 0,
/// 1 and 101 where a file is at fault.
#[test]
fn refusals_of_files_have_their_codes() {
    for check in Check::ALL.iter().filter(|check| {
        ["archive", "json", "self-consistency", "evidence", "signatures"].contains(&check.hop())
    }) {
        assert!(matches!(check.exit().code(), 20..=30), "{check}");
    }
}

/// A plan that is written twice is the same: mutations start from one and the same file.
#[test]
fn the_forge_repeats_itself() {
    let plan: Forge = plans::response_by_two();
    assert!(plan.write() == plan.write());
}
