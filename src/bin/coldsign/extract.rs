//! `extract`: the signatures of a response for other tools.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::format::bundle;
use coldsign::format::log::Material;
use coldsign::response::{Place, Response};
use coldsign::terminal::{Console, counted, shown};

use crate::cli::Extract;
use crate::files;

/// Prints the signatures, or writes them into a directory.
pub(crate) fn run(args: &Extract, console: &mut dyn Console) -> Result<()> {
    let response = files::read(&args.response)?;
    response.check_response_absent().map_err(|error| error.within(args.response.display()))?;
    let rows = rows(&response);
    let Some(path) = &args.output_dir else {
        return rows.iter().try_for_each(|row| console.show(&row.line()));
    };
    let folder = Folder::create(path)?;
    let mut files = 0;
    for row in &rows {
        for (name, bytes) in row.files() {
            files += usize::from(folder.write(&name, &bytes)?);
        }
    }
    folder.publish()?;
    let signatures = counted(rows.len(), "signature", "signatures");
    let (name, files) = (shown(&path.display().to_string()), counted(files, "file", "files"));
    console.say(&format!("wrote {name}: {signatures}, {files}"))
}

/// A signature of an item by a key.
struct Row<'a> {
    /// The item's number.
    item: u64,
    /// What the item is about: a manifest, or a file.
    digest: Digest,
    key_id: Digest,
    signature: &'a [u8],
    /// What stands beside it.
    material: Option<&'a Material>,
    made: Made,
}

/// What a signature is over, and the form it has in the file.
#[derive(Clone)]
enum Made {
    /// The payload of a `.sig` layer.
    Sig { payload: Bytes },
    /// The statement of an image signature's bundle.
    Bundle { bundle: Bytes },
    /// The statement of an attestation: its envelope and its bundle.
    Attestation { envelope: Bytes, bundle: Bytes },
    /// A file; `None` where its hash alone is in the request.
    File { content: Option<Bytes>, bundle: Bytes },
}

impl Row<'_> {
    /// `ITEM KEY-ID BASE64 FORM`
    fn line(&self) -> String {
        format!("{} {} {} {}", self.item, self.key_id, STANDARD.encode(self.signature), self.made.form())
    }

    /// The signature and its log entry as cosign 2 keeps them in a file (cosign `LocalSignedPayload`); `None` without one.
    fn cosign_bundle(&self) -> Option<String> {
        let entry = self.material?.entries.first()?.annotation()?;
        let signature = STANDARD.encode(self.signature);
        Some(format!("{{\"base64Signature\":\"{signature}\",\"rekorBundle\":{entry}}}"))
    }

    /// What other tools verify. Names are made of numbers and digests alone.
    fn files(&self) -> Vec<(String, Bytes)> {
        let item = format!("{}-{}", self.item, self.digest.short());
        let name = |kind: &str| format!("{item}-{}.{kind}", self.key_id.hex());
        let bare = || {
            [
                (name("sig"), Bytes::copy_from_slice(self.signature)),
                (name("b64"), STANDARD.encode(self.signature).into()),
            ]
        };
        let mut files = Vec::new();
        match &self.made {
            Made::Sig { payload } => {
                files.push((format!("{item}.payload"), payload.clone()));
                files.extend(bare());
                // An annotation holds no proof, without which an entry is nothing in a bundle.
                let tokens = self.material.map(|there| there.tokens.clone()).unwrap_or_default();
                let beside = Material { entries: Vec::new(), tokens };
                let payload = Digest::of(payload);
                let bundle = bundle::render_message_with(&payload, &self.key_id, self.signature, &beside);
                files.push((name("blob.bundle"), bundle));
                let kept = self.cosign_bundle().map(|kept| (name("cosign.bundle"), kept.into()));
                let token = beside.tokens.into_iter().next().map(|token| (name("tsr"), token.into()));
                files.extend(kept.into_iter().chain(token));
            }
            Made::Bundle { bundle } => files.push((name("bundle"), bundle.clone())),
            Made::Attestation { envelope, bundle } => {
                files.push((name("dsse"), envelope.clone()));
                files.push((name("bundle"), bundle.clone()));
            }
            Made::File { content, bundle } => {
                files.extend(content.iter().map(|content| (format!("{item}.content"), content.clone())));
                files.extend(bare());
                files.push((name("blob.bundle"), bundle.clone()));
            }
        }
        files
    }
}

