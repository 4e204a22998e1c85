//! Indexes of referrers, as a registry's API lists them and as the tag that stands in for it holds them (OCI
//! distribution-spec, "Listing Referrers" and "Referrers Tag Schema").

use serde_json::value::RawValue;

use super::merge::{Members, rewrite};
use super::store::ManifestToPut;
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::{Descriptor, OCI_INDEX, check_manifest_names, read_descriptor};
use crate::format::json::{Names, Value, push_plain_string};
use crate::limits;

/// The tag that stands in for the referrers API: `sha256-<hex>`.
#[must_use]
pub fn tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// An index of referrers that was read.
#[derive(Debug)]
pub struct Listed {
    /// Its entries in its order, without those whose digest is in another algorithm than SHA-256: nothing of ours is.
    pub entries: Vec<Descriptor>,
    /// How many entries it has.
    pub count: usize,
}

/// Reads an index of referrers. `None`: it is no OCI index.
///
/// What an entry says of its artifact type decides nothing: it may lack it, and stock cosign takes any referrer for a
/// signature that holds a bundle. Errors: EVIDENCE-* where an entry is no descriptor.
pub fn read(bytes: &[u8]) -> Result<Option<Listed>> {
    let Some(index) = parse(bytes) else { return Ok(None) };
    let entries = index.get("manifests").and_then(Value::as_array).unwrap_or_default();
    let other = |entry: &&Value| {
        let digest = entry.get("digest").and_then(Value::as_str);
        digest.is_none_or(|digest| !OTHER_ALGORITHMS.iter().any(|other| digest.starts_with(other)))
    };
    let read = entries.iter().filter(other).map(read_descriptor).collect::<Result<_>>()?;
    Ok(Some(Listed { entries: read, count: entries.len() }))
}

/// Reads what stands under [`tag`]. `None`: no index of referrers, or the subject itself, which `cosign copy` and GitLab
/// leave there. Errors: as [`read`].
pub fn read_tag(standing: &Descriptor, bytes: &[u8], subject: &Digest) -> Result<Option<Listed>> {
    if standing.media_type != OCI_INDEX || standing.digest == *subject {
        return Ok(None);
    }
    read(bytes)
}

/// Adds a referrer to what stands under [`tag`], with its artifact type and annotations pulled up; everything that stands
/// there stays, text for text. `None`: it is there already.
///
/// Errors: REFERRERS-TAG, REFERRERS-FULL; EVIDENCE-* where an entry that stands there is no descriptor.
pub fn merge(
    standing: Option<(&Descriptor, &[u8])>,
    subject: &Digest,
    manifest: &ManifestToPut<'_>,
) -> Result<Option<Vec<u8>>> {
    let entry = entry(manifest)?;
    let Some((descriptor, bytes)) = standing else {
        let index = format!("{{\"schemaVersion\":2,\"mediaType\":\"{OCI_INDEX}\",\"manifests\":[{entry}]}}");
        check_referrers_full(1, index.len())?;
        return Ok(Some(index.into_bytes()));
    };
    let listed = check_referrers_tag(descriptor, bytes, subject)?;
    let digest = manifest.descriptor().digest;
    if listed.entries.iter().any(|known| known.digest == digest) {
        return Ok(None);
    }
    check_referrers_full(listed.count + 1, 0)?;
    let index = rewrite(bytes, entry.len(), no_index, |name, value| {
        if name != "manifests" {
            return Ok(None);
        }
        let texts: Option<Vec<&RawValue>> =
            serde_json::from_str(value.get()).map_err(|error| no_index().caused_by(error))?;
        let texts = texts.iter().flatten().map(|text| text.get()).chain([entry.as_str()]);
        Ok(Some(format!("[{}]", texts.collect::<Vec<_>>().join(","))))
    })?;
    check_referrers_full(listed.count + 1, index.len())?;
    Ok(Some(index))
}

