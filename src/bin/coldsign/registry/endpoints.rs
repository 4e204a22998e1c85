//! The endpoints of one repository (OCI distribution-spec 1.1, "Endpoints"): what is asked, and what an answer means.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::Read;
use std::time::Instant;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::format::evidence::Descriptor;
use coldsign::format::json::{Names, Value};
use coldsign::format::reference::{Repository, Target};
use coldsign::limits;
use coldsign::transfer::layers::Content;
use url::Url;

use super::auth::{self, Scope, Session};
use super::links::next_link;
use crate::net::{Answer, Condition, Method, Request, Stream, described};

/// One repository of a registry, and the session that talks to it.
pub(super) struct Endpoints<'a> {
    session: &'a Session,
    repository: Repository,
    origin: Url,
}

/// A manifest as it came: its descriptor says the hash and the size of these bytes.
pub(super) struct Found {
    pub(super) descriptor: Descriptor,
    pub(super) bytes: Vec<u8>,
}

/// What a tag named when it was read: what was merged into that is put over nothing else.
pub(super) struct Standing {
    /// `None`: there was no such tag.
    pub(super) digest: Option<Digest>,
    /// When it was asked for.
    pub(super) read: Instant,
    /// [`crate::net::Http::held_up`] at that moment.
    held_up: usize,
}

impl<'a> Endpoints<'a> {
    /// Opens no connection. REGISTRY-REACH: the registry's name is one that a host can have.
    pub(super) fn new(session: &'a Session, repository: Repository) -> Result<Self> {
        let origin = session.http().settings().origin(repository.registry())?;
        Ok(Self { session, repository, origin })
    }

    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Which part of a registry this is: how one repository of it takes uploads all do. The first part of a name is in it,
    /// since some servers hand the parts to registries of different kinds.
    pub(super) fn namespace(&self) -> String {
        let first = self.repository.path().split('/').next().unwrap_or_default();
        format!("{}{first}", self.origin)
    }

    /// `/v2/<name>/<rest>` of the registry. Neither part holds anything that a path would have to escape.
    pub(super) fn url(&self, rest: &str) -> Url {
        let mut url = self.origin.clone();
        url.set_path(&format!("/v2/{}/{rest}", self.repository.path()));
        url
    }

    /// GET of a manifest by tag or digest; `None` where it is absent.
    ///
    /// Errors: REGISTRY-DIGEST where its bytes are not those asked for, or not those of the registry's own header;
    /// REGISTRY-ANSWER, REGISTRY-LIMIT and those of [`Session::send`].
    pub(super) fn manifest(&self, target: &Target) -> Result<Option<Found>> {
        let url = self.manifest_url(target);
        let answer = self.ask(Scope::Pull, Method::Get, &url, Some(MANIFESTS), limits::MANIFEST)?;
        let Some(answer) = there(answer, Method::Get, &url)? else { return Ok(None) };
        let digest = Digest::of(&answer.body);
        let asked = match target {
            Target::Tag(_) => None,
            Target::Digest(asked) => Some(asked),
        };
        check_registry_digest(asked.unwrap_or(&digest), &digest, answer.all(DIGEST))
            .map_err(|error| error.within(described(Method::Get, &url)))?;
        let media_type = media_type(&answer).map(str::to_owned).or_else(|| stated(&answer.body));
        let media_type = media_type.ok_or_else(|| no_use("without a Content-Type", Method::Get, &url))?;
        Ok(Some(Found { descriptor: Descriptor::of(&media_type, &answer.body), bytes: answer.body }))
    }

    /// What a tag names, to be merged into and put back with [`Self::put_tag`].
    pub(super) fn read_tag(&self, tag: String) -> Result<(Standing, Option<Found>)> {
        let (read, held_up) = (Instant::now(), self.session.http().held_up());
        let found = self.manifest(&Target::Tag(tag))?;
        let digest = found.as_ref().map(|found| found.descriptor.digest);
        Ok((Standing { digest, read, held_up }, found))
    }

