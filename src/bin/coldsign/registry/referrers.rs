//! Referrers: by the API where there is one, else by the tag that stands in for it (distribution-spec, "Listing
//! Referrers", "Referrers Tag Schema").

use std::time::Instant;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::format::evidence::{Descriptor, OCI_INDEX};
use coldsign::format::json::{Names, Value};
use coldsign::format::reference::Target;
use coldsign::limits;
use coldsign::transfer::referrers::{self, Left, Listed};
use coldsign::transfer::store::ManifestToPut;
use url::Url;

use super::Registries;
use super::endpoints::{Endpoints, media_type, no_use, refused};
use crate::net::{Answer, Method, described};

/// The manifests whose subject is `subject`, ascending by digest, each once.
pub(super) fn list(
    registries: &Registries,
    endpoints: &Endpoints<'_>,
    subject: &Digest,
) -> Result<Vec<Descriptor>> {
    let by_api = match registries.has_referrers(endpoints) {
        Some(false) => None,
        _ => by_api(registries, endpoints, subject)?,
    };
    let mut found = match by_api {
        Some(found) => found,
        None => by_tag(endpoints, subject)?,
    };
    found.sort_by_key(|referrer| referrer.digest);
    found.dedup_by_key(|referrer| referrer.digest);
    Ok(found)
}

/// Puts a manifest by its digest, and under the tag where the registry does not list it by itself. Says when the tag was
/// read, if it was written.
pub(super) fn put(
    registries: &Registries,
    endpoints: &Endpoints<'_>,
    subject: &Descriptor,
    manifest: &ManifestToPut<'_>,
) -> Result<Option<Instant>> {
    let answer = endpoints.put_manifest(manifest.media_type, manifest.bytes)?;
    let has_api = match registries.has_referrers(endpoints) {
        // Reading goes by the tag then, whatever the answer to a PUT says.
        Some(known) => known,
        None if lists(&answer, subject) => true,
        None => by_api(registries, endpoints, &subject.digest)?.is_some(),
    };
    if has_api {
        return Ok(None);
    }
    let tag = referrers::tag(&subject.digest);
    let place = || format!("{}:{tag}", endpoints.repository());
    let (over, standing) = endpoints.read_tag(tag.clone())?;
    let standing = standing.as_ref().map(|found| (&found.descriptor, found.bytes.as_slice()));
    let merged =
        referrers::merge(standing, &subject.digest, manifest).map_err(|error| error.within(place()))?;
    let Some(index) = merged else { return Ok(None) };
    endpoints.put_tag(&tag, &over, OCI_INDEX, &index)?;
    Ok(Some(over.read))
}

/// Takes a manifest off the index under the tag, where there is one. The digest of the index comes back where nothing is
/// left in it: then the tag may go.
pub(super) fn unlist(
    registries: &Registries,
    endpoints: &Endpoints<'_>,
    subject: &Digest,
    referrer: &Descriptor,
) -> Result<Option<Digest>> {
    // Asked for before it is deleted, so that it is known by now.
    if registries.has_referrers(endpoints) == Some(true) {
        return Ok(None);
    }
    let tag = referrers::tag(subject);
    let place = || format!("{}:{tag}", endpoints.repository());
    let (over, standing) = endpoints.read_tag(tag.clone())?;
    let Some(standing) = standing else { return Ok(None) };
    let left = referrers::without(&standing.descriptor, &standing.bytes, subject, &referrer.digest);
    match left.map_err(|error| error.within(place()))? {
        Left::Same => Ok(None),
        Left::Empty => Ok(Some(standing.descriptor.digest)),
        Left::Index(index) => {
            endpoints.put_tag(&tag, &over, OCI_INDEX, &index)?;
            Ok(None)
        }
    }
}

/// Every page of the API. `None`: the registry has none.
fn by_api(
    registries: &Registries,
    endpoints: &Endpoints<'_>,
    subject: &Digest,
) -> Result<Option<Vec<Descriptor>>> {
    let mut found = Vec::new();
    let mut count = 0;
    let mut url = endpoints.url(&format!("referrers/{subject}"));
    for page in 0..limits::REFERRERS_PAGES {
        let answer = endpoints.referrers(&url)?;
        match answer.status {
            200 => {}
            404 | 405 if page == 0 => {
                if is_unrouted(answer.status, &answer.body) {
                    registries.learn_referrers(endpoints, false);
                }
                return Ok(None);
            }
            _ => return Err(refused(&answer, Method::Get, &url)),
        }
        let listed = read_page(&answer, &url)?;
        count += listed.count;
        check_registry_limit(count, &url)?;
        found.extend(listed.entries);
        let Some(next) = endpoints.next_page(&answer, &url)? else {
            registries.learn_referrers(endpoints, true);
            return Ok(Some(found));
        };
        url = next;
    }
    let error = Error::new(Check::RegistryLimit, described(Method::Get, &url));
    Err(error.detail(format!("more than {} pages of referrers", limits::REFERRERS_PAGES)))
}

