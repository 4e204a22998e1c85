//! A response: a request and the signatures over it (docs/format.md 4, 6).
//!
//! Everything in a response except the request and the signatures is a function of those: it is rendered, never kept.
//! Reading renders it again and demands equal bytes.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use rayon::prelude::*;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result, in_order};
use crate::format::archive::{self, Archive, Blobs};
use crate::format::beside::Beside;
use crate::format::bundle::{self, Held};
use crate::format::document::{self, Content, ResponseDocument};
use crate::format::evidence::{Descriptor, OCI_CONFIG, OCI_EMPTY, OCI_MANIFEST};
use crate::format::layout::{self, Entry, IndexBuilder};
use crate::format::log::{self, Material};
use crate::format::signature::{self, Layer};
use crate::format::{attestation, envelope, statement};
use crate::keys::public::{Hash, PublicKey};
use crate::limits;
use crate::request::{PayloadUnit, Request, SubjectGroup};
use crate::verify::binding::{self, Of};
use crate::verify::{Form, Known, Message, VerifiedSignature};

/// A request and the signatures over it, none or more. Every signature verifies by a key that the file names; which
/// keys a person trusts is another question.
#[derive(Clone, Debug)]
pub struct Response {
    request: Arc<Request>,
    signers: BTreeMap<Digest, Signer>,
}

/// One key's signatures over a request.
#[derive(Clone, Debug)]
pub struct Signer {
    key: PublicKey,
    signatures: BTreeMap<Place, VerifiedSignature>,
    /// What stands beside them, bound to them; nothing beside most.
    material: BTreeMap<Place, Material>,
}

/// A signature in its place, with what logs and timestamp authorities are told of it.
#[derive(Debug)]
pub struct Signed<'a> {
    key: &'a PublicKey,
    signature: &'a [u8],
    text: String,
    over: Over<'a>,
}

/// What a signature is over, as log entries name it.
#[derive(Clone, Copy, Debug)]
enum Over<'a> {
    /// A payload or a file, by its SHA-256.
    Hash(Digest),
    /// A statement, and the SHA-256 of its PAE.
    Statement(&'a Bytes, Digest),
}

/// What one signature is over, each kind in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A payload: index in [`Request::groups`], index in [`SubjectGroup::payloads`].
    Payload(usize, usize),
    /// A statement, by index in [`Request::statements`].
    Statement(usize),
    /// A file, by index in [`Request::files`].
    File(usize),
}

/// The bytes of a request or response, blob by blob; nothing is copied until it is written.
#[derive(Debug)]
pub struct File {
    blobs: Blobs,
    index: Vec<u8>,
    /// The largest manifest, config or bundle of ours.
    largest: Option<(usize, Digest)>,
}

impl File {
    /// The bytes of the file, piece by piece.
    pub fn chunks(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        archive::chunks(
            self.blobs.iter().map(|(digest, blob)| (*digest, blob.as_ref())),
            &self.index,
            layout::OCI_LAYOUT,
        )
    }

    /// How many bytes the file has.
    #[must_use]
    pub fn size(&self) -> u64 {
        let documents = [self.index.len(), layout::OCI_LAYOUT.len()];
        let sizes = self.blobs.values().map(Bytes::len).chain(documents).map(archive::member_size);
        sizes.sum::<u64>() + archive::END_SIZE
    }

    /// FILE-SIZE, ARCHIVE-BLOBS, JSON-SIZE, BLOB-SIZE: whoever reads it takes it. A request leaves room for what its
    /// signatures can become, not for everything that may come to stand beside them.
    pub fn check_limits(&self) -> Result<()> {
        if self.size() > limits::FILE {
            return Err(Error::new(Check::FileSize, format!("{} bytes", self.size())));
        }
        if self.blobs.len() > limits::BLOBS {
            return Err(Error::new(Check::ArchiveBlobs, format!("{} blobs", self.blobs.len())));
        }
        if self.index.len() > limits::DOCUMENT {
            return Err(Error::new(Check::JsonSize, "index.json"));
        }
        self.largest.map_or(Ok(()), |(size, digest)| check_blob_size(&digest, size))
    }

    /// How many blobs the file has.
    #[must_use]
    pub fn blob_count(&self) -> usize {
        self.blobs.len()
    }

    /// The whole file in memory: for small ones and tests.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.chunks()
            .fold(Vec::new(), |mut bytes, chunk| {
                bytes.extend_from_slice(&chunk);
                bytes
            })
            .into()
    }
}

impl Signer {
    /// The key, as the file names it.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Its signatures, by what they are over.
    #[must_use]
    pub fn signatures(&self) -> &BTreeMap<Place, VerifiedSignature> {
        &self.signatures
    }

    /// Its signature over a payload, a statement or a file.
    #[must_use]
    pub fn signature(&self, place: Place) -> Option<&VerifiedSignature> {
        self.signatures.get(&place)
    }

    /// What stands beside its signatures; places beside which nothing stands are left out.
    #[must_use]
    pub fn material(&self) -> &BTreeMap<Place, Material> {
        &self.material
    }

    /// What stands beside its signature there.
    #[must_use]
    pub fn logged(&self, place: Place) -> Option<&Material> {
        self.material.get(&place)
    }

    /// The layer of a payload; `None` where the key did not sign it.
    fn layer(&self, place: Place, of: &PayloadUnit) -> Option<Layer> {
        let signature = self.signature(place)?.as_bytes().to_vec();
        let material = self.logged(place).cloned().unwrap_or_default();
        Some(Layer { payload: of.payload.clone(), signature, material })
    }

