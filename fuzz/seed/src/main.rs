//! Fills `fuzz/corpus/<target>` from everything in `fixtures/`: `cargo run --manifest-path fuzz/Cargo.toml -p coldsign-seed`.
//!
//! Files are taken apart as far as they go: archives into members, JSON into the texts and the base64 that it holds. Each
//! part goes where it is what a target reads, as it stands, or nowhere. More folders may be named as arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// Larger ones are slow, and teach nothing that smaller ones do not.
const LARGEST: usize = 256 * 1024;

/// Texts within texts within texts, and no further.
const DEPTH: usize = 8;

fn main() -> std::io::Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seeds = Seeds::default();
    let more = std::env::args_os().skip(1).map(PathBuf::from);
    for folder in [fuzz.join("../fixtures")].into_iter().chain(more) {
        seeds.folder(&folder)?;
    }
    for (target, parts) in &seeds.parts {
        let folder = fuzz.join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        for part in parts {
            let mut hasher = DefaultHasher::new();
            part.hash(&mut hasher);
            fs::write(folder.join(format!("{:016x}", hasher.finish())), part)?;
        }
        println!("{target}: {} seeds", parts.len());
    }
    Ok(())
}

/// What was found, by target.
#[derive(Default)]
struct Seeds {
    parts: BTreeMap<&'static str, BTreeSet<Vec<u8>>>,
}

impl Seeds {
    fn folder(&mut self, folder: &Path) -> std::io::Result<()> {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.folder(&path)?;
            } else {
                self.part(&fs::read(&path)?, DEPTH);
            }
        }
        Ok(())
    }

    fn add(&mut self, target: &'static str, part: &[u8]) {
        if part.len() <= LARGEST {
            self.parts.entry(target).or_default().insert(part.to_vec());
        }
    }

    /// A file, a member of an archive, or what a string in JSON holds.
    fn part(&mut self, bytes: &[u8], depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        if bytes.get(257..262) == Some(b"ustar") {
            self.add("archive", bytes);
            return self.members(bytes, depth);
        }
        if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
            if value.is_object() || value.is_array() {
                self.add("json", bytes);
            }
            return self.value(&value, Some(bytes), depth);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            // DER: what it is of nothing says.
            if bytes.starts_with(&[0x30]) {
                for target in ["keys", "token"] {
                    self.add(target, bytes);
                }
            }
            return;
        };
        if text.contains("-----BEGIN ") {
            self.add("keys", bytes);
            if text.contains("-----BEGIN CERTIFICATE") {
                self.add("trusted_root", bytes);
            }
        }
        for line in text.lines().filter(|line| line.starts_with(['{', '['])) {
            self.part(line.as_bytes(), depth);
        }
    }

    /// The members of an archive; of a damaged one those before the damage.
    fn members(&mut self, bytes: &[u8], depth: usize) {
        let mut archive = tar::Archive::new(bytes);
        let Ok(entries) = archive.entries() else { return };
        for entry in entries {
            let Ok(mut entry) = entry else { return };
            let mut body = Vec::new();
            if entry.read_to_end(&mut body).is_err() {
                return;
            }
            self.part(&body, depth);
        }
    }

    /// `text` is how the value stands; `None` where it is a part of another one.
    fn value(&mut self, value: &Value, text: Option<&[u8]>, depth: usize) {
        match value {
            Value::Object(members) => {
                let compact = || serde_json::to_vec(value).unwrap_or_default();
                let text = text.map_or_else(compact, <[u8]>::to_vec);
                self.object(members, &text);
                for (name, value) in members {
                    self.member(name, value, depth);
                }
            }
            Value::Array(elements) => elements.iter().for_each(|element| self.member("", element, depth)),
            Value::String(text) => self.part(text.as_bytes(), depth),
            _ => {}
        }
    }

    fn member(&mut self, name: &str, value: &Value, depth: usize) {
        let Value::String(text) = value else { return self.value(value, None, depth) };
        let bytes = STANDARD.decode(text).ok().filter(|bytes| bytes.len() > 40);
        match (name, bytes) {
            ("canonicalizedBody" | "body", Some(body)) => self.add("body", &body),
            ("signedTimestamp" | "SignedRFC3161Timestamp", Some(token)) => self.add("token", &token),
            ("rawBytes", Some(key)) => self.add("keys", &key),
            ("envelope" | "checkpoint", _) => self.add("checkpoint", text.as_bytes()),
            ("dev.cosignproject.cosign/signature", _) => self.add("annotation", text.as_bytes()),
            (_, Some(bytes)) => self.part(&bytes, depth),
            (_, None) => self.part(text.as_bytes(), depth),
        }
    }

    /// Says by its members what an object is.
    fn object(&mut self, members: &Map<String, Value>, text: &[u8]) {
        let has = |names: &[&str]| names.iter().any(|name| members.contains_key(*name));
        let kinds = [
            ("bundle", has(&["verificationMaterial", "base64Signature"])),
            ("trusted_root", has(&["tlogs", "timestampAuthorities"])),
            ("annotation", has(&["SignedEntryTimestamp", "SignedRFC3161Timestamp"])),
            ("payload", has(&["critical", "Critical", "predicateType", "payloadType"])),
            ("evidence", has(&["schemaVersion", "rootfs", "manifests", "layers"])),
            ("request", has(&["items", "signatures", "request"]) && !has(&["payloadType"])),
            ("body", has(&["apiVersion"])),
        ];
        for (target, _) in kinds.iter().filter(|(_, is)| *is) {
            self.add(target, text);
        }
    }
}
