//! OCI layouts in tar archives of any dialect, compressed with gzip or not, from files or pipes.
//!
//! `tar` reads the headers. Names, sizes, links and the end of the archive are judged here: the crate itself takes an
//! archive that is cut in its last entry, names that stand twice and links as they come. Layers are never kept: in a
//! file they are skipped by seeking and found again when they are copied, on a pipe they are read over.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use tar::{EntryType, Header};

use super::layout::{Blobs, Layout, blob_name, check_blob_size};
use super::source::docker_hint;
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::limits;

/// Opens the layout in the archive at `path`: a regular file or a pipe.
///
/// Errors: FILE-READ, SOURCE-KIND, SOURCE-MALFORMED, SOURCE-SIZE, ARCHIVE-DOCKER, and those of [`Layout::new`].
pub fn open(path: &Path) -> Result<Layout> {
    let place = path.display().to_string();
    let unreadable = |error: io::Error| Error::new(Check::FileRead, &place).caused_by(error);
    let mut file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        let error =
            Error::new(Check::SourceKind, &place).detail("a directory, where an archive was expected");
        return Err(error.hint(format!("say oci:{place}")));
    }
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic).map_err(unreadable)?;
    let zipped = magic == GZIP;
    let input = if metadata.is_file() {
        file.rewind().map_err(unreadable)?;
        if zipped {
            Input::stream(MultiGzDecoder::new(BufReader::new(file)))
        } else {
            Input::File {
                reader: BufReader::with_capacity(READ_AHEAD, file),
                position: 0,
                length: metadata.len(),
            }
        }
    } else {
        let whole = BufReader::new(io::Cursor::new(magic).chain(file));
        if zipped { Input::stream(MultiGzDecoder::new(whole)) } else { Input::stream(whole) }
    };
    let zipped = (zipped && metadata.is_file()).then_some(path);
    read(&place, input, zipped).map_err(|error| error.within(&place))
}

/// The bytes of an archive, from its start.
enum Input {
    /// A file to seek in.
    File { reader: BufReader<File>, position: u64, length: u64 },
    /// A pipe, or what comes out of a decompressor.
    Stream { reader: Box<dyn Read + Send>, position: u64 },
}

/// Where the bytes of a blob are.
enum Place {
    At {
        offset: u64,
        size: u64,
    },
    Kept(Vec<u8>),
    /// Larger than anything that is held.
    Large {
        offset: u64,
        size: u64,
    },
    /// Written with holes by GNU tar.
    Sparse,
}

struct ArchiveBlobs {
    bytes: Bytes,
    places: HashMap<Digest, Place>,
}

/// Where the bytes of an archive can be read again.
enum Bytes {
    File(Arc<File>),
    /// Decompressed anew, from the start.
    Zipped(PathBuf),
    Gone,
}

/// A part of a file, read without moving anybody's place in it.
struct Part {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(buffer.get_mut(..most).unwrap_or_default(), self.offset)?;
        let read = u64::try_from(count).unwrap_or(u64::MAX);
        self.offset = self.offset.saturating_add(read);
        self.left = self.left.saturating_sub(read);
        Ok(count)
    }
}