    /// Puts a signature, with what stands beside it. Of two signatures the bytewise smaller one stays, with all that is
    /// beside it; beside equal ones it is united. LOG-LIMIT, TOKEN-LIMIT.
    fn put(&mut self, place: Place, signature: VerifiedSignature, material: Material) -> Result<()> {
        let material = match self.signatures.get(&place).map(|kept| signature.cmp(kept)) {
            Some(Ordering::Greater) => return Ok(()),
            Some(Ordering::Equal) => {
                let there = self.material.get(&place).cloned().unwrap_or_default();
                place.united(there, material)
            }
            Some(Ordering::Less) | None => place.united(Material::default(), material),
        };
        material.check_limits()?;
        self.signatures.insert(place, signature);
        if material.is_empty() {
            self.material.remove(&place);
        } else {
            self.material.insert(place, material);
        }
        Ok(())
    }

    /// Indexes of the items that it signed in places of which this holds; those of files count on from the items.
    #[must_use]
    pub fn items(&self, request: &Request, counts: impl Fn(Place) -> bool) -> BTreeSet<usize> {
        let places = self.signatures.keys().filter(|place| counts(**place));
        places.flat_map(|place| place.items(request)).collect()
    }
}

impl Place {
    /// Every place of a request, in order.
    pub fn all(request: &Request) -> impl Iterator<Item = Self> + '_ {
        let payloads = request.groups().iter().enumerate().flat_map(|(group, beside)| {
            (0..beside.payloads.len()).map(move |unit| Self::Payload(group, unit))
        });
        let statements = (0..request.statements().len()).map(Self::Statement);
        payloads.chain(statements).chain((0..request.files().len()).map(Self::File))
    }

    /// What the form that a signature here has holds of two materials: an annotation each, or all of it.
    fn united(self, one: Material, other: Material) -> Material {
        match self {
            Self::Payload(..) => one.united_in_layer(other),
            Self::Statement(_) | Self::File(_) => one.united_in_bundle(other),
        }
    }

    /// What a signature of an image is one of, in one form or the other; `None` for a place that has one form only:
    /// payloads of other tools, attestations and files.
    #[must_use]
    pub fn form(self, request: &Request) -> Option<Form> {
        match self {
            Self::Payload(..) => self.unit(request).filter(|unit| !unit.custom).map(|_| Form::Sig),
            Self::Statement(place) => {
                request.statements().get(place).filter(|unit| unit.attested.is_none()).map(|_| Form::Bundle)
            }
            Self::File(_) => None,
        }
    }

    /// Indexes of the items that a signature here is of; those of files count on from the items.
    #[must_use]
    pub fn items(self, request: &Request) -> Vec<usize> {
        match self {
            Self::Payload(..) => self.unit(request).map(|unit| unit.items.clone()),
            Self::Statement(place) => request.statements().get(place).map(|unit| unit.items.clone()),
            Self::File(place) => Some(vec![request.items().len() + place]),
        }
        .unwrap_or_default()
    }

    /// What a signature here is over: a payload, the PAE of a statement, the content of a file or its hash alone.
    #[must_use]
    pub fn message(self, request: &Request) -> Option<Message> {
        match self {
            Self::Payload(..) => {
                request.blob(&self.unit(request)?.payload.digest).cloned().map(Message::Bytes)
            }
            Self::Statement(place) => {
                let statement = request.blob(&request.statements().get(place)?.statement.digest)?;
                Some(Message::Bytes(envelope::pae(statement::MEDIA_TYPE, statement).into()))
            }
            Self::File(place) => match &request.files().get(place)?.content {
                Content::Carried(content) => request.blob(&content.digest).cloned().map(Message::Bytes),
                Content::Hash(digest) => Some(Message::Hash(*digest)),
            },
        }
    }

    fn unit(self, request: &Request) -> Option<&PayloadUnit> {
        match self {
            Self::Payload(group, unit) => request.groups().get(group)?.payloads.get(unit),
            Self::Statement(_) | Self::File(_) => None,
        }
    }
}

impl<'a> Signed<'a> {
    fn new(request: &'a Request, place: Place, key: &'a PublicKey, signature: &'a [u8]) -> Option<Self> {
        let over = match place {
            Place::Payload(..) => Over::Hash(place.unit(request)?.payload.digest),
            Place::Statement(place) => {
                let statement = request.blob(&request.statements().get(place)?.statement.digest)?;
                Over::Statement(statement, Digest::of(&envelope::pae(statement::MEDIA_TYPE, statement)))
            }
            Place::File(place) => Over::Hash(request.files().get(place)?.content.digest()),
        };
        Some(Self { key, signature, text: binding::spelled(signature), over })
    }

