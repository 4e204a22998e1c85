//! How large a response to a request can become (docs/format.md 9).

use bytes::Bytes;
use rayon::prelude::*;

use super::{PayloadUnit, Request, SubjectGroup};
use crate::check::Check;
use crate::error::{Error, Result};
use crate::format::beside::Beside;
use crate::format::evidence::{Descriptor, OCI_MANIFEST};
use crate::format::layout::IndexBuilder;
use crate::format::signature::SigManifest;
use crate::format::{archive, attestation, bundle, document, signature};
use crate::limits;

/// REQUEST-SIZE: with 8 keys and both forms, each signature as long as this format allows for, the response stays
/// within every limit. Lengths are computed, nothing is rendered more than once: the keys' bundles differ in no length.
pub(super) fn check_request_size(request: &Request) -> Result<()> {
    let mut most = Most::of(request);
    most.add_signatures()?;
    most.add_attestations()?;
    // What follows stands in `index.json` once for each key.
    let once = most.index.size();
    most.add_statements()?;
    most.add_files();
    most.index.response(&Descriptor::of(document::RESPONSE, &request.bytes), &request.digest, 1);
    most.blobs += limits::KEYS * 2;
    let index = once + (most.index.size() - once) * limits::KEYS + INDEX_FRAME;
    let documents = member(index)
        + member(request.bytes.len())
        + limits::KEYS * 2 * member(RESPONSE_DOCUMENT)
        + ARCHIVE_FRAME;
    let largest = index.max(request.bytes.len());
    if largest > limits::DOCUMENT {
        return refuse("bytes of index.json or the document", largest, 64 * limits::MIB);
    }
    if most.blobs > limits::BLOBS {
        return refuse("blobs", most.blobs, 250_000);
    }
    let total = most.total + documents;
    if u64::try_from(total).is_ok_and(|total| total <= limits::FILE) {
        return Ok(());
    }
    refuse("bytes of the file", total, limits::FILE)
}

/// The most that a response takes, as it is added up.
struct Most<'r> {
    request: &'r Request,
    /// A signature as long as any.
    signature: Vec<u8>,
    index: IndexBuilder,
    /// Bytes of all members of the archive but the documents.
    total: usize,
    blobs: usize,
}

impl<'r> Most<'r> {
    /// The request itself.
    fn of(request: &'r Request) -> Self {
        let mut index = IndexBuilder::default();
        index.request(&Descriptor::of(document::REQUEST, &request.bytes));
        for item in request.items() {
            index.item(item.number, &item.destination, &item.subject);
        }
        Self {
            request,
            signature: vec![0_u8; limits::SIGNATURE_BASE64 / 4 * 3],
            index,
            total: request.blobs.values().map(|blob| member(blob.len())).sum(),
            blobs: request.blobs.len() + REQUEST_OWN,
        }
    }

    fn add_signatures(&mut self) -> Result<()> {
        let groups: Vec<&SubjectGroup> = self.request.with_payloads().map(|(_, group)| group).collect();
        let rendered = groups.par_iter().map(|group| {
            let layer =
                |unit: &PayloadUnit| signature::Layer::dark(unit.payload.clone(), self.signature.clone());
            signature::render(&group.payloads.iter().map(layer).collect::<Vec<_>>())
        });
        for (group, rendered) in groups.iter().zip(rendered.collect::<Vec<_>>()) {
            check_layers(group.payloads.len(), ".sig")?;
            self.add_beside(group, Beside::Signatures, group.lowest_payload(), &rendered);
        }
        Ok(())
    }

    fn add_attestations(&mut self) -> Result<()> {
        for (_, group) in self.request.with_attestations() {
            check_layers(group.attestations.len(), ".att")?;
            let layer = |place: &usize| {
                let unit = self.request.statements.get(*place)?;
                let statement = self.request.blobs.get(&unit.statement.digest)?;
                let envelope = attestation::render_envelope(statement, &self.signature);
                Some(attestation::Layer::of(&envelope, unit.attested.clone()?))
            };
            let layers: Vec<attestation::Layer> = group.attestations.iter().filter_map(layer).collect();
            for layer in &layers {
                let size = usize::try_from(layer.envelope.size).unwrap_or(usize::MAX);
                if size > limits::MANIFEST {
                    return refuse("bytes of one envelope", size, 4 * limits::MIB);
                }
                self.add_blobs(&[size]);
            }
            let lowest = group.lowest_attestation(self.request);
            self.add_beside(group, Beside::Attestations, lowest, &attestation::render(&layers));
        }
        Ok(())
    }

