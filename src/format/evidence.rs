//! Manifests, indexes and configs, read strictly (OCI image-spec; Docker schema 2; docs/format.md 7).
//!
//! They decide what a person is shown, so they must mean one thing to every reader.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::json::{Names, Value};
use crate::limits;

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI image config.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The config of artifacts without one: `{}`.
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// What the media types of all Sigstore bundles begin with.
pub const BUNDLE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";
/// Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker image config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// Media type, digest and size of some bytes (image-spec, descriptor.md).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Descriptor {
    /// Media type.
    pub media_type: String,
    /// Digest of the bytes.
    pub digest: Digest,
    /// Number of bytes.
    pub size: u64,
}

/// An image manifest or an index.
#[derive(Clone, Debug, PartialEq)]
pub enum Manifest {
    /// An image or another artifact: a config and layers.
    Image(ImageManifest),
    /// An index of manifests.
    Index(Index),
}

/// An image manifest, OCI or Docker.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageManifest {
    /// Its media type.
    pub media_type: String,
    /// `artifactType`, if it has one.
    pub artifact_type: Option<String>,
    /// Its config.
    pub config: Descriptor,
    /// Its layers, in order.
    pub layers: Vec<Descriptor>,
    /// What it is attached to, if anything.
    pub subject: Option<Descriptor>,
    /// Its annotations, in the order of the text.
    pub annotations: Vec<(String, String)>,
}

/// An index, OCI or Docker.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Its media type.
    pub media_type: String,
    /// `artifactType`, if it has one.
    pub artifact_type: Option<String>,
    /// What it names, in order; one manifest may stand more than once.
    pub manifests: Vec<Child>,
    /// What it is attached to, if anything.
    pub subject: Option<Descriptor>,
    /// Its annotations, in the order of the text.
    pub annotations: Vec<(String, String)>,
}

/// One entry of an index.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// What it names.
    pub descriptor: Descriptor,
    /// For which platform, if it says so.
    pub platform: Option<Platform>,
    /// Its annotations, in the order of the text.
    pub annotations: Vec<(String, String)>,
}

/// A platform as indexes name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// `os`
    pub os: String,
    /// `architecture`
    pub architecture: String,
    /// `variant`
    pub variant: Option<String>,
    /// `os.version`
    pub os_version: Option<String>,
}

/// What an image config says, where it is one (OCI or Docker).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `os`
    pub os: String,
    /// `architecture`
    pub architecture: String,
    /// `variant`
    pub variant: Option<String>,
    /// `os.version`
    pub os_version: Option<String>,
    /// `created`, as it stands.
    pub created: Option<String>,
    /// `config.Labels`, in the order of the text.
    pub labels: Vec<(String, String)>,
    /// How many layers it lists.
    pub diff_ids: usize,
}

impl Descriptor {
    /// The descriptor of `bytes`.
    #[must_use]
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { media_type: media_type.to_owned(), digest: Digest::of(bytes), size }
    }

    /// Whether it names an index.
    #[must_use]
    pub fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }
}

impl Manifest {
    /// Reads a manifest or index strictly. `bytes` hash to the descriptor's digest.
    pub fn parse(bytes: &[u8], descriptor: &Descriptor) -> Result<Self> {
        Self::read(bytes, descriptor).map_err(|error| error.within(descriptor.digest))
    }