/// What was seen of an archive.
#[derive(Default)]
struct Seen {
    names: HashSet<Vec<u8>>,
    places: HashMap<Digest, Place>,
    kept: u64,
    oci_layout: Option<Vec<u8>>,
    index: Option<Vec<u8>>,
    /// Where an `oci-layout` stands below the top.
    below: Option<String>,
    /// `manifest.json` of `docker save`.
    docker: bool,
    /// The first link, device or entry of an unknown type.
    odd: Option<(String, &'static str)>,
}

/// A member of the archive: its name in parts, its size, what it is.
struct Member {
    name: Vec<u8>,
    size: u64,
    kind: MemberKind,
}

enum MemberKind {
    File,
    Sparse,
    Directory,
    Odd(&'static str),
}

fn read(place: &str, mut input: Input, zipped: Option<&Path>) -> Result<Layout> {
    let mut seen = Seen::default();
    while let Some(member) = next_member(&mut input, seen.names.is_empty())? {
        seen.take(&mut input, &member)?;
    }
    check_archive_rest(&mut input)?;
    seen.classify(place)?;
    if let Some((name, what)) = seen.odd {
        return Err(malformed(&name, format!("{what}; a layout has files and directories only")));
    }
    let (Some(oci_layout), Some(index)) = (seen.oci_layout, seen.index) else {
        return Err(malformed("index.json", "missing"));
    };
    let bytes = match (input, zipped) {
        (Input::File { reader, .. }, _) => Bytes::File(Arc::new(reader.into_inner())),
        (Input::Stream { .. }, Some(path)) => Bytes::Zipped(path.to_owned()),
        (Input::Stream { .. }, None) => Bytes::Gone,
    };
    let blobs = ArchiveBlobs { bytes, places: seen.places };
    let layout = Layout::new("", &oci_layout, &index, Box::new(blobs))?.at_place(place);
    Ok(if seen.docker {
        layout.with_warning(
            "written by docker save: docker push may compress the layers anew and give the image another digest",
        )
    } else {
        layout
    })
}

impl Seen {
    fn take(&mut self, input: &mut Input, member: &Member) -> Result<()> {
        let shown = String::from_utf8_lossy(&member.name).into_owned();
        if matches!(member.kind, MemberKind::Directory) {
            return input.skip(member.size, &shown);
        }
        check_member_once(&mut self.names, &member.name)?;
        match member.kind {
            MemberKind::Odd(what) => {
                self.odd.get_or_insert((shown, what));
                return Ok(());
            }
            MemberKind::Sparse | MemberKind::File | MemberKind::Directory => {}
        }
        let sparse = matches!(member.kind, MemberKind::Sparse);
        match shown.as_str() {
            "oci-layout" if !sparse => self.oci_layout = Some(input.document(member.size, &shown)?),
            "index.json" if !sparse => self.index = Some(input.document(member.size, &shown)?),
            "oci-layout" | "index.json" => return Err(malformed(&shown, "a sparse file")),
            name => {
                self.docker |= name == "manifest.json";
                if name.ends_with("/oci-layout") {
                    self.below.get_or_insert_with(|| shown.clone());
                }
                let hex = name.strip_prefix("blobs/sha256/");
                match hex.and_then(|hex| Digest::parse_hex(hex).ok()) {
                    Some(digest) => {
                        let place = self.place(input, member, &shown, sparse)?;
                        self.places.insert(digest, place);
                    }
                    None => input.skip(member.size, &shown)?,
                }
            }
        }
        Ok(())
    }

    fn place(&mut self, input: &mut Input, member: &Member, shown: &str, sparse: bool) -> Result<Place> {
        let size = member.size;
        let small = usize::try_from(size).is_ok_and(|size| size <= limits::MANIFEST);
        let place = match input {
            _ if sparse => Place::Sparse,
            Input::File { position, .. } | Input::Stream { position, .. } if !small => {
                Place::Large { offset: *position, size }
            }
            Input::File { position, .. } => Place::At { offset: *position, size },
            Input::Stream { .. } => {
                self.kept += size;
                check_source_size(self.kept)?;
                return Ok(Place::Kept(input.document(size, shown)?));
            }
        };
        input.skip(size, shown)?;
        Ok(place)
    }

