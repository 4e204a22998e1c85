//! What a manifest of any kind names, read for carrying it on: nothing is demanded of it but that every reader finds the
//! same parts in it.

use crate::check::Check;
use crate::error::{Error, Result};
use crate::format::evidence::{
    DOCKER_LIST, DOCKER_MANIFEST, Descriptor, OCI_INDEX, OCI_MANIFEST, check_evidence_size,
    check_manifest_names, read_descriptor,
};
use crate::format::json::{Names, Value};
use crate::limits;

/// What a manifest or an index names, in its order.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// `artifactType`, if it has one.
    pub artifact_type: Option<String>,
    /// Its config.
    pub config: Option<Part>,
    /// Its layers.
    pub layers: Vec<Part>,
    /// The manifests that an index names.
    pub manifests: Vec<Part>,
    /// What it is attached to.
    pub subject: Option<Descriptor>,
    /// Its annotations whose values are strings.
    pub annotations: Vec<(String, String)>,
}

/// A descriptor, and what it says besides.
#[derive(Clone, Debug)]
pub struct Part {
    /// Media type, digest, size.
    pub descriptor: Descriptor,
    /// `artifactType`, if it has one.
    pub artifact_type: Option<String>,
    /// Its annotations whose values are strings.
    pub annotations: Vec<(String, String)>,
    /// `os/architecture/variant`, as far as it says so.
    pub platform: Option<[String; 3]>,
    /// Whether it may not be carried, and says where it can be had instead (image-spec, layer.md "Non-Distributable
    /// Layers").
    pub is_elsewhere: bool,
}

impl Parts {
    /// Reads a manifest; `bytes` hash to the descriptor's digest.
    ///
    /// Errors: EVIDENCE-KIND, EVIDENCE-SIZE, EVIDENCE-MEDIA-TYPE, EVIDENCE-MEMBER, EVIDENCE-ALGORITHM, JSON-*.
    pub fn read(bytes: &[u8], descriptor: &Descriptor) -> Result<Self> {
        Self::parse(bytes, descriptor).map_err(|error| error.within(descriptor.digest))
    }

    fn parse(bytes: &[u8], descriptor: &Descriptor) -> Result<Self> {
        check_evidence_size(bytes, descriptor)?;
        if !KINDS.contains(&descriptor.media_type.as_str()) {
            return Err(Error::new(Check::EvidenceKind, &descriptor.media_type));
        }
        let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)?;
        check_manifest_names(&value)?;
        let stated = value.get("mediaType").and_then(Value::as_str);
        if stated.is_some_and(|stated| stated != descriptor.media_type) {
            return Err(Error::new(Check::EvidenceMediaType, "")
                .detail(format!("descriptor: {}", descriptor.media_type))
                .detail(format!("manifest: {}", stated.unwrap_or_default())));
        }
        let list = |name: &str| -> Result<Vec<Part>> {
            let entries = match value.get(name) {
                None | Some(Value::Null) => &[],
                Some(list) => list.as_array().ok_or_else(|| Error::new(Check::EvidenceMember, name))?,
            };
            entries.iter().map(Part::read).collect()
        };
        let parts = Self {
            artifact_type: text(&value, "artifactType"),
            config: value.get("config").map(Part::read).transpose()?,
            layers: list("layers")?,
            manifests: list("manifests")?,
            subject: value.get("subject").map(read_descriptor).transpose()?,
            annotations: annotations(&value),
        };
        if parts.config.is_none() && value.get("manifests").is_none() {
            return Err(Error::new(Check::EvidenceMember, "neither config nor manifests"));
        }
        Ok(parts)
    }

    /// The blobs that it names: config and layers.
    pub fn blobs(&self) -> impl Iterator<Item = &Part> {
        self.config.iter().chain(&self.layers)
    }

    /// What kind of artifact it is: `artifactType`, else the media type of its config.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        let config = self.config.as_ref().map(|config| config.descriptor.media_type.as_str());
        self.artifact_type.as_deref().filter(|kind| !kind.is_empty()).or(config)
    }

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        annotation(&self.annotations, name)
    }
}

