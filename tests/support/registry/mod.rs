//! A registry of the tests' own (OCI distribution-spec 1.1): in memory, plain HTTP on a loopback port, ended with the
//! value. It keeps a record of every request, has the manners of other registries on demand, and goes wrong by rules.
//!
//! ```text
//! let registry = Registry::start();
//! let image = registry.image("app", "1", "anything");
//! registry.on("GET", "/v2/*/manifests/*.sig", 1..=2, Fault::status(503));
//! ```
#![allow(dead_code)] // every test crate compiles this module and uses a part of it
#![expect(clippy::disallowed_types, reason = "this is the other end of the network")]

mod answers;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use coldsign::digest::Digest;
use serde_json::{Value, json};

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Who may log in, with a password that must never be shown.
pub(crate) const USER: &str = "release-bot";
/// Who may log in with the same password and not push: a 401 says so.
pub(crate) const READER: &str = "reader";
pub(crate) const PASSWORD: &str = "canary-password-7c1f";
/// What every token of the token service begins with; it must never be shown either.
pub(crate) const TOKEN: &str = "canary-token-9b3e";
/// An identity token, for which the token service gives a token.
pub(crate) const IDENTITY: &str = "canary-identity-52d8";

/// What registries differ in.
#[derive(Clone)]
pub(crate) struct Manners {
    /// The status of the referrers API; 200 where there is one.
    pub(crate) referrers: u16,
    /// Entries on a page of the referrers API, and a `Link` to the next; 0: all on one.
    pub(crate) page: usize,
    pub(crate) location: Location,
    /// Whether `POST ?digest=` with a body is a whole upload (201), or only begins one (202).
    pub(crate) one_request: bool,
    /// Whether a manifest is taken before its blobs.
    pub(crate) lax: bool,
    /// Whether a blob can be had from another repository.
    pub(crate) mounts: bool,
    pub(crate) deletes: Deletes,
    pub(crate) auth: Auth,
}

/// What a manifest can be deleted by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletes {
    TagsToo,
    DigestsOnly,
}

/// How the address of an upload is spelled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Location {
    Relative,
    RelativeWithQuery,
    AbsoluteWithQuery,
}

#[derive(Clone)]
pub(crate) enum Auth {
    Open,
    Basic,
    /// With a token of the service at this address; `None`: its own `/token`.
    Bearer(Option<String>),
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            referrers: 200,
            page: 0,
            location: Location::RelativeWithQuery,
            one_request: true,
            lax: false,
            mounts: true,
            deletes: Deletes::TagsToo,
            auth: Auth::Open,
        }
    }
}

/// What goes wrong with a request.
#[derive(Clone)]
pub(crate) enum Fault {
    /// This answer instead of the true one; nothing is done.
    Answer(Reply),
    /// The registry's own 401, whatever the request says.
    Unauthorized,
    /// The true answer, with a header set (or taken away).
    Header(&'static str, Option<String>),
    /// The true answer, its body cut in half and the connection closed.
    Truncated,
    /// The true answer with one byte of the body changed.
    Altered,
    /// The true status, and a body without end.
    Endless,
    /// The true answer, a byte of its body every 50 ms.
    Dripping,
    /// The answer of success, nothing stored.
    Lost,
    /// No answer, nothing done, the connection closed.
    DroppedBefore,
    /// Done, and the connection closed without an answer.
    DroppedAfter,
    /// Nothing done, no answer, until the client goes.
    Hang,
    /// Something happens first, then the request is served.
    Meanwhile(Arc<dyn Fn() + Send + Sync>),
    /// Another fault; what it answers is sent only after something has happened.
    After(Arc<dyn Fn() + Send + Sync>, Box<Self>),
}

impl Fault {
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(Reply::error(status, "UNKNOWN", "injected"))
    }

    /// A status with one header more.
    pub(crate) fn with(status: u16, name: &'static str, value: impl Into<String>) -> Self {
        Self::Answer(Reply::error(status, "UNKNOWN", "injected").header(name, value))
    }

    pub(crate) fn meanwhile(happens: impl Fn() + Send + Sync + 'static) -> Self {
        Self::Meanwhile(Arc::new(happens))
    }

    pub(crate) fn after(self, happens: impl Fn() + Send + Sync + 'static) -> Self {
        Self::After(Arc::new(happens), Box::new(self))
    }
}

/// An answer.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::new(status).json(&json!({"errors": [{"code": code, "message": message}]}))
    }

    pub(crate) fn header(self, name: &'static str, value: impl Into<String>) -> Self {
        self.set(name, Some(value.into()))
    }

    fn set(mut self, name: &'static str, value: Option<String>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.extend(value.map(|value| (name, value)));
        self
    }

    pub(crate) fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("Content-Type", media_type)
    }

    fn json(self, value: &Value) -> Self {
        self.body("application/json", value.to_string())
    }
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        form(query).into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Whether it brings content: a permission probe (an upload begun and cancelled) does not.
    pub(crate) fn writes(&self) -> bool {
        self.method == "PUT" || (self.method == "POST" && !self.body.is_empty() && self.path() != "/token")
    }
}

