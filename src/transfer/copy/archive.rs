//! Writing a copy as a layout in a tar: in one go, whole or not at all, the same bytes for the same image.

use std::collections::BTreeMap;
use std::io::Write;

use super::push::pour;
use super::{Done, Plan, Role, Tally};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::files::Output;
use crate::format::archive::header;
use crate::format::evidence::Descriptor;
use crate::format::layout::OCI_LAYOUT;
use crate::transfer::attached::How;
use crate::transfer::entries::{Entries, Kind};
use crate::transfer::flow::Flow;
use crate::transfer::layers::Layers;
use crate::transfer::layout::blob_name;
use crate::transfer::layout_dir::EMPTY_INDEX;
use crate::transfer::merge::{United, unite};
use crate::transfer::store::Beside;

/// What a member holds.
enum Member<'a> {
    Bytes(Vec<u8>),
    Layer(&'a Descriptor),
}

impl Plan {
    /// Writes everything to `output`, members ascending by name: whoever reads them in order has each blob before
    /// `index.json`. A layer that is not what its descriptor says leaves no file.
    pub fn write(
        &self,
        source: &dyn Layers,
        output: Output,
        name: Option<&str>,
        flow: Flow<'_>,
        tally: &Tally,
    ) -> Result<Done> {
        let mut members: BTreeMap<Digest, Member<'_>> =
            self.blobs.iter().map(|blob| (blob.digest, Member::Layer(blob))).collect();
        let mut done = Done::default();
        let mut standing: Vec<(Beside, &Descriptor, Descriptor, Vec<u8>)> = Vec::new();
        for manifest in &self.manifests {
            done.put += 1;
            let Role::Beside(How::Tag(kind), subject) = &manifest.role else {
                members.insert(manifest.descriptor.digest, Member::Bytes(manifest.bytes.clone()));
                continue;
            };
            // A layout may hold several for one image; one tag has one.
            let known = standing.iter_mut().find(|(known, other, ..)| known == kind && *other == subject);
            let Some((_, _, descriptor, bytes)) = known else {
                standing.push((*kind, subject, manifest.descriptor.clone(), manifest.bytes.clone()));
                continue;
            };
            let incoming = (manifest.descriptor.media_type.as_str(), manifest.bytes.as_slice());
            match unite(*kind, (&descriptor.media_type, bytes), incoming)? {
                United::Standing => {}
                United::Incoming => {
                    (*descriptor, *bytes) = (manifest.descriptor.clone(), manifest.bytes.clone());
                }
                United::Merged(merged) => {
                    members.insert(Digest::of(&merged.config), Member::Bytes(merged.config));
                    *descriptor = Descriptor::of(&merged.media_type, &merged.manifest);
                    *bytes = merged.manifest;
                    done.merged += 1;
                }
            }
        }
        let index = self.index(name, &standing)?;
        for (.., descriptor, bytes) in standing {
            members.insert(descriptor.digest, Member::Bytes(bytes));
        }
        output.reserve(size(&members, &index))?;
        output.write_with(|out| {
            for (digest, member) in &members {
                flow.check_interrupted()?;
                let name = blob_name(digest);
                match member {
                    Member::Bytes(bytes) => file(out, &name, bytes)?,
                    Member::Layer(layer) => {
                        begin(out, &name, layer.size)?;
                        pour(source, layer, flow.stop, tally, out)?;
                        end(out, layer.size)?;
                    }
                }
            }
            file(out, "index.json", &index)?;
            file(out, "oci-layout", OCI_LAYOUT)?;
            put(out, &[0; 2 * BLOCK])
        })?;
        Ok(done)
    }

    /// The entries: the image, then what stands beside it and what it names; cosign's `kind` on those that belong together.
    fn index(
        &self,
        name: Option<&str>,
        standing: &[(Beside, &Descriptor, Descriptor, Vec<u8>)],
    ) -> Result<Vec<u8>> {
        let mut entries = Entries::parse(EMPTY_INDEX)?;
        if self.image {
            entries.push(&self.top, None, name);
            entries
                .set_kind(&self.top.digest, if self.top.is_index() { Kind::ImageIndex } else { Kind::Image });
        }
        for manifest in &self.manifests {
            match &manifest.role {
                Role::Beside(How::Referrer, _) => {
                    entries.push(&manifest.descriptor, manifest.artifact_type.as_deref(), None);
                }
                Role::Beside(How::Tag(kind), subject) => {
                    let found = standing.iter().find(|(known, other, ..)| known == kind && *other == subject);
                    let Some((.., descriptor, _)) = found else { continue };
                    let tag = kind.tag(&subject.digest);
                    if !entries.named(&tag).is_empty() {
                        continue;
                    }
                    entries.push(descriptor, None, Some(&tag));
                    let kind = match kind {
                        Beside::Signatures => Some(Kind::Sigs),
                        Beside::Attestations => Some(Kind::Atts),
                        Beside::Sboms => None,
                    };
                    if let Some(kind) = kind.filter(|_| subject.digest == self.top.digest) {
                        entries.set_kind(&descriptor.digest, kind);
                    }
                }
                Role::Part => {}
            }
        }

        Ok(entries.to_bytes())
    }
}

/// Bytes of the whole file.
fn size(members: &BTreeMap<Digest, Member<'_>>, index: &[u8]) -> u64 {
    let member = |size: u64| size.next_multiple_of(BLOCK_SIZE).saturating_add(BLOCK_SIZE);
    let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let blobs = members.values().map(|content| match content {
        Member::Bytes(bytes) => member(length(bytes)),
        Member::Layer(layer) => member(layer.size),
    });
    let documents = member(length(index)) + member(length(OCI_LAYOUT)) + 2 * BLOCK_SIZE;
    blobs.fold(documents, u64::saturating_add)
}

fn file(out: &mut dyn Write, name: &str, bytes: &[u8]) -> Result<()> {
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    begin(out, name, size)?;
    put(out, bytes)?;
    end(out, size)
}

fn begin(out: &mut dyn Write, name: &str, size: u64) -> Result<()> {
    put(out, &header(name, size))
}

fn end(out: &mut dyn Write, size: u64) -> Result<()> {
    let padding = usize::try_from(size.next_multiple_of(BLOCK_SIZE) - size).unwrap_or_default();
    put(out, [0; BLOCK].get(..padding).unwrap_or_default())
}

fn put(out: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    out.write_all(bytes).map_err(|error| Error::new(Check::FileWrite, "").caused_by(error))
}

const BLOCK: usize = 512;
const BLOCK_SIZE: u64 = 512;