    /// SOURCE-KIND, ARCHIVE-DOCKER: an archive has its layout at the top.
    fn classify(&self, place: &str) -> Result<()> {
        if self.oci_layout.is_some() {
            return Ok(());
        }
        if let Some(below) = &self.below {
            let folder = below.trim_end_matches("oci-layout");
            let error =
                Error::new(Check::SourceKind, "").detail(format!("no oci-layout at the top, but {below}"));
            return Err(error.hint(format!("pack the content of {folder}, not the folder")));
        }
        if self.docker {
            return Err(Error::new(Check::ArchiveDocker, "").hint(docker_hint(Path::new(place))));
        }
        Err(Error::new(Check::SourceKind, "").detail("no oci-layout in the archive"))
    }
}

/// Reads headers until one describes a member; extended headers on the way are applied to it.
fn next_member(input: &mut Input, first: bool) -> Result<Option<Member>> {
    let mut long_name: Option<Vec<u8>> = None;
    let mut pax = Pax::default();
    let mut first = first && input.position() == 0;
    loop {
        let Some(header) = input.header(first)? else {
            return if long_name.is_some() || pax.seen {
                Err(malformed("", "the archive ends in an extended header"))
            } else {
                Ok(None)
            };
        };
        first = false;
        let size = header.entry_size().map_err(|error| malformed(&header_name(&header), error))?;
        match header.entry_type() {
            EntryType::GNULongName => {
                let mut name = input.extension(size)?;
                name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                long_name = Some(name);
            }
            EntryType::GNULongLink | EntryType::XGlobalHeader => input.skip(size, &header_name(&header))?,
            EntryType::XHeader => pax = Pax::parse(&input.extension(size)?)?,
            kind => {
                let name = pax.path.or(long_name).unwrap_or_else(|| header.path_bytes().into_owned());
                let directory = name.ends_with(b"/");
                let name = member_name(&name)?;
                let size = pax.size.unwrap_or(size);
                let kind = match kind {
                    EntryType::Regular | EntryType::Continuous if pax.sparse => MemberKind::Sparse,
                    EntryType::Regular if directory => MemberKind::Directory,
                    EntryType::Regular | EntryType::Continuous => MemberKind::File,
                    EntryType::Directory => MemberKind::Directory,
                    EntryType::GNUSparse => {
                        input.skip_sparse_map(&header)?;
                        MemberKind::Sparse
                    }
                    EntryType::Link => MemberKind::Odd("a hard link"),
                    EntryType::Symlink => MemberKind::Odd("a symbolic link"),
                    EntryType::Char | EntryType::Block | EntryType::Fifo => {
                        MemberKind::Odd("a device or pipe")
                    }
                    _ => return Err(malformed(&String::from_utf8_lossy(&name), "entry of an unknown type")),
                };
                // Links, devices and directories have no content, whatever their header says of a size.
                let size = if matches!(kind, MemberKind::File | MemberKind::Sparse) { size } else { 0 };
                return Ok(Some(Member { name, size, kind }));
            }
        }
    }
}

/// What a pax extended header says of the next member (POSIX.1-2001, pax "Extended Header").
#[derive(Default)]
struct Pax {
    seen: bool,
    path: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl Pax {
    /// Records are `<length> <key>=<value>\n`; a value may hold anything, line ends too.
    fn parse(mut records: &[u8]) -> Result<Self> {
        let broken = || malformed("", "extended header is broken");
        let mut pax = Self { seen: true, ..Self::default() };
        while records.first().is_some_and(|byte| *byte != 0) {
            let blank = records.iter().take(20).position(|byte| *byte == b' ').ok_or_else(broken)?;
            let length = records.get(..blank).and_then(|digits| std::str::from_utf8(digits).ok());
            let length: usize = length.and_then(|digits| digits.parse().ok()).ok_or_else(broken)?;
            let (record, rest) = records.split_at_checked(length).ok_or_else(broken)?;
            let record =
                record.get(blank + 1..).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(broken)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
            let (key, value) = record.split_at_checked(equals).ok_or_else(broken)?;
            let value = value.get(1..).unwrap_or_default();
            match key {
                b"path" => pax.path = Some(value.to_vec()),
                b"size" => {
                    let digits = std::str::from_utf8(value).ok();
                    pax.size = Some(digits.and_then(|digits| digits.parse().ok()).ok_or_else(broken)?);
                }
                key if key.starts_with(b"GNU.sparse.") => pax.sparse = true,
                _ => {}
            }
            records = rest;
        }
        Ok(pax)
    }
}

impl Input {
    fn stream(reader: impl Read + Send + 'static) -> Self {
        Self::Stream { reader: Box::new(reader), position: 0 }
    }

    fn position(&self) -> u64 {
        match self {
            Self::File { position, .. } | Self::Stream { position, .. } => *position,
        }
    }

    fn reader(&mut self) -> &mut dyn Read {
        match self {
            Self::File { reader, .. } => reader,
            Self::Stream { reader, .. } => reader,
        }
    }

