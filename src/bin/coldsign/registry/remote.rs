//! One repository of a registry.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::format::evidence::Descriptor;
use coldsign::format::json::{Names, Value};
use coldsign::format::reference::{Reference, Repository, Target};
use coldsign::limits;
use coldsign::transfer::entries::Picked;
use coldsign::transfer::store::{Beside, ManifestToPut, Place, Sink, Store};

use super::endpoints::{Endpoints, Found, Standing, refused};
use super::{Registries, referrers};
use crate::net::Method;

/// One repository, for as long as one image of it is looked at: what was read is not asked for again. Signatures are in
/// the same repository, or all in another one.
pub(crate) struct Remote<'a> {
    registries: &'a Registries,
    own: Endpoints<'a>,
    signatures: Option<Endpoints<'a>>,
    place: String,
    seen: Mutex<Seen>,
}

/// What was read.
#[derive(Default)]
struct Seen {
    manifests: HashMap<Digest, Found>,
    size: usize,
    /// What the tags beside a digest named.
    beside: HashMap<(Beside, Digest), Standing>,
}

impl<'a> Remote<'a> {
    /// Opens no connection. REGISTRY-REACH: the registry's name is one that a host can have.
    pub(crate) fn new(registries: &'a Registries, repository: &Repository) -> Result<Self> {
        let endpoints = |repository: &Repository| Endpoints::new(&registries.session, repository.clone());
        let signatures = registries.signatures.as_ref().filter(|other| *other != repository);
        Ok(Self {
            registries,
            own: endpoints(repository)?,
            signatures: signatures.map(endpoints).transpose()?,
            place: repository.to_string(),
            seen: Mutex::default(),
        })
    }

    /// Where signatures are.
    fn attached(&self) -> &Endpoints<'a> {
        self.signatures.as_ref().unwrap_or(&self.own)
    }

    /// Where a manifest or blob may be.
    fn everywhere(&self) -> impl Iterator<Item = &Endpoints<'a>> {
        self.signatures.iter().chain([&self.own])
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a tag or digest names, by GET, remembered for whoever asks for its bytes next.
    fn read(&self, endpoints: &Endpoints<'_>, target: &Target) -> Result<Option<Descriptor>> {
        let Some(found) = endpoints.manifest(target)? else { return Ok(None) };
        let descriptor = found.descriptor.clone();
        self.seen().keep(found);
        Ok(Some(descriptor))
    }

    /// Uploads a blob: in one request where the registry takes it so, else in two.
    fn upload(&self, to: &Endpoints<'_>, digest: &Digest, bytes: &[u8]) -> Result<()> {
        let at_once = self.registries.takes_whole_uploads(to) != Some(false) && bytes.len() <= WHOLE;
        let mut location = None;
        if at_once {
            let answer = to.begin_upload(Some((digest, bytes)))?;
            if answer.status == 201 {
                self.registries.learn_whole_uploads(to, true);
                return to.check_put(digest, &answer);
            }
            location = to.begun(&answer)?;
        }
        let location = if let Some(location) = location {
            location
        } else {
            let answer = to.begin_upload(None)?;
            to.begun(&answer)?.ok_or_else(|| refused(&answer, Method::Post, &to.uploads()))?
        };
        if at_once {
            self.registries.learn_whole_uploads(to, false);
        }
        to.end_upload(location, digest, bytes)
    }

    /// A manifest that is not taken may miss a blob that the registry has lost: it is put again next time.
    fn forgetting<T>(&self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.registries.forget_blobs(self.attached());
        }
        result
    }
}

impl Seen {
    fn keep(&mut self, found: Found) {
        let size = found.bytes.len();
        if self.size + size <= KEPT && self.manifests.insert(found.descriptor.digest, found).is_none() {
            self.size += size;
        }
    }
}

impl Store for Remote<'_> {
    fn resolve(&self, target: &Target) -> Result<Option<Descriptor>> {
        let Target::Digest(digest) = target else { return self.read(&self.own, target) };
        let known = self.seen().manifests.get(digest).map(|found| found.descriptor.clone());
        known.map_or_else(|| self.own.look(digest), |descriptor| Ok(Some(descriptor)))
    }

    fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        if let Some(found) = self.seen().manifests.get(digest) {
            return Ok(Some(found.bytes.clone()));
        }
        for endpoints in self.everywhere() {
            if let Some(found) = endpoints.manifest(&Target::Digest(*digest))? {
                return Ok(Some(found.bytes));
            }
        }
        Ok(None)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        for endpoints in self.everywhere() {
            if let Some(bytes) = endpoints.blob(digest)? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    fn beside(&self, kind: Beside, subject: &Digest) -> Result<Vec<Descriptor>> {
        let (standing, found) = self.attached().read_tag(kind.tag(subject))?;
        let mut seen = self.seen();
        seen.beside.insert((kind, *subject), standing);
        let Some(found) = found else { return Ok(Vec::new()) };
        let descriptor = found.descriptor.clone();
        seen.keep(found);
        Ok(vec![descriptor])
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        referrers::list(self.registries, self.attached(), subject)
    }
}