    /// HEAD of a manifest by digest: its descriptor as the headers say it, which nobody checked; `None` where it is
    /// absent. Where the registry has no HEAD, or says too little, it is read as a whole.
    pub(super) fn look(&self, digest: &Digest) -> Result<Option<Descriptor>> {
        let target = Target::Digest(*digest);
        let url = self.manifest_url(&target);
        let answer = self.ask(Scope::Pull, Method::Head, &url, Some(MANIFESTS), 0)?;
        let Some(answer) = or_no_head(answer, &url)? else { return Ok(None) };
        let size = answer.header("content-length").and_then(|size| size.trim().parse().ok());
        if let (200, Some(media_type), Some(size)) = (answer.status, media_type(&answer), size) {
            check_registry_digest(digest, digest, answer.all(DIGEST))
                .map_err(|error| error.within(described(Method::Head, &url)))?;
            return Ok(Some(Descriptor { media_type: media_type.to_owned(), digest: *digest, size }));
        }
        Ok(self.manifest(&target)?.map(|found| found.descriptor))
    }

    /// The digest that a tag names now, by HEAD where the registry says it in a header; `None`: there is no such tag.
    pub(super) fn digest_of(&self, tag: &str) -> Result<Option<Digest>> {
        let target = Target::Tag(tag.to_owned());
        let url = self.manifest_url(&target);
        let answer = self.ask(Scope::Pull, Method::Head, &url, Some(MANIFESTS), 0)?;
        let Some(answer) = or_no_head(answer, &url)? else { return Ok(None) };
        let said = answer.header(DIGEST).filter(|_| answer.status == 200);
        match said.and_then(|digest| Digest::parse(digest.trim()).ok()) {
            Some(digest) => Ok(Some(digest)),
            None => Ok(self.manifest(&target)?.map(|found| found.descriptor.digest)),
        }
    }