    /// The signature as log entries and timestamps are checked against it, where it stands in the file: in a `.sig`
    /// layer, or in a bundle.
    #[must_use]
    pub fn of(&self) -> Of<'_> {
        let content = match &self.over {
            Over::Hash(digest) => binding::Content::Hash(Hash::Sha256, digest.as_bytes()),
            Over::Statement(statement, pae) => binding::Content::Envelope(statement, *pae),
        };
        Of { key: self.key, signature: self.signature, text: &self.text, content }
    }

    /// The same of an attestation as a layer of an `.att`, `envelope` as [`Signed::envelope`] gives it. `None` where a
    /// payload or a file is signed.
    #[must_use]
    pub fn of_layer<'e>(&'e self, envelope: &'e [u8]) -> Option<Of<'e>> {
        let Over::Statement(statement, _) = &self.over else { return None };
        let content = binding::Content::Layer(envelope, statement);
        Some(Of { key: self.key, signature: self.signature, text: &self.text, content })
    }

    /// The DSSE envelope of a statement, as an `.att` layer holds it and as it is submitted to a log.
    #[must_use]
    pub fn envelope(&self) -> Option<Bytes> {
        let Over::Statement(statement, _) = &self.over else { return None };
        Some(attestation::render_envelope(statement, self.signature))
    }

    /// Everything of a material that may stand beside it: each entry is this signature's (`binding::check`).
    fn check_bound(&self, material: &Material) -> Result<()> {
        let of = self.of();
        material.entries.iter().try_for_each(|entry| binding::check(entry, &of))
    }
}

impl Response {
    /// A request that nobody signed yet.
    #[must_use]
    pub fn unsigned(request: Request) -> Self {
        Self { request: Arc::new(request), signers: BTreeMap::new() }
    }

    /// Reads a request or a response: strict archive, self-consistent request, every signature verified by the keys
    /// that the file names, everything else rendered again and equal.
    pub fn read(file: &Bytes) -> Result<Self> {
        Reader::open(file)?.read(None)
    }

    /// The request digest of a request or response, and whether it is a response, without a look at what it asks for: for
    /// comparing it with that of a file that is read whole. The archive is strict and its blobs are hashed.
    pub fn read_digest(file: &Bytes) -> Result<(Digest, bool)> {
        let reader = Reader::open(file)?;
        let signed = reader.entries.iter().any(|entry| matches!(entry, Entry::Response(_)));
        Ok((Digest::of(reader.request_document()?), signed))
    }

    /// Reads what was just written from `self`: signatures that stand in `self` need not be verified again.
    pub fn read_back(&self, file: &Bytes) -> Result<Self> {
        Reader::open(file)?.read(Some(self))
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The keys that signed, with their signatures, by key id.
    #[must_use]
    pub fn signers(&self) -> impl ExactSizeIterator<Item = &Signer> {
        self.signers.values()
    }

    /// The signatures of one key.
    #[must_use]
    pub fn signer(&self, key_id: &Digest) -> Option<&Signer> {
        self.signers.get(key_id)
    }

    /// RESPONSE-ABSENT: where a response is wanted, somebody signed.
    pub fn check_response_absent(&self) -> Result<()> {
        if self.signers.is_empty() { Err(Error::new(Check::ResponseAbsent, "")) } else { Ok(()) }
    }

    /// The file: the same input gives the same bytes.
    #[must_use]
    pub fn render(&self) -> File {
        let Rendered { index, own, .. } = self.render_parts();
        let document = self.request.digest();
        let largest = own.iter().filter(|(digest, _)| *digest != document);
        let largest = largest.map(|(digest, blob)| (blob.len(), *digest)).max();
        let mut blobs = self.request.blobs().clone();
        blobs.extend(own);
        File { blobs, index, largest }
    }

    /// The layers of a `.sig` manifest, by lowest item number and key id.
    #[must_use]
    pub fn layers(&self, group: usize) -> Vec<Layer> {
        let payloads =
            self.request.groups().get(group).map(|group| group.payloads.as_slice()).unwrap_or_default();
        let layers = payloads.iter().enumerate().flat_map(|(unit, of)| {
            self.signers.values().filter_map(move |signer| signer.layer(Place::Payload(group, unit), of))
        });
        layers.collect()
    }

    /// The attestation of a statement by a key as it stands in an `.att`: the envelope, and the layer that names it.
    /// `None` where the key did not sign it, or where it is the statement of an image signature.
    #[must_use]
    pub fn attestation(&self, place: usize, key_id: &Digest) -> Option<(Bytes, attestation::Layer)> {
        let kind = self.request.statements().get(place)?.attested.clone()?;
        let signed = self.of(Place::Statement(place), key_id)?;
        let envelope = signed.envelope()?;
        // An annotation has no place for a proof, and a timestamp of the signature is none of the envelope.
        let of = signed.of_layer(&envelope)?;
        let fits = |entry: &log::Entry| {
            let is_of_envelope = entry.kind.as_ref().is_some_and(|kind| kind.kind == "dsse");
            entry.as_annotation().filter(|entry| is_of_envelope && binding::check(entry, &of).is_ok())
        };
        let logged = self
            .logged(Place::Statement(place), key_id)
            .and_then(|there| there.entries.iter().find_map(fits));
        let layer = attestation::Layer::of(&envelope, kind).logged(logged);
        Some((envelope, layer))
    }

    /// The bundle of a statement by a key, and its referrer manifest; `None` where the key did not sign it.
    #[must_use]
    pub fn bundle(&self, place: usize, key_id: &Digest) -> Option<(Bytes, Bytes)> {
        let signature = self.signers.get(key_id)?.signature(Place::Statement(place))?;
        let unit = self.request.statements().get(place)?;
        let statement = self.request.blob(&unit.statement.digest)?;
        let material = self.logged(Place::Statement(place), key_id);
        let bundle = match material {
            Some(material) => bundle::render_with(statement, key_id, signature.as_bytes(), material),
            None => bundle::render(statement, key_id, signature.as_bytes()),
        };
        let referrer = unit.render_referrer(&bundle);
        Some((bundle, referrer))
    }

    /// The bundle of a file by a key; `None` where the key did not sign it.
    #[must_use]
    pub fn file_bundle(&self, place: usize, key_id: &Digest) -> Option<Bytes> {
        let signature = self.signers.get(key_id)?.signature(Place::File(place))?;
        let digest = self.request.files().get(place)?.content.digest();
        Some(match self.logged(Place::File(place), key_id) {
            Some(material) => bundle::render_message_with(&digest, key_id, signature.as_bytes(), material),
            None => bundle::render_message(&digest, key_id, signature.as_bytes()),
        })
    }

    /// What stands beside a key's signature in a place.
    #[must_use]
    pub fn logged(&self, place: Place, key_id: &Digest) -> Option<&Material> {
        self.signers.get(key_id)?.logged(place)
    }

    /// A key's signature in a place, as logs and timestamp authorities know it; `None` where the key did not sign there.
    #[must_use]
    pub fn of(&self, place: Place, key_id: &Digest) -> Option<Signed<'_>> {
        let signer = self.signers.get(key_id)?;
        Signed::new(&self.request, place, &signer.key, signer.signature(place)?.as_bytes())
    }

