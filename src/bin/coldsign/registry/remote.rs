//! One repository of a registry.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::format::evidence::Descriptor;
use coldsign::format::json::{Names, Value};
use coldsign::format::reference::{Reference, Repository, Target};
use coldsign::limits;
use coldsign::transfer::attached::Attached;
use coldsign::transfer::clean::Removal;
use coldsign::transfer::entries::Picked;
use coldsign::transfer::layers::{Content, LayerSink, Layers, Put};
use coldsign::transfer::store::{Beside, Destinations as _, ManifestToPut, Place, Sink, Store};

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
    /// What the tags beside its images name, once that was asked.
    tags: Mutex<Option<Vec<(String, Digest)>>>,
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
            tags: Mutex::default(),
        })
    }

    /// The same; what stands beside its images is put beside them, whatever is said of signatures.
    pub(crate) fn itself(registries: &'a Registries, repository: &Repository) -> Result<Self> {
        Ok(Self { signatures: None, ..Self::new(registries, repository)? })
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

    /// Deletes a tag, by the digest that it names where the registry deletes no tags.
    fn remove_tag(&self, from: &Endpoints<'_>, tag: String, digest: &Digest) -> Result<()> {
        let target = Target::Tag(tag);
        let answer = from.delete(&target)?;
        match answer.status {
            200..=299 | 404 => Ok(()),
            // distribution 2: "UNSUPPORTED"; others have no such route.
            400 | 405 => match &target {
                Target::Tag(tag) => self.remove_digest(from, digest, Some(tag)),
                Target::Digest(_) => Err(from.not_deleted(&target, &answer)),
            },
            _ => Err(from.not_deleted(&target, &answer)),
        }
    }

    /// Deletes a manifest, which no tag but `known` names.
    fn remove_digest(&self, from: &Endpoints<'_>, digest: &Digest, known: Option<&str>) -> Result<()> {
        self.check_clean_tags(from, digest, known)?;
        let target = Target::Digest(*digest);
        let answer = from.delete(&target)?;
        match answer.status {
            200..=299 | 404 => Ok(()),
            _ => Err(from.not_deleted(&target, &answer)),
        }
    }

    /// CLEAN-TAGS: a manifest that is deleted takes all its tags with it, so there is no other one.
    fn check_clean_tags(&self, from: &Endpoints<'_>, digest: &Digest, known: Option<&str>) -> Result<()> {
        let refuse = |why: String| Error::new(Check::CleanTags, digest).detail(why);
        let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let tags = if let Some(tags) = tags.as_mut() {
            tags
        } else {
            let all = from.tags()?.ok_or_else(|| {
                refuse(format!("{} has more than {} tags to look at", from.repository(), limits::TAGS))
            })?;
            let mut named = Vec::new();
            for tag in all {
                named.extend(from.digest_of(&tag)?.map(|digest| (tag, digest)));
            }
            tags.insert(named)
        };
        match tags.iter().find(|(tag, named)| named == digest && Some(tag.as_str()) != known) {
            None => Ok(()),
            Some((tag, _)) => Err(refuse(format!("{}:{tag}", from.repository()))
                .hint("the registry deletes by digest, and that tag would go too; delete it first")),
        }
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

impl Layers for Remote<'_> {
    fn layer(&self, layer: &Descriptor) -> Result<Option<Box<dyn Read + Send + '_>>> {
        for endpoints in self.everywhere() {
            if let Some(stream) = endpoints.stream(layer)? {
                return Ok(Some(Box::new(stream)));
            }
        }
        Ok(None)
    }
}

impl LayerSink for Remote<'_> {
    fn has_layer(&self, layer: &Descriptor) -> Result<bool> {
        self.own.has(layer)
    }

    fn put_layer(
        &self,
        layer: &Descriptor,
        content: &dyn Content,
        mount: Option<&Repository>,
    ) -> Result<Put> {
        let to = &self.own;
        let answer = match mount {
            Some(from) => to.begin_mount(&layer.digest, from)?,
            None => to.begin_upload(None)?,
        };
        if answer.status == 201 && mount.is_some() {
            to.check_put(&layer.digest, &answer)?;
            return Ok(Put::Mounted);
        }
        let location = to.begun(&answer)?.ok_or_else(|| refused(&answer, Method::Post, &to.uploads()))?;
        to.end_stream(location.clone(), layer, content).map(|()| Put::Sent).inspect_err(|error| {
            // Whether the registry forgets it at once or later decides nothing.
            if !matches!(error.check(), Check::RegistryTimeout | Check::RegistryReach) {
                let _ = to.cancel_upload(location);
            }
        })
    }

    fn put_manifest(&self, manifest: &ManifestToPut<'_>) -> Result<()> {
        self.own.put_manifest(manifest.media_type, manifest.bytes).map(drop)
    }

    fn put_name(&self, manifest: &ManifestToPut<'_>, name: Option<&str>) -> Result<()> {
        let Some(tag) = name else { return Ok(()) };
        let digest = manifest.descriptor().digest;
        if self.own.digest_of(tag)? == Some(digest) {
            return Ok(());
        }
        self.own.put_tagged(tag, manifest.media_type, manifest.bytes)?;
        check_read_back(tag, &digest, self.own.digest_of(tag)?)
    }

    fn finish_copy(&self) -> Result<()> {
        Ok(())
    }

    fn settle_copy(&self) -> Result<bool> {
        self.registries.settle()
    }
}

impl Removal for Remote<'_> {
    /// A tag by its name, so that nothing else goes with it; by digest where the registry has no other way, or where it
    /// lists the manifest by itself.
    fn remove(&self, attached: &Attached, subject: &Digest) -> Result<()> {
        let from = self.attached();
        if let Some(tag) = attached.how.tag(subject) {
            return self.remove_tag(from, tag, &attached.descriptor.digest);
        }
        // Before it is unlisted: what is refused stays listed.
        self.check_clean_tags(from, &attached.descriptor.digest, None)?;
        if let Some(empty) = referrers::unlist(self.registries, from, subject, &attached.descriptor)? {
            self.remove_tag(from, coldsign::transfer::referrers::tag(subject), &empty)?;
        }
        self.remove_digest(from, &attached.descriptor.digest, None)
    }

    fn finish_removal(&self) -> Result<()> {
        *self.seen() = Seen::default();
        Ok(())
    }
}

/// READ-BACK: a tag that was put names what it was put for.
fn check_read_back(tag: &str, put: &Digest, now: Option<Digest>) -> Result<()> {
    if now == Some(*put) {
        return Ok(());
    }
    let now = now.map_or_else(|| "absent".to_owned(), |digest| digest.to_string());
    Err(Error::new(Check::ReadBack, tag).detail(format!("put {put}")).detail(format!("now {now}")))
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