    /// GET of a blob, whose bytes have this digest; `None` where it is absent.
    pub(super) fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let url = self.url(&format!("blobs/{digest}"));
        let answer = self.ask(Scope::Pull, Method::Get, &url, None, limits::MANIFEST)?;
        let Some(answer) = there(answer, Method::Get, &url)? else { return Ok(None) };
        check_registry_digest(digest, &Digest::of(&answer.body), answer.all(DIGEST))
            .map_err(|error| error.within(described(Method::Get, &url)))?;
        Ok(Some(answer.body))
    }

    /// GET of a blob of any size, as a stream of bytes that nobody hashed yet; `None` where it is absent.
    pub(super) fn stream(&self, blob: &Descriptor) -> Result<Option<impl Read + Send + use<>>> {
        let url = self.url(&format!("blobs/{}", blob.digest));
        let stream = Some(Stream::Down(blob.size));
        let answer = self.send(Scope::Pull, &Request { stream, ..request(Method::Get, url.clone()) })?;
        let Some(mut answer) = there(answer, Method::Get, &url)? else { return Ok(None) };
        check_registry_digest(&blob.digest, &blob.digest, answer.all(DIGEST))
            .map_err(|error| error.within(described(Method::Get, &url)))?;
        answer.take_stream().map(Some).ok_or_else(|| no_use("without a body", Method::Get, &url))
    }

    /// Whether a blob of this size is there, by HEAD. A registry that has no HEAD says nothing: it is put again.
    pub(super) fn has(&self, blob: &Descriptor) -> Result<bool> {
        let url = self.url(&format!("blobs/{}", blob.digest));
        let answer = self.ask(Scope::Pull, Method::Head, &url, None, 0)?;
        let Some(answer) = or_no_head(answer, &url)? else { return Ok(false) };
        let size = answer.header("content-length").and_then(|size| size.trim().parse().ok());
        Ok(answer.status == 200 && size.is_none_or(|size: u64| size == blob.size))
    }

    /// DELETE of a manifest by tag or digest, whatever is answered.
    pub(super) fn delete(&self, target: &Target) -> Result<Answer> {
        let answer = self.send(Scope::Delete, &request(Method::Delete, self.manifest_url(target)));
        answer.map_err(
            |error| if error.check() == Check::RegistryDenied { self.no_deletes(error) } else { error },
        )
    }

    fn no_deletes(&self, error: Error) -> Error {
        error.hint(format!("deletes are off at {}, or not for this login", self.repository.registry()))
    }

    /// What an answer to [`Self::delete`] means where it is no success.
    pub(super) fn not_deleted(&self, target: &Target, answer: &Answer) -> Error {
        let error = refused(answer, Method::Delete, &self.manifest_url(target));
        if answer.status == 405 { self.no_deletes(error) } else { error }
    }

    /// The tags of the repository, page by page; `None` where there are too many to look at.
    pub(super) fn tags(&self) -> Result<Option<Vec<String>>> {
        let mut url = self.url("tags/list");
        let mut tags = Vec::new();
        for _ in 0..limits::TAGS_PAGES {
            let answer = self.ask(Scope::Pull, Method::Get, &url, None, limits::MANIFEST)?;
            let Some(answer) = there(answer, Method::Get, &url)? else { return Ok(Some(tags)) };
            let list = Value::parse(&answer.body, limits::DEPTH_EVIDENCE, Names::Exact).ok();
            let list = list.ok_or_else(|| no_use("a list of tags that is none", Method::Get, &url))?;
            let names = list.get("tags").and_then(Value::as_array).unwrap_or_default();
            tags.extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
            if tags.len() > limits::TAGS {
                return Ok(None);
            }
            match self.next_page(&answer, &url)? {
                Some(next) => url = next,
                None => return Ok(Some(tags)),
            }
        }
        Ok(None)
    }

    /// The next page of a list, if one is named.
    pub(super) fn next_page(&self, answer: &Answer, url: &Url) -> Result<Option<Url>> {
        let Some(next) = answer.all("link").find_map(next_link) else { return Ok(None) };
        check_registry_redirect(&self.origin, &answer.url, &next)
            .map(Some)
            .map_err(|error| error.within(described(Method::Get, url)))
    }

    /// PUT of a manifest by tag, over whatever stands there.
    pub(super) fn put_tagged(&self, tag: &str, media_type: &str, bytes: &[u8]) -> Result<()> {
        let url = self.manifest_url(&Target::Tag(tag.to_owned()));
        let answer = self.put(&url, media_type, bytes, None)?;
        check_manifest_put(&Digest::of(bytes), &answer, &url)
    }

    /// PUT of a manifest by its digest. What the registry made of it is known only when it is read back.
    pub(super) fn put_manifest(&self, media_type: &str, bytes: &[u8]) -> Result<Answer> {
        let digest = Digest::of(bytes);
        let url = self.manifest_url(&Target::Digest(digest));
        let answer = self.put(&url, media_type, bytes, None)?;
        check_manifest_put(&digest, &answer, &url)?;
        Ok(answer)
    }

    /// PUT of a manifest by tag, over what stood there. Where anything had to wait in between, the tag is asked for before
    /// each try: if it names something else by then (another writer's, or ours already, without an answer), nothing is
    /// written over it, and that is no error. What stands there is known only when it is read back.
    pub(super) fn put_tag(&self, tag: &str, over: &Standing, media_type: &str, bytes: &[u8]) -> Result<()> {
        let url = self.manifest_url(&Target::Tag(tag.to_owned()));
        let stands = Cell::new(true);
        let holds = || {
            stands.set(self.digest_of(tag)? == over.digest);
            Ok(stands.get())
        };
        let condition = Condition { since: over.held_up, holds: &holds };
        let answer = self.put(&url, media_type, bytes, Some(condition));
        if stands.get() { check_manifest_put(&Digest::of(bytes), &answer?, &url) } else { Ok(()) }
    }

    /// POST that begins an upload, with the whole blob where it is said: whatever the answer is, it is handed over.
    pub(super) fn begin_upload(&self, whole: Option<(&Digest, &[u8])>) -> Result<Answer> {
        let mut url = self.uploads();
        if let Some((digest, _)) = whole {
            url.query_pairs_mut().append_pair("digest", &digest.to_string());
        }
        let body = whole.map(|(_, bytes)| (BLOB, bytes));
        self.send(Scope::PullPush, &Request { body, ..request(Method::Post, url) })
    }

    /// POST that begins an upload, or has the registry take the blob from another repository of its own (201).
    pub(super) fn begin_mount(&self, digest: &Digest, from: &Repository) -> Result<Answer> {
        let mut url = self.uploads();
        url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", from.path());
        self.send(Scope::PullPush, &request(Method::Post, url))
    }

    /// Where an upload that was begun goes on. `None`: the registry lets nobody begin one.
    pub(super) fn begun(&self, answer: &Answer) -> Result<Option<Url>> {
        if answer.status != 202 {
            return Ok(None);
        }
        let url = self.uploads();
        let location = answer
            .header("location")
            .ok_or_else(|| no_use("an upload without a Location", Method::Post, &url))?;
        check_registry_redirect(&self.origin, &answer.url, location)
            .map(Some)
            .map_err(|error| error.within(described(Method::Post, &url)))
    }

    /// Where uploads begin.
    pub(super) fn uploads(&self) -> Url {
        self.url("blobs/uploads/")
    }

    /// REGISTRY-DIGEST: the answer to a POST with a whole blob names no other digest.
    pub(super) fn check_put(&self, digest: &Digest, answer: &Answer) -> Result<()> {
        check_registry_digest(digest, digest, answer.all(DIGEST))
            .map_err(|error| error.within(described(Method::Post, &self.uploads())))
    }

    /// PUT of a blob to where its upload goes on.
    pub(super) fn end_upload(&self, mut location: Url, digest: &Digest, bytes: &[u8]) -> Result<()> {
        location.query_pairs_mut().append_pair("digest", &digest.to_string());
        let answer = self.put(&location, BLOB, bytes, None)?;
        check_registry_digest(digest, digest, answer.all(DIGEST))
            .map_err(|error| error.within(described(Method::Put, &location)))
    }

    /// PUT of a blob of any size to where its upload goes on, as it is read.
    pub(super) fn end_stream(
        &self,
        mut location: Url,
        blob: &Descriptor,
        content: &dyn Content,
    ) -> Result<()> {
        location.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
        let stream = Some(Stream::Up(blob.size, content));
        let answer =
            self.send(Scope::PullPush, &Request { stream, ..request(Method::Put, location.clone()) })?;
        if !(200..300).contains(&answer.status) {
            return Err(refused(&answer, Method::Put, &location));
        }
        check_registry_digest(&blob.digest, &blob.digest, answer.all(DIGEST))
            .map_err(|error| error.within(described(Method::Put, &location)))
    }

    /// DELETE of an upload that is not to go on, whatever is answered.
    pub(super) fn cancel_upload(&self, location: Url) -> Result<()> {
        self.send(Scope::PullPush, &request(Method::Delete, location)).map(drop)
    }

    /// GET of one page of referrers, whatever its status is.
    pub(super) fn referrers(&self, page: &Url) -> Result<Answer> {
        self.ask(Scope::Pull, Method::Get, page, Some(INDEX), limits::MANIFEST)
    }

    fn manifest_url(&self, target: &Target) -> Url {
        let name: Cow<'_, str> = match target {
            Target::Tag(tag) => tag.into(),
            Target::Digest(digest) => digest.to_string().into(),
        };
        self.url(&format!("manifests/{name}"))
    }

    fn put(
        &self,
        url: &Url,
        media_type: &str,
        bytes: &[u8],
        condition: Option<Condition<'_>>,
    ) -> Result<Answer> {
        let body = Some((media_type, bytes));
        let request = Request { body, condition, ..request(Method::Put, url.clone()) };
        let answer = self.send(Scope::PullPush, &request)?;
        match answer.status {
            200..=299 => Ok(answer),
            _ => Err(refused(&answer, Method::Put, url)),
        }
    }

    fn ask(
        &self,
        scope: Scope,
        method: Method,
        url: &Url,
        accept: Option<&str>,
        limit: usize,
    ) -> Result<Answer> {
        self.send(scope, &Request { accept, limit, ..request(method, url.clone()) })
    }

    fn send(&self, scope: Scope, request: &Request<'_>) -> Result<Answer> {
        self.session.send(&self.repository, scope, request)
    }
}