    /// Adds what a log or a timestamp authority gave for a key's signature to what stands beside it; whether that changed
    /// anything. Of an entry beside a payload, which stands in an annotation, the promise is kept, without its proof; there
    /// is place for one of each, and the one stays that is bytewise smaller as it is written.
    ///
    /// No log's word is checked here, only that each entry is this signature's (`verify::binding::check`); LOG-SET for one
    /// without a promise beside a payload; LOG-LIMIT, TOKEN-LIMIT; SIGNATURE-INVALID where the key did not sign there.
    pub fn add_material(&mut self, key_id: &Digest, place: Place, material: Material) -> Result<bool> {
        let absent = || Error::new(Check::SignatureInvalid, key_id).detail("this key did not sign it");
        let known = self.of(place, key_id).ok_or_else(absent)?;
        material.check_limits()?;
        known.check_bound(&material)?;
        let material = match place {
            Place::Payload(..) => {
                let entries = material.entries.iter().map(check_log_set).collect::<Result<_>>()?;
                Material { entries, ..material }
            }
            Place::Statement(_) | Place::File(_) => check_log_proofs(material)?,
        };
        let there = self.logged(place, key_id).cloned().unwrap_or_default();
        let by = self.signers.get_mut(key_id).ok_or_else(absent)?;
        let signature = by.signature(place).cloned().ok_or_else(absent)?;
        by.put(place, signature, material)?;
        Ok(by.logged(place).is_some_and(|now| *now != there))
    }

    /// Makes room in the one place that a `.sig` layer has for an entry, and for a timestamp: what stands there and is not kept
    /// goes. A bundle has room for others.
    pub fn make_room(&mut self, key_id: &Digest, place: Place, kept: &Material) {
        let Place::Payload(..) = place else { return };
        let there = self.signers.get_mut(key_id).and_then(|signer| signer.material.get_mut(&place));
        if let Some(there) = there {
            there.entries.retain(|entry| kept.entries.contains(entry));
            there.tokens.retain(|token| kept.tokens.contains(token));
        }
    }

    /// Every signature, as [`crate::verify::Verifier`] knows them.
    #[must_use]
    pub fn known(&self) -> Known {
        let of = |signer: &Signer| {
            let id = signer.key.id();
            let known = |(place, signature): (&Place, &VerifiedSignature)| {
                let message = match place.message(&self.request)? {
                    Message::Bytes(bytes) => Digest::of(&bytes),
                    Message::Hash(digest) => digest,
                };
                Some((id, message, signature.as_bytes().into()))
            };
            signer.signatures.iter().filter_map(known).collect::<Vec<_>>()
        };
        self.signers.values().flat_map(of).collect()
    }

    /// Adds a key's signatures, with what stands beside them, which is bound to them. Where there is one already the
    /// bytewise smaller stays. COMBINE-KEYS over 8 keys, LOG-LIMIT, TOKEN-LIMIT.
    pub(crate) fn add(
        &mut self,
        key: &PublicKey,
        signatures: impl IntoIterator<Item = (Place, VerifiedSignature, Material)>,
    ) -> Result<()> {
        let mut signatures = signatures.into_iter().peekable();
        if signatures.peek().is_none() {
            return Ok(());
        }
        check_combine_keys(self.signers.len() + usize::from(!self.signers.contains_key(&key.id())))?;
        let signer = self.signers.entry(key.id()).or_insert_with(|| Signer {
            key: key.clone(),
            signatures: BTreeMap::new(),
            material: BTreeMap::new(),
        });
        signatures.try_for_each(|(place, signature, material)| signer.put(place, signature, material))
    }

