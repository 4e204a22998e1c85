//! Requests and responses written from the specification by other code than ours, with a place to put one defect.
//!
//! A [`Forge`] holds a plan. Writing it goes from the evidence up: items, document, signatures, manifests, index, tar.
//! Each part may be changed just before its digest is taken, so that everything above it is repaired and only one thing
//! is wrong. Tar headers, RFC 8785 and cosign's JSON are written here by hand; nothing of `coldsign` is used.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]
#![allow(clippy::type_complexity, clippy::similar_names, clippy::format_push_string, clippy::format_collect)]

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

pub(crate) type Json = serde_json::Value;

/// Blobs by the hex of their name, which need not be that of their bytes.
pub(crate) type Blobs = BTreeMap<String, Vec<u8>>;

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
pub(crate) const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
pub(crate) const STATEMENT: &str = "application/vnd.in-toto+json";
pub(crate) const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
pub(crate) const SIGN_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";
pub(crate) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
pub(crate) const REQUEST: &str = "application/vnd.coldsign.request.v1+json";
pub(crate) const RESPONSE: &str = "application/vnd.coldsign.response.v1+json";

/// A part of a file, as it is about to be named by its digest. Parts of one kind count from 0 in the order in which
/// they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Payload,
    Statement,
    Document,
    RequestManifest,
    SigConfig,
    SigManifest,
    AttConfig,
    AttManifest,
    Bundle,
    Referrer,
    ResponseDocument,
    ResponseManifest,
    Index,
    Layout,
    File,
}

/// A manifest or index with what it carries.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) config: Option<Vec<u8>>,
    pub(crate) children: Vec<Node>,
    /// Digests.
    pub(crate) unseen: BTreeSet<String>,
}

impl Node {
    /// An image; `{cd}` and `{cs}` in the manifest's text are its config's digest and size.
    pub(crate) fn image(media_type: &str, config: &str, manifest: &str) -> Self {
        let text =
            manifest.replace("{cd}", &digest(config.as_bytes())).replace("{cs}", &config.len().to_string());
        Self {
            media_type: media_type.to_owned(),
            bytes: text.into_bytes(),
            config: Some(config.as_bytes().to_vec()),
            children: Vec::new(),
            unseen: BTreeSet::new(),
        }
    }

    /// An index; `{0d}`, `{0s}`, `{1d}`, … in its text are digests and sizes of the children, carried ones first.
    pub(crate) fn index(media_type: &str, text: &str, carried: Vec<Self>, unseen: &[Self]) -> Self {
        let mut text = text.to_owned();
        for (place, child) in carried.iter().chain(unseen).enumerate() {
            text = text.replace(&format!("{{{place}d}}"), &child.digest());
            text = text.replace(&format!("{{{place}s}}"), &child.bytes.len().to_string());
        }
        Self {
            media_type: media_type.to_owned(),
            bytes: text.into_bytes(),
            config: None,
            children: carried,
            unseen: unseen.iter().map(Self::digest).collect(),
        }
    }

    pub(crate) fn digest(&self) -> String {
        digest(&self.bytes)
    }

    fn descriptor(&self) -> Json {
        descriptor(&self.media_type, &self.bytes)
    }

    fn evidence(&self, into: &mut BTreeMap<String, Vec<u8>>) {
        for bytes in [&self.bytes].into_iter().chain(&self.config) {
            into.insert(digest(bytes), bytes.clone());
        }
        self.children.iter().for_each(|child| child.evidence(into));
    }

    fn order<'a>(&'a self, into: &mut Vec<&'a Self>) {
        if into.iter().any(|known| known.digest() == self.digest()) {
            return;
        }
        into.push(self);
        self.children.iter().for_each(|child| child.order(into));
    }
}

/// One image under one name.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) destination: String,
    pub(crate) identity: String,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) top: Node,
}

/// What goes beside one manifest and is no signature of it.
#[derive(Clone, Debug)]
pub(crate) struct Extra {
    pub(crate) destination: String,
    pub(crate) top: Node,
    pub(crate) what: What,
}

/// Bytes of another tool, or a statement.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Payload(Vec<u8>),
    /// Type and predicate.
    Attestation(String, Vec<u8>),
}

/// A file to sign: what it is called, and its bytes or the digest of what nobody sees.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    pub(crate) name: String,
    pub(crate) content: Result<Vec<u8>, String>,
}

/// A layer of an `.att` manifest: an envelope and what stands beside it.
#[derive(Clone)]
pub(crate) struct Envelope {
    pub(crate) bytes: Vec<u8>,
    pub(crate) kind: String,
    /// Annotations between the two that each has, as text.
    pub(crate) more: String,
}

/// A key that signs.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) spki: Vec<u8>,
    sign: Rc<dyn Fn(&[u8]) -> Vec<u8>>,
    sign_hash: Rc<dyn Fn(&[u8]) -> Vec<u8>>,
}

impl Key {
    pub(crate) fn from_pem(pem: &str) -> Self {
        Self::p256(p256::ecdsa::SigningKey::from_pkcs8_pem(pem).expect("a P-256 key"))
    }

    /// The key whose private number is `number`.
    pub(crate) fn small(number: u8) -> Self {
        let mut scalar = [0; 32];
        scalar[31] = number;
        Self::p256(p256::ecdsa::SigningKey::from_slice(&scalar).expect("in range"))
    }