fn request(method: Method, url: Url) -> Request<'static> {
    Request {
        method,
        url,
        accept: None,
        body: None,
        authorization: None,
        limit: limits::MANIFEST,
        redirects: true,
        condition: None,
        stream: None,
    }
}

/// REGISTRY-DIGEST: the answer to a PUT of a manifest names no other digest.
fn check_manifest_put(digest: &Digest, answer: &Answer, url: &Url) -> Result<()> {
    check_registry_digest(digest, digest, answer.all(DIGEST))
        .map_err(|error| error.within(described(Method::Put, url)))
}

/// 200 is there, 404 is absent, anything else says nothing about it and is an error.
fn there(answer: Answer, method: Method, url: &Url) -> Result<Option<Answer>> {
    match answer.status {
        200 => Ok(Some(answer)),
        404 => Ok(None),
        _ => Err(refused(&answer, method, url)),
    }
}

/// As [`there`]; a registry that has no HEAD has answered nothing, either.
fn or_no_head(answer: Answer, url: &Url) -> Result<Option<Answer>> {
    if answer.status == 405 { Ok(Some(answer)) } else { there(answer, Method::Head, url) }
}

/// The media type of an answer, without parameters.
pub(super) fn media_type(answer: &Answer) -> Option<&str> {
    let value = answer.header("content-type")?;
    let value = value.split(';').next().unwrap_or_default().trim();
    (!value.is_empty()).then_some(value)
}