    fn render_parts(&self) -> Rendered {
        let request = &self.request;
        let mut own: Vec<(Digest, Bytes)> = Vec::new();
        let mut put = |blob: Blob| {
            own.push((blob.descriptor.digest, blob.bytes));
            blob.descriptor
        };
        let mut index = IndexBuilder::default();
        put(Blob::of(OCI_EMPTY, Bytes::from_static(bundle::EMPTY)));
        let document = put(Blob::of(document::REQUEST, request.document().clone()));
        index.request(&put(Blob::of(OCI_MANIFEST, layout::render_manifest(&document).into())));
        for item in request.items() {
            index.item(item.number, &item.destination, &item.subject);
        }
        let first = request.items().first();
        let first = first.map(|item| (item.destination.repository(), &item.subject.digest));
        let groups: Vec<(usize, &SubjectGroup)> = request.with_payloads().collect();
        let rendered: Vec<Option<(Blob, Blob)>> =
            groups.par_iter().map(|(place, _)| self.sig_manifest(*place)).collect();
        let mut beside = BTreeSet::new();
        for ((_, group), rendered) in groups.into_iter().zip(rendered) {
            let Some((manifest, config)) = rendered else { continue };
            put(config);
            let manifest = put(manifest);
            let is_first = first == Some(group.place());
            index.beside(&manifest, group.place(), Beside::Signatures, group.lowest_payload(), is_first);
            beside.insert(manifest.digest);
        }
        for (_, group) in request.with_attestations() {
            let Some((manifest, blobs)) = self.att_manifest(group) else { continue };
            for blob in blobs {
                put(blob);
            }
            let manifest = put(manifest);
            let (number, is_first) = (group.lowest_attestation(request), first == Some(group.place()));
            index.beside(&manifest, group.place(), Beside::Attestations, number, is_first);
            beside.insert(manifest.digest);
        }
        let keys: Vec<&Digest> = self.signers.keys().collect();
        let pairs: Vec<(usize, &Digest)> = (0..request.statements().len())
            .flat_map(|place| keys.iter().map(move |key| (place, *key)))
            .collect();
        let rendered: Vec<_> = pairs.par_iter().map(|(place, key)| self.referrer(*place, key)).collect();
        let mut bundles = BTreeSet::new();
        for ((place, key_id), rendered) in pairs.into_iter().zip(rendered) {
            let (Some((bundle, referrer)), Some(unit)) = (rendered, request.statements().get(place)) else {
                continue;
            };
            put(bundle);
            let manifest = put(referrer);
            index.referrer(&manifest, &unit.subject.digest, key_id, unit.lowest);
            bundles.insert(manifest.digest);
        }
        for (place, file) in request.files().iter().enumerate() {
            for key_id in self.signers.keys() {
                let Some(bundle) = self.file_bundle(place, key_id) else { continue };
                let bundle = put(Blob::of(bundle::MEDIA_TYPE, bundle));
                let manifest = put(Blob::of(OCI_MANIFEST, bundle::render_artifact(&bundle)));
                index.referrer(&manifest, &file.content.digest(), key_id, file.number);
                bundles.insert(manifest.digest);
            }
        }
        for (place, signer) in (1..).zip(self.signers.values()) {
            let document = ResponseDocument {
                key_id: signer.key.id(),
                public_key: signer.key.spki().to_vec(),
                request: request.digest(),
            };
            let document = put(Blob::of(document::RESPONSE, document.render().into()));
            let manifest = put(Blob::of(OCI_MANIFEST, layout::render_manifest(&document).into()));
            index.response(&manifest, &signer.key.id(), place);
        }
        Rendered { index: index.render(), own, beside, bundles }
    }

    /// The `.sig` manifest of a group and its config; `None` where nobody signed it in this form.
    fn sig_manifest(&self, group: usize) -> Option<(Blob, Blob)> {
        let layers = self.layers(group);
        let rendered = (!layers.is_empty()).then(|| signature::render(&layers))?;
        Some((Blob::of(OCI_MANIFEST, rendered.manifest), Blob::of(OCI_CONFIG, rendered.config)))
    }

    /// The `.att` manifest of a group, and its config and envelopes; `None` where nobody signed an attestation of it.
    fn att_manifest(&self, group: &SubjectGroup) -> Option<(Blob, Vec<Blob>)> {
        let of = |place: &usize| {
            let keys = self.signers.keys();
            keys.filter_map(|key_id| self.attestation(*place, key_id)).collect::<Vec<_>>()
        };
        let attestations: Vec<(Bytes, attestation::Layer)> = group.attestations.iter().flat_map(of).collect();
        let (envelopes, layers): (Vec<Bytes>, Vec<attestation::Layer>) = attestations.into_iter().unzip();
        let rendered = (!layers.is_empty()).then(|| attestation::render(&layers))?;
        let envelopes = envelopes.into_iter().map(|bytes| Blob::of(attestation::ENVELOPE_MEDIA_TYPE, bytes));
        let blobs = envelopes.chain([Blob::of(OCI_CONFIG, rendered.config)]).collect();
        Some((Blob::of(OCI_MANIFEST, rendered.manifest), blobs))
    }

    /// The bundle of a statement by a key and its referrer manifest; `None` where the key did not sign it.
    fn referrer(&self, place: usize, key_id: &Digest) -> Option<(Blob, Blob)> {
        let (bundle, referrer) = self.bundle(place, key_id)?;
        Some((Blob::of(bundle::MEDIA_TYPE, bundle), Blob::of(OCI_MANIFEST, referrer)))
    }
}

/// A rendered blob and its descriptor.
struct Blob {
    descriptor: Descriptor,
    bytes: Bytes,
}

impl Blob {
    fn of(media_type: &str, bytes: Bytes) -> Self {
        Self { descriptor: Descriptor::of(media_type, &bytes), bytes }
    }
}

struct Rendered {
    index: Vec<u8>,
    own: Vec<(Digest, Bytes)>,
    /// Manifests of `.sig` and `.att`.
    beside: BTreeSet<Digest>,
    /// Manifests of bundles.
    bundles: BTreeSet<Digest>,
}