/// What is left of an index when an entry is taken out.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// The entry was not in it, or it is no index of referrers.
    Same,
    /// Nothing: no entry, and no word that is not every such index's.
    Empty,
    /// Everything else, text for text.
    Index(Vec<u8>),
}

/// Takes the entries of `referrer` out of what stands under [`tag`]. EVIDENCE-* where an entry is no descriptor.
pub fn without(standing: &Descriptor, bytes: &[u8], subject: &Digest, referrer: &Digest) -> Result<Left> {
    let Some(listed) = read_tag(standing, bytes, subject)? else { return Ok(Left::Same) };
    if !listed.entries.iter().any(|entry| entry.digest == *referrer) {
        return Ok(Left::Same);
    }
    let named = referrer.to_string();
    let is_other = |entry: &&&RawValue| {
        let members = serde_json::from_str::<Members<'_>>(entry.get()).ok();
        let digest = members.as_ref().and_then(|members| members.get("digest"));
        digest.and_then(|text| serde_json::from_str::<String>(text.get()).ok()) != Some(named.clone())
    };
    let value = parse(bytes).unwrap_or(Value::Null);
    let bare = value.as_object().unwrap_or_default();
    let is_bare =
        bare.iter().all(|(name, _)| matches!(name.as_str(), "schemaVersion" | "mediaType" | "manifests"));
    let left = std::cell::Cell::new(0);
    let index = rewrite(bytes, 0, no_index, |name, value| {
        if name != "manifests" {
            return Ok(None);
        }
        let texts: Vec<&RawValue> =
            serde_json::from_str(value.get()).map_err(|error| no_index().caused_by(error))?;
        let kept: Vec<&str> = texts.iter().filter(is_other).map(|text| text.get()).collect();
        left.set(kept.len());
        Ok(Some(format!("[{}]", kept.join(","))))
    })?;
    Ok(if left.get() == 0 && is_bare { Left::Empty } else { Left::Index(index) })
}

/// REFERRERS-TAG: what stands under the tag is an index of referrers; anything else is left as it is.
fn check_referrers_tag(standing: &Descriptor, bytes: &[u8], subject: &Digest) -> Result<Listed> {
    let listed = read_tag(standing, bytes, subject)?.ok_or_else(|| {
        let what = if standing.digest == *subject { "the image itself" } else { &standing.media_type };
        no_index().detail(format!("it holds {what}"))
    })?;
    // Referrers are for no platform, and no image refers to itself: such an index is somebody's image.
    let value = parse(bytes).unwrap_or(Value::Null);
    let entries = value.get("manifests").and_then(Value::as_array).unwrap_or_default();
    let of_an_image = |entry: &Value| entry.get("platform").is_some_and(|platform| *platform != Value::Null);
    if entries.iter().any(of_an_image) || listed.entries.iter().any(|entry| entry.digest == *subject) {
        return Err(no_index().detail("it holds the index of an image"));
    }
    Ok(listed)
}

/// REFERRERS-FULL: at most 1,000 entries and 4 MiB.
fn check_referrers_full(count: usize, size: usize) -> Result<()> {
    let over = if count > limits::REFERRERS {
        format!("{count} entries")
    } else if size > limits::MANIFEST {
        format!("{size} bytes")
    } else {
        return Ok(());
    };
    Err(Error::new(Check::ReferrersFull, "").detail(over))
}

fn no_index() -> Error {
    Error::new(Check::ReferrersTag, "")
        .detail("it was left as it is, so that the bundle cannot be found")
        .hint("delete that tag if nobody needs it, and run the same command again; or --attach sig")
}

/// The index, if it is one and nothing else to any reader.
fn parse(bytes: &[u8]) -> Option<Value> {
    let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact).ok()?;
    check_manifest_names(&value).ok()?;
    let is_index = match value.get("mediaType") {
        Some(media_type) => media_type.as_str() == Some(OCI_INDEX),
        None => true,
    };
    let is_list = matches!(value.get("manifests")?, Value::Array(_) | Value::Null);
    let is_more = value.get("config").is_some() || value.get("layers").is_some();
    (is_index && is_list && !is_more).then_some(value)
}