    /// Up to `wanted` bytes; fewer at the end only.
    fn bytes(&mut self, wanted: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader().take(wanted).read_to_end(&mut bytes).map_err(|error| malformed("", error))?;
        let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match self {
            Self::File { position, .. } | Self::Stream { position, .. } => *position += read,
        }
        if let Self::Stream { position, .. } = self {
            check_stream_size(*position)?;
        }
        Ok(bytes)
    }

    /// The next header; `None` at the end marker.
    fn header(&mut self, first: bool) -> Result<Option<Header>> {
        let block = self.bytes(BLOCK)?;
        if block.is_empty() && !first {
            return Err(malformed("", "the archive is cut: it has no end marker"));
        }
        if block.len() != BLOCK_BYTES {
            return Err(if first { not_tar() } else { malformed("", "the archive is cut inside a header") });
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        let sum = block
            .iter()
            .enumerate()
            .map(|(place, byte)| u32::from(if (148..156).contains(&place) { b' ' } else { *byte }));
        if header.cksum().is_ok_and(|written| written == sum.sum::<u32>()) {
            return Ok(Some(header));
        }
        Err(if first { not_tar() } else { malformed("", "a header does not match its checksum") })
    }

    /// The content of an extended header.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > EXTENSION {
            return Err(malformed("", format!("an extended header of {size} bytes")));
        }
        self.content(size, "extended header")
    }

    /// The content of a member that is kept in memory.
    fn document(&mut self, size: u64, name: &str) -> Result<Vec<u8>> {
        if usize::try_from(size).is_ok_and(|size| size <= limits::DOCUMENT) {
            return self.content(size, name);
        }
        Err(Error::new(Check::BlobSize, name).detail(format!("{size} bytes")))
    }

    fn content(&mut self, size: u64, name: &str) -> Result<Vec<u8>> {
        let bytes = self.bytes(size)?;
        if u64::try_from(bytes.len()) != Ok(size) {
            return Err(malformed(name, "the archive is cut inside this member"));
        }
        self.skip_exactly(padding(size), name)?;
        Ok(bytes)
    }

    /// Goes past the content of a member and its padding.
    fn skip(&mut self, size: u64, name: &str) -> Result<()> {
        self.skip_exactly(size, name)?;
        self.skip_exactly(padding(size), name)
    }

    fn skip_exactly(&mut self, size: u64, name: &str) -> Result<()> {
        let cut = || malformed(name, "the archive is cut inside this member");
        match self {
            Self::File { reader, position, length } => {
                let next = position.checked_add(size).filter(|next| *next <= *length).ok_or_else(cut)?;
                let step = i64::try_from(size).map_err(|_| cut())?;
                reader.seek_relative(step).map_err(|error| malformed(name, error))?;
                *position = next;
            }
            Self::Stream { reader, position } => {
                let most = size.min(limits::SOURCE_STREAM + 1);
                let skipped = io::copy(&mut reader.take(most), &mut io::sink())
                    .map_err(|error| malformed(name, error))?;
                *position = position.saturating_add(skipped);
                check_stream_size(*position)?;
                if skipped != size {
                    return Err(cut());
                }
            }
        }
        Ok(())
    }

    /// GNU tar continues the list of a sparse file's parts in blocks after its header.
    fn skip_sparse_map(&mut self, header: &Header) -> Result<()> {
        let mut more = header.as_gnu().is_some_and(tar::GnuHeader::is_extended);
        while more {
            let block = self.bytes(BLOCK)?;
            more = match block.get(504) {
                Some(flag) if block.len() == BLOCK_BYTES => *flag != 0,
                _ => return Err(malformed("", "the archive is cut inside a header")),
            };
        }
        Ok(())
    }
}

impl Blobs for ArchiveBlobs {
    fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        match self.places.get(digest) {
            None => Ok(None),
            Some(Place::Kept(bytes)) => Ok(Some(bytes.clone())),
            Some(Place::Large { size, .. }) => check_blob_size(digest, *size).map(|()| None),
            Some(Place::Sparse) => Err(malformed(&blob_name(digest), "a sparse file")),
            Some(Place::At { offset, size }) => {
                let Bytes::File(file) = &self.bytes else { return Ok(None) };
                let unreadable =
                    |error: io::Error| Error::new(Check::FileRead, blob_name(digest)).caused_by(error);
                let mut bytes = Vec::new();
                let mut part = Part { file: file.clone(), offset: *offset, left: *size };
                part.read_to_end(&mut bytes).map_err(unreadable)?;
                Ok(Some(bytes))
            }
        }
    }