    /// Its descriptors of other blobs: config and layers, or children; and its subject.
    pub fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        let (config, layers, children, subject) = match self {
            Self::Image(image) => (Some(&image.config), image.layers.as_slice(), &[][..], &image.subject),
            Self::Index(index) => (None, &[][..], index.manifests.as_slice(), &index.subject),
        };
        config.into_iter().chain(layers).chain(children.iter().map(|child| &child.descriptor)).chain(subject)
    }

    fn read(bytes: &[u8], descriptor: &Descriptor) -> Result<Self> {
        check_evidence_size(bytes, descriptor)?;
        let media_type = descriptor.media_type.as_str();
        check_evidence_kind(media_type)?;
        let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Folded)?;
        if value.as_object().is_none() {
            return Err(member("an object is wanted"));
        }
        check_manifest_names(&value)?;
        check_evidence_media_type(&value, media_type)?;
        check_evidence_two_kinds(&value)?;
        if value.get("schemaVersion").and_then(Value::as_integer) != Some(2) {
            return Err(member("schemaVersion is 2"));
        }
        let artifact_type = text_if_any(&value, "artifactType")?;
        let subject = value.get("subject").map(read_descriptor).transpose()?;
        let annotations = read_annotations(&value)?;
        let media_type = media_type.to_owned();
        if is_index(&media_type) {
            let children =
                value.get("manifests").and_then(Value::as_array).ok_or_else(|| member("manifests"))?;
            check_evidence_empty_index(children)?;
            let manifests = children.iter().map(read_child).collect::<Result<_>>()?;
            return Ok(Self::Index(Index { media_type, artifact_type, manifests, subject, annotations }));
        }
        let config = read_descriptor(value.get("config").ok_or_else(|| member("config"))?)?;
        let layers = value.get("layers").and_then(Value::as_array).ok_or_else(|| member("layers"))?;
        let layers: Vec<Descriptor> = layers.iter().map(read_descriptor).collect::<Result<_>>()?;
        check_evidence_signature(&layers)?;
        Ok(Self::Image(ImageManifest { media_type, artifact_type, config, layers, subject, annotations }))
    }
}

impl ImageManifest {
    /// Whether its config is an image config that says what a person is shown.
    #[must_use]
    pub fn has_image_config(&self) -> bool {
        is_image_config(&self.config.media_type)
    }
}

impl Config {
    /// Reads the config of `image`; only for image configs ([`ImageManifest::has_image_config`]).
    pub fn parse(bytes: &[u8], image: &ImageManifest) -> Result<Self> {
        let config = Self::read(bytes, image).map_err(|error| error.within(image.config.digest))?;
        check_evidence_layers(&config, image)?;
        Ok(config)
    }

    /// Whether it is the config of `image` too: what [`Config::parse`] demands of the two together, for a config that was
    /// read from `bytes` under the same media type.
    pub fn check_fits(&self, bytes: &[u8], image: &ImageManifest) -> Result<()> {
        check_evidence_size(bytes, &image.config).map_err(|error| error.within(image.config.digest))?;
        check_evidence_layers(self, image)
    }

    fn read(bytes: &[u8], image: &ImageManifest) -> Result<Self> {
        check_evidence_size(bytes, &image.config)?;
        let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Folded)?;
        if value.as_object().is_none() {
            return Err(member("an object is wanted"));
        }
        check_json_fold(&value, &CONFIG_NAMES)?;
        for (below, relied) in [("config", &["Labels"]), ("rootfs", &["diff_ids"])] {
            value.get(below).map_or(Ok(()), |below| check_json_fold(below, relied))?;
        }
        check_evidence_media_type(&value, &image.config.media_type)?;
        let diff_ids =
            value.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids")).and_then(Value::as_array);
        let labels = match value.get("config").and_then(|config| config.get("Labels")) {
            None | Some(Value::Null) => Vec::new(),
            Some(labels) => read_map(labels, "Labels")?,
        };
        Ok(Self {
            os: text(&value, "os")?,
            architecture: text(&value, "architecture")?,
            variant: text_if_any(&value, "variant")?,
            os_version: text_if_any(&value, "os.version")?,
            created: text_if_any(&value, "created")?,
            labels,
            diff_ids: diff_ids.ok_or_else(|| member("rootfs.diff_ids"))?.len(),
        })
    }
}

/// EVIDENCE-PLATFORM: what the index says of a child is what the child's config says.
pub fn check_evidence_platform(child: &Child, config: &Config) -> Result<()> {
    let Some(platform) = &child.platform else { return Ok(()) };
    let agree = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
    if platform.os == config.os
        && platform.architecture == config.architecture
        && agree(&platform.variant, &config.variant)
        && agree(&platform.os_version, &config.os_version)
    {
        return Ok(());
    }
    Err(Error::new(Check::EvidencePlatform, child.descriptor.digest)
        .detail(format!("index: {}/{}", platform.os, platform.architecture))
        .detail(format!("image: {}/{}", config.os, config.architecture)))
}