    fn p256(key: p256::ecdsa::SigningKey) -> Self {
        let spki = key.verifying_key().to_public_key_der().unwrap().as_bytes().to_vec();
        let sign_hash = move |hash: &[u8]| -> Vec<u8> {
            let signature: p256::ecdsa::Signature =
                p256::ecdsa::signature::hazmat::PrehashSigner::sign_prehash(&key, hash).unwrap();
            signature.to_der().as_bytes().to_vec()
        };
        Self::hashing(spki, sign_hash)
    }

    /// A key that signs the SHA-256 of a message.
    fn hashing(spki: Vec<u8>, sign_hash: impl Fn(&[u8]) -> Vec<u8> + 'static) -> Self {
        let sign_hash = Rc::new(sign_hash);
        let of_hash = sign_hash.clone();
        Self { spki, sign: Rc::new(move |message| of_hash(&Sha256::digest(message))), sign_hash }
    }

    pub(crate) fn p384() -> Self {
        let mut scalar = [0; 48];
        scalar[47] = 7;
        let key = p384::ecdsa::SigningKey::from_slice(&scalar).expect("in range");
        let spki = key.verifying_key().to_public_key_der().unwrap().as_bytes().to_vec();
        Self::hashing(spki, move |hash: &[u8]| -> Vec<u8> {
            let signature: p384::ecdsa::Signature =
                p384::ecdsa::signature::hazmat::PrehashSigner::sign_prehash(&key, hash).unwrap();
            signature.to_der().as_bytes().to_vec()
        })
    }

    /// Of a hash alone it signs the bytes of the hash: it can do no better.
    pub(crate) fn ed25519() -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let spki = key.verifying_key().to_public_key_der().unwrap().as_bytes().to_vec();
        let sign: Rc<dyn Fn(&[u8]) -> Vec<u8>> =
            Rc::new(move |message| key.sign(message).to_bytes().to_vec());
        Self { spki, sign: sign.clone(), sign_hash: sign }
    }

    /// The same signatures with `s` negated: as good as the first ones (FIPS 186-5 has no rule for the sign of `s`).
    pub(crate) fn mirrored(&self) -> Self {
        self.signing(|der| {
            let (r, s) = p256::ecdsa::Signature::from_der(&der).unwrap().split_scalars();
            p256::ecdsa::Signature::from_scalars(r, -s).unwrap().to_der().as_bytes().to_vec()
        })
    }

    /// The same signatures under another encoding of the public key.
    pub(crate) fn named(&self, spki: Vec<u8>) -> Self {
        Self { spki, ..self.clone() }
    }

    /// The same key with its signatures changed.
    pub(crate) fn signing(&self, change: impl Fn(Vec<u8>) -> Vec<u8> + 'static) -> Self {
        let (sign, sign_hash, change) = (self.sign.clone(), self.sign_hash.clone(), Rc::new(change));
        let again = change.clone();
        Self {
            spki: self.spki.clone(),
            sign: Rc::new(move |message| change(sign(message))),
            sign_hash: Rc::new(move |hash| again(sign_hash(hash))),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        (self.sign)(message)
    }

    /// Signs what has this digest.
    pub(crate) fn sign_hash(&self, digest: &str) -> Vec<u8> {
        (self.sign_hash)(&unhex(digest))
    }

    pub(crate) fn id(&self) -> String {
        hex(&Sha256::digest(&self.spki))
    }
}

/// A layer of a `.sig` manifest, signature in base64.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) digest: String,
    pub(crate) size: u64,
    pub(crate) signature: String,
    /// Annotations behind the signature, as text.
    pub(crate) more: String,
}

/// A member of a tar.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) header: [u8; 512],
    pub(crate) body: Vec<u8>,
    pub(crate) padding: Vec<u8>,
}

impl Member {
    pub(crate) fn new(name: &[u8], body: &[u8]) -> Self {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name);
        header[100..108].copy_from_slice(b"0000644\0");
        header[108..116].copy_from_slice(b"0000000\0");
        header[116..124].copy_from_slice(b"0000000\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", body.len()).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let padding = vec![0; body.len().next_multiple_of(512) - body.len()];
        let mut member = Self { header, body: body.to_vec(), padding };
        member.checksum();
        member
    }

    /// Puts bytes into the header and repairs the checksum.
    pub(crate) fn set(&mut self, at: usize, bytes: &[u8]) {
        self.header[at..at + bytes.len()].copy_from_slice(bytes);
        self.checksum();
    }

    pub(crate) fn sum(&self) -> u32 {
        let plain =
            |(place, byte): (usize, &u8)| if (148..156).contains(&place) { 32 } else { u32::from(*byte) };
        self.header.iter().enumerate().map(plain).sum()
    }

    fn checksum(&mut self) {
        let text = format!("{:07o}\0", self.sum());
        self.header[148..156].copy_from_slice(text.as_bytes());
    }
}

/// A tar about to be written.
#[derive(Clone)]
pub(crate) struct Tar {
    pub(crate) members: Vec<Member>,
    pub(crate) tail: Vec<u8>,
}

impl Tar {
    pub(crate) fn new(blobs: &Blobs, index: &[u8], layout: &[u8]) -> Self {
        let blob =
            |(hex, body): (&String, &Vec<u8>)| Member::new(format!("blobs/sha256/{hex}").as_bytes(), body);
        let mut members: Vec<Member> = blobs.iter().map(blob).collect();
        members.push(Member::new(b"index.json", index));
        members.push(Member::new(b"oci-layout", layout));
        Self { members, tail: vec![0; 1024] }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for member in &self.members {
            out.extend_from_slice(&member.header);
            out.extend_from_slice(&member.body);
            out.extend_from_slice(&member.padding);
        }
        out.extend_from_slice(&self.tail);
        out
    }
}