    fn add_statements(&mut self) -> Result<()> {
        let rendered = self.request.statements.par_iter().map(|unit| {
            let statement = self.request.blobs.get(&unit.statement.digest);
            let statement = statement.map(Bytes::as_ref).unwrap_or_default();
            let bundle = bundle::render(statement, &self.request.digest, &self.signature);
            let referrer = unit.render_referrer(&bundle);
            (bundle.len(), referrer)
        });
        for (unit, (bundle, referrer)) in self.request.statements.iter().zip(rendered.collect::<Vec<_>>()) {
            if bundle > limits::MANIFEST {
                return refuse("bytes of one bundle", bundle, 4 * limits::MIB);
            }
            self.add_blobs(&[bundle, referrer.len()]);
            let manifest = Descriptor::of(OCI_MANIFEST, &referrer);
            self.index.referrer(&manifest, &unit.subject.digest, &self.request.digest, unit.lowest);
        }
        Ok(())
    }

    fn add_files(&mut self) {
        for file in self.request.files() {
            let digest = file.content.digest();
            let bundle = bundle::render_message(&digest, &self.request.digest, &self.signature);
            let manifest = bundle::render_artifact(&Descriptor::of(bundle::MEDIA_TYPE, &bundle));
            self.add_blobs(&[bundle.len(), manifest.len()]);
            let manifest = Descriptor::of(OCI_MANIFEST, &manifest);
            self.index.referrer(&manifest, &digest, &self.request.digest, file.number);
        }
    }

    /// Blobs that each key adds.
    fn add_blobs(&mut self, sizes: &[usize]) {
        self.blobs += limits::KEYS * sizes.len();
        self.total += limits::KEYS * sizes.iter().map(|size| member(*size)).sum::<usize>();
    }

    /// A manifest and its config, rendered for one key. Each key adds the same layers again; the head counted with them
    /// is room to spare.
    fn add_beside(&mut self, group: &SubjectGroup, kind: Beside, lowest: u64, once: &SigManifest) {
        self.blobs += 2;
        self.total += member(once.manifest.len() * limits::KEYS) + member(once.config.len() * limits::KEYS);
        let manifest = Descriptor { size: limits::INTEGER, ..Descriptor::of(OCI_MANIFEST, &once.manifest) };
        self.index.beside(&manifest, group.place(), kind, lowest, lowest == 1);
    }
}

/// At most 1,000 layers beside one manifest.
fn check_layers(units: usize, what: &str) -> Result<()> {
    let layers = units * limits::KEYS;
    if layers <= limits::SIG_LAYERS {
        return Ok(());
    }
    refuse(&format!("layers of one {what}"), layers, 1000)
}

fn refuse(what: &str, found: usize, limit: u64) -> Result<()> {
    let error = Error::new(Check::RequestSize, "");
    Err(error.detail(format!("{what}: {found} with 8 keys and both forms, at most {limit}")))
}

/// Bytes of a member of the archive.
fn member(size: usize) -> usize {
    usize::try_from(archive::member_size(size)).unwrap_or(usize::MAX)
}

/// Blobs of a request besides evidence, payloads and statements: its document, its manifest, the empty config.
const REQUEST_OWN: usize = 3;
/// Bytes of a response document or its manifest, at most.
const RESPONSE_DOCUMENT: usize = 1024;
/// Bytes of `index.json` around its entries, at most.
const INDEX_FRAME: usize = 256;
/// Bytes of a file besides what is counted: `oci-layout`, empty config, request manifest, the end.
const ARCHIVE_FRAME: usize = 8192;