impl Part {
    fn read(value: &Value) -> Result<Self> {
        let descriptor = read_descriptor(value)?;
        let urls = value.get("urls").and_then(Value::as_array).is_some_and(|urls| !urls.is_empty());
        let is_elsewhere = urls && ELSEWHERE.iter().any(|prefix| descriptor.media_type.starts_with(prefix));
        let platform = value.get("platform").and_then(|platform| {
            let member = |name| platform.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            platform.as_object().map(|_| ["os", "architecture", "variant"].map(member))
        });
        Ok(Self {
            descriptor,
            artifact_type: text(value, "artifactType"),
            annotations: annotations(value),
            platform,
            is_elsewhere,
        })
    }

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        annotation(&self.annotations, name)
    }
}

fn annotation<'a>(annotations: &'a [(String, String)], name: &str) -> Option<&'a str> {
    annotations.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn annotations(value: &Value) -> Vec<(String, String)> {
    let members = value.get("annotations").and_then(Value::as_object).unwrap_or_default();
    let pair = |(key, value): &(String, Value)| Some((key.clone(), value.as_str()?.to_owned()));
    members.iter().filter_map(pair).collect()
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

const KINDS: [&str; 4] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];
/// What the media types of layers begin with that are fetched from where their `urls` lead, and pushed nowhere.
const ELSEWHERE: [&str; 2] = [
    "application/vnd.oci.image.layer.nondistributable.",
    "application/vnd.docker.image.rootfs.foreign.diff.",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn read(text: &str, media_type: &str) -> Result<Parts, Check> {
        Parts::read(text.as_bytes(), &Descriptor::of(media_type, text.as_bytes()))
            .map_err(|error| error.check())
    }

    fn entry(media_type: &str, more: &str) -> String {
        let digest = Digest::of(media_type.as_bytes());
        format!("{{\"mediaType\":\"{media_type}\",\"digest\":\"{digest}\",\"size\":2{more}}}")
    }

    #[test]
    fn everything_that_is_named() {
        let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
        let urls = ",\"urls\":[\"https://example.org/layer\"]";
        let layers =
            [entry("a", urls), entry(foreign, urls), entry(foreign, ""), entry(foreign, ",\"urls\":[]")];
        let text = format!(
            "{{\"schemaVersion\":2,\"config\":{},\"layers\":[{}],\"subject\":{},\"annotations\":{{\"k\":\"v\",\"n\":1}}}}",
            entry("c", ""),
            layers.join(","),
            entry("s", "")
        );
        let parts = read(&text, OCI_MANIFEST).unwrap();
        // Only what says where else it can be had is left there.
        let elsewhere: Vec<bool> = parts.layers.iter().map(|layer| layer.is_elsewhere).collect();
        assert_eq!(elsewhere, [false, true, false, false]);
        assert_eq!(parts.blobs().count(), 5);
        assert_eq!(
            (parts.kind(), parts.annotation("k"), parts.annotation("n")),
            (Some("c"), Some("v"), None)
        );
        assert_eq!(parts.subject.unwrap().media_type, "s");
        let platform = ",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\"}";
        let index = format!("{{\"manifests\":[{}]}}", entry(OCI_MANIFEST, platform));
        let parts = read(&index, OCI_INDEX).unwrap();
        assert_eq!(parts.manifests[0].platform, Some(["linux", "arm64", "v8"].map(str::to_owned)));
        assert_eq!(read("{\"manifests\":null}", DOCKER_LIST).unwrap().manifests.len(), 0);
    }

    #[test]
    fn what_two_readers_would_read_apart_is_refused() {
        let config = entry("c", "");
        for (text, media_type, check) in [
            ("{}".to_owned(), OCI_MANIFEST, Check::EvidenceMember),
            (format!("{{\"config\":{config},\"Layers\":[]}}"), OCI_MANIFEST, Check::JsonFold),
            (format!("{{\"config\":{config},\"config\":{config}}}"), OCI_MANIFEST, Check::JsonDuplicate),
            (format!("{{\"config\":{config},\"layers\":{{}}}}"), OCI_MANIFEST, Check::EvidenceMember),
            (
                format!("{{\"mediaType\":\"{OCI_INDEX}\",\"config\":{config}}}"),
                OCI_MANIFEST,
                Check::EvidenceMediaType,
            ),
            (
                format!("{{\"config\":{config}}}"),
                "application/vnd.docker.distribution.manifest.v1+json",
                Check::EvidenceKind,
            ),
            (
                format!("{{\"config\":{}}}", config.replace("sha256:", "sha512:")),
                OCI_MANIFEST,
                Check::EvidenceAlgorithm,
            ),
        ] {
            assert_eq!(read(&text, media_type).unwrap_err(), check, "{text}");
        }
    }
}