type Change<T> = Vec<Rc<dyn Fn(&mut T)>>;

/// A plan of a file.
#[derive(Clone)]
pub(crate) struct Forge {
    pub(crate) images: Vec<Image>,
    /// Payloads of other tools and attestations, in the order in which they stand.
    pub(crate) extras: Vec<Extra>,
    pub(crate) files: Vec<Plain>,
    pub(crate) optional: Json,
    pub(crate) keys: Vec<Key>,
    /// `.sig`, bundles: of images. All else has one form.
    pub(crate) forms: (bool, bool),
    /// Each key signs each statement a second time, with another signature.
    pub(crate) twice: bool,
    /// Bundles that are left out, by their place.
    pub(crate) skipped: Vec<usize>,
    bends: Vec<(Part, usize, Rc<dyn Fn(Vec<u8>) -> Vec<u8>>)>,
    items: Change<Vec<Json>>,
    layers: Vec<(usize, Rc<dyn Fn(&mut Vec<Layer>)>)>,
    envelopes: Vec<(usize, Rc<dyn Fn(&mut Vec<Envelope>)>)>,
    entries: Change<Vec<Json>>,
    blobs: Change<Blobs>,
    tar: Change<Tar>,
}

impl Forge {
    pub(crate) fn new(images: Vec<Image>) -> Self {
        Self {
            images,
            extras: Vec::new(),
            files: Vec::new(),
            optional: json!({}),
            keys: Vec::new(),
            forms: (true, true),
            twice: false,
            skipped: Vec::new(),
            bends: Vec::new(),
            items: Vec::new(),
            layers: Vec::new(),
            envelopes: Vec::new(),
            entries: Vec::new(),
            blobs: Vec::new(),
            tar: Vec::new(),
        }
    }

    /// Changes the bytes of a part.
    pub(crate) fn bend(
        mut self,
        part: Part,
        place: usize,
        change: impl Fn(Vec<u8>) -> Vec<u8> + 'static,
    ) -> Self {
        self.bends.push((part, place, Rc::new(change)));
        self
    }