/// A file on the way to a [`Response`].
struct Reader {
    archive: Archive,
    entries: Vec<Entry>,
}

impl Reader {
    fn open(file: &Bytes) -> Result<Self> {
        let archive = Archive::parse(file)?;
        check_layout_version(&archive)?;
        let entries = layout::read_index(&archive.index)?;
        Ok(Self { archive, entries })
    }

    fn read(self, known: Option<&Response>) -> Result<Response> {
        let document = self.request_document()?;
        let known = known.filter(|known| known.request.document() == document);
        let request = match known {
            // The same document over blobs that hash to their names says the same; what is missing or more is found
            // below.
            Some(known) => Arc::clone(&known.request),
            None => Arc::new(Request::read(document.clone(), self.archive.blobs.clone())?),
        };
        let mut response = Response { request, signers: BTreeMap::new() };
        let keys = self.keys(&response.request)?;
        let sigs = self.sigs(&response, &keys, known)?;
        let bundles = self.bundles(&response, &keys, known)?;
        let mut found: HashMap<Digest, Vec<(Place, VerifiedSignature, Material)>> = HashMap::new();
        for (key, placed) in sigs.into_iter().flatten().chain(bundles) {
            found.entry(key).or_default().push(placed);
        }
        for key in &keys {
            let signatures = found.remove(&key.id()).unwrap_or_default();
            check_response_unused(key, signatures.len())?;
            response.add(key, signatures)?;
        }
        self.check_rendered(&response)?;
        Ok(response)
    }

    fn blob(&self, digest: &Digest) -> Result<&Bytes> {
        let missing = || Error::new(Check::BlobMissing, digest).detail("index.json or a manifest names it");
        self.archive.blobs.get(digest).ok_or_else(missing)
    }

    /// A blob that holds a manifest or a bundle: bounded before it is parsed.
    fn manifest(&self, digest: &Digest) -> Result<&Bytes> {
        let bytes = self.blob(digest)?;
        check_blob_size(digest, bytes.len())?;
        Ok(bytes)
    }

    /// The document that a manifest of ours names, and whether the manifest is the one we render for it.
    fn document(&self, manifest: &Digest, media_type: &str, check: Check) -> Result<&Bytes> {
        let bytes = self.manifest(manifest)?;
        let document = layout::read_manifest(bytes).ok_or_else(|| Error::new(check, manifest))?;
        let document = self.blob(&document)?;
        if layout::render_manifest(&Descriptor::of(media_type, document)) == *bytes {
            return Ok(document);
        }
        Err(Error::new(check, manifest))
    }

    fn request_document(&self) -> Result<&Bytes> {
        let Some(Entry::Request(manifest)) = self.entries.first() else {
            return Err(Error::new(Check::FileKind, ""));
        };
        self.document(manifest, document::REQUEST, Check::RequestManifest)
    }

    /// RESPONSE-REQUEST, RESPONSE-KEY, RESPONSE-KEYS: who signed, by the file's own word.
    fn keys(&self, request: &Request) -> Result<Vec<PublicKey>> {
        let mut keys: Vec<PublicKey> = Vec::new();
        for entry in &self.entries {
            let Entry::Response(manifest) = entry else { continue };
            let document = self.document(manifest, document::RESPONSE, Check::ResponseManifest)?;
            let document =
                ResponseDocument::parse(document).map_err(|error| error.within("response document"))?;
            check_response_request(&document, request)?;
            let key = check_response_key(&document)?;
            check_response_keys(&keys, &key)?;
            keys.push(key);
        }
        Ok(keys)
    }

    /// The signatures of the `.sig` manifests, each with its key's id.
    fn sigs(
        &self,
        response: &Response,
        keys: &[PublicKey],
        known: Option<&Response>,
    ) -> Result<Vec<Vec<Placed>>> {
        let request = &response.request;
        let named = |kind: Beside| {
            let groups = request.groups().iter().enumerate();
            groups.map(move |(place, group)| (name_beside(group, kind), (kind, place)))
        };
        let groups: HashMap<String, (Beside, usize)> =
            named(Beside::Signatures).chain(named(Beside::Attestations)).collect();
        let plain = self.entries.iter().filter_map(|entry| match entry {
            Entry::Plain(digest, name) => Some((digest, name)),
            _ => None,
        });
        // Each once, before any work: an index that names one a thousand times is not one that we render.
        let mut seen = HashSet::new();
        let place = |(digest, name): (&Digest, &Option<String>)| {
            let group = name.as_ref().and_then(|name| groups.get(name)).copied();
            let refuse = |why: &str| Error::new(Check::LayoutIndex, digest).detail(why);
            let group = group.ok_or_else(|| refuse("an entry that is no item, no .sig and no .att"))?;
            let twice = || refuse(&format!("the entry of a {} stands twice", group.0.suffix()));
            if seen.insert(group) { Ok((*digest, group)) } else { Err(twice()) }
        };
        let places: Vec<(Digest, (Beside, usize))> =
            plain.skip(request.items().len()).map(place).collect::<Result<_>>()?;
        // What stands in an `.att` follows from the bundles.
        let sigs = places.iter().filter(|(_, (kind, _))| *kind == Beside::Signatures);
        let sigs: Vec<(Digest, usize)> = sigs.map(|(digest, (_, group))| (*digest, *group)).collect();
        let read = |(digest, group): &(Digest, usize)| {
            let layers =
                signature::read_layers(self.manifest(digest)?).map_err(|error| error.within(digest))?;
            Self::layers(*group, &layers, response, keys, known).map_err(|error| error.within(digest))
        };
        in_order(sigs.par_iter().map(read))
    }

