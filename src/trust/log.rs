//! A transparency log that is trusted.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::{Time, Window};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::keys::public::{Hash, KeyKind, PublicKey};

/// A log: its key, from when to when it holds, and where it is.
#[derive(Clone, Debug)]
pub struct Log {
    id: Digest,
    key: PublicKey,
    window: Option<Window>,
    base_url: Option<String>,
    host: Option<Host>,
    source: Arc<str>,
}

/// Where a log is, as its checkpoints name it.
#[derive(Clone, Debug)]
struct Host {
    name: String,
    /// With the port, where the address has one.
    with_port: Option<String>,
    /// Whether the address has a scheme: without one verifiers of Rekor v2 entries find no origin in it.
    has_scheme: bool,
}

impl Log {
    /// A Rekor v1 log by its bare key: nothing says from when to when, or where.
    pub(super) fn of_key(pem: &[u8], source: &Arc<str>) -> Result<Self> {
        let key = PublicKey::from_pem(pem).map_err(|error| {
            let several = pem.windows(BEGIN.len()).filter(|window| *window == BEGIN).count() > 1;
            let error = if several { error.detail("it holds several keys") } else { error };
            error.hint("one log key a file; repeat the flag for another log")
        })?;
        if key.kind() != KeyKind::P256 {
            return Err(Error::new(Check::TrustKey, key.kind())
                .detail("a bare key is a Rekor v1 log's, ECDSA P-256")
                .hint("a Rekor v2 log is trusted by --trusted-root, which names its origin"));
        }
        Ok(Self { id: key.id(), key, window: None, base_url: None, host: None, source: source.clone() })
    }

    /// A log as a trusted root names it.
    pub(super) fn new(
        id: Digest,
        key: PublicKey,
        window: Window,
        base_url: Option<String>,
        source: &Arc<str>,
    ) -> Self {
        let host = base_url.as_deref().and_then(Host::of);
        Self { id, key, window: Some(window), base_url, host, source: source.clone() }
    }

    /// A log to be named in a trusted root: its id is the one that its entries have. `origin` is its checkpoints' first
    /// line, where that is not the address's host. TRUST-KEY where logs have no such keys, Usage where the origin is not
    /// the host: no reader would find it.
    pub fn of_service(key: PublicKey, window: Window, base_url: &str, origin: Option<&str>) -> Result<Self> {
        if !matches!(key.kind(), KeyKind::P256 | KeyKind::P384 | KeyKind::Ed25519) {
            return Err(Error::new(Check::TrustKey, key.kind()));
        }
        let mut log = Self::new(key.id(), key, window, Some(base_url.to_owned()), &Arc::from(base_url));
        let host = log.host().ok_or_else(|| {
            Error::new(Check::Usage, base_url).detail("an address with scheme and host is wanted")
        })?;
        if let Some(origin) = origin.filter(|origin| *origin != host) {
            return Err(Error::new(Check::Usage, origin)
                .detail(format!("the host of its address is {host}"))
                .detail("verifiers take the host of the address for the origin"));
        }
        log.id = log.note_id(host);
        Ok(log)
    }

    /// Its id: what entries name it by.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.id
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// From when to when its key holds; `None` for a bare key, of which nothing is said.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        self.window
    }

    /// When its key's validity ends.
    #[must_use]
    pub fn end(&self) -> Option<Time> {
        self.window?.end
    }

    /// Where it is, as the trusted root says.
    #[must_use]
    pub fn base_url(&self) -> Option<&str> {
        self.base_url.as_deref()
    }

    /// The host of its address, which is the origin of a Rekor v2 log; `None` for a bare key, and where the address has none.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_ref().filter(|host| host.has_scheme).map(|host| host.name.as_str())
    }

    /// What it is called on the screen.
    #[must_use]
    pub fn name(&self) -> String {
        self.host.as_ref().map_or_else(|| self.id.short(), |host| host.name.clone())
    }

    /// Whether its address can be read, where it has one: what cannot be read pins nothing.
    pub(super) fn has_readable_address(&self) -> bool {
        self.base_url.is_none() || self.host.is_some()
    }

    /// The file or variable that names it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether a note's signer, or a Rekor v1 origin without its tree, may be this log: its host, with or without the
    /// port. A bare key says nothing of names.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.host.as_ref().is_none_or(|host| host.name == name || host.with_port.as_deref() == Some(name))
    }

    /// The id of its key in a Rekor v2 log's notes and entries, whole: of Ed25519 keys it holds the origin (C2SP
    /// signed-note.md); of others it is the hash of the key.
    #[must_use]
    pub fn note_id(&self, origin: &str) -> Digest {
        match (self.key.kind(), self.key.spki().last_chunk::<32>()) {
            (KeyKind::Ed25519, Some(key)) => {
                let hash = Sha256::new_with_prefix(origin).chain_update([b'\n', 1]).chain_update(key);
                Digest::from_bytes(hash.finalize().into())
            }
            _ => self.key.id(),
        }
    }

    /// Whether a signature in a note is its key's.
    #[must_use]
    pub fn verifies_note(&self, text: &[u8], signature: &[u8]) -> bool {
        match self.key.kind() {
            KeyKind::P384 => self.key.verify_hash(Hash::Sha384, &sha2::Sha384::digest(text), signature),
            _ => self.key.verify(text, signature),
        }
    }
}

impl Host {
    /// The host as it stands in an address `SCHEME://HOST[:PORT][/PATH]` or `HOST[:PORT][/PATH]`: spelled in one way alone, so
    /// that every reader finds the same. `None` for everything else.
    fn of(text: &str) -> Option<Self> {
        let (has_scheme, rest) = match text.split_once("://") {
            Some(("http" | "https", rest)) => (true, rest),
            Some(_) => return None,
            None => (false, text),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let url = url::Url::parse(&format!("http://{authority}/")).ok()?;
        let name = url.host_str()?.to_owned();
        let port = authority.strip_prefix(name.as_str())?;
        let is_port = port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        if name.starts_with('[') || !(port.is_empty() || is_port) {
            return None;
        }
        let with_port = is_port.then(|| authority.to_owned());
        Some(Self { name, with_port, has_scheme })
    }
}

const BEGIN: &[u8] = b"-----BEGIN ";