    /// Replaces the first `from` in a part, which must be there.
    pub(crate) fn swap(self, part: Part, place: usize, from: &str, to: &str) -> Self {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.bend(part, place, move |bytes| {
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains(&from), "{from} is not in {text}");
            text.replacen(&from, &to, 1).into_bytes()
        })
    }

    /// Changes the items of the document, after payloads and statements were made.
    pub(crate) fn items(mut self, change: impl Fn(&mut Vec<Json>) + 'static) -> Self {
        self.items.push(Rc::new(change));
        self
    }

    /// Changes the `critical` of one item.
    pub(crate) fn item(self, place: usize, change: impl Fn(&mut Json) + 'static) -> Self {
        self.items(move |items| change(&mut items[place]["critical"]))
    }

    /// Changes the layers of one `.sig` manifest; its config follows.
    pub(crate) fn layers(mut self, group: usize, change: impl Fn(&mut Vec<Layer>) + 'static) -> Self {
        self.layers.push((group, Rc::new(change)));
        self
    }

    /// Changes the envelopes of one `.att` manifest; its config follows.
    pub(crate) fn envelopes(mut self, group: usize, change: impl Fn(&mut Vec<Envelope>) + 'static) -> Self {
        self.envelopes.push((group, Rc::new(change)));
        self
    }

    /// Changes the entries of `index.json`.
    pub(crate) fn entries(mut self, change: impl Fn(&mut Vec<Json>) + 'static) -> Self {
        self.entries.push(Rc::new(change));
        self
    }

    /// Changes the blobs of the file.
    pub(crate) fn blobs(mut self, change: impl Fn(&mut Blobs) + 'static) -> Self {
        self.blobs.push(Rc::new(change));
        self
    }

    /// Changes the members of the tar.
    pub(crate) fn tar(mut self, change: impl Fn(&mut Tar) + 'static) -> Self {
        self.tar.push(Rc::new(change));
        self
    }

    /// Signs with these keys too.
    pub(crate) fn signed(mut self, keys: &[Key]) -> Self {
        self.keys.extend_from_slice(keys);
        self
    }

    fn bent(&self, part: Part, place: usize, bytes: Vec<u8>) -> Vec<u8> {
        let fits = self.bends.iter().filter(|(bent, at, _)| (*bent, *at) == (part, place));
        fits.fold(bytes, |bytes, (_, _, change)| change(bytes))
    }

    /// The file.
    pub(crate) fn write(&self) -> Vec<u8> {
        let tar = self.pack();
        self.bent(Part::File, 0, tar.bytes())
    }

    /// The file before it is written.
    pub(crate) fn pack(&self) -> Tar {
        let mut blobs = Blobs::new();
        let items = self.derive(&mut blobs);
        let empty = put(&mut blobs, OCI_EMPTY, b"{}".to_vec());
        let document = json!({"critical": {"items": items, "version": 1}, "optional": self.optional});
        let document = self.bent(Part::Document, 0, canonical(&document));
        let request = digest(&document);
        let document = put(&mut blobs, REQUEST, document);
        let manifest = self.bent(Part::RequestManifest, 0, wrapper(&empty, &document));
        let manifest = put(&mut blobs, OCI_MANIFEST, manifest);
        let mut names = Names::default();
        let mut entries = vec![entry(manifest, Some(REQUEST), &[(REF_NAME, &names.take("request", 1))])];
        let beside = |item: &&Json| item["critical"]["kind"] != "blob";
        for (place, item) in items.iter().filter(beside).enumerate() {
            entries.push(item_entry(&mut names, item, place == 0));
        }
        let mut keys = self.keys.clone();
        keys.sort_by_key(Key::id);
        let (signed, place) = self.sign_statements(&items, &keys, &blobs);
        if !keys.is_empty() {
            self.write_sigs(&items, &keys, &mut blobs, &mut names, &mut entries);
            self.write_atts(&items, &signed, &mut blobs, &mut names, &mut entries);
        }
        self.write_bundles(&signed, &empty, &mut blobs, &mut names, &mut entries);
        self.write_files(place, &items, &keys, &mut blobs, &mut names, &mut entries);
        for (place, key) in keys.iter().enumerate() {
            let named =
                json!({"id": format!("sha256:{}", key.id()), "publicKey": STANDARD.encode(&key.spki)});
            let document =
                json!({"critical": {"key": named, "request": request, "version": 1}, "optional": {}});
            let document = self.bent(Part::ResponseDocument, place, canonical(&document));
            let document = put(&mut blobs, RESPONSE, document);
            let manifest = self.bent(Part::ResponseManifest, place, wrapper(&empty, &document));
            let manifest = put(&mut blobs, OCI_MANIFEST, manifest);
            let name = names.take(&format!("response-{}", &key.id()[..12]), place + 1);
            entries.push(entry(manifest, Some(RESPONSE), &[(REF_NAME, &name)]));
        }
        self.entries.iter().for_each(|change| change(&mut entries));
        let index = json!({"manifests": entries, "mediaType": OCI_INDEX, "schemaVersion": 2});
        let index = self.bent(Part::Index, 0, canonical(&index));
        let layout = self.bent(Part::Layout, 0, b"{\"imageLayoutVersion\":\"1.0.0\"}".to_vec());
        self.blobs.iter().for_each(|change| change(&mut blobs));
        let mut tar = Tar::new(&blobs, &index, &layout);
        self.tar.iter().for_each(|change| change(&mut tar));
        tar
    }

    /// The items, and the blobs of evidence, payloads and statements.
    fn derive(&self, blobs: &mut Blobs) -> Vec<Json> {
        let mut items: Vec<Json> = Vec::new();
        let mut made = Blobs::new();
        let mut known = BTreeSet::new();
        for image in &self.images {
            let mut order = Vec::new();
            image.top.order(&mut order);
            for node in order {
                let destination = if node.digest() == image.top.digest() {
                    image.destination.clone()
                } else {
                    format!("{}@{}", repository(&image.destination), node.digest())
                };
                if !known.insert((
                    destination.clone(),
                    image.identity.clone(),
                    image.annotations.clone(),
                    node.digest(),
                )) {
                    continue;
                }
                let place = items.len();
                let payload = self.bent(
                    Part::Payload,
                    place,
                    payload(&image.identity, &node.digest(), &image.annotations),
                );
                let statement =
                    self.bent(Part::Statement, place, statement(&node.digest(), &image.annotations));
                let mut evidence = BTreeMap::new();
                node.evidence(&mut evidence);
                let mut critical = json!({
                    "destination": destination,
                    "evidence": evidence.keys().collect::<Vec<_>>(),
                    "identity": image.identity,
                    "kind": "image",
                    "number": place + 1,
                    "payload": descriptor(PAYLOAD, &payload),
                    "statement": descriptor(STATEMENT, &statement),
                    "subject": node.descriptor(),
                });
                if !image.annotations.is_empty() {
                    let map: serde_json::Map<String, Json> =
                        image.annotations.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
                    critical["annotations"] = Json::Object(map);
                }
                if !node.unseen.is_empty() {
                    critical["unseen"] = json!(node.unseen);
                }
                items.push(json!({"critical": critical, "optional": {}}));
                for bytes in evidence.into_values() {
                    blobs.insert(hex(&Sha256::digest(&bytes)), bytes);
                }
                for bytes in [payload, statement] {
                    made.insert(hex(&Sha256::digest(&bytes)), bytes);
                }
            }
        }
        self.derive_extras(&mut items, &mut made, blobs);
        self.items.iter().for_each(|change| change(&mut items));
        for item in &items {
            for name in ["payload", "statement", "predicate", "content"] {
                let named = item["critical"][name]["digest"]
                    .as_str()
                    .and_then(|digest| digest.strip_prefix("sha256:"));
                if let Some((hex, bytes)) = named.and_then(|hex| made.get_key_value(hex)) {
                    blobs.insert(hex.clone(), bytes.clone());
                }
            }
        }
        items
    }

    /// Payloads of other tools, attestations and files.
    fn derive_extras(&self, items: &mut Vec<Json>, made: &mut Blobs, blobs: &mut Blobs) {
        for extra in &self.extras {
            let mut evidence = BTreeMap::new();
            extra.top.evidence(&mut evidence);
            let place = items.len();
            let mut critical = json!({
                "destination": extra.destination,
                "evidence": evidence.keys().collect::<Vec<_>>(),
                "number": place + 1,
                "subject": extra.top.descriptor(),
            });
            match &extra.what {
                What::Payload(bytes) => {
                    let bytes = self.bent(Part::Payload, place, bytes.clone());
                    critical["kind"] = json!("custom-payload");
                    critical["payload"] = put(made, PAYLOAD, bytes);
                }
                What::Attestation(kind, predicate) => {
                    let name = repository(&extra.destination);
                    let statement = attested(name, &extra.top.digest(), kind, predicate);
                    let statement = self.bent(Part::Statement, place, statement);
                    critical["kind"] = json!("attestation");
                    critical["predicate"] = put(made, "application/json", predicate.clone());
                    critical["predicateType"] = json!(kind);
                    critical["statement"] = put(made, STATEMENT, statement);
                }
            }
            if !extra.top.unseen.is_empty() {
                critical["unseen"] = json!(extra.top.unseen);
            }
            items.push(json!({"critical": critical, "optional": {}}));
            for bytes in evidence.into_values() {
                blobs.insert(hex(&Sha256::digest(&bytes)), bytes);
            }
        }
        for file in &self.files {
            let mut critical = json!({"kind": "blob", "name": file.name, "number": items.len() + 1});
            match &file.content {
                Ok(bytes) => critical["content"] = put(made, "application/octet-stream", bytes.clone()),
                Err(digest) => critical["digest"] = json!(digest),
            }
            items.push(json!({"critical": critical, "optional": {}}));
        }
    }

    /// What each key signed of the statements, in the order of the bundles, and the place of the next bundle.
    fn sign_statements(&self, items: &[Json], keys: &[Key], blobs: &Blobs) -> (Vec<SignedStatement>, usize) {
        let mut known = BTreeSet::new();
        let mut signed = Vec::new();
        let mut place = 0;
        for (number, item) in (1..).zip(items) {
            let item = &item["critical"];
            let attested = item["kind"] == "attestation";
            let statement = text(&item["statement"]["digest"]);
            if statement.is_empty() || !known.insert(statement.to_owned()) {
                continue;
            }
            let again =
                |key: &Key| [key.clone(), key.mirrored()].into_iter().take(1 + usize::from(self.twice));
            for key in keys.iter().flat_map(again) {
                if (attested || self.forms.1) && !self.skipped.contains(&place) {
                    let bytes = blobs[&statement[7..]].clone();
                    signed.push(SignedStatement {
                        place,
                        number,
                        signature: key.sign(&pae(&bytes)),
                        statement: bytes,
                        key,
                        subject: item["subject"].clone(),
                        kind: item["predicateType"].as_str().map(str::to_owned),
                    });
                }
                place += 1;
            }
        }
        (signed, place)
    }

    fn write_atts(
        &self,
        items: &[Json],
        signed: &[SignedStatement],
        blobs: &mut Blobs,
        names: &mut Names,
        entries: &mut Vec<Json>,
    ) {
        let mut groups: Vec<(String, String, usize, Vec<Envelope>)> = Vec::new();
        for (number, item) in (1..).zip(items).filter(|(_, item)| item["critical"]["kind"] == "attestation") {
            let item = &item["critical"];
            let (repository, subject) =
                (repository(text(&item["destination"])), text(&item["subject"]["digest"]));
            let statement = &blobs[&text(&item["statement"]["digest"])[7..]];
            let of_item = |signed: &&SignedStatement| signed.statement == *statement;
            let envelopes = signed.iter().filter(of_item).map(SignedStatement::envelope);
            let place =
                groups.iter().position(|(known, digest, ..)| known == repository && digest == subject);
            let place = place.unwrap_or_else(|| {
                groups.push((repository.to_owned(), subject.to_owned(), number, Vec::new()));
                groups.len() - 1
            });
            for envelope in envelopes {
                let layers = &mut groups[place].3;
                if !layers.iter().any(|layer| layer.bytes == envelope.bytes) {
                    layers.push(envelope);
                }
            }
        }
        let first = items.first().map(|item| &item["critical"]);
        let first =
            first.map(|item| (repository(text(&item["destination"])), text(&item["subject"]["digest"])));
        for (place, (repository, subject, number, mut layers)) in groups.into_iter().enumerate() {
            let fits = self.envelopes.iter().filter(|(group, _)| *group == place);
            fits.for_each(|(_, change)| change(&mut layers));
            if layers.is_empty() {
                continue;
            }
            let put_envelope = |layer: Envelope| (put(blobs, ENVELOPE, layer.bytes), layer.more, layer.kind);
            let envelopes: Vec<(Json, String, String)> = layers.into_iter().map(put_envelope).collect();
            let digests: Vec<&str> = envelopes.iter().map(|(layer, ..)| text(&layer["digest"])).collect();
            let config = put(blobs, OCI_CONFIG, self.bent(Part::AttConfig, place, beside_config(&digests)));
            let manifest = self.bent(Part::AttManifest, place, att_manifest(&config, &envelopes));
            let manifest = put(blobs, OCI_MANIFEST, manifest);
            let tag = format!("sha256-{}.att", &subject[7..]);
            let name = names.take(&tag, number);
            let full = format!("{repository}:{tag}");
            let mut annotations = vec![(IMAGE_NAME, full.as_str()), (REF_NAME, &name)];
            if first == Some((repository.as_str(), subject.as_str())) {
                annotations.push(("kind", "dev.cosignproject.cosign/atts"));
            }
            entries.push(entry(manifest, None, &annotations));
        }
    }

    fn write_files(
        &self,
        mut place: usize,
        items: &[Json],
        keys: &[Key],
        blobs: &mut Blobs,
        names: &mut Names,
        entries: &mut Vec<Json>,
    ) {
        let empty = descriptor(OCI_EMPTY, b"{}");
        for (number, item) in (1..).zip(items).filter(|(_, item)| item["critical"]["kind"] == "blob") {
            let item = &item["critical"];
            let carried = item["content"].is_object();
            let digest = text(if carried { &item["content"]["digest"] } else { &item["digest"] });
            for key in keys {
                if !self.skipped.contains(&place) {
                    let signature =
                        if carried { key.sign(&blobs[&digest[7..]]) } else { key.sign_hash(digest) };
                    let bundle = self.bent(Part::Bundle, place, message_bundle(key, digest, &signature));
                    let bundle = put(blobs, BUNDLE, bundle);
                    let manifest = self.bent(Part::Referrer, place, artifact(&empty, &bundle));
                    let manifest = put(blobs, OCI_MANIFEST, manifest);
                    let name = names.take(&format!("sha256-{}.{}", &digest[7..], &key.id()[..12]), number);
                    entries.push(entry(manifest, Some(BUNDLE), &[(REF_NAME, &name)]));
                }
                place += 1;
            }
        }
    }

    fn write_sigs(
        &self,
        items: &[Json],
        keys: &[Key],
        blobs: &mut Blobs,
        names: &mut Names,
        entries: &mut Vec<Json>,
    ) {
        let mut groups: Vec<(String, String, usize, Vec<Json>)> = Vec::new();
        for (place, item) in items.iter().enumerate() {
            let item = &item["critical"];
            if !item["payload"].is_object() {
                continue;
            }
            let (repository, subject) =
                (repository(text(&item["destination"])), text(&item["subject"]["digest"]));
            let mut payload = item["payload"].clone();
            payload["signed"] = json!(item["kind"] != "image" || self.forms.0);
            match groups.iter_mut().find(|(known, digest, ..)| known == repository && digest == subject) {
                Some((.., payloads)) if payloads.contains(&payload) => {}
                Some((.., payloads)) => payloads.push(payload),
                None => groups.push((repository.to_owned(), subject.to_owned(), place + 1, vec![payload])),
            }
        }
        for (place, (repository, subject, number, payloads)) in groups.into_iter().enumerate() {
            let mut layers: Vec<Layer> = Vec::new();
            for payload in payloads.iter().filter(|payload| payload["signed"] == true) {
                let digest = text(&payload["digest"]);
                let message = blobs[&digest[7..]].clone();
                layers.extend(keys.iter().map(|key| Layer {
                    digest: digest.to_owned(),
                    size: payload["size"].as_u64().unwrap(),
                    signature: STANDARD.encode(key.sign(&message)),
                    more: String::new(),
                }));
            }
            let fits = self.layers.iter().filter(|(group, _)| *group == place);
            fits.for_each(|(_, change)| change(&mut layers));
            if layers.is_empty() {
                continue;
            }
            let config = put(blobs, OCI_CONFIG, self.bent(Part::SigConfig, place, sig_config(&layers)));
            let manifest =
                put(blobs, OCI_MANIFEST, self.bent(Part::SigManifest, place, sig_manifest(&config, &layers)));
            let tag = format!("sha256-{}.sig", &subject[7..]);
            let name = names.take(&tag, number);
            let full = format!("{repository}:{tag}");
            let mut annotations = vec![(IMAGE_NAME, full.as_str()), (REF_NAME, &name)];
            if number == 1 {
                annotations.push(("kind", "dev.cosignproject.cosign/sigs"));
            }
            entries.push(entry(manifest, None, &annotations));
        }
    }

    fn write_bundles(
        &self,
        signed: &[SignedStatement],
        empty: &Json,
        blobs: &mut Blobs,
        names: &mut Names,
        entries: &mut Vec<Json>,
    ) {
        for statement in signed {
            let bundle = self.bent(Part::Bundle, statement.place, statement.bundle());
            let bundle = put(blobs, BUNDLE, bundle);
            let kind = statement.kind.as_deref().unwrap_or(SIGN_TYPE);
            let manifest = referrer(empty, &bundle, &statement.subject, kind);
            let manifest = put(blobs, OCI_MANIFEST, self.bent(Part::Referrer, statement.place, manifest));
            let subject = text(&statement.subject["digest"]);
            let name = format!("sha256-{}.{}", &subject[7..], &statement.key.id()[..12]);
            let name = names.take(&name, statement.number);
            entries.push(entry(manifest, Some(BUNDLE), &[(REF_NAME, &name)]));
        }
    }
}