    /// Which key made which layer. Layers of one payload stand by key id: the keys behind the last one that fitted are
    /// tried first, so that each is tried once in a file of ours; the others after them, so that an order that is not
    /// ours is told from a stranger's signature.
    fn layers(
        group: usize,
        layers: &[Layer],
        response: &Response,
        keys: &[PublicKey],
        known: Option<&Response>,
    ) -> Result<Vec<Placed>> {
        let units =
            response.request.groups().get(group).map(|group| group.payloads.as_slice()).unwrap_or_default();
        let places: HashMap<Digest, usize> =
            units.iter().enumerate().map(|(place, unit)| (unit.payload.digest, place)).collect();
        let mut used: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut found = Vec::with_capacity(layers.len());
        for layer in layers {
            let stranger = || Error::new(Check::SignatureInvalid, layer.payload.digest);
            let unit = *places.get(&layer.payload.digest).ok_or_else(stranger)?;
            let place = Place::Payload(group, unit);
            let message = place.message(&response.request).ok_or_else(stranger)?;
            let used = used.entry(unit).or_default();
            let next = used.last().map_or(0, |last| last + 1);
            let candidates = (next..keys.len()).chain(0..next).filter(|number| !used.contains(number));
            let fits = candidates.filter_map(|number| Some((number, keys.get(number)?))).find_map(
                |(number, key)| {
                    let same = known.and_then(|known| known.signer(&key.id())?.signature(place));
                    Some((number, key.id(), verified(same, key, &message, &layer.signature)?))
                },
            );
            let Some((number, id, signature)) = fits else {
                check_signature_encoding(keys, &message, &layer.signature)?;
                return Err(stranger());
            };
            used.push(number);
            if let Some(key) = keys.get(number).filter(|_| !layer.material.is_empty()) {
                let signed = Signed::new(&response.request, place, key, signature.as_bytes());
                signed.ok_or_else(stranger)?.check_bound(&layer.material)?;
            }
            found.push((id, (place, signature, layer.material.clone())));
        }
        Ok(found)
    }

    /// The signatures of the bundles, each with its key's id.
    fn bundles(
        &self,
        response: &Response,
        keys: &[PublicKey],
        known: Option<&Response>,
    ) -> Result<Vec<Placed>> {
        let request = &response.request;
        let statements = request.statements().iter().enumerate();
        let statements: HashMap<Digest, Place> =
            statements.map(|(place, unit)| (unit.statement.digest, Place::Statement(place))).collect();
        let files = request.files().iter().enumerate();
        let files: HashMap<Digest, Place> =
            files.map(|(place, file)| (file.content.digest(), Place::File(place))).collect();
        let referrers: Vec<&Digest> = self
            .entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Referrer(digest) => Some(digest),
                _ => None,
            })
            .collect();
        let mut seen = HashSet::new();
        if let Some(digest) = referrers.iter().find(|digest| !seen.insert(**digest)) {
            return Err(Error::new(Check::LayoutIndex, digest).detail("a bundle's entry stands twice"));
        }
        let read = |digest: &&Digest| {
            let stranger = || Error::new(Check::SignatureInvalid, digest);
            let bundle =
                bundle::read_referrer(self.manifest(digest)?).map_err(|error| error.within(digest))?;
            let bytes = self.manifest(&bundle)?;
            let of_file = bundle::is_message(bytes);
            let read = if of_file { bundle::read_message(bytes) } else { bundle::read(bytes) };
            let Held { over, key_id, signature, material } = read.map_err(|error| error.within(bundle))?;
            let places = if of_file { &files } else { &statements };
            let place = *places.get(&over).ok_or_else(stranger)?;
            let key = keys.iter().find(|key| key.id() == key_id).ok_or_else(stranger)?;
            let message = place.message(request).ok_or_else(stranger)?;
            let same = known.and_then(|known| known.signer(&key_id)?.signature(place));
            let Some(signature) = verified(same, key, &message, &signature) else {
                check_signature_encoding(std::slice::from_ref(key), &message, &signature)?;
                return Err(stranger());
            };
            if !material.is_empty() {
                let signed = Signed::new(request, place, key, signature.as_bytes()).ok_or_else(stranger)?;
                signed.check_bound(&material).map_err(|error| error.within(bundle))?;
            }
            Ok((key_id, (place, signature, material)))
        };
        in_order(referrers.par_iter().map(read))
    }

    /// SIG-MANIFEST, REFERRER-MANIFEST, LAYOUT-INDEX, BLOB-MISSING, BLOB-EXTRA: everything else follows from the
    /// documents and signatures.
    fn check_rendered(&self, response: &Response) -> Result<()> {
        let rendered = response.render_parts();
        let items = response.request.items().len();
        let mut plain = 0;
        for entry in &self.entries {
            match entry {
                Entry::Plain(digest, name) => {
                    plain += 1;
                    if plain > items && !rendered.beside.contains(digest) {
                        let att = Beside::Attestations.suffix();
                        let is_att = name.as_ref().is_some_and(|name| name.ends_with(att));
                        return Err(Error::new(
                            if is_att { Check::AttManifest } else { Check::SigManifest },
                            digest,
                        ));
                    }
                }
                Entry::Referrer(digest) if !rendered.bundles.contains(digest) => {
                    return Err(Error::new(Check::ReferrerManifest, digest));
                }
                _ => {}
            }
        }
        layout::check_layout_index(&self.archive.index, &rendered.index)?;
        let mut wanted: BTreeSet<Digest> = response.request.blobs().keys().copied().collect();
        wanted.extend(rendered.own.iter().map(|(digest, _)| *digest));
        for digest in &wanted {
            self.blob(digest)?;
        }
        match self.archive.blobs.keys().find(|digest| !wanted.contains(digest)) {
            Some(digest) => Err(Error::new(Check::BlobExtra, digest)),
            None => Ok(()),
        }
    }
}

