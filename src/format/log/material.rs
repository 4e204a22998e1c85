//! What stands beside a signature, in its one form: a layer's annotations hold one entry and one timestamp, a bundle each
//! entry and each timestamp once, in order (docs/format.md 6).

use super::{Entry, Material, token_annotation};
use crate::check::Check;
use crate::error::{Error, Result};
use crate::limits;

impl Material {
    /// What a layer holds of both: of two entries, and of two timestamps, the one whose annotation is bytewise smaller.
    #[must_use]
    pub fn united_in_layer(self, other: Self) -> Self {
        let entries = self.entries.into_iter().chain(other.entries);
        let tokens = self.tokens.into_iter().chain(other.tokens);
        Self {
            entries: entries.min_by_key(Entry::annotation).into_iter().collect(),
            tokens: tokens.min_by_key(|token| token_annotation(token)).into_iter().collect(),
        }
    }

    /// What a bundle holds of both: entries by the log's id and index, each pair once, of two the one that is written
    /// bytewise smaller; timestamps bytewise, each once.
    #[must_use]
    pub fn united_in_bundle(self, other: Self) -> Self {
        let mut entries: Vec<Entry> = self.entries.into_iter().chain(other.entries).collect();
        for entry in &mut entries {
            // An empty promise is written as none at all.
            entry.promise = entry.promise.take().filter(|promise| !promise.is_empty());
        }
        let place = |entry: &Entry| (entry.log_id, entry.index);
        entries.sort_by_cached_key(|entry| (place(entry), entry.written()));
        entries.dedup_by_key(|entry| place(entry));
        let mut tokens: Vec<Vec<u8>> = self.tokens.into_iter().chain(other.tokens).collect();
        tokens.sort_unstable();
        tokens.dedup();
        Self { entries, tokens }
    }

    /// Whether everything of `other` is here as well.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.entries.iter().all(|entry| self.entries.contains(entry))
            && other.tokens.iter().all(|token| self.tokens.contains(token))
    }

    /// LOG-LIMIT, TOKEN-LIMIT: as much of it, and each as large, as a reader takes.
    pub fn check_limits(&self) -> Result<()> {
        check_log_limit(&self.entries)?;
        check_token_limit(&self.tokens)
    }
}

impl Entry {
    /// The same entry as a layer's annotation holds it, without its kind and its proof. `None` for one without a promise,
    /// which has no place there.
    #[must_use]
    pub fn as_annotation(&self) -> Option<Self> {
        self.annotation()?;
        Some(Self { kind: None, proof: None, ..self.clone() })
    }

    /// As a bundle holds it.
    #[must_use]
    pub fn written(&self) -> String {
        let mut out = String::new();
        self.push(&mut out);
        out
    }
}

/// LOG-LIMIT: at most 32 entries; an annotation has at most 64 KiB, a proof 64 hashes. Bodies and checkpoints are bounded
/// where they are read.
fn check_log_limit(entries: &[Entry]) -> Result<()> {
    let over = |found: String| Err(Error::new(Check::LogLimit, found));
    if entries.len() > limits::LOG_ENTRIES {
        return over(format!("{} entries", entries.len()));
    }
    for entry in entries {
        let hashes = entry.proof.as_ref().map_or(0, |proof| proof.hashes.len());
        if hashes > limits::LOG_HASHES {
            return over(format!("proof of {hashes} hashes"));
        }
        let size = if entry.is_annotation() { entry.annotation().map_or(0, |text| text.len()) } else { 0 };
        if size > limits::LOG_ANNOTATION {
            return over(format!("annotation of {size} bytes"));
        }
    }
    Ok(())
}