/// EVIDENCE-SIZE: the bytes are as many as the descriptor says, and not more than a manifest may have.
pub fn check_evidence_size(bytes: &[u8], descriptor: &Descriptor) -> Result<()> {
    if bytes.len() > limits::MANIFEST {
        return Err(Error::new(Check::BlobSize, "").detail(format!(
            "{} bytes, at most {}",
            bytes.len(),
            limits::MANIFEST
        )));
    }
    if u64::try_from(bytes.len()) == Ok(descriptor.size) {
        return Ok(());
    }
    Err(Error::new(Check::EvidenceSize, "").detail(format!(
        "descriptor {}, bytes {}",
        descriptor.size,
        bytes.len()
    )))
}

/// EVIDENCE-KIND: OCI or Docker schema 2, image or index; anything else by its name.
fn check_evidence_kind(media_type: &str) -> Result<()> {
    if matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST) || is_index(media_type) {
        return Ok(());
    }
    Err(Error::new(Check::EvidenceKind, media_type))
}

/// EVIDENCE-MEDIA-TYPE: `mediaType`, where present, is the descriptor's.
fn check_evidence_media_type(value: &Value, media_type: &str) -> Result<()> {
    match value.get("mediaType") {
        None => Ok(()),
        Some(Value::String(found)) if found == media_type => Ok(()),
        Some(found) => Err(Error::new(Check::EvidenceMediaType, "")
            .detail(format!("descriptor: {media_type}"))
            .detail(format!("manifest: {}", found.as_str().unwrap_or(found.kind())))),
    }
}

/// EVIDENCE-TWO-KINDS: `manifests`, null too, never beside `config` or `layers`.
fn check_evidence_two_kinds(value: &Value) -> Result<()> {
    if value.get("manifests").is_some() && (value.get("config").is_some() || value.get("layers").is_some()) {
        return Err(Error::new(Check::EvidenceTwoKinds, ""));
    }
    Ok(())
}

/// EVIDENCE-EMPTY-INDEX: an index without manifests says nothing.
fn check_evidence_empty_index(children: &[Value]) -> Result<()> {
    if children.is_empty() { Err(Error::new(Check::EvidenceEmptyIndex, "")) } else { Ok(()) }
}

/// EVIDENCE-SIGNATURE: signatures are not signed.
fn check_evidence_signature(layers: &[Descriptor]) -> Result<()> {
    let signature = |layer: &&Descriptor| {
        // As a lax reader compares media types: letter case and parameters make no other one.
        let kind = layer.media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        kind == super::payload::MEDIA_TYPE || kind.starts_with(BUNDLE_PREFIX)
    };
    layers
        .iter()
        .find(signature)
        .map_or(Ok(()), |layer| Err(Error::new(Check::EvidenceSignature, &layer.media_type)))
}

/// EVIDENCE-LAYERS: as many `diff_ids` as layers.
fn check_evidence_layers(config: &Config, image: &ImageManifest) -> Result<()> {
    if config.diff_ids == image.layers.len() {
        return Ok(());
    }
    Err(Error::new(Check::EvidenceLayers, image.config.digest).detail(format!(
        "{} layers, {} diff_ids",
        image.layers.len(),
        config.diff_ids
    )))
}

/// EVIDENCE-DATA: embedded data has the size and digest of its descriptor (image-spec, descriptor.md "Embedded content").
fn check_evidence_data(value: &Value, descriptor: &Descriptor) -> Result<()> {
    let Some(data) = value.get("data") else { return Ok(()) };
    let bytes = data.as_str().and_then(|data| STANDARD.decode(data).ok());
    match bytes {
        Some(bytes) if Descriptor::of(&descriptor.media_type, &bytes) == *descriptor => Ok(()),
        _ => Err(Error::new(Check::EvidenceData, descriptor.digest)),
    }
}