/// A key's id, and a signature of it in its place, with what stands beside it.
type Placed = (Digest, (Place, VerifiedSignature, Material));

/// The signature, if it verifies; not computed again where the same one is known to.
fn verified(
    known: Option<&VerifiedSignature>,
    key: &PublicKey,
    message: &Message,
    signature: &[u8],
) -> Option<VerifiedSignature> {
    match known.filter(|known| known.as_bytes() == signature) {
        Some(known) => Some(known.clone()),
        None => VerifiedSignature::check(key, message, signature),
    }
}

/// SIGNATURE-ENCODING: a signature that is not good as it stands is not good in another encoding either.
fn check_signature_encoding(keys: &[PublicKey], message: &Message, signature: &[u8]) -> Result<()> {
    let otherwise = |key: &PublicKey| {
        message.verifies(key, signature) && VerifiedSignature::check(key, message, signature).is_none()
    };
    if keys.iter().any(otherwise) {
        return Err(Error::new(Check::SignatureEncoding, "").detail("it is not in DER"));
    }
    Ok(())
}

/// What the entry of a `.sig` or `.att` is called.
fn name_beside(group: &SubjectGroup, kind: Beside) -> String {
    format!("{}:{}", group.repository, kind.tag(&group.subject.digest))
}

/// LAYOUT-VERSION: `oci-layout` byte for byte.
fn check_layout_version(archive: &Archive) -> Result<()> {
    if archive.layout == layout::OCI_LAYOUT {
        Ok(())
    } else {
        Err(Error::new(Check::LayoutVersion, "oci-layout"))
    }
}

/// BLOB-SIZE: a manifest or bundle has at most 4 MiB.
fn check_blob_size(digest: &Digest, size: usize) -> Result<()> {
    if size <= limits::MANIFEST {
        return Ok(());
    }
    Err(Error::new(Check::BlobSize, digest).detail(format!("{size} bytes, at most {}", limits::MANIFEST)))
}

/// LOG-SET: an entry beside a payload has a promise: its annotation has no place for anything else that a log vouches for.
/// Returns it as it stands there.
fn check_log_set(entry: &log::Entry) -> Result<log::Entry> {
    entry.as_annotation().ok_or_else(|| {
        Error::new(Check::LogSet, format!("log entry {}", entry.index))
            .detail("it has none, and beside a payload nothing else has a place")
    })
}

/// LOG-PROOF: an entry in a bundle has a proof; what comes of an annotation has none.
fn check_log_proofs(material: Material) -> Result<Material> {
    match material.entries.iter().find(|entry| entry.is_annotation()) {
        Some(entry) => {
            let error = Error::new(Check::LogProof, format!("log entry {}", entry.index));
            Err(error.detail("it comes from an annotation"))
        }
        None => Ok(material),
    }
}

/// RESPONSE-REQUEST: the response document names this request.
fn check_response_request(document: &ResponseDocument, request: &Request) -> Result<()> {
    if document.request == request.digest() {
        return Ok(());
    }
    Err(Error::new(Check::ResponseRequest, document.request))
}

/// RESPONSE-KEY: one encoding, and the id is its SHA-256; of a type that coldsign signs with.
fn check_response_key(document: &ResponseDocument) -> Result<PublicKey> {
    let refuse = || Error::new(Check::ResponseKey, document.key_id);
    let key = PublicKey::from_der(&document.public_key).map_err(|error| refuse().caused_by(error))?;
    if key.id() == document.key_id && key.may_sign_files() {
        return Ok(key);
    }
    Err(refuse())
}

/// RESPONSE-KEYS: at most 8, ascending by key id, each once.
fn check_response_keys(keys: &[PublicKey], next: &PublicKey) -> Result<()> {
    if keys.len() >= limits::KEYS {
        return Err(Error::new(Check::ResponseKeys, "").detail("at most 8"));
    }
    if keys.last().is_some_and(|last| last.id() >= next.id()) {
        return Err(
            Error::new(Check::LayoutIndex, "index.json").detail("responses stand by key id, each key once")
        );
    }
    Ok(())
}

/// RESPONSE-UNUSED: a key without a signature has no place in the file.
fn check_response_unused(key: &PublicKey, signatures: usize) -> Result<()> {
    if signatures > 0 { Ok(()) } else { Err(Error::new(Check::ResponseUnused, key.id())) }
}

/// COMBINE-KEYS: at most 8 keys sign a file.
fn check_combine_keys(keys: usize) -> Result<()> {
    if keys <= limits::KEYS {
        return Ok(());
    }
    Err(Error::new(Check::CombineKeys, format!("{keys}, at most {}", limits::KEYS)))
}