impl Made {
    fn of(response: &Response, place: Place, key_id: &Digest) -> Option<Self> {
        let request = response.request();
        match place {
            Place::Payload(group, unit) => {
                let payload = &request.groups().get(group)?.payloads.get(unit)?.payload;
                Some(Self::Sig { payload: request.blob(&payload.digest)?.clone() })
            }
            Place::Statement(statement) => {
                let (bundle, _) = response.bundle(statement, key_id)?;
                Some(match response.attestation(statement, key_id) {
                    Some((envelope, _)) => Self::Attestation { envelope, bundle },
                    None => Self::Bundle { bundle },
                })
            }
            Place::File(file) => {
                let bundle = response.file_bundle(file, key_id)?;
                let digest = request.files().get(file)?.content.digest();
                Some(Self::File { content: request.blob(&digest).cloned(), bundle })
            }
        }
    }

    fn form(&self) -> &'static str {
        match self {
            Self::Sig { .. } => "sig",
            Self::Bundle { .. } => "bundle",
            Self::Attestation { .. } => "attestation",
            Self::File { .. } => "file",
        }
    }
}

/// Every signature of every item, by item, form and key. One that several items share stands with each.
fn rows(response: &Response) -> Vec<Row<'_>> {
    let request = response.request();
    let of_item = |place: usize| {
        if let Some(item) = request.items().get(place) {
            return Some((item.number, item.subject.digest));
        }
        let file = request.files().get(place.checked_sub(request.items().len())?)?;
        Some((file.number, file.content.digest()))
    };
    let mut rows = Vec::new();
    for signer in response.signers() {
        let key_id = signer.key().id();
        for (place, signature) in signer.signatures() {
            let Some(made) = Made::of(response, *place, &key_id) else { continue };
            let items = place.items(request).into_iter().filter_map(of_item);
            rows.extend(items.map(|(item, digest)| {
                let (signature, made) = (signature.as_bytes(), made.clone());
                let material = signer.logged(*place);
                Row { item, digest, key_id, signature, material, made }
            }));
        }
    }
    rows.sort_by_key(|row| (row.item, row.made.form() != "sig", row.key_id));
    rows
}

/// A directory that is written whole or not at all: it takes its name when everything in it is on the medium.
struct Folder {
    path: PathBuf,
    partial: PathBuf,
    is_published: bool,
}

impl Folder {
    /// OUT-EXISTS: nothing has the name, but for an empty directory.
    fn create(path: &Path) -> Result<Self> {
        let refuse = |error: io::Error| {
            Error::new(Check::FileWrite, path.display()).detail("nothing was written").caused_by(error)
        };
        check_out_exists(path)?;
        let name = path.file_name().ok_or_else(|| {
            Error::new(Check::Usage, path.display()).detail("the directory's own name is wanted")
        })?;
        let mut partial = std::ffi::OsString::from(".");
        partial.push(name);
        partial.push(".partial");
        let partial = path.with_file_name(partial);
        match DirBuilder::new().create(&partial) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let error = Error::new(Check::OutExists, partial.display()).detail("nothing was written");
                return Err(error.hint("left over from an earlier run, if none runs now: take it away"));
            }
            made => made.map_err(refuse)?,
        }
        Ok(Self { path: path.to_owned(), partial, is_published: false })
    }

    /// Whether the file is new: items that share a payload have one file of it.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        use std::io::Write as _;
        let path = self.partial.join(name);
        let write = |error| {
            Error::new(Check::FileWrite, self.path.join(name).display())
                .detail("nothing was written")
                .caused_by(error)
        };
        match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(write(error)),
            Ok(mut file) => {
                file.write_all(bytes).and_then(|()| file.sync_all()).map_err(write)?;
                Ok(true)
            }
        }
    }

    /// Gives the directory its name. An empty one of that name makes way, any other does not.
    fn publish(mut self) -> Result<()> {
        let refuse = |error: io::Error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory => out_exists(&self.path),
            _ => Error::new(Check::FileWrite, self.path.display())
                .detail("nothing was written")
                .caused_by(error),
        };
        let sync = |folder: &Path| File::open(folder).and_then(|folder| folder.sync_all());
        sync(&self.partial).and_then(|()| fs::rename(&self.partial, &self.path)).map_err(refuse)?;
        self.is_published = true;
        let parent = self.path.parent().filter(|parent| *parent != Path::new(""));
        sync(parent.unwrap_or(Path::new(".")))
            .map_err(|error| Error::new(Check::FileWrite, self.path.display()).caused_by(error))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_published {
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// OUT-EXISTS: nothing is written over.
fn check_out_exists(path: &Path) -> Result<()> {
    let read = |error: io::Error| {
        Error::new(Check::FileWrite, path.display()).detail("nothing was written").caused_by(error)
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(read(error)),
        Ok(found) if found.is_dir() && fs::read_dir(path).map_err(read)?.next().is_none() => Ok(()),
        Ok(_) => Err(out_exists(path)),
    }
}

fn out_exists(path: &Path) -> Error {
    Error::new(Check::OutExists, path.display())
        .detail("nothing was written; an empty directory is wanted, or none")
        .hint("name another directory, or move that one away")
}