    fn open(&self, digest: &Digest) -> Result<Option<Box<dyn Read + Send>>> {
        let (offset, size) = match self.places.get(digest) {
            None => return Ok(None),
            Some(Place::Kept(bytes)) => return Ok(Some(Box::new(io::Cursor::new(bytes.clone())))),
            Some(Place::Sparse) => return Err(malformed(&blob_name(digest), "a sparse file")),
            Some(Place::At { offset, size } | Place::Large { offset, size }) => (*offset, *size),
        };
        match &self.bytes {
            Bytes::File(file) => Ok(Some(Box::new(Part { file: file.clone(), offset, left: size }))),
            Bytes::Zipped(path) => {
                let unreadable =
                    |error: io::Error| Error::new(Check::FileRead, blob_name(digest)).caused_by(error);
                let mut reader = MultiGzDecoder::new(BufReader::new(File::open(path).map_err(unreadable)?));
                io::copy(&mut reader.by_ref().take(offset), &mut io::sink()).map_err(unreadable)?;
                Ok(Some(Box::new(reader.take(size))))
            }
            Bytes::Gone => Err(Error::new(Check::SourceKind, blob_name(digest))
                .detail("a pipe is read once, and this layer has gone by")
                .hint("write it to a file first")),
        }
    }

    fn small(&self) -> Result<Vec<Digest>> {
        let small =
            self.places.iter().filter(|(_, place)| matches!(place, Place::At { .. } | Place::Kept(_)));
        Ok(small.map(|(digest, _)| *digest).collect())
    }
}

/// SOURCE-MALFORMED: names stay inside. Gives the name without `.` and empty parts.
fn member_name(name: &[u8]) -> Result<Vec<u8>> {
    let parts: Vec<&[u8]> =
        name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if name.first() == Some(&b'/') || parts.contains(&&b".."[..]) || name.contains(&0) {
        return Err(malformed(&String::from_utf8_lossy(name), "a name that leaves the archive's folder"));
    }
    Ok(parts.join(&b'/'))
}

/// SOURCE-MALFORMED: no name twice: two readers could read two files.
fn check_member_once(names: &mut HashSet<Vec<u8>>, name: &[u8]) -> Result<()> {
    if names.len() >= limits::SOURCE_MEMBERS {
        return Err(
            Error::new(Check::SourceSize, "").detail(format!("more than {} members", limits::SOURCE_MEMBERS))
        );
    }
    if names.insert(name.to_vec()) {
        return Ok(());
    }
    Err(malformed(&String::from_utf8_lossy(name), "stands twice in the archive"))
}

/// SOURCE-MALFORMED: after the end marker come zeros only. Readers that go on would find another archive there.
fn check_archive_rest(input: &mut Input) -> Result<()> {
    let rest = input.bytes(REST + 1)?;
    if u64::try_from(rest.len()).is_ok_and(|length| length <= REST) && rest.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    Err(malformed("", "bytes after the archive's end"))
}

/// SOURCE-SIZE: what is kept of a pipe stays bounded.
fn check_source_size(kept: u64) -> Result<()> {
    if kept <= limits::FILE {
        return Ok(());
    }
    let error = Error::new(Check::SourceSize, "")
        .detail("too many small blobs to keep from a pipe or a compressed archive");
    Err(error.hint("write it to an uncompressed file first"))
}

/// SOURCE-SIZE: what comes out of a decompressor or a pipe stays bounded.
fn check_stream_size(position: u64) -> Result<()> {
    if position <= limits::SOURCE_STREAM {
        return Ok(());
    }
    let error = Error::new(Check::SourceSize, "")
        .detail("more comes out of the pipe or the compressed archive than is read");
    Err(error.hint("write it to an uncompressed file first"))
}

fn malformed(name: &str, why: impl std::fmt::Display) -> Error {
    Error::new(Check::SourceMalformed, name).detail(why)
}

fn not_tar() -> Error {
    Error::new(Check::SourceKind, "").detail("no tar archive, and no gzip of one")
}

fn header_name(header: &Header) -> String {
    String::from_utf8_lossy(&header.path_bytes()).into_owned()
}

fn padding(size: u64) -> u64 {
    (BLOCK - size % BLOCK) % BLOCK
}

/// Bytes of a tar block.
const BLOCK: u64 = 512;
const BLOCK_BYTES: usize = 512;
/// The first bytes of a gzip member (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bytes of an extended header: names and attributes of real tools stay below a tenth of it.
const EXTENSION: u64 = limits::MIB;
/// Zeros after the end marker: tar fills up to its record size, 10 KiB unless told otherwise.
const REST: u64 = limits::MIB;
/// Headers and small blobs lie close together; layers are jumped over.
const READ_AHEAD: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::PathBuf;

