//! The strict tar: the only thing the signer reads and the only thing we write (docs/format.md 2; POSIX.1-1988 ustar).
//!
//! One name and one size have one header, names ascend, padding is zero and two zero blocks end the file: a request or
//! response has one spelling, and nothing a stranger adds survives.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use rayon::prelude::*;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::limits;

/// The members of a strict archive. Every blob hashes to its name.
#[derive(Debug)]
pub struct Archive {
    /// `blobs/sha256/<hex>`
    pub blobs: Blobs,
    /// `index.json`
    pub index: Bytes,
    /// `oci-layout`
    pub layout: Bytes,
}

/// Blobs by digest; slices of one buffer where they come from a file.
pub type Blobs = BTreeMap<Digest, Bytes>;

impl Archive {
    /// Reads a whole file. Everything is checked but what the blobs mean.
    pub fn parse(file: &Bytes) -> Result<Self> {
        check_file_size(file)?;
        check_file_kind(file)?;
        let mut blobs = Vec::new();
        let (mut index, mut layout) = (None, None);
        let mut previous = String::new();
        let mut rest = file.clone();
        while let Some(name) = member_name(&rest)? {
            let member = Member::parse(&name)?;
            let size = check_archive_header(&name, &rest)?;
            check_archive_order(&previous, &name)?;
            check_blob_size(&name, member, size)?;
            let _ = rest.split_to(BLOCK);
            let body = take_body(&name, &mut rest, size)?;
            match member {
                Member::Blob(digest) => blobs.push((digest, body)),
                Member::Index => index = Some(body),
                Member::Layout => layout = Some(body),
            }
            if blobs.len() > limits::BLOBS {
                return Err(
                    Error::new(Check::ArchiveBlobs, "").detail(format!("at most {} blobs", limits::BLOBS))
                );
            }
            previous = name;
        }
        check_archive_end(&rest)?;
        check_blob_digest(&blobs)?;
        let absent = |name: &str| Error::new(Check::FileKind, "").detail(format!("there is no {name}"));
        Ok(Self {
            blobs: blobs.into_iter().collect(),
            index: index.ok_or_else(|| absent(INDEX))?,
            layout: layout.ok_or_else(|| absent(LAYOUT))?,
        })
    }
}

/// The bytes of an archive, piece by piece, so that no second copy of the file is made.
pub fn chunks<'a>(
    blobs: impl Iterator<Item = (Digest, &'a [u8])> + 'a,
    index: &'a [u8],
    layout: &'a [u8],
) -> impl Iterator<Item = Cow<'a, [u8]>> + 'a {
    let blobs = blobs.map(|(digest, body)| (blob_name(&digest), body));
    let documents = [(INDEX.to_owned(), index), (LAYOUT.to_owned(), layout)];
    blobs
        .chain(documents)
        .flat_map(|(name, body)| {
            let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
            [Cow::Owned(header(&name, size).to_vec()), Cow::Borrowed(body), Cow::Owned(padding(body.len()))]
        })
        .chain([Cow::Owned(vec![0; 2 * BLOCK])])
}

/// How many bytes a member with a body of `size` bytes takes.
#[must_use]
pub fn member_size(size: usize) -> u64 {
    u64::try_from(BLOCK + size.next_multiple_of(BLOCK)).unwrap_or(u64::MAX)
}

/// How many bytes the end of an archive takes.
pub const END_SIZE: u64 = 1024;

#[derive(Clone, Copy)]
enum Member {
    Blob(Digest),
    Index,
    Layout,
}

impl Member {
    /// ARCHIVE-NAME: `blobs/sha256/<64 hex>`, `index.json`, `oci-layout`.
    fn parse(name: &str) -> Result<Self> {
        match name {
            INDEX => Ok(Self::Index),
            LAYOUT => Ok(Self::Layout),
            _ => name
                .strip_prefix(BLOBS)
                .and_then(|hex| Digest::parse_hex(hex).ok())
                .map(Self::Blob)
                .ok_or_else(|| Error::new(Check::ArchiveName, name)),
        }
    }
}

/// FILE-SIZE: at most 512 MiB.
fn check_file_size(file: &Bytes) -> Result<()> {
    match u64::try_from(file.len()) {
        Ok(size) if size <= limits::FILE => Ok(()),
        _ => Err(Error::new(Check::FileSize, format!("{} bytes", file.len()))),
    }
}

/// FILE-KIND: an uncompressed ustar.
fn check_file_kind(file: &Bytes) -> Result<()> {
    if file.starts_with(&[0x1f, 0x8b]) {
        return Err(
            Error::new(Check::FileKind, "").detail("it is compressed; requests and responses never are")
        );
    }
    if file.get(257..262) != Some(b"ustar") {
        return Err(Error::new(Check::FileKind, "").detail("it is no tar"));
    }
    Ok(())
}