/// TOKEN-LIMIT: at most 32 timestamps of 64 KiB. TOKEN-SYNTAX for one without a byte.
fn check_token_limit(tokens: &[Vec<u8>]) -> Result<()> {
    if tokens.len() > limits::TOKENS {
        return Err(Error::new(Check::TokenLimit, format!("{} timestamps", tokens.len())));
    }
    if let Some(large) = tokens.iter().find(|token| token.len() > limits::TOKEN) {
        return Err(Error::new(Check::TokenLimit, format!("{} bytes", large.len())));
    }
    if tokens.iter().any(Vec::is_empty) {
        return Err(Error::new(Check::TokenSyntax, "").detail("it is empty"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::digest::Digest;
    use crate::format::log::Kind;

    fn entry(index: u64, log: &[u8], promise: &[u8], in_bundle: bool) -> Entry {
        let kind = Kind { kind: "hashedrekord".to_owned(), version: "0.0.1".to_owned() };
        Entry {
            index,
            log_id: Digest::of(log),
            kind: in_bundle.then_some(kind),
            time: 1,
            promise: (!promise.is_empty()).then(|| promise.to_vec()),
            proof: None,
            body: b"{}".to_vec(),
        }
    }

    fn material(entries: &[Entry], tokens: &[&[u8]]) -> Material {
        Material { entries: entries.to_vec(), tokens: tokens.iter().map(|token| token.to_vec()).collect() }
    }

    #[test]
    fn a_bundle_holds_each_once_in_order() {
        let (a, b) = (entry(2, b"log", b"a", true), entry(2, b"log", b"b", true));
        let (first, other) = (entry(1, b"log", b"a", true), entry(0, b"another", b"a", true));
        let one = material(&[b.clone(), first.clone()], &[b"y", b"x"]);
        let two = material(&[other.clone(), a.clone()], &[b"x"]);
        let united = one.clone().united_in_bundle(two.clone());
        assert_eq!(two.clone().united_in_bundle(one.clone()), united);
        assert_eq!(united.clone().united_in_bundle(one), united);
        let mut wanted = vec![other, first, a];
        wanted.sort_by_key(|entry| (entry.log_id, entry.index));
        assert_eq!(united, material(&wanted, &[b"x", b"y"]));
        assert!(united.contains(&material(&wanted[..1], &[b"y"])) && united.contains(&Material::default()));
        assert!(!united.contains(&material(&[b], &[])));
    }

    #[test]
    fn a_layer_holds_one_of_each() {
        let (a, b) = (entry(1, b"log", b"a", false), entry(2, b"log", b"a", false));
        let united = material(from_ref(&b), &[b"\xff"]).united_in_layer(material(from_ref(&a), &[b"\xfb"]));
        assert_eq!(united.entries, from_ref(&a));
        assert_eq!(united.tokens, [vec![0xfb]]);
        assert_eq!(material(&[a], &[b"\xfb"]).united_in_layer(material(&[b], &[b"\xff"])), united);
    }

    #[test]
    fn an_annotation_has_no_place_for_a_kind_or_a_proof() {
        let bare = entry(1, b"log", b"promise", true).as_annotation().unwrap();
        assert!(bare.is_annotation());
        assert_eq!(Entry::read_annotation(&bare.annotation().unwrap()).unwrap(), bare);
        assert_eq!(entry(1, b"log", b"", true).as_annotation(), None);
    }

    #[test]
    fn too_much_is_refused() {
        let many: Vec<Entry> = (0..33).map(|index| entry(index, b"log", b"a", true)).collect();
        assert!(material(&many[..32], &[]).check_limits().is_ok());
        assert_eq!(material(&many, &[]).check_limits().unwrap_err().check(), Check::LogLimit);
        let large = vec![1; limits::TOKEN + 1];
        assert!(material(&[], &[&large[1..]]).check_limits().is_ok());
        assert_eq!(material(&[], &[&large]).check_limits().unwrap_err().check(), Check::TokenLimit);
        assert_eq!(material(&[], &[b""]).check_limits().unwrap_err().check(), Check::TokenSyntax);
        let tokens: Vec<&[u8]> = vec![b"x"; 33];
        assert_eq!(material(&[], &tokens).check_limits().unwrap_err().check(), Check::TokenLimit);
        let mut long = entry(1, b"log", b"a", true);
        long.kind = None;
        long.body = vec![b' '; 49_000];
        assert_eq!(material(&[long], &[]).check_limits().unwrap_err().check(), Check::LogLimit);
    }
}