/// A statement and a signature over it.
struct SignedStatement {
    /// Counts over statements and keys.
    place: usize,
    number: usize,
    statement: Vec<u8>,
    key: Key,
    signature: Vec<u8>,
    subject: Json,
    /// What its predicate is, where it is an attestation.
    kind: Option<String>,
}

impl SignedStatement {
    fn dsse(&self) -> String {
        format!(
            "{{\"payload\":\"{}\",\"payloadType\":\"{STATEMENT}\",\"signatures\":[{{\"sig\":\"{}\"}}]}}",
            STANDARD.encode(&self.statement),
            STANDARD.encode(&self.signature),
        )
    }

    fn envelope(&self) -> Envelope {
        let kind = self.kind.clone().unwrap_or_default();
        Envelope { bytes: self.dsse().into_bytes(), kind, more: String::new() }
    }

    fn bundle(&self) -> Vec<u8> {
        format!("{}\"dsseEnvelope\":{}}}", bundle_head(&self.key), self.dsse()).into_bytes()
    }
}

/// Short names, each once.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn take(&mut self, wanted: &str, number: usize) -> String {
        let mut name = wanted.to_owned();
        while self.0.contains(&name) {
            name = format!("{name}.{number}");
        }
        self.0.insert(name.clone());
        name
    }
}

pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
pub(crate) const IMAGE_NAME: &str = "io.containerd.image.name";

fn item_entry(names: &mut Names, item: &Json, first: bool) -> Json {
    let item = &item["critical"];
    let (destination, number) = (text(&item["destination"]), item["number"].as_u64().unwrap_or(0));
    let number = usize::try_from(number).unwrap();
    let tag = (!destination.contains('@')).then(|| destination.rsplit_once(':')).flatten();
    let tag = tag.map(|(_, tag)| tag).filter(|tag| !names.0.contains(*tag));
    let name = names.take(&tag.map_or_else(|| format!("item-{number}"), str::to_owned), number);
    let mut annotations = vec![(IMAGE_NAME, destination), (REF_NAME, &name)];
    if first {
        let index = text(&item["subject"]["mediaType"]).contains("index")
            || text(&item["subject"]["mediaType"]).contains("list");
        annotations.push((
            "kind",
            if index { "dev.cosignproject.cosign/imageIndex" } else { "dev.cosignproject.cosign/image" },
        ));
    }
    entry(item["subject"].clone(), None, &annotations)
}

fn entry(mut descriptor: Json, artifact_type: Option<&str>, annotations: &[(&str, &str)]) -> Json {
    let annotations = annotations.iter().map(|(name, text)| ((*name).to_owned(), json!(text)));
    descriptor["annotations"] = Json::Object(annotations.collect());
    if let Some(artifact_type) = artifact_type {
        descriptor["artifactType"] = json!(artifact_type);
    }
    descriptor
}

