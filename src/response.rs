//! A response: a request and the signatures over it (docs/format.md 4, 6).
//!
//! Everything in a response except the request and the signatures is a function of those: it is rendered, never kept.
//! Reading renders it again and demands equal bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use rayon::prelude::*;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result, in_order};
use crate::format::archive::{self, Archive, Blobs};
use crate::format::document::{self, ResponseDocument};
use crate::format::evidence::{Descriptor, OCI_CONFIG, OCI_EMPTY, OCI_MANIFEST};
use crate::format::layout::{self, Entry, IndexBuilder};
use crate::format::signature::{self, Layer};
use crate::format::{bundle, envelope, statement};
use crate::keys::public::PublicKey;
use crate::limits;
use crate::request::{Request, SigGroup};
use crate::verify::{Known, VerifiedSignature};

/// A request and the signatures over it, none or more. Every signature verifies by a key that the file names; which
/// keys a person trusts is another question.
#[derive(Debug)]
pub struct Response {
    request: Arc<Request>,
    signers: BTreeMap<Digest, Signer>,
}

/// One key's signatures over a request.
#[derive(Debug)]
pub struct Signer {
    key: PublicKey,
    payloads: BTreeMap<PayloadPlace, VerifiedSignature>,
    statements: BTreeMap<usize, VerifiedSignature>,
}

/// Where a payload's signature stands: index in [`Request::sigs`], index in [`SigGroup::payloads`].
pub type PayloadPlace = (usize, usize);

/// The bytes of a request or response, blob by blob; nothing is copied until it is written.
#[derive(Debug)]
pub struct File {
    blobs: Blobs,
    index: Vec<u8>,
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

    /// Its signatures over payloads.
    #[must_use]
    pub fn payloads(&self) -> &BTreeMap<PayloadPlace, VerifiedSignature> {
        &self.payloads
    }

    /// Its signatures over statements, by index in [`Request::statements`].
    #[must_use]
    pub fn statements(&self) -> &BTreeMap<usize, VerifiedSignature> {
        &self.statements
    }

    /// Indexes of the items that it signed in the form of `.sig`.
    #[must_use]
    pub fn items_with_payload(&self, request: &Request) -> BTreeSet<usize> {
        let unit = |(group, unit): &PayloadPlace| request.sigs().get(*group)?.payloads.get(*unit);
        self.payloads.keys().filter_map(unit).flat_map(|unit| unit.items.iter().copied()).collect()
    }

    /// Indexes of the items that it signed in the form of bundles.
    #[must_use]
    pub fn items_with_statement(&self, request: &Request) -> BTreeSet<usize> {
        let unit = |place: &usize| request.statements().get(*place);
        self.statements.keys().filter_map(unit).flat_map(|unit| unit.items.iter().copied()).collect()
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
        let mut blobs = self.request.blobs().clone();
        blobs.extend(own);
        File { blobs, index }
    }

    /// The layers of a `.sig` manifest, by lowest item number and key id.
    #[must_use]
    pub fn layers(&self, group: usize) -> Vec<Layer> {
        let payloads =
            self.request.sigs().get(group).map(|group| group.payloads.as_slice()).unwrap_or_default();
        let layers = payloads.iter().enumerate().flat_map(|(place, unit)| {
            let signatures =
                self.signers.values().filter_map(move |signer| signer.payloads.get(&(group, place)));
            signatures.map(|signature| Layer {
                payload: unit.payload.clone(),
                signature: signature.as_bytes().to_vec(),
            })
        });
        layers.collect()
    }

    /// The bundle of a statement by a key, and its referrer manifest; `None` where the key did not sign it.
    #[must_use]
    pub fn bundle(&self, place: usize, key_id: &Digest) -> Option<(Bytes, Bytes)> {
        let signature = self.signers.get(key_id)?.statements.get(&place)?;
        let unit = self.request.statements().get(place)?;
        let statement = self.request.blob(&unit.statement.digest)?;
        let bundle = bundle::render(statement, key_id, signature.as_bytes());
        let referrer = bundle::render_referrer(
            &Descriptor::of(bundle::MEDIA_TYPE, &bundle),
            &unit.subject,
            statement::PREDICATE_TYPE,
        );
        Some((bundle, referrer))
    }

    /// Every signature, as [`crate::verify::Verifier`] knows them.
    #[must_use]
    pub fn known(&self) -> Known {
        let mut known = Known::new();
        for signer in self.signers.values() {
            let id = signer.key.id();
            for ((group, unit), signature) in &signer.payloads {
                if let Some(unit) =
                    self.request.sigs().get(*group).and_then(|group| group.payloads.get(*unit))
                {
                    known.insert((id, unit.payload.digest, signature.as_bytes().into()));
                }
            }
            for (place, signature) in &signer.statements {
                if let Some(message) = self.statement_message(*place) {
                    known.insert((id, Digest::of(&message), signature.as_bytes().into()));
                }
            }
        }
        known
    }

