//! OCI layouts in tar archives of any dialect, compressed with gzip or not, from files or pipes.
//!
//! `tar` reads the headers. Names, sizes, links and the end of the archive are judged here: the crate itself takes an
//! archive that is cut in its last entry, names that stand twice and links as they come. Layers are never kept: in a
//! file they are skipped by seeking, on a pipe they are read over.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use flate2::bufread::MultiGzDecoder;
use tar::{EntryType, Header};

use super::layout::{Blobs, Layout, blob_name, check_blob_size};
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
        let error = Error::new(Check::SourceKind, &place).detail("a directory, where an archive was expected");
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
            Input::File { reader: BufReader::with_capacity(READ_AHEAD, file), position: 0, length: metadata.len() }
        }
    } else {
        let whole = BufReader::new(io::Cursor::new(magic).chain(file));
        if zipped { Input::stream(MultiGzDecoder::new(whole)) } else { Input::stream(whole) }
    };
    read(&place, input).map_err(|error| error.within(&place))
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
    At { offset: u64, size: u64 },
    Kept(Vec<u8>),
    /// Larger than anything that is ever asked for.
    Large(u64),
    /// Written with holes by GNU tar.
    Sparse,
}

struct ArchiveBlobs {
    file: Option<Mutex<File>>,
    places: HashMap<Digest, Place>,
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

fn read(place: &str, mut input: Input) -> Result<Layout> {
    let mut seen = Seen::default();
    while let Some(member) = next_member(&mut input, seen.names.is_empty())? {
        seen.take(&mut input, member)?;
    }
    check_archive_rest(&mut input)?;
    seen.classify(place)?;
    if let Some((name, what)) = seen.odd {
        return Err(malformed(&name, format!("{what}; a layout has files and directories only")));
    }
    let (Some(oci_layout), Some(index)) = (seen.oci_layout, seen.index) else {
        return Err(malformed("index.json", "missing"));
    };
    let file = match input {
        Input::File { reader, .. } => Some(Mutex::new(reader.into_inner())),
        Input::Stream { .. } => None,
    };
    let blobs = ArchiveBlobs { file, places: seen.places };
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
    fn take(&mut self, input: &mut Input, member: Member) -> Result<()> {
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
                        let place = self.place(input, &member, &shown, sparse)?;
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
            _ if !small => Place::Large(size),
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
            let error = Error::new(Check::SourceKind, "").detail(format!("no oci-layout at the top, but {below}"));
            return Err(error.hint(format!("pack the content of {folder}, not the folder")));
        }
        if self.docker {
            let stem = place.strip_suffix(".tar").unwrap_or(place);
            let error = Error::new(Check::ArchiveDocker, "");
            return Err(error.hint(format!("skopeo copy docker-archive:{place} oci-archive:{stem}-oci.tar")));
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
                    EntryType::Char | EntryType::Block | EntryType::Fifo => MemberKind::Odd("a device or pipe"),
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
            let record = record.get(blank + 1..).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(broken)?;
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
        let sum = block.iter().enumerate().map(|(place, byte)| {
            u32::from(if (148..156).contains(&place) { b' ' } else { *byte })
        });
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
                let skipped = io::copy(&mut reader.take(most), &mut io::sink()).map_err(|error| malformed(name, error))?;
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
            Some(Place::Large(size)) => check_blob_size(digest, *size).map(|()| None),
            Some(Place::Sparse) => Err(malformed(&blob_name(digest), "a sparse file")),
            Some(Place::At { offset, size }) => {
                let Some(file) = &self.file else { return Ok(None) };
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let unreadable = |error: io::Error| Error::new(Check::FileRead, blob_name(digest)).caused_by(error);
                file.seek(SeekFrom::Start(*offset)).map_err(unreadable)?;
                let mut bytes = Vec::new();
                file.by_ref().take(*size).read_to_end(&mut bytes).map_err(unreadable)?;
                Ok(Some(bytes))
            }
        }
    }

    fn small(&self) -> Result<Vec<Digest>> {
        let small = self.places.iter().filter(|(_, place)| matches!(place, Place::At { .. } | Place::Kept(_)));
        Ok(small.map(|(digest, _)| *digest).collect())
    }
}

/// SOURCE-MALFORMED: names stay inside. Gives the name without `.` and empty parts.
fn member_name(name: &[u8]) -> Result<Vec<u8>> {
    let parts: Vec<&[u8]> = name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if name.first() == Some(&b'/') || parts.contains(&&b".."[..]) || name.contains(&0) {
        return Err(malformed(&String::from_utf8_lossy(name), "a name that leaves the archive's folder"));
    }
    Ok(parts.join(&b'/'))
}

/// SOURCE-MALFORMED: no name twice: two readers could read two files.
fn check_member_once(names: &mut HashSet<Vec<u8>>, name: &[u8]) -> Result<()> {
    if names.len() >= limits::SOURCE_MEMBERS {
        return Err(Error::new(Check::SourceSize, "").detail(format!("more than {} members", limits::SOURCE_MEMBERS)));
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
    let error = Error::new(Check::SourceSize, "").detail("too many small blobs to keep from a pipe or a compressed archive");
    Err(error.hint("write it to an uncompressed file first"))
}

/// SOURCE-SIZE: what comes out of a decompressor or a pipe stays bounded.
fn check_stream_size(position: u64) -> Result<()> {
    if position <= limits::SOURCE_STREAM {
        return Ok(());
    }
    let error = Error::new(Check::SourceSize, "").detail("more comes out of the pipe or the compressed archive than is read");
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