/// The name in the header at the front, or `None` where the two zero blocks should be.
fn member_name(rest: &Bytes) -> Result<Option<String>> {
    let Some(block) = rest.get(..BLOCK) else {
        return Err(Error::new(Check::ArchiveEnd, "").detail("the file is cut off"));
    };
    if block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let field = block.get(..100).unwrap_or_default();
    let name = field.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(name).into_owned()))
}

/// ARCHIVE-HEADER: the header equals the one that we write for this name and size. Returns the size.
fn check_archive_header(name: &str, rest: &Bytes) -> Result<usize> {
    let found = rest.get(..BLOCK).unwrap_or_default();
    let digits = found.get(124..135).unwrap_or_default();
    let size = digits.iter().try_fold(0_usize, |size, digit| match digit {
        b'0'..=b'7' => size.checked_mul(8)?.checked_add(usize::from(digit - b'0')),
        _ => None,
    });
    match size {
        Some(size) if header(name, u64::try_from(size).unwrap_or(u64::MAX)).as_slice() == found => Ok(size),
        _ => Err(Error::new(Check::ArchiveHeader, name)),
    }
}

/// ARCHIVE-ORDER: names ascend bytewise, so that none stands twice.
fn check_archive_order(previous: &str, name: &str) -> Result<()> {
    if previous < name {
        return Ok(());
    }
    Err(Error::new(Check::ArchiveOrder, name).detail(format!("it stands after {previous}")))
}

/// BLOB-SIZE: no member is larger than the largest thing it could be.
fn check_blob_size(name: &str, member: Member, size: usize) -> Result<()> {
    let limit = match member {
        Member::Blob(_) | Member::Index => limits::DOCUMENT,
        Member::Layout => limits::MANIFEST,
    };
    if size <= limit {
        return Ok(());
    }
    Err(Error::new(Check::BlobSize, name).detail(format!("{size} bytes, at most {limit}")))
}

/// ARCHIVE-PADDING: zeros up to the next block.
fn take_body(name: &str, rest: &mut Bytes, size: usize) -> Result<Bytes> {
    let padded = size.next_multiple_of(BLOCK);
    if rest.len() < padded {
        return Err(Error::new(Check::ArchiveEnd, name).detail("the file is cut off"));
    }
    let mut body = rest.split_to(padded);
    let padding = body.split_off(size);
    if padding.iter().any(|byte| *byte != 0) {
        return Err(Error::new(Check::ArchivePadding, name));
    }
    Ok(body)
}

/// ARCHIVE-END: exactly two zero blocks.
fn check_archive_end(rest: &Bytes) -> Result<()> {
    if rest.len() == 2 * BLOCK && rest.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    Err(Error::new(Check::ArchiveEnd, "").detail("exactly two zero blocks end the file"))
}

/// BLOB-DIGEST: the SHA-256 of every blob is its name.
fn check_blob_digest(blobs: &[(Digest, Bytes)]) -> Result<()> {
    let wrong = blobs.par_iter().find_map_first(|(digest, body)| {
        let found = Digest::of(body);
        (found != *digest).then_some((digest, found))
    });
    match wrong {
        None => Ok(()),
        Some((digest, found)) => Err(Error::new(Check::BlobDigest, blob_name(digest))
            .detail(format!("expected {digest}"))
            .detail(format!("found {found}"))
            .hint("the file changed on the way: bring it again, or write it again and compare")),
    }
}

/// The one header for a name and a size.
pub(crate) fn header(name: &str, size: u64) -> [u8; BLOCK] {
    let mut header = tar::Header::new_ustar();
    if let Some(field) = header.as_old_mut().name.get_mut(..name.len().min(100)) {
        field.copy_from_slice(name.as_bytes().get(..field.len()).unwrap_or_default());
    }
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    *header.as_bytes()
}

fn padding(size: usize) -> Vec<u8> {
    vec![0; size.next_multiple_of(BLOCK) - size]
}

fn blob_name(digest: &Digest) -> String {
    format!("{BLOBS}{}", digest.hex())
}

const BLOCK: usize = 512;
const BLOBS: &str = "blobs/sha256/";
const INDEX: &str = "index.json";
const LAYOUT: &str = "oci-layout";

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies have layers that octal digits cannot count; requests and responses never do.
    #[test]
    fn sizes_beyond_octal_digits() {
        for size in [0, 4, (8 << 30) - 1, 8 << 30, 1 << 40] {
            let block = header("blobs/sha256/x", size);
            assert_eq!(tar::Header::from_byte_slice(&block).entry_size().unwrap(), size);
        }
    }
}