fn wrapper(empty: &Json, document: &Json) -> Vec<u8> {
    canonical(&json!({
        "artifactType": document["mediaType"],
        "config": empty,
        "layers": [document],
        "mediaType": OCI_MANIFEST,
        "schemaVersion": 2,
    }))
}

pub(crate) fn payload(identity: &str, digest: &str, annotations: &[(String, String)]) -> Vec<u8> {
    let mut sorted = annotations.to_vec();
    sorted.sort();
    let pairs: Vec<String> =
        sorted.iter().map(|(key, value)| format!("{}:{}", quoted(key, true), quoted(value, true))).collect();
    let optional = if pairs.is_empty() { "null".to_owned() } else { format!("{{{}}}", pairs.join(",")) };
    format!(
        "{{\"critical\":{{\"identity\":{{\"docker-reference\":{}}},\"image\":{{\"docker-manifest-digest\":\"{digest}\"}},\
         \"type\":\"cosign container image signature\"}},\"optional\":{optional}}}",
        quoted(identity, true)
    )
    .into_bytes()
}

pub(crate) fn statement(digest: &str, annotations: &[(String, String)]) -> Vec<u8> {
    let mut sorted = annotations.to_vec();
    sorted.sort();
    let pairs: Vec<String> = sorted
        .iter()
        .map(|(key, value)| format!("{}:{}", quoted(key, false), quoted(value, false)))
        .collect();
    format!(
        "{{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{{\"digest\":{{\"sha256\":\"{}\"}},\"annotations\":{{{}}}}}],\
         \"predicateType\":\"https://sigstore.dev/cosign/sign/v1\",\"predicate\":{{}}}}",
        &digest[7..],
        pairs.join(",")
    )
    .into_bytes()
}

/// The statement of an attestation: v0.1, in cosign's order, the predicate as it is.
pub(crate) fn attested(name: &str, digest: &str, kind: &str, predicate: &[u8]) -> Vec<u8> {
    let head = format!(
        "{{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"subject\":[{{\"name\":{},\"digest\":{{\"sha256\":\"{}\"}}}}],\
         \"predicateType\":{},\"predicate\":",
        quoted(name, false),
        &digest[7..],
        quoted(kind, false),
    );
    [head.as_bytes(), predicate, b"}"].concat()
}

fn sig_config(layers: &[Layer]) -> Vec<u8> {
    beside_config(&layers.iter().map(|layer| layer.digest.as_str()).collect::<Vec<_>>())
}

fn beside_config(layers: &[&str]) -> Vec<u8> {
    let history = vec!["{\"created\":\"0001-01-01T00:00:00Z\"}"; layers.len()].join(",");
    let digests: Vec<String> = layers.iter().map(|layer| format!("\"{layer}\"")).collect();
    format!(
        "{{\"architecture\":\"\",\"created\":\"0001-01-01T00:00:00Z\",\"history\":[{history}],\"os\":\"\",\
         \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[{}]}},\"config\":{{}}}}",
        digests.join(",")
    )
    .into_bytes()
}

fn sig_manifest(config: &Json, layers: &[Layer]) -> Vec<u8> {
    let layer = |layer: &Layer| {
        format!(
            "{{\"mediaType\":\"{PAYLOAD}\",\"size\":{},\"digest\":\"{}\",\"annotations\":{{\"dev.cosignproject.cosign/signature\":{}{}}}}}",
            layer.size,
            layer.digest,
            quoted(&layer.signature, true),
            layer.more,
        )
    };
    let layers: Vec<String> = layers.iter().map(layer).collect();
    format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{OCI_MANIFEST}\",\"config\":{{{}}},\"layers\":[{}]}}",
        go_descriptor(config),
        layers.join(",")
    )
    .into_bytes()
}