/// EVIDENCE-ALGORITHM: sha256 in lower-case hex.
fn check_evidence_algorithm(digest: &str) -> Result<Digest> {
    Digest::parse(digest).map_err(|_| Error::new(Check::EvidenceAlgorithm, digest))
}

/// JSON-FOLD: no name is that of a member that readers rely on in other letter case: Go would take it for that one.
fn check_json_fold(value: &Value, relied: &[&str]) -> Result<()> {
    let folds = |name: &str| relied.iter().any(|relied| *relied != name && relied.eq_ignore_ascii_case(name));
    let members = value.as_object().unwrap_or_default();
    members
        .iter()
        .find(|(name, _)| folds(name))
        .map_or(Ok(()), |(name, _)| Err(Error::new(Check::JsonFold, name)))
}

/// JSON-FOLD for the members of a manifest or index, also of one that is only looked through.
pub fn check_manifest_names(value: &Value) -> Result<()> {
    check_json_fold(value, &MANIFEST_NAMES)
}

/// Reads a descriptor: members with their types, sha256, embedded data that fits.
pub fn read_descriptor(value: &Value) -> Result<Descriptor> {
    check_json_fold(value, &DESCRIPTOR_NAMES)?;
    let descriptor = Descriptor {
        media_type: text(value, "mediaType")?,
        digest: check_evidence_algorithm(&text(value, "digest")?)?,
        size: value.get("size").and_then(Value::as_integer).ok_or_else(|| member("size"))?,
    };
    check_evidence_data(value, &descriptor)?;
    Ok(descriptor)
}

fn read_child(value: &Value) -> Result<Child> {
    let descriptor = read_descriptor(value)?;
    check_evidence_kind(&descriptor.media_type)?;
    let platform = match value.get("platform") {
        None => None,
        Some(platform) => {
            check_json_fold(platform, &PLATFORM_NAMES)?;
            Some(Platform {
                os: text(platform, "os")?,
                architecture: text(platform, "architecture")?,
                variant: text_if_any(platform, "variant")?,
                os_version: text_if_any(platform, "os.version")?,
            })
        }
    };
    Ok(Child { descriptor, platform, annotations: read_annotations(value)? })
}

fn read_annotations(value: &Value) -> Result<Vec<(String, String)>> {
    match value.get("annotations") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(annotations) => read_map(annotations, "annotations"),
    }
}

fn read_map(value: &Value, name: &str) -> Result<Vec<(String, String)>> {
    let members = value.as_object().ok_or_else(|| member(name))?;
    let pair = |(key, value): &(String, Value)| Some((key.clone(), value.as_str()?.to_owned()));
    members.iter().map(|entry| pair(entry).ok_or_else(|| member(name))).collect()
}

fn text(value: &Value, name: &str) -> Result<String> {
    text_if_any(value, name)?.ok_or_else(|| member(name))
}

fn text_if_any(value: &Value, name: &str) -> Result<Option<String>> {
    match value.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(member(name)),
    }
}

fn member(name: &str) -> Error {
    Error::new(Check::EvidenceMember, name)
}

/// Members of manifests and indexes that readers rely on.
const MANIFEST_NAMES: [&str; 8] =
    ["schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "annotations"];
/// Members of descriptors that readers rely on.
const DESCRIPTOR_NAMES: [&str; 8] =
    ["mediaType", "digest", "size", "data", "urls", "platform", "annotations", "artifactType"];
/// Members of a descriptor's platform that readers rely on.
const PLATFORM_NAMES: [&str; 5] = ["os", "architecture", "variant", "os.version", "os.features"];
/// Members of image configs that readers rely on.
const CONFIG_NAMES: [&str; 9] =
    ["mediaType", "os", "architecture", "variant", "os.version", "created", "config", "rootfs", "history"];

fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_LIST)
}

fn is_image_config(media_type: &str) -> bool {
    matches!(media_type, OCI_CONFIG | DOCKER_CONFIG)
}