/// The media type that a manifest gives itself.
fn stated(bytes: &[u8]) -> Option<String> {
    let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact).ok()?;
    value.get("mediaType")?.as_str().map(str::to_owned)
}

/// REGISTRY-DIGEST: the bytes are those asked for, and the registry's header does not say otherwise. A header in another
/// algorithm says nothing about this digest.
fn check_registry_digest<'a>(
    asked: &Digest,
    found: &Digest,
    headers: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    let refuse = |found: &str| {
        Error::new(Check::RegistryDigest, "")
            .detail(format!("expected {asked}"))
            .detail(format!("found {found}"))
    };
    if asked != found {
        return Err(refuse(&found.to_string()));
    }
    // Each of them: two that contradict each other are no better than one that is wrong.
    let mut said = headers.into_iter().map(str::trim);
    let other = |said: &&str| OTHER_ALGORITHMS.iter().any(|other| said.starts_with(other));
    match said.find(|said| !other(said) && Digest::parse(said) != Ok(*found)) {
        None => Ok(()),
        Some(said) => Err(refuse(&shortened(said)).detail("so says its header Docker-Content-Digest")),
    }
}

/// REGISTRY-REDIRECT: what a registry names to go on with (an upload, a page) is on the registry itself.
pub(super) fn check_registry_redirect(origin: &Url, base: &Url, target: &str) -> Result<Url> {
    let refuse = |why: String| Error::new(Check::RegistryRedirect, "").detail(why);
    let mut url = base.join(target).map_err(|error| refuse("no URL".to_owned()).caused_by(error))?;
    url.set_fragment(None);
    let same = url.origin() == origin.origin() && url.origin().is_tuple();
    if same && url.username().is_empty() && url.password().is_none() {
        return Ok(url);
    }
    Err(refuse(format!("it goes on at {}", shortened(&url.origin().ascii_serialization())))
        .detail(format!("the registry is {}", origin.origin().ascii_serialization())))
}

/// An answer that is neither what was asked for nor its absence, with the registry's words.
pub(super) fn refused(answer: &Answer, method: Method, url: &Url) -> Error {
    let check = if answer.status == 405 { Check::RegistryDenied } else { Check::RegistryAnswer };
    let error = Error::new(check, described(method, url)).detail(auth::said(answer));
    // Go, nginx and Apache all say so, each in its own words, to whoever speaks plain HTTP where TLS is spoken.
    let wants_tls = answer.status == 400 && String::from_utf8_lossy(&answer.body).contains("HTTPS");
    match url.scheme() {
        "http" if wants_tls => error.hint("it speaks TLS: --registry-ca FILE, without --plain-http"),
        _ => error,
    }
}