/// The entry of a referrer: its descriptor with its artifact type, which is its config's where it has none, and its
/// annotations (distribution-spec, "Pushing Manifests with Subject").
fn entry(manifest: &ManifestToPut<'_>) -> Result<String> {
    let unread = |error: serde_json::Error| Error::new(Check::ReferrerManifest, "").caused_by(error);
    let members: Members<'_> = serde_json::from_slice(manifest.bytes).map_err(unread)?;
    let annotations = members.get("annotations").filter(|value| value.get() != "null");
    let config = members.get("config").map(|config| serde_json::from_str::<Members<'_>>(config.get()));
    let config = config.transpose().map_err(unread)?;
    let text =
        |value: Option<&RawValue>| value.and_then(|value| serde_json::from_str::<String>(value.get()).ok());
    let artifact_type = manifest
        .artifact_type
        .map(str::to_owned)
        .or_else(|| text(members.get("artifactType")).filter(|text| !text.is_empty()))
        .or_else(|| text(config.as_ref().and_then(|config| config.get("mediaType"))));
    let descriptor = manifest.descriptor();
    let media_type = quoted(&descriptor.media_type);
    let (digest, size) = (descriptor.digest, descriptor.size);
    let mut out = format!("{{\"mediaType\":{media_type},\"digest\":\"{digest}\",\"size\":{size}");
    if let Some(annotations) = annotations {
        out.push_str(",\"annotations\":");
        out.push_str(annotations.get());
    }
    if let Some(artifact_type) = artifact_type {
        out.push_str(",\"artifactType\":");
        out.push_str(&quoted(&artifact_type));
    }
    out.push('}');
    Ok(out)
}

fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    push_plain_string(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}

/// Digest algorithms that others use (image-spec, descriptor.md "Registered algorithms").
const OTHER_ALGORITHMS: [&str; 2] = ["sha512:", "blake3:"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::evidence::{DOCKER_LIST, OCI_MANIFEST};
    use crate::format::{bundle, statement};

    const HEX: &str = "77a2a96a684ef906070011cb9741c8e4fae80ca4033afb41aa728329f996a52e";

    fn subject() -> Descriptor {
        Descriptor::of(OCI_MANIFEST, b"{}")
    }

    fn put(bytes: &[u8]) -> ManifestToPut<'_> {
        ManifestToPut { bytes, media_type: OCI_MANIFEST, artifact_type: None }
    }

    fn referrer(bundle: &[u8]) -> Vec<u8> {
        bundle::render_referrer(
            &Descriptor::of(bundle::MEDIA_TYPE, bundle),
            &subject(),
            statement::PREDICATE_TYPE,
        )
        .to_vec()
    }

    fn entry_of(digest: &str) -> String {
        format!("{{\"mediaType\":\"{OCI_MANIFEST}\",\"digest\":\"{digest}\",\"size\":2}}")
    }

    fn add(standing: &[u8], manifest: &[u8]) -> Result<Option<Vec<u8>>> {
        let descriptor = Descriptor::of(OCI_INDEX, standing);
        merge(Some((&descriptor, standing)), &subject().digest, &put(manifest))
    }

    #[test]
    fn an_entry_goes_and_every_other_word_stays() {
        let (ours, theirs) = (referrer(b"one"), referrer(b"two"));
        let one = merge(None, &subject().digest, &put(&ours)).unwrap().unwrap();
        let both = add(&one, &theirs).unwrap().unwrap();
        let without = |index: &[u8], referrer: &[u8]| {
            let standing = Descriptor::of(OCI_INDEX, index);
            without(&standing, index, &subject().digest, &Digest::of(referrer)).unwrap()
        };
        assert_eq!(without(&both, &theirs), Left::Index(one.clone()));
        assert_eq!(without(&one, &theirs), Left::Same);
        assert_eq!(without(&one, &ours), Left::Empty);
        let spoken = String::from_utf8(one).unwrap().replacen('{', "{\"annotations\":{\"a\": \"b\"},", 1);
        let Left::Index(left) = without(spoken.as_bytes(), &ours) else { panic!("a word is lost") };
        let left = String::from_utf8(left).unwrap();
        assert!(left.contains("{\"a\": \"b\"}") && left.ends_with("\"manifests\":[]}"), "{left}");
    }

    #[test]
    fn the_first_one_makes_the_index() {
        let manifest = referrer(b"one");
        let index = merge(None, &subject().digest, &put(&manifest)).unwrap().unwrap();
        let expected = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[\
             {{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"{}\",\"size\":{},\
             \"annotations\":{{\"dev.sigstore.bundle.content\":\"dsse-envelope\",\
             \"dev.sigstore.bundle.predicateType\":\"https://sigstore.dev/cosign/sign/v1\"}},\
             \"artifactType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"}}]}}",
            Digest::of(&manifest),
            manifest.len()
        );
        assert_eq!(String::from_utf8(index.clone()).unwrap(), expected);
        assert!(add(&index, &manifest).unwrap().is_none(), "a second time changes nothing");
        let both = add(&index, &referrer(b"two")).unwrap().unwrap();
        assert_eq!(read(&both).unwrap().unwrap().entries.len(), 2);
    }

    #[test]
    fn artifact_type_is_the_configs_where_there_is_none() {
        for (manifest, expected) in [
            ("{\"config\":{\"mediaType\":\"a/b\"}}", ",\"artifactType\":\"a/b\"}"),
            ("{\"artifactType\":\"c/d\",\"config\":{\"mediaType\":\"a/b\"}}", ",\"artifactType\":\"c/d\"}"),
            ("{\"artifactType\":\"\",\"config\":{\"mediaType\":\"a/b\"}}", ",\"artifactType\":\"a/b\"}"),
            ("{\"annotations\":null}", "\"size\":20}"),
        ] {
            let entry = entry(&put(manifest.as_bytes())).unwrap();
            assert!(entry.ends_with(expected), "{entry}");
        }
    }

    #[test]
    fn foreign_text_stays_as_it_is() {
        let foreign = format!(
            "{{ \"x\":[1.0 , {{}}], \"manifests\" : [ {{\"digest\":\"sha512:00\",\"size\":1e0}}, {} ],\n\"schemaVersion\":2, \"annotations\":{{\"b\":\"\\u0062\"}} }}",
            entry_of(&format!("sha256:{HEX}")).replace(',', " , ")
        );
        let listed = read(foreign.as_bytes()).unwrap().unwrap();
        assert_eq!((listed.entries.len(), listed.count), (1, 2));
        assert_eq!(listed.entries[0].digest.hex(), HEX);
        let manifest = referrer(b"one");
        let merged = String::from_utf8(add(foreign.as_bytes(), &manifest).unwrap().unwrap()).unwrap();
        assert!(
            merged.starts_with("{\"x\":[1.0 , {}],\"manifests\":[{\"digest\":\"sha512:00\",\"size\":1e0},{"),
            "{merged}"
        );
        assert!(merged.contains(&entry_of(&format!("sha256:{HEX}")).replace(',', " , ")), "{merged}");
        assert!(merged.ends_with("],\"schemaVersion\":2,\"annotations\":{\"b\":\"\\u0062\"}}"), "{merged}");
        let empty = "{\"schemaVersion\":2,\"manifests\":null}";
        assert_eq!(read(empty.as_bytes()).unwrap().unwrap().count, 0);
        assert_eq!(read(&add(empty.as_bytes(), &manifest).unwrap().unwrap()).unwrap().unwrap().count, 1);
    }

    #[test]
    fn what_is_no_index_of_referrers_is_left_alone() {
        let index = "{\"schemaVersion\":2,\"manifests\":[]}";
        assert!(add(index.as_bytes(), &referrer(b"one")).unwrap().is_some(), "the neighbour that is one");
        for other in [
            "",
            "[]",
            "{}",
            "{\"manifests\":{}}",
            "{\"manifests\":[],\"config\":{}}",
            "{\"manifests\":[],\"layers\":[]}",
            "{\"manifests\":[],\"manifests\":[]}",
            "{\"manifests\":[],\"Manifests\":[]}",
            "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"manifests\":[]}",
            "{\"schemaVersion\":2,\"manifests\":[]}{}",
        ] {
            assert_eq!(
                add(other.as_bytes(), &referrer(b"one")).unwrap_err().check(),
                Check::ReferrersTag,
                "{other}"
            );
            assert!(read(other.as_bytes()).unwrap().is_none(), "{other}");
        }
        let manifest = referrer(b"one");
        for (descriptor, subject) in [
            (Descriptor::of(OCI_INDEX, index.as_bytes()), Digest::of(index.as_bytes())),
            (Descriptor::of(DOCKER_LIST, index.as_bytes()), subject().digest),
            (Descriptor::of(OCI_MANIFEST, index.as_bytes()), subject().digest),
        ] {
            let standing = Some((&descriptor, index.as_bytes()));
            assert_eq!(merge(standing, &subject, &put(&manifest)).unwrap_err().check(), Check::ReferrersTag);
            assert!(read_tag(&descriptor, index.as_bytes(), &subject).unwrap().is_none());
        }
        // The index of another image: it has platforms, or is about the image that we speak of.
        let entry = |more: &str| {
            let of = entry_of(&Digest::of(b"child").to_string());
            format!("{{\"manifests\":[{}{more}}}]}}", of.strip_suffix('}').unwrap())
        };
        assert!(add(entry(",\"platform\":null").as_bytes(), &manifest).unwrap().is_some());
        let itself = format!("{{\"manifests\":[{}]}}", entry_of(&subject().digest.to_string()));
        for other in [entry(",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}"), itself] {
            let error = add(other.as_bytes(), &manifest).unwrap_err();
            assert_eq!(error.check(), Check::ReferrersTag, "{other}");
        }
    }

    #[test]
    fn entries_that_are_no_descriptors_are_errors() {
        for (entry, check) in [
            ("{}", Check::EvidenceMember),
            ("{\"mediaType\":\"a/b\",\"digest\":\"sha256:00\",\"size\":1}", Check::EvidenceAlgorithm),
            ("{\"mediaType\":\"a/b\",\"digest\":\"md5:00\",\"size\":1}", Check::EvidenceAlgorithm),
            ("null", Check::EvidenceMember),
        ] {
            let index = format!("{{\"manifests\":[{entry}]}}");
            assert_eq!(read(index.as_bytes()).unwrap_err().check(), check, "{entry}");
            assert_eq!(add(index.as_bytes(), &referrer(b"one")).unwrap_err().check(), check, "{entry}");
        }
    }

    #[test]
    fn full_ones_are_left_alone() {
        let entries = |count: u32| {
            let entry = |n: u32| entry_of(&Digest::of(&n.to_be_bytes()).to_string());
            format!("{{\"manifests\":[{}]}}", (0..count).map(entry).collect::<Vec<_>>().join(","))
        };
        let manifest = referrer(b"one");
        assert!(add(entries(999).as_bytes(), &manifest).unwrap().is_some());
        let full = |standing: String| {
            let error = add(standing.as_bytes(), &manifest).unwrap_err();
            (error.check(), error.details().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(full(entries(1_000)), (Check::ReferrersFull, vec!["1001 entries".to_owned()]));
        let large = |size: usize| format!("{{\"manifests\":[],\"x\":\"{}\"}}", "x".repeat(size));
        let room = limits::MANIFEST - add(large(0).as_bytes(), &manifest).unwrap().unwrap().len();
        assert_eq!(add(large(room).as_bytes(), &manifest).unwrap().unwrap().len(), limits::MANIFEST);
        assert_eq!(full(large(room + 1)), (Check::ReferrersFull, vec!["4194305 bytes".to_owned()]));
    }
}