/// What a repository holds; all public, for tests to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    /// Media type and bytes, by digest.
    pub(crate) manifests: BTreeMap<String, (String, Vec<u8>)>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Held {
    fn digest_of(&self, reference: &str) -> Option<String> {
        if reference.contains(':') { Some(reference.to_owned()) } else { self.tags.get(reference).cloned() }
    }

    /// Descriptors of the manifests whose `subject` it is.
    fn referrers(&self, subject: &str) -> Vec<Value> {
        let found = self.manifests.iter().filter_map(|(digest, (media_type, bytes))| {
            let manifest: Value = serde_json::from_slice(bytes).ok()?;
            if manifest["subject"]["digest"] != subject {
                return None;
            }
            let mut entry = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
            let kind = [&manifest["artifactType"], &manifest["config"]["mediaType"]];
            entry["artifactType"] = kind.into_iter().find(|kind| kind.is_string()).cloned()?;
            if manifest["annotations"].is_object() {
                entry["annotations"] = manifest["annotations"].clone();
            }
            Some(entry)
        });
        found.collect()
    }
}

struct Rule {
    method: &'static str,
    pattern: String,
    times: (Bound<usize>, Bound<usize>),
    met: usize,
    fault: Fault,
}

#[derive(Default)]
struct State {
    held: BTreeMap<String, Held>,
    uploads: BTreeMap<String, Vec<u8>>,
    begun: usize,
    asked: Vec<Asked>,
    rules: Vec<Rule>,
    open: Vec<TcpStream>,
    over: bool,
}

struct Inner {
    address: SocketAddr,
    manners: Manners,
    state: Mutex<State>,
}

/// A registry that serves until it is dropped.
pub(crate) struct Registry {
    inner: Arc<Inner>,
    accepting: Option<JoinHandle<()>>,
}

impl Registry {
    /// With the referrers API, and open to everybody.
    pub(crate) fn start() -> Self {
        Self::with(Manners::default())
    }