fn bundle_head(key: &Key) -> String {
    format!(
        "{{\"mediaType\":\"{BUNDLE}\",\"verificationMaterial\":{{\"publicKey\":{{\"hint\":\"{}\"}}}},",
        STANDARD.encode(Sha256::digest(&key.spki)),
    )
}

pub(crate) fn message_bundle(key: &Key, digest: &str, signature: &[u8]) -> Vec<u8> {
    format!(
        "{}\"messageSignature\":{{\"messageDigest\":{{\"algorithm\":\"SHA2_256\",\"digest\":\"{}\"}},\"signature\":\"{}\"}}}}",
        bundle_head(key),
        STANDARD.encode(unhex(digest)),
        STANDARD.encode(signature),
    )
    .into_bytes()
}

/// What is signed of a statement (DSSE's pre-authentication encoding).
pub(crate) fn pae(statement: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {STATEMENT} {} ", STATEMENT.len(), statement.len()).into_bytes();
    message.extend_from_slice(statement);
    message
}

fn referrer(empty: &Json, bundle: &Json, subject: &Json, kind: &str) -> Vec<u8> {
    format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{OCI_MANIFEST}\",\"config\":{{{},\"artifactType\":\"{BUNDLE}\"}},\"layers\":[{{{}}}],\
         \"annotations\":{{\"dev.sigstore.bundle.content\":\"dsse-envelope\",\
         \"dev.sigstore.bundle.predicateType\":{}}},\"subject\":{{{}}},\"artifactType\":\"{BUNDLE}\"}}",
        go_descriptor(empty),
        go_descriptor(bundle),
        quoted(kind, true),
        go_descriptor(subject),
    )
    .into_bytes()
}

fn artifact(empty: &Json, bundle: &Json) -> Vec<u8> {
    format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{OCI_MANIFEST}\",\"config\":{{{},\"artifactType\":\"{BUNDLE}\"}},\"layers\":[{{{}}}],\
         \"annotations\":{{\"dev.sigstore.bundle.content\":\"message-signature\"}},\"artifactType\":\"{BUNDLE}\"}}",
        go_descriptor(empty),
        go_descriptor(bundle),
    )
    .into_bytes()
}

fn att_manifest(config: &Json, layers: &[(Json, String, String)]) -> Vec<u8> {
    let layer = |(layer, more, kind): &(Json, String, String)| {
        format!(
            "{{{},\"annotations\":{{\"dev.cosignproject.cosign/signature\":\"\"{more},\"predicateType\":{}}}}}",
            go_descriptor(layer),
            quoted(kind, true)
        )
    };
    let layers: Vec<String> = layers.iter().map(layer).collect();
    format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{OCI_MANIFEST}\",\"config\":{{{}}},\"layers\":[{}]}}",
        go_descriptor(config),
        layers.join(",")
    )
    .into_bytes()
}

fn go_descriptor(descriptor: &Json) -> String {
    let (media_type, digest) = (text(&descriptor["mediaType"]), text(&descriptor["digest"]));
    format!(
        "\"mediaType\":{},\"size\":{},\"digest\":\"{digest}\"",
        quoted(media_type, true),
        descriptor["size"]
    )
}

/// `{digest, mediaType, size}` of some bytes.
pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Json {
    json!({"digest": digest(bytes), "mediaType": media_type, "size": bytes.len()})
}

fn put(blobs: &mut Blobs, media_type: &str, bytes: Vec<u8>) -> Json {
    let descriptor = descriptor(media_type, &bytes);
    blobs.insert(hex(&Sha256::digest(&bytes)), bytes);
    descriptor
}

/// `registry/repository` of a destination.
pub(crate) fn repository(destination: &str) -> &str {
    match destination.split_once('@') {
        Some((name, _)) => name,
        None => destination.rsplit_once(':').map_or(destination, |(name, _)| name),
    }
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of a digest.
fn unhex(digest: &str) -> Vec<u8> {
    let hex = digest.as_bytes()[7..].chunks(2);
    hex.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// RFC 8785: names by their UTF-16 code units, no blanks.
pub(crate) fn canonical(value: &Json) -> Vec<u8> {
    fn write(value: &Json, out: &mut String) {
        match value {
            Json::Object(members) => {
                let mut sorted: Vec<(&String, &Json)> = members.iter().collect();
                sorted.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<u16>>());
                out.push('{');
                for (place, (name, value)) in sorted.into_iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    out.push_str(&quoted(name, false));
                    out.push(':');
                    write(value, out);
                }
                out.push('}');
            }
            Json::Array(elements) => {
                out.push('[');
                for (place, element) in elements.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    write(element, out);
                }
                out.push(']');
            }
            Json::String(text) => out.push_str(&quoted(text, false)),
            other => out.push_str(&other.to_string()),
        }
    }
    let mut out = String::new();
    write(value, &mut out);
    out.into_bytes()
}

/// A JSON string; with Go's escapes for `<`, `>`, `&`, U+2028 and U+2029 or without.
pub(crate) fn quoted(text: &str, html: bool) -> String {
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if html => {
                out.push_str(&format!("\\u{:04x}", character as u32));
            }
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", control as u32)),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