impl Sink for Remote<'_> {
    fn put_blob(&self, bytes: &[u8]) -> Result<()> {
        let (to, digest) = (self.attached(), Digest::of(bytes));
        if self.registries.has_blob(to, &digest) {
            return Ok(());
        }
        self.upload(to, &digest, bytes)?;
        self.registries.note_blob(to, &digest);
        Ok(())
    }

    fn put_beside(&self, kind: Beside, subject: &Descriptor, manifest: &ManifestToPut<'_>) -> Result<()> {
        let tag = kind.tag(&subject.digest);
        let seen = self.seen().beside.remove(&(kind, subject.digest));
        let over = match seen {
            Some(over) => over,
            None => self.attached().read_tag(tag.clone())?.0,
        };
        let put = self.attached().put_tag(&tag, &over, manifest.media_type, manifest.bytes);
        self.forgetting(put)?;
        self.registries.settling.note(over.read);
        Ok(())
    }

    fn put_referrer(&self, subject: &Descriptor, manifest: &ManifestToPut<'_>) -> Result<()> {
        let read = self.forgetting(referrers::put(self.registries, self.attached(), subject, manifest))?;
        if let Some(read) = read {
            self.registries.settling.note(read);
        }
        Ok(())
    }
}

impl Place for Remote<'_> {
    fn pick(&self, name: Option<&str>) -> Result<Picked> {
        let (target, reference) = match name {
            None => Reference::parse(&self.place)
                .and_then(|bare| Ok((bare.destination()?.target().clone(), bare)))?,
            Some(name) => named(&self.place, name)?,
        };
        let descriptor = self.read(&self.own, &target)?;
        let descriptor = descriptor.ok_or_else(|| Error::new(Check::ImageAbsent, &reference))?;
        if matches!(target, Target::Tag(_)) {
            let bytes = self.manifest(&descriptor.digest)?.unwrap_or_default();
            check_registry_answer(&bytes).map_err(|error| error.within(&reference))?;
        }
        Ok(Picked { descriptor, names: vec![reference] })
    }

    fn place(&self) -> &str {
        &self.place
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    fn check_tag_changed(&self, name: Option<&str>, picked: &Picked) -> Result<()> {
        let Some(name) = name else { return Ok(()) };
        let (Target::Tag(tag), reference) = named(&self.place, name)? else { return Ok(()) };
        check_tag_changed(&reference, &picked.descriptor.digest, self.own.digest_of(&tag)?)
    }
}

/// REGISTRY-ANSWER: a tag names a manifest; a page for people, which some servers give for every path, is no image.
fn check_registry_answer(bytes: &[u8]) -> Result<()> {
    let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact).ok();
    match value.as_ref().and_then(|value| value.get("schemaVersion")) {
        Some(_) => Ok(()),
        None => Err(Error::new(Check::RegistryAnswer, "").detail("what the tag names is no manifest")),
    }
}

/// TAG-CHANGED: a tag names what it named at first.
fn check_tag_changed(reference: &Reference, first: &Digest, now: Option<Digest>) -> Result<()> {
    if now == Some(*first) {
        return Ok(());
    }
    let now = now.map_or_else(|| "absent".to_owned(), |digest| digest.to_string());
    let error = Error::new(Check::TagChanged, reference);
    Err(error.detail(format!("at first {first}")).detail(format!("then {now}")).hint("export again"))
}

/// A tag or digest in a repository.
fn named(place: &str, name: &str) -> Result<(Target, Reference)> {
    let separator = if Digest::parse(name).is_ok() { '@' } else { ':' };
    let reference = Reference::parse(&format!("{place}{separator}{name}"))?;
    Ok((reference.destination()?.target().clone(), reference))
}

/// Bytes of a blob that is sent before it is known whether the registry takes it at once: more is not sent twice.
const WHOLE: usize = 64 * 1024;
/// Bytes of manifests that are remembered for one image.
const KEPT: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_that_moved_or_went_away() {
        let (_, reference) = named("registry.example/app", "1").unwrap();
        let (first, other) = (Digest::of(b"first"), Digest::of(b"other"));
        check_tag_changed(&reference, &first, Some(first)).unwrap();
        for (now, expected) in [(Some(other), other.to_string()), (None, "absent".to_owned())] {
            let error = check_tag_changed(&reference, &first, now).unwrap_err();
            assert_eq!((error.check(), error.at()), (Check::TagChanged, "registry.example/app:1"));
            assert_eq!(error.details().last(), Some(format!("then {expected}").as_str()));
        }
    }

    #[test]
    fn names_in_a_repository() {
        let digest = Digest::of(b"image");
        let (target, reference) = named("registry.example:5000/app", &digest.to_string()).unwrap();
        assert_eq!(target, Target::Digest(digest));
        assert_eq!(reference.to_string(), format!("registry.example:5000/app@{digest}"));
        let (target, reference) = named("index.docker.io/library/alpine", "3").unwrap();
        assert_eq!(target, Target::Tag("3".to_owned()));
        assert_eq!(reference.to_string(), "index.docker.io/library/alpine:3");
        assert_eq!(named("registry.example/app", "a b").unwrap_err().check(), Check::ReferenceSyntax);
    }
}