    pub(crate) fn with(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let inner = Arc::new(Inner { address, manners, state: Mutex::default() });
        let serving = inner.clone();
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let mut state = serving.state();
                if state.over {
                    return;
                }
                state.open.extend(stream.try_clone());
                drop(state);
                let serving = serving.clone();
                thread::spawn(move || drop(serving.serve(&stream)));
            }
        });
        Self { inner, accepting: Some(accepting) }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        self.inner.address.to_string()
    }

    /// `127.0.0.1:PORT/REST`.
    pub(crate) fn at(&self, rest: &str) -> String {
        format!("{}/{rest}", self.inner.address)
    }

    /// `http://127.0.0.1:PORT/PATH`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.inner.address)
    }

    /// From now on requests of this method (`*`: any) and path (`*` stands for anything) go wrong when they come for
    /// the n-th time, counted from 1. The first rule that fits is the one that counts.
    pub(crate) fn on(
        &self,
        method: &'static str,
        pattern: &str,
        times: impl RangeBounds<usize>,
        fault: Fault,
    ) -> &Self {
        let times = (times.start_bound().cloned(), times.end_bound().cloned());
        self.inner.state().rules.push(Rule { method, pattern: pattern.to_owned(), times, met: 0, fault });
        self
    }

    /// Nothing goes wrong any more.
    pub(crate) fn well(&self) -> &Self {
        self.inner.state().rules.clear();
        self
    }

    /// Nothing goes wrong any more in this repository.
    pub(crate) fn well_in(&self, repository: &str) {
        let part = format!("/{repository}/");
        self.inner.state().rules.retain(|rule| !rule.pattern.contains(&part));
    }

    /// The requests to this repository since the last call.
    pub(crate) fn asked_of(&self, repository: &str) -> Vec<Asked> {
        let part = format!("/{repository}/");
        let asked = &mut self.inner.state().asked;
        asked.extract_if(.., |asked| asked.target.contains(&part)).collect()
    }

    /// The requests since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.inner.state().asked)
    }

    /// How many connections were ever made to it.
    pub(crate) fn connections(&self) -> usize {
        self.inner.state().open.len()
    }

    /// Everything that is stored.
    pub(crate) fn contents(&self) -> BTreeMap<String, Held> {
        self.inner.state().held.clone()
    }

    /// Everything is as it was.
    pub(crate) fn put_back(&self, contents: &BTreeMap<String, Held>) {
        self.inner.state().held.clone_from(contents);
    }

    /// What a repository holds.
    pub(crate) fn held(&self, repository: &str) -> Held {
        self.inner.state().held.get(repository).cloned().unwrap_or_default()
    }

    /// Changes what a repository holds, behind the clients' backs.
    pub(crate) fn change(&self, repository: &str, change: impl FnOnce(&mut Held)) {
        change(self.inner.state().held.entry(repository.to_owned()).or_default());
    }

    /// A handle to do that from a [`Fault::Meanwhile`].
    pub(crate) fn changer(&self) -> impl Fn(&str, &dyn Fn(&mut Held)) + Send + Sync + 'static {
        let inner = Arc::downgrade(&self.inner);
        move |repository, change| {
            if let Some(inner) = inner.upgrade() {
                change(inner.state().held.entry(repository.to_owned()).or_default());
            }
        }
    }

    /// Stores a blob.
    pub(crate) fn blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes).to_string();
        self.change(repository, |held| drop(held.blobs.insert(digest.clone(), bytes.to_vec())));
        digest
    }

    /// Stores a manifest, under a tag unless that is empty; nothing about it is checked.
    pub(crate) fn manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes).to_string();
        self.change(repository, |held| {
            held.manifests.insert(digest.clone(), (media_type.to_owned(), bytes.to_vec()));
            if !tag.is_empty() {
                held.tags.insert(tag.to_owned(), digest.clone());
            }
        });
        digest
    }

    /// Stores an image of one layer that nobody ever reads; every `seed` is another image.
    pub(crate) fn image(&self, repository: &str, tag: &str, seed: &str) -> String {
        self.image_for("amd64", repository, tag, seed)
    }

    fn image_for(&self, architecture: &str, repository: &str, tag: &str, seed: &str) -> String {
        let layer = Digest::of(seed.as_bytes()).to_string();
        let config = json!({
            "architecture": architecture, "os": "linux", "config": {"Labels": {"seed": seed}},
            "rootfs": {"type": "layers", "diff_ids": [layer]},
        });
        let config = config.to_string();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": self.blob(repository, config.as_bytes()), "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": seed.len(),
            }],
        });
        self.manifest(repository, tag, OCI_MANIFEST, manifest.to_string().as_bytes())
    }

    /// Stores an index of two images.
    pub(crate) fn index(&self, repository: &str, tag: &str, seed: &str) -> String {
        let children = ["amd64", "arm64"].map(|architecture| {
            let digest = self.image_for(architecture, repository, "", seed);
            let size = self.held(repository).manifests[&digest].1.len();
            json!({
                "mediaType": OCI_MANIFEST, "digest": digest, "size": size,
                "platform": {"architecture": architecture, "os": "linux"},
            })
        });
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children});
        self.manifest(repository, tag, OCI_INDEX, index.to_string().as_bytes())
    }

    /// The manifest that a tag or digest names.
    pub(crate) fn read(&self, repository: &str, reference: &str) -> Option<Vec<u8>> {
        let held = self.held(repository);
        let (_, bytes) = held.manifests.get(&held.digest_of(reference)?)?;
        Some(bytes.clone())
    }

    /// How many layers the `.sig` of a digest has, each counted once.
    pub(crate) fn sigs(&self, repository: &str, subject: &str) -> usize {
        let Some(bytes) = self.read(repository, &signature_tag(subject)) else { return 0 };
        let manifest: Value = serde_json::from_slice(&bytes).expect("a manifest is JSON");
        let layers = manifest["layers"].as_array().expect("it has layers").iter();
        layers.map(ToString::to_string).collect::<BTreeSet<_>>().len()
    }

    /// The digests of what refers to a digest, as its API or its fallback tag says.
    pub(crate) fn referrers(&self, repository: &str, subject: &str) -> Vec<String> {
        let entries = if self.inner.manners.referrers == 200 {
            self.held(repository).referrers(subject)
        } else {
            let index = self.read(repository, &subject.replace(':', "-")).unwrap_or_else(|| b"{}".to_vec());
            let index: Value = serde_json::from_slice(&index).expect("an index is JSON");
            index["manifests"].as_array().cloned().unwrap_or_default()
        };
        entries.iter().map(|entry| entry["digest"].as_str().expect("it has a digest").to_owned()).collect()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let mut state = self.inner.state();
        state.over = true;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        drop(TcpStream::connect(self.inner.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The tag of a digest's signatures.
pub(crate) fn signature_tag(subject: &str) -> String {
    format!("{}.sig", subject.replace(':', "-"))
}

/// The pairs of a query or of a posted form.
fn form(text: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| {
        let (mut out, mut rest) = (Vec::new(), text.bytes());
        while let Some(byte) = rest.next() {
            match byte {
                b'+' => out.push(b' '),
                b'%' => {
                    let hex: String = rest.by_ref().take(2).map(char::from).collect();
                    out.push(u8::from_str_radix(&hex, 16).unwrap_or(b'?'));
                }
                byte => out.push(byte),
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    };
    let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// Whether `pattern`, in which `*` stands for anything, is this text.
pub(crate) fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| is_like(after, rest)))
        }),
    }
}