    /// What a signature in the form of `.sig` is over: the payload.
    #[must_use]
    pub fn payload_message(&self, (group, unit): PayloadPlace) -> Option<&Bytes> {
        let unit = self.request.sigs().get(group)?.payloads.get(unit)?;
        self.request.blob(&unit.payload.digest)
    }

    /// What a signature in the form of a bundle is over: the PAE of the statement.
    #[must_use]
    pub fn statement_message(&self, place: usize) -> Option<Vec<u8>> {
        let unit = self.request.statements().get(place)?;
        Some(envelope::pae(statement::MEDIA_TYPE, self.request.blob(&unit.statement.digest)?))
    }

    /// Adds a key's signatures. Where there is one already the bytewise smaller stays. COMBINE-KEYS over 8 keys.
    pub(crate) fn add(
        &mut self,
        key: &PublicKey,
        payloads: impl IntoIterator<Item = (PayloadPlace, VerifiedSignature)>,
        statements: impl IntoIterator<Item = (usize, VerifiedSignature)>,
    ) -> Result<()> {
        let (mut payloads, mut statements) =
            (payloads.into_iter().peekable(), statements.into_iter().peekable());
        if payloads.peek().is_none() && statements.peek().is_none() {
            return Ok(());
        }
        check_combine_keys(self.signers.len() + usize::from(!self.signers.contains_key(&key.id())))?;
        let signer = self.signers.entry(key.id()).or_insert_with(|| Signer {
            key: key.clone(),
            payloads: BTreeMap::new(),
            statements: BTreeMap::new(),
        });
        for (place, signature) in payloads {
            keep_smaller(&mut signer.payloads, place, signature);
        }
        for (place, signature) in statements {
            keep_smaller(&mut signer.statements, place, signature);
        }
        Ok(())
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
        let groups: Vec<usize> = (0..request.sigs().len()).collect();
        let rendered: Vec<Option<(Blob, Blob)>> =
            groups.par_iter().map(|group| self.sig_manifest(*group)).collect();
        let mut sigs = BTreeSet::new();
        for (group, rendered) in request.sigs().iter().zip(rendered) {
            let Some((manifest, config)) = rendered else { continue };
            put(config);
            let manifest = put(manifest);
            let place = (&group.repository, &group.subject.digest);
            index.sig(&manifest, place, group.lowest, first == Some(place));
            sigs.insert(manifest.digest);
        }
        let keys: Vec<&Digest> = self.signers.keys().collect();
        let pairs: Vec<(usize, &Digest)> = (0..request.statements().len())
            .flat_map(|place| keys.iter().map(move |key| (place, *key)))
            .collect();
        let rendered: Vec<_> = pairs.par_iter().map(|(place, key)| self.referrer(*place, key)).collect();
        let mut referrers = BTreeSet::new();
        for ((place, key_id), rendered) in pairs.into_iter().zip(rendered) {
            let (Some((bundle, referrer)), Some(unit)) = (rendered, request.statements().get(place)) else {
                continue;
            };
            put(bundle);
            let manifest = put(referrer);
            index.referrer(&manifest, &unit.subject.digest, key_id, unit.lowest);
            referrers.insert(manifest.digest);
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
        Rendered { index: index.render(), own, sigs, referrers }
    }

    /// The `.sig` manifest of a group and its config; `None` where nobody signed it in this form.
    fn sig_manifest(&self, group: usize) -> Option<(Blob, Blob)> {
        let layers = self.layers(group);
        let rendered = (!layers.is_empty()).then(|| signature::render(&layers))?;
        Some((Blob::of(OCI_MANIFEST, rendered.manifest), Blob::of(OCI_CONFIG, rendered.config)))
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
    sigs: BTreeSet<Digest>,
    referrers: BTreeSet<Digest>,
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
        for key in &keys {
            let id = key.id();
            let payloads: Vec<_> =
                sigs.iter().flatten().filter(|(key, _)| *key == id).map(|(_, found)| found.clone()).collect();
            let statements: Vec<_> =
                bundles.iter().filter(|(key, _)| *key == id).map(|(_, found)| found.clone()).collect();
            check_response_unused(key, payloads.len() + statements.len())?;
            response.add(key, payloads, statements)?;
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
        check_blob_size(digest, bytes)?;
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
        let groups: HashMap<String, usize> =
            request.sigs().iter().enumerate().map(|(place, group)| (sig_name(group), place)).collect();
        let plain = self.entries.iter().filter_map(|entry| match entry {
            Entry::Plain(digest, name) => Some((digest, name)),
            _ => None,
        });
        // Each once, before any work: an index that names one a thousand times is not one that we render.
        let mut seen = HashSet::new();
        let place = |(digest, name): (&Digest, &Option<String>)| {
            let group = name.as_ref().and_then(|name| groups.get(name)).copied();
            let refuse = |why: &str| Error::new(Check::LayoutIndex, digest).detail(why);
            let group = group.ok_or_else(|| refuse("an entry that is no item and no .sig"))?;
            if seen.insert(group) { Ok((*digest, group)) } else { Err(refuse("a .sig's entry stands twice")) }
        };
        let places: Vec<(Digest, usize)> =
            plain.skip(request.items().len()).map(place).collect::<Result<_>>()?;
        let read = |(digest, group): &(Digest, usize)| {
            let layers =
                signature::read_layers(self.manifest(digest)?).map_err(|error| error.within(digest))?;
            Self::layers(*group, &layers, response, keys, known).map_err(|error| error.within(digest))
        };
        in_order(places.par_iter().map(read))
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
            response.request.sigs().get(group).map(|group| group.payloads.as_slice()).unwrap_or_default();
        let places: HashMap<Digest, usize> =
            units.iter().enumerate().map(|(place, unit)| (unit.payload.digest, place)).collect();
        let mut used: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut found = Vec::with_capacity(layers.len());
        for layer in layers {
            let stranger = || Error::new(Check::SignatureInvalid, layer.payload.digest);
            let unit = *places.get(&layer.payload.digest).ok_or_else(stranger)?;
            let message = response.payload_message((group, unit)).ok_or_else(stranger)?;
            let used = used.entry(unit).or_default();
            let next = used.last().map_or(0, |last| last + 1);
            let candidates = (next..keys.len()).chain(0..next).filter(|place| !used.contains(place));
            let fits =
                candidates.filter_map(|place| Some((place, keys.get(place)?))).find_map(|(place, key)| {
                    let same = known.and_then(|known| known.signer(&key.id())?.payloads.get(&(group, unit)));
                    Some((place, key.id(), verified(same, key, message, &layer.signature)?))
                });
            let Some((place, id, signature)) = fits else {
                check_signature_encoding(keys, message, &layer.signature)?;
                return Err(stranger());
            };
            used.push(place);
            found.push((id, ((group, unit), signature)));
        }
        Ok(found)
    }

    /// The signatures of the bundles, each with its key's id.
    fn bundles(
        &self,
        response: &Response,
        keys: &[PublicKey],
        known: Option<&Response>,
    ) -> Result<Vec<PlacedStatement>> {
        let request = &response.request;
        let places: HashMap<Digest, usize> = request
            .statements()
            .iter()
            .enumerate()
            .map(|(place, unit)| (unit.statement.digest, place))
            .collect();
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
            let (statement, key_id, signature) =
                bundle::read(self.manifest(&bundle)?).map_err(|error| error.within(bundle))?;
            let place = *places.get(&statement).ok_or_else(stranger)?;
            let key = keys.iter().find(|key| key.id() == key_id).ok_or_else(stranger)?;
            let message = response.statement_message(place).ok_or_else(stranger)?;
            let same = known.and_then(|known| known.signer(&key_id)?.statements.get(&place));
            let Some(signature) = verified(same, key, &message, &signature) else {
                check_signature_encoding(std::slice::from_ref(key), &message, &signature)?;
                return Err(stranger());
            };
            Ok((key_id, (place, signature)))
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
                Entry::Plain(digest, _) => {
                    plain += 1;
                    if plain > items && !rendered.sigs.contains(digest) {
                        return Err(Error::new(Check::SigManifest, digest));
                    }
                }
                Entry::Referrer(digest) if !rendered.referrers.contains(digest) => {
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

type Placed = (Digest, (PayloadPlace, VerifiedSignature));
type PlacedStatement = (Digest, (usize, VerifiedSignature));

/// The signature, if it verifies; not computed again where the same one is known to.
fn verified(
    known: Option<&VerifiedSignature>,
    key: &PublicKey,
    message: &[u8],
    signature: &[u8],
) -> Option<VerifiedSignature> {
    match known.filter(|known| known.as_bytes() == signature) {
        Some(known) => Some(known.clone()),
        None => VerifiedSignature::check(key, message, signature),
    }
}

/// SIGNATURE-ENCODING: a signature that is not good as it stands is not good in another encoding either.
fn check_signature_encoding(keys: &[PublicKey], message: &[u8], signature: &[u8]) -> Result<()> {
    let otherwise =
        |key: &PublicKey| key.verify(message, signature) && !key.verify_strict(message, signature);
    if keys.iter().any(otherwise) {
        return Err(Error::new(Check::SignatureEncoding, "").detail("it is not in DER"));
    }
    Ok(())
}

fn keep_smaller<P: Ord>(
    signatures: &mut BTreeMap<P, VerifiedSignature>,
    place: P,
    signature: VerifiedSignature,
) {
    signatures
        .entry(place)
        .and_modify(|kept| *kept = kept.clone().min(signature.clone()))
        .or_insert(signature);
}

fn sig_name(group: &SigGroup) -> String {
    format!("{}:{}", group.repository, signature::tag(&group.subject.digest))
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
fn check_blob_size(digest: &Digest, bytes: &Bytes) -> Result<()> {
    if bytes.len() <= limits::MANIFEST {
        return Ok(());
    }
    Err(Error::new(Check::BlobSize, digest).detail(format!(
        "{} bytes, at most {}",
        bytes.len(),
        limits::MANIFEST
    )))
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