/// What the tag holds; an absent one, the image itself and anything else that is no index of referrers hold none.
fn by_tag(endpoints: &Endpoints<'_>, subject: &Digest) -> Result<Vec<Descriptor>> {
    let tag = referrers::tag(subject);
    let url = endpoints.url(&format!("manifests/{tag}"));
    let Some(found) = endpoints.manifest(&Target::Tag(tag))? else { return Ok(Vec::new()) };
    let listed =
        referrers::read_tag(&found.descriptor, &found.bytes, subject).map_err(|error| unread(error, &url))?;
    let Some(listed) = listed else { return Ok(Vec::new()) };
    check_registry_limit(listed.count, &url)?;
    Ok(listed.entries)
}

/// A page is an index, and says so; a page for people that a server gives for every path is not "no referrers".
fn read_page(answer: &Answer, url: &Url) -> Result<Listed> {
    let is_index =
        |kind: &str| [OCI_INDEX, "application/json"].iter().any(|known| known.eq_ignore_ascii_case(kind));
    if !media_type(answer).is_some_and(is_index) {
        return Err(no_use("a list of referrers that is no index", Method::Get, url));
    }
    referrers::read(&answer.body)
        .map_err(|error| unread(error, url))?
        .ok_or_else(|| no_use("a list of referrers that is no index", Method::Get, url))
}

fn unread(error: Error, url: &Url) -> Error {
    no_use("a list of referrers with an entry that is no descriptor", Method::Get, url).caused_by(error)
}

/// Whether the answer to a PUT says that the registry lists the manifest by itself (distribution-spec, "Pushing Manifests
/// with Subject").
fn lists(answer: &Answer, subject: &Descriptor) -> bool {
    let said = answer.header("oci-subject").map(|said| Digest::parse(said.trim()));
    said == Some(Ok(subject.digest))
}

/// Whether a 404 or 405 is about the path rather than about the image: then no other image of the repository has
/// referrers, either.
fn is_unrouted(status: u16, body: &[u8]) -> bool {
    if status == 405 {
        return true;
    }
    let error = Value::parse(body, limits::DEPTH_EVIDENCE, Names::Exact).ok();
    let code =
        error.as_ref().and_then(|error| error.get("errors")?.as_array()?.first()?.get("code")?.as_str());
    !code.is_some_and(|code| UNKNOWN.contains(&code))
}

/// REGISTRY-LIMIT: at most 1,000 entries.
fn check_registry_limit(count: usize, url: &Url) -> Result<()> {
    if count <= limits::REFERRERS {
        return Ok(());
    }
    let error = Error::new(Check::RegistryLimit, described(Method::Get, url));
    Err(error.detail(format!("more than {} referrers of one image", limits::REFERRERS)))
}

/// Error codes that are about a repository or an image (distribution-spec, "Error Codes"; `NOT_FOUND` is Harbor's).
const UNKNOWN: [&str; 5] = ["NAME_UNKNOWN", "NAME_INVALID", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "NOT_FOUND"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_such_image_is_not_no_such_path() {
        let error = |code: &str| format!("{{\"errors\":[{{\"code\":\"{code}\",\"message\":\"x\"}}]}}");
        for (status, body, expected) in [
            (404, "404 page not found\n".to_owned(), true), // distribution 2.8 and 3
            (404, error("METHOD_UNKNOWN"), true),           // go-containerregistry
            (404, String::new(), true),
            (404, "{\"errors\":[]}".to_owned(), true),
            (405, error("UNSUPPORTED"), true), // olareg with the API switched off
            (404, error("NAME_UNKNOWN"), false),
            (404, error("MANIFEST_UNKNOWN"), false),
        ] {
            assert_eq!(is_unrouted(status, body.as_bytes()), expected, "{status} {body}");
        }
    }
}