/// REGISTRY-ANSWER: an answer of the right status that cannot be used.
pub(super) fn no_use(why: &str, method: Method, url: &Url) -> Error {
    Error::new(Check::RegistryAnswer, described(method, url)).detail(why)
}

/// Foreign text of a header, cut short.
fn shortened(text: &str) -> String {
    text.chars().take(limits::SHOWN).collect()
}

/// The manifests that are asked for: in one header, since some servers look at the first one alone.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";
/// Lists of referrers.
const INDEX: &str = coldsign::format::evidence::OCI_INDEX;
/// The media type of a blob on its way to a registry.
const BLOB: &str = "application/octet-stream";
/// The header with the digest of a manifest or blob.
const DIGEST: &str = "docker-content-digest";
/// Digest algorithms that others use (image-spec, descriptor.md "Registered algorithms").
const OTHER_ALGORITHMS: [&str; 2] = ["sha512:", "blake3:"];

#[cfg(test)]
mod tests {
    use coldsign::format::evidence::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn every_kind_of_manifest_is_asked_for() {
        let asked: Vec<&str> = MANIFESTS.split(", ").collect();
        assert_eq!(asked, [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST]);
    }

    #[test]
    fn bytes_and_header_are_the_digest_asked_for() {
        let (ours, other) = (Digest::of(b"ours"), Digest::of(b"other"));
        let (said, lie) = (ours.to_string(), other.to_string());
        let sha512 = format!("sha512:{}", "0".repeat(128));
        for header in [None, Some(said.as_str()), Some(sha512.as_str())] {
            check_registry_digest(&ours, &ours, header).unwrap();
            let error = check_registry_digest(&ours, &other, header).unwrap_err();
            assert_eq!(error.check(), Check::RegistryDigest, "{header:?}");
        }
        for header in ["", "sha256:", "garbage", &lie, &said.to_uppercase(), &format!("{said}0")] {
            let error = check_registry_digest(&ours, &ours, Some(header)).unwrap_err();
            assert_eq!(error.check(), Check::RegistryDigest, "{header}");
        }
        let error = check_registry_digest(&ours, &other, Some(said.as_str())).unwrap_err();
        assert_eq!(error.check(), Check::RegistryDigest, "a header does not make other bytes right");
    }

    #[test]
    fn uploads_and_pages_stay_on_the_registry() {
        let origin = url("https://registry.example:5000/");
        let base = url("https://registry.example:5000/v2/team/app/blobs/uploads/");
        for (location, expected) in [
            ("/v2/team/app/blobs/uploads/1?state=a%2Bb", "/v2/team/app/blobs/uploads/1?state=a%2Bb"),
            ("https://REGISTRY.example:5000/up/1", "/up/1"),
            ("2?x=y#z", "/v2/team/app/blobs/uploads/2?x=y"),
            ("//registry.example:5000/up", "/up"),
        ] {
            let expected = format!("https://registry.example:5000{expected}");
            assert_eq!(check_registry_redirect(&origin, &base, location).unwrap().as_str(), expected);
        }
        for location in [
            "https://registry.example/up",
            "http://registry.example:5000/up",
            "https://other.example:5000/up",
            "//other.example/up",
            "https://user@registry.example:5000/up",
            "https://:secret@registry.example:5000/up",
            "ftp://registry.example:5000/up",
            "data:text/plain,x",
            "https://[",
        ] {
            let error = check_registry_redirect(&origin, &base, location).unwrap_err();
            assert_eq!(error.check(), Check::RegistryRedirect, "{location}");
            assert!(error.details().all(|line| !line.contains("secret")), "{location}");
        }
    }

    #[test]
    fn a_query_keeps_what_the_registry_wrote() {
        let mut location = url("https://registry.example/up?state=a%2Fb~c&x");
        location.query_pairs_mut().append_pair("digest", &Digest::of(b"").to_string());
        let hex = Digest::of(b"").hex();
        assert_eq!(location.query().unwrap(), format!("state=a%2Fb~c&x&digest=sha256%3A{hex}"));
    }
}
