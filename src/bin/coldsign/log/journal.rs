//! What logs and authorities gave so far, beside the file that is being made: a run that was killed goes on from there,
//! and ends with the same file.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::format::json::{Names, Value};
use coldsign::format::log::{Entry, Material};
use coldsign::{files, limits};
use serde_json::json;

/// A file of lines: which response and which services, then what was given for each signature. Nothing in it is believed:
/// whoever takes from it checks it again.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    found: BTreeMap<(Digest, Digest), Material>,
}

impl Journal {
    /// Removes the journal of a run that was killed when its output stood already: that holds everything. What is no journal
    /// is left.
    pub(super) fn forget(output: &Path) {
        let path = beside(output);
        let ours = files::read(&path, limits::FILE).is_ok_and(|bytes| bytes.starts_with(BEGINNING));
        if ours && output.exists() {
            let _ = fs::remove_file(path);
        }
    }

    /// Opens the journal beside `output`, for these services and this request; one that is there is read. Usage
    /// where it is another run's, FILE-WRITE.
    pub(super) fn open(output: &Path, about: &[String]) -> Result<Self> {
        let path = beside(output);
        let head = head(about);
        let found = match path.symlink_metadata() {
            Ok(_) => read(&files::read(&path, limits::FILE)?, &head, &path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(Error::new(Check::FileRead, path.display()).caused_by(error)),
        };
        let write = |error| Error::new(Check::FileWrite, path.display()).caused_by(error);
        // Written anew, without the line that a killed run did not finish, and never through a link. A run that is killed
        // in between finds in the log what it told it.
        if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).map_err(write)?;
        }
        let mut file = OpenOptions::new().create_new(true).write(true).open(&path).map_err(write)?;
        writeln!(file, "{head}").map_err(write)?;
        for ((key, signature), material) in &found {
            writeln!(file, "{}", line(key, signature, material)).map_err(write)?;
        }
        file.sync_data().map_err(write)?;
        Ok(Self { path, file, found })
    }

    /// What was given for a signature of a key: the hash of its bytes.
    pub(super) fn of(&self, key: &Digest, signature: &[u8]) -> Option<&Material> {
        self.found.get(&(*key, Digest::of(signature)))
    }

    /// Keeps what was given for a signature. FILE-WRITE.
    pub(super) fn add(&mut self, key: &Digest, signature: &[u8], material: &Material) -> Result<()> {
        let line = line(key, &Digest::of(signature), material);
        let written = writeln!(self.file, "{line}").and_then(|()| self.file.sync_data());
        written.map_err(|error| Error::new(Check::FileWrite, self.path.display()).caused_by(error))
    }

    /// What it holds stands in the output now.
    pub(super) fn done(self) -> Result<()> {
        drop(self.file);
        fs::remove_file(&self.path)
            .map_err(|error| Error::new(Check::FileWrite, self.path.display()).caused_by(error))
    }
}

fn beside(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".journal");
    PathBuf::from(name)
}

/// The first line: what the run is about.
fn head(about: &[String]) -> String {
    format!("{}{}}}", String::from_utf8_lossy(BEGINNING), json!(about))
}

fn line(key: &Digest, signature: &Digest, material: &Material) -> String {
    let mut entries = String::new();
    for entry in &material.entries {
        if !entries.is_empty() {
            entries.push(',');
        }
        entry.push(&mut entries);
    }
    let tokens: Vec<String> =
        material.tokens.iter().map(|token| format!("\"{}\"", STANDARD.encode(token))).collect();
    format!(
        "{{\"key\":\"{key}\",\"signature\":\"{signature}\",\"entries\":[{entries}],\"tokens\":[{}]}}",
        tokens.join(",")
    )
}

/// The lines of a journal; one that was not finished is left out.
fn read(bytes: &[u8], head: &str, path: &Path) -> Result<BTreeMap<(Digest, Digest), Material>> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    // A run that was killed at once.
    if !first.ends_with(b"\n") && head.as_bytes().starts_with(first) {
        return Ok(BTreeMap::new());
    }
    // One that holds nothing is of no run: another address may be tried.
    let is_ours = first.starts_with(BEGINNING) && first.ends_with(b"\n");
    let rest = bytes.get(first.len()..).unwrap_or_default();
    if is_ours && !rest.contains(&b'\n') {
        return Ok(BTreeMap::new());
    }
    if first.strip_suffix(b"\n") != Some(head.as_bytes()) {
        return Err(Error::new(Check::Usage, path.display())
            .detail("it is the journal of another run: of another response, or with other services")
            .hint("finish that run, or move the file away"));
    }
    let refuse =
        || Error::new(Check::LogSyntax, path.display()).detail("a line of the journal cannot be read");
    let read = |line: &[u8]| {
        let value = Value::parse(line, limits::DEPTH_EVIDENCE, Names::Exact)?;
        let digest = |name: &str| Digest::parse(value.get(name)?.as_str()?).ok();
        let token = |token: &Value| STANDARD.decode(token.as_str()?).ok();
        let tokens: Option<Vec<Vec<u8>>> =
            value.get("tokens").and_then(Value::as_array).unwrap_or_default().iter().map(token).collect();
        let entries = Entry::read_all(value.get("entries"))?;
        match (digest("key"), digest("signature"), tokens) {
            (Some(key), Some(signature), Some(tokens)) => {
                Ok(((key, signature), Material { entries, tokens }))
            }
            _ => Err(refuse()),
        }
    };
    let whole = lines.filter_map(|line| line.strip_suffix(b"\n"));
    whole.map(|line| read(line).map_err(|error| refuse().caused_by(error))).collect()
}

const BEGINNING: &[u8] = b"{\"coldsign\":\"log journal\",\"about\":";