    use super::*;
    use crate::format::json::{Names, Value};
    use crate::transfer::store::{Place as _, Store as _};

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tars").join(name)
    }

    fn verdict(path: &Path, name: &str) -> Result<String, Check> {
        let open = || {
            let layout = open(path)?;
            let picked = layout.pick(Some(name).filter(|name| !name.is_empty()))?;
            layout.manifest(&picked.descriptor.digest)?.expect("the manifest is in the archive");
            Ok(picked.descriptor.digest.to_string())
        };
        open().map_err(|error: Error| error.check())
    }

    fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    /// The verdict on some bytes: as a file, as a pipe, and as a gzip file. They must agree.
    fn verdict_of(bytes: &[u8]) -> Result<String, Check> {
        let (folder, path) = written(bytes);
        let from_file = verdict(&path, "v1");
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let from_pipe = std::thread::scope(|scope| {
            scope.spawn(|| {
                let _ = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap().write_all(bytes);
            });
            verdict(&pipe, "v1")
        });
        assert_eq!(from_file, from_pipe);
        let zipped = folder.path().join("a.tar.gz");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        std::fs::write(&zipped, encoder.finish().unwrap()).unwrap();
        assert_eq!(from_file, verdict(&zipped, "v1"));
        from_file
    }

    fn header(name: &str, size: u64, kind: EntryType) -> Vec<u8> {
        let mut header = Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_size(size);
        header.set_mode(0o644);
        header.set_entry_type(kind);
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    fn member(name: &str, content: &[u8]) -> Vec<u8> {
        let mut member = header(name, u64::try_from(content.len()).unwrap(), EntryType::Regular);
        member.extend_from_slice(content);
        member.resize(member.len().next_multiple_of(512), 0);
        member
    }

    /// `img-ustar.tar` without its end marker.
    fn body() -> Vec<u8> {
        let mut bytes = std::fs::read(fixture("img-ustar.tar")).unwrap();
        let end = bytes.chunks(512).position(|block| block.iter().all(|byte| *byte == 0)).unwrap();
        bytes.truncate(end * 512);
        bytes
    }

    fn ended(parts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = parts.concat();
        bytes.extend_from_slice(&[0; 1024]);
        bytes
    }

    const IMAGE: &str = "sha256:77a2a96a684ef906070011cb9741c8e4fae80ca4033afb41aa728329f996a52e";

    #[test]
    fn archives_of_real_tools_and_hostile_ones() {
        let cases = Value::parse(&std::fs::read(fixture("cases.json")).unwrap(), 8, Names::Exact).unwrap();
        let cases = cases.get("cases").unwrap().as_array().unwrap();
        assert_eq!(cases.len(), 11);
        for case in cases {
            let text = |name| case.get(name).and_then(Value::as_str).unwrap_or_default();
            let expected = match text("name") {
                "img-nested" => Err(Check::SourceKind),
                "img-slip" | "img-dupindex" | "img-badver" => Err(Check::SourceMalformed),
                "img-badmanifest" => Err(Check::SourceBlob),
                _ => Ok(text("digest").to_owned()),
            };
            assert_eq!(text("expected") == "accept", expected.is_ok());
            assert_eq!(verdict(&fixture(text("file")), text("ref")), expected, "{}", text("name"));
        }
        let nested = open(&fixture("img-nested.tar")).err().unwrap();
        assert_eq!(nested.details().next(), Some("no oci-layout at the top, but layout/oci-layout"));
    }

    #[test]
    fn an_archive_is_whole() {
        let body = body();
        assert_eq!(verdict_of(&ended(&[&body])), Ok(IMAGE.to_owned()));
        assert_eq!(verdict_of(&body), Err(Check::SourceMalformed), "no end marker");
        assert_eq!(
            verdict_of(&body[..body.len() - 512 - 500]),
            Err(Check::SourceMalformed),
            "cut in a header"
        );
        assert_eq!(
            verdict_of(&body[..body.len() - 500]),
            Err(Check::SourceMalformed),
            "cut in the last member"
        );
        assert_eq!(
            verdict_of(&ended(&[&body, &[0; 512 * 20]])),
            Ok(IMAGE.to_owned()),
            "filled up to a record"
        );
        assert_eq!(
            verdict_of(&ended(&[&ended(&[&body]), &body])),
            Err(Check::SourceMalformed),
            "two archives"
        );
        assert_eq!(
            verdict_of(&[&ended(&[&body])[..], b"x"].concat()),
            Err(Check::SourceMalformed),
            "bytes at the end"
        );
        let mut flipped = ended(&[&body]);
        flipped[512 * 2 + 1] ^= 1;
        assert_eq!(verdict_of(&flipped), Err(Check::SourceMalformed), "checksum of a later header");
        let large = header("blobs/sha256/x", u64::MAX / 2, EntryType::Regular);
        assert_eq!(
            verdict_of(&[&body[..], &large].concat()),
            Err(Check::SourceMalformed),
            "a size beyond the file"
        );
        let gzip = std::fs::read(fixture("img-gz.tar")).unwrap();
        let (_folder, path) = written(&gzip[..gzip.len() - 4]);
        assert_eq!(verdict(&path, "v1"), Err(Check::SourceMalformed), "gzip that is cut");
        let (_folder, path) = written(&[&gzip[..], b"junk"].concat());
        assert_eq!(verdict(&path, "v1"), Err(Check::SourceMalformed), "bytes after the gzip");
    }

    #[test]
    fn names_stay_inside_and_stand_once() {
        let body = body();
        for name in ["a/../../x", "..", "./.."] {
            let mut head = header("x", 0, EntryType::Regular);
            head[..name.len()].copy_from_slice(name.as_bytes());
            let mut checked = Header::from_byte_slice(&head).clone();
            checked.set_cksum();
            assert_eq!(
                verdict_of(&ended(&[&body, checked.as_bytes()])),
                Err(Check::SourceMalformed),
                "{name}"
            );
        }
        for name in [
            "oci-layout",
            "./index.json",
            "blobs//sha256/77a2a96a684ef906070011cb9741c8e4fae80ca4033afb41aa728329f996a52e",
        ] {
            assert_eq!(
                verdict_of(&ended(&[&body, &member(name, b"{}")])),
                Err(Check::SourceMalformed),
                "{name}"
            );
        }
        for kind in [EntryType::Symlink, EntryType::Link, EntryType::Fifo, EntryType::Char, EntryType::Block]
        {
            assert_eq!(
                verdict_of(&ended(&[&body, &header("x", 0, kind)])),
                Err(Check::SourceMalformed),
                "{kind:?}"
            );
        }
        assert_eq!(
            verdict_of(&ended(&[&body, &header("x", 0, EntryType::new(b'?'))])),
            Err(Check::SourceMalformed)
        );
        let folder = header("blobs/", 0, EntryType::Directory);
        assert_eq!(
            verdict_of(&ended(&[&folder, &folder, &body, &member("README", b"x")])),
            Ok(IMAGE.to_owned())
        );
    }

    #[test]
    fn long_names_and_extended_headers() {
        let body = body();
        let with = |kind, content: &[u8], next: &[u8]| {
            let mut extension = header("ext", u64::try_from(content.len()).unwrap(), kind);
            extension.extend_from_slice(content);
            extension.resize(extension.len().next_multiple_of(512), 0);
            ended(&[&body, &extension, next])
        };
        let next = member("x", b"{}");
        let pax = EntryType::XHeader;
        assert_eq!(
            verdict_of(&with(EntryType::GNULongName, b"index.json\0", &next)),
            Err(Check::SourceMalformed)
        );
        assert_eq!(verdict_of(&with(pax, b"19 path=index.json\n", &next)), Err(Check::SourceMalformed));
        assert_eq!(verdict_of(&with(pax, b"13 path=../x\n", &next)), Err(Check::SourceMalformed));
        assert_eq!(verdict_of(&with(pax, b"99 path=y\n", &next)), Err(Check::SourceMalformed));
        assert_eq!(verdict_of(&with(pax, b"17 size=99999999\n", &next)), Err(Check::SourceMalformed));
        assert_eq!(verdict_of(&with(pax, b"10 path=y\n", b"")), Err(Check::SourceMalformed));
        // An attribute may hold anything, line ends too.
        assert_eq!(verdict_of(&with(pax, b"22 SCHILY.xattr.a=\n\n\n\n", &next)), Ok(IMAGE.to_owned()));
        assert_eq!(verdict_of(&with(pax, b"22 SCHILY.xattr.a=\n\n\n", &next)), Err(Check::SourceMalformed));
        assert_eq!(
            verdict_of(&with(EntryType::XGlobalHeader, b"19 path=index.json\n", &next)),
            Ok(IMAGE.to_owned())
        );
        let bomb = header("ext", 2 << 20, EntryType::GNULongName);
        assert_eq!(
            verdict_of(&[&body[..], &bomb, &vec![b'a'; 4 << 20]].concat()),
            Err(Check::SourceMalformed)
        );
    }

    #[test]
    fn what_is_no_layout_is_named() {
        let save = member("manifest.json", b"[]");
        assert_eq!(verdict_of(&ended(&[&save])), Err(Check::ArchiveDocker));
        let link = header("abc/layer.tar", 0, EntryType::Symlink);
        assert_eq!(verdict_of(&ended(&[&save, &link])), Err(Check::ArchiveDocker));
        for other in [&b""[..], b"x", &[0; 4096], &[b'x'; 4096], &ended(&[&member("README", b"x")])] {
            assert_eq!(verdict_of(other), Err(Check::SourceKind));
        }
        assert_eq!(
            verdict_of(&ended(&[&member("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}")])),
            Err(Check::SourceMalformed)
        );
        let error = open(Path::new("/")).err().unwrap();
        assert_eq!((error.check(), error.hints().next()), (Check::SourceKind, Some("say oci:/")));
        let (_folder, path) = written(&ended(&[&save, &body()]));
        assert_eq!(open(&path).unwrap().warnings().len(), 1);
        let (_folder, path) = written(&ended(&[&save]));
        let hint = open(&path).err().unwrap().hints().next().unwrap().to_owned();
        let stem = path.with_extension("");
        assert_eq!(
            hint,
            format!("skopeo copy docker-archive:{} oci-archive:{}-oci.tar", path.display(), stem.display())
        );
    }

    /// A layer of 4 GB (a hole) is jumped over, and nothing ever asks for it.
    #[test]
    fn layers_are_skipped() {
        let (_folder, path) = written(&body());
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        let layer = "b1".repeat(32);
        file.write_all(&header(&format!("blobs/sha256/{layer}"), 4 << 30, EntryType::Regular)).unwrap();
        let end = file.metadata().unwrap().len() + (4 << 30) + 1024;
        file.set_len(end).unwrap();
        assert_eq!(verdict(&path, "v1"), Ok(IMAGE.to_owned()));
        let layout = open(&path).unwrap();
        assert_eq!(layout.blob(&Digest::parse_hex(&layer).unwrap()).unwrap_err().check(), Check::BlobSize);
        assert_eq!(layout.blob(&Digest::of(b"not there")).unwrap(), None);
    }

    /// SOURCE-SIZE: what is kept of a pipe, and what comes out of a decompressor, is bounded.
    #[test]
    fn streams_are_bounded() {
        let refused = |result: Result<()>| result.unwrap_err().check();
        assert!(check_source_size(limits::FILE).is_ok() && check_stream_size(limits::SOURCE_STREAM).is_ok());
        assert_eq!(refused(check_source_size(limits::FILE + 1)), Check::SourceSize);
        assert_eq!(refused(check_stream_size(limits::SOURCE_STREAM + 1)), Check::SourceSize);
    }
}
