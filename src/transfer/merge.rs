//! Merging signatures into the `.sig` that stands at a destination: what is absent is appended, everything else stays as
//! it was received, byte for byte.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::beside::Beside;
use crate::format::evidence::{Descriptor, OCI_CONFIG, OCI_MANIFEST};
use crate::format::json::{Names, Value};
use crate::format::log::Material;
use crate::format::signature::{self, ANNOTATION, LOG_ANNOTATION, Layer, SigManifest};
use crate::format::{attestation, payload};
use crate::limits;
use crate::verify::{
    SigLayer, check_att_layer_type, check_att_manifest_kind, check_layer_material, check_sig_manifest_kind,
};

/// What stands at a destination beside the layers that were merged into it, and what is to be put there.
#[derive(Debug)]
pub struct Merge {
    /// How many layers stand there that are none of those merged.
    pub foreign: usize,
    /// Those of them on which cosign 2 panics.
    pub crashing: Crashing,
    /// What is to be put; `None` where all layers stand there.
    pub change: Option<Merged>,
}

/// Layers on which cosign 2 panics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crashing {
    /// How many there are.
    pub count: usize,
    /// The first ten: number (from 1) and payload.
    pub named: Vec<(usize, Digest)>,
}

impl Crashing {
    /// Adds those of another manifest.
    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.named.extend(other.named);
        self.named.truncate(NAMED);
    }
}

/// A `.sig` or `.att` manifest to be put, and its config.
#[derive(Debug)]
pub struct Merged {
    /// Media type of the manifest: that of the one that stood there.
    pub media_type: String,
    /// Bytes of the manifest.
    pub manifest: Vec<u8>,
    /// Bytes of the config.
    pub config: Vec<u8>,
}

/// What stands at a destination: media type and bytes of its `.sig` manifest.
pub type Standing<'a> = (&'a str, &'a [u8]);

/// A layer that is merged into what stands beside an image.
pub trait LayerBeside: Clone {
    /// Beside what tag it stands.
    const KIND: Beside;

    /// What is known of a layer that stands there and can count: nothing but its content or its key can keep it from
    /// that.
    type Counts;

    /// Reads a layer that stands there; `None` where it cannot count.
    fn counts(layer: &Value) -> Option<Self::Counts>;

    /// Whether what stands there is the same signature, whatever is beside it.
    fn is(&self, there: &Self::Counts) -> bool;

    /// What is beside this one, and beside the one there.
    fn beside<'a>(&'a self, there: &'a Self::Counts) -> (&'a Material, &'a Material);

    /// The digest of its content.
    fn content(&self) -> Digest;

    /// The layers of what stands there, as the verifier reads it.
    fn read(media_type: &str, bytes: &[u8]) -> Result<Vec<Value>>;

    /// Whether a layer that stands there belongs to something else: an image or an SBOM that somebody tagged so.
    fn is_other(layer: &Value) -> bool;

    /// The manifest of these layers, and its config.
    fn render(layers: &[Self]) -> SigManifest;
}

impl LayerBeside for Layer {
    const KIND: Beside = Beside::Signatures;
    type Counts = Self;

    fn counts(layer: &Value) -> Option<Self> {
        let SigLayer { descriptor, signature, material, .. } = SigLayer::read(layer).ok()?;
        Some(Self { payload: descriptor, signature, material })
    }

    fn is(&self, there: &Self) -> bool {
        (&there.payload, &there.signature) == (&self.payload, &self.signature)
    }

    fn beside<'a>(&'a self, there: &'a Self) -> (&'a Material, &'a Material) {
        (&self.material, &there.material)
    }

    fn content(&self) -> Digest {
        self.payload.digest
    }

    fn read(media_type: &str, bytes: &[u8]) -> Result<Vec<Value>> {
        check_sig_manifest_kind(media_type, bytes)
    }

    fn is_other(layer: &Value) -> bool {
        let signature = layer.get("annotations").and_then(|annotations| annotations.get(ANNOTATION));
        signature.is_none() && media_type(layer).is_some_and(|kind| kind != payload::MEDIA_TYPE)
    }

    fn render(layers: &[Self]) -> SigManifest {
        signature::render(layers)
    }
}

impl LayerBeside for attestation::Layer {
    const KIND: Beside = Beside::Attestations;
    type Counts = (Descriptor, Material);

    fn counts(layer: &Value) -> Option<Self::Counts> {
        Some((check_att_layer_type(layer).ok()?, check_layer_material(layer).ok()?))
    }

    fn is(&self, (there, _): &Self::Counts) -> bool {
        *there == self.envelope
    }

    fn beside<'a>(&'a self, (_, there): &'a Self::Counts) -> (&'a Material, &'a Material) {
        (&self.material, there)
    }

    fn content(&self) -> Digest {
        self.envelope.digest
    }

    fn read(media_type: &str, bytes: &[u8]) -> Result<Vec<Value>> {
        check_att_manifest_kind(media_type, bytes)
    }

    fn is_other(layer: &Value) -> bool {
        media_type(layer).is_some_and(|kind| kind != attestation::ENVELOPE_MEDIA_TYPE)
    }

    fn render(layers: &[Self]) -> SigManifest {
        attestation::render(layers)
    }
}

fn media_type(layer: &Value) -> Option<&str> {
    layer.get("mediaType").and_then(Value::as_str)
}

/// Adds `layers` to what stands at the destination. What cannot count there is not taken for ours, and nothing is added
/// where nothing can count: both are what the verifier says. DESTINATION-BROKEN, SIG-FULL.
///
/// A layer that stands there with more beside its signature is this one, unless `again`: it was put and did not come back
/// as a valid one, so that what stands beside it there may be why.
pub fn merge<L: LayerBeside>(standing: Option<Standing<'_>>, layers: &[L], again: bool) -> Result<Merge> {
    let Some((media_type, bytes)) = standing else {
        check_sig_full(layers.len(), 0)?;
        let rendered = L::render(layers);
        check_sig_full(layers.len(), rendered.manifest.len())?;
        let (manifest, config) = (rendered.manifest.to_vec(), rendered.config.to_vec());
        let merged = Merged { media_type: OCI_MANIFEST.to_owned(), manifest, config };
        return Ok(Merge { foreign: 0, crashing: Crashing::default(), change: Some(merged) });
    };
    let there = there::<L>(media_type, bytes)?;
    let is = |there: &There<L>, layer: &L| there.counts.as_ref().is_some_and(|counts| layer.is(counts));
    let has_all = |there: &There<L>, layer: &L| {
        let beside = there.counts.as_ref().map(|counts| layer.beside(counts));
        beside.is_some_and(|(wanted, there)| if again { wanted == there } else { there.contains(wanted) })
    };
    let stands = |layer: &&L| there.iter().any(|there| is(there, layer) && has_all(there, layer));
    let absent: Vec<&L> = layers.iter().filter(|layer| !stands(layer)).collect();
    let foreign: Vec<(usize, &There<L>)> =
        (1..).zip(&there).filter(|(_, there)| !layers.iter().any(|layer| is(there, layer))).collect();
    let crashes = || foreign.iter().filter(|(_, there)| there.crashes);
    let named = crashes().take(NAMED).map(|(number, there)| (*number, there.content)).collect();
    let crashing = Crashing { count: crashes().count(), named };
    let foreign = foreign.len();
    if absent.is_empty() {
        return Ok(Merge { foreign, crashing, change: None });
    }
    check_sig_full(there.len() + absent.len(), 0)?;
    let digests: Vec<Digest> =
        there.iter().map(|there| there.content).chain(absent.iter().map(|layer| layer.content())).collect();
    let config = signature::render_config(digests.into_iter());
    let manifest = append(bytes, &absent, &config)?;
    check_sig_full(there.len() + absent.len(), manifest.len())?;
    let merged = Merged { media_type: media_type.to_owned(), manifest, config };
    Ok(Merge { foreign, crashing, change: Some(merged) })
}

/// What becomes of a manifest of layers that goes to where another one stands.
#[derive(Debug)]
pub enum United {
    /// What stands there has all its layers.
    Standing,
    /// It has all that stands there, and takes its place as it is.
    Incoming,
    /// Its absent layers, text for text, behind those that stand there.
    Merged(Merged),
}

/// Unites two `.sig` or two `.att` manifests: layers with equal members are one, whoever wrote them. DESTINATION-BROKEN,
/// SIG-FULL; SIG-MANIFEST-KIND for an incoming one that is none.
pub fn unite(kind: Beside, standing: Standing<'_>, incoming: Standing<'_>) -> Result<United> {
    let broken = || broken(kind);
    let (there, coming) =
        (Stack::read(standing).map_err(|error| broken().caused_by(error))?, Stack::read(incoming)?);
    let absent: Vec<usize> =
        (0..coming.layers.len()).filter(|place| !there.has(coming.layers.get(*place))).collect();
    if absent.is_empty() {
        return Ok(United::Standing);
    }
    if there.layers.iter().all(|layer| coming.has(Some(layer))) && there.rest == coming.rest {
        return Ok(United::Incoming);
    }
    check_sig_full(there.layers.len() + absent.len(), 0)?;
    let digests: Vec<Digest> = there
        .digests
        .iter()
        .chain(absent.iter().filter_map(|place| coming.digests.get(*place)))
        .copied()
        .collect();
    let config = signature::render_config(digests.into_iter());
    let (media_type, bytes) = standing;
    let texts = texts(incoming.1).ok_or_else(broken)?;
    let absent: Vec<&str> = absent.iter().filter_map(|place| texts.get(*place).copied()).collect();
    let more = absent.iter().map(|text| text.len() + 1).sum();
    let manifest = rewrite(bytes, more, broken, |name, value| match name {
        "config" => Ok(Some(config_text(value, &config))),
        "layers" => {
            let layers: Vec<&RawValue> =
                serde_json::from_str(value.get()).map_err(|error| broken().caused_by(error))?;
            let layers = layers.iter().map(|layer| layer.get()).chain(absent.iter().copied());
            Ok(Some(format!("[{}]", layers.collect::<Vec<_>>().join(","))))
        }
        _ => Ok(None),
    })?;
    check_sig_full(0, manifest.len())?;
    Ok(United::Merged(Merged { media_type: media_type.to_owned(), manifest, config }))
}

/// A manifest of layers, to be compared with another one.
struct Stack {
    layers: Vec<Vec<u8>>,
    digests: Vec<Digest>,
    /// Its other members, but for the config, which follows from the layers.
    rest: Vec<(String, Value)>,
}

impl Stack {
    fn read((media_type, bytes): Standing<'_>) -> Result<Self> {
        let layers = check_sig_manifest_kind(media_type, bytes)?;
        let digest = |layer: &Value| layer.get("digest")?.as_str().and_then(|text| Digest::parse(text).ok());
        let digests: Option<Vec<Digest>> = layers.iter().map(digest).collect();
        let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)?;
        let mut rest = value.as_object().unwrap_or_default().to_vec();
        rest.retain(|(name, _)| !matches!(name.as_str(), "config" | "layers"));
        rest.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Self {
            layers: layers.iter().map(Value::to_canonical).collect(),
            digests: digests.ok_or_else(|| Error::new(Check::EvidenceAlgorithm, "layers"))?,
            rest,
        })
    }

    fn has(&self, layer: Option<&Vec<u8>>) -> bool {
        layer.is_some_and(|layer| self.layers.contains(layer))
    }
}

/// The layers of a manifest as they are written.
fn texts(bytes: &[u8]) -> Option<Vec<&str>> {
    let members: Members<'_> = serde_json::from_slice(bytes).ok()?;
    let layers: Vec<&RawValue> = serde_json::from_str(members.get("layers")?.get()).ok()?;
    Some(layers.iter().map(|layer| layer.get()).collect())
}

/// A layer that stands there.
struct There<L: LayerBeside> {
    content: Digest,
    counts: Option<L::Counts>,
    /// Its log annotation is `null` or `{}`: cosign 2 takes that for a log entry and panics on what it lacks.
    crashes: bool,
}

/// The layers that stand there.
fn there<L: LayerBeside>(media_type: &str, bytes: &[u8]) -> Result<Vec<There<L>>> {
    let layers = L::read(media_type, bytes).map_err(|error| broken(L::KIND).caused_by(error))?;
    // Somebody else's is not ours to change.
    if !layers.is_empty() && layers.iter().all(L::is_other) {
        return Err(broken(L::KIND));
    }
    let layer = |layer: &Value| {
        let content = layer.get("digest")?.as_str().and_then(|digest| Digest::parse(digest).ok())?;
        let log = layer.get("annotations").and_then(|annotations| annotations.get(LOG_ANNOTATION));
        let crashes = log.and_then(Value::as_str).is_some_and(crashes);
        Some(There { content, counts: L::counts(layer), crashes })
    };
    layers.iter().map(|found| layer(found).ok_or_else(|| broken(L::KIND))).collect()
}

/// Whether a log annotation is `null` or `{}`, blanks aside.
fn crashes(log: &str) -> bool {
    let text: String =
        log.chars().filter(|character| !matches!(character, ' ' | '\t' | '\r' | '\n')).collect();
    matches!(text.as_str(), "null" | "{}")
}

/// The manifest with layers appended and the config replaced; every other byte of text stays.
fn append<L: LayerBeside>(bytes: &[u8], absent: &[&L], config: &[u8]) -> Result<Vec<u8>> {
    rewrite(
        bytes,
        absent.len() * 400,
        || broken(L::KIND),
        |name, value| match name {
            "config" => Ok(Some(config_text(value, config))),
            "layers" => layers_text(value, absent).map(Some),
            _ => Ok(None),
        },
    )
}

/// An object with the values of some members replaced by what `replace` gives; the text of all others stays. `more` is
/// how many bytes longer it will be, about; `broken` is the error where it is no object.
pub(super) fn rewrite(
    bytes: &[u8],
    more: usize,
    broken: impl Fn() -> Error,
    replace: impl Fn(&str, &RawValue) -> Result<Option<String>>,
) -> Result<Vec<u8>> {
    let members: Members<'_> = serde_json::from_slice(bytes).map_err(|error| broken().caused_by(error))?;
    let mut out = String::with_capacity(bytes.len() + more);
    for (name, value) in &members.0 {
        out.push(if out.is_empty() { '{' } else { ',' });
        out.push_str(&serde_json::to_string(name).map_err(|error| broken().caused_by(error))?);
        out.push(':');
        match replace(name, value)? {
            Some(text) => out.push_str(&text),
            None => out.push_str(value.get()),
        }
    }
    out.push('}');
    Ok(out.into_bytes())
}

fn config_text(standing: &RawValue, config: &[u8]) -> String {
    let value = Value::parse(standing.get().as_bytes(), limits::DEPTH_EVIDENCE, Names::Exact).ok();
    let media_type = value.as_ref().and_then(|value| value.get("mediaType")).and_then(Value::as_str);
    // A config of signatures is an image config; one that was kept empty becomes one.
    let media_type =
        media_type.filter(|kind| *kind == crate::format::evidence::DOCKER_CONFIG).unwrap_or(OCI_CONFIG);
    let descriptor = Descriptor::of(media_type, config);
    format!(
        "{{\"mediaType\":\"{media_type}\",\"size\":{},\"digest\":\"{}\"}}",
        descriptor.size, descriptor.digest
    )
}

fn layers_text<L: LayerBeside>(standing: &RawValue, absent: &[&L]) -> Result<String> {
    let broken = || broken(L::KIND);
    let mut layers: Vec<&RawValue> =
        serde_json::from_str(standing.get()).map_err(|error| broken().caused_by(error))?;
    let rendered: Vec<L> = absent.iter().map(|layer| (*layer).clone()).collect();
    let rendered = L::render(&rendered);
    let ours: Members<'_> =
        serde_json::from_slice(&rendered.manifest).map_err(|error| broken().caused_by(error))?;
    let ours = ours.get("layers").ok_or_else(broken)?;
    let ours: Vec<&RawValue> = serde_json::from_str(ours.get()).map_err(|error| broken().caused_by(error))?;
    layers.extend(ours);
    let texts: Vec<&str> = layers.iter().map(|layer| layer.get()).collect();
    Ok(format!("[{}]", texts.join(",")))
}

/// DESTINATION-BROKEN: what stands there is read before it is changed.
fn broken(kind: Beside) -> Error {
    let what = if kind == Beside::Attestations { "attestations" } else { "signatures" };
    Error::new(Check::DestinationBroken, "")
        .detail(format!("its {} is no manifest of {what}; it was left as it is", kind.suffix()))
}

/// SIG-FULL: at most 1,000 layers and 4 MiB.
fn check_sig_full(layers: usize, size: usize) -> Result<()> {
    let over = if layers > limits::SIG_LAYERS {
        format!("{layers} layers")
    } else if size > limits::MANIFEST {
        format!("{size} bytes")
    } else {
        return Ok(());
    };
    Err(Error::new(Check::SigFull, "").detail(over))
}

/// The members of an object with their values as text, in order.
pub(super) struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The text of a member.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, value)| *value)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

/// Layers on which cosign 2 panics that are named; the others are counted.
const NAMED: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::evidence::{DOCKER_MANIFEST, OCI_INDEX};
    use crate::format::payload;

    fn layer(payload: &[u8], signature: &[u8]) -> Layer {
        Layer::dark(Descriptor::of(payload::MEDIA_TYPE, payload), signature.to_vec())
    }

    fn merge<L: LayerBeside>(standing: Option<Standing<'_>>, layers: &[L]) -> Result<Merge> {
        super::merge(standing, layers, false)
    }

    fn merged(standing: Option<Standing<'_>>, layers: &[Layer]) -> (Merged, usize) {
        let merge = merge(standing, layers).unwrap();
        (merge.change.unwrap(), merge.foreign)
    }

    #[test]
    fn two_manifests_become_one() {
        let of = |layers: &[Layer]| signature::render(layers).manifest.to_vec();
        let (a, b) = (layer(b"p", b"a"), layer(b"p", b"b"));
        let (first, second, both) = (of(std::slice::from_ref(&a)), of(std::slice::from_ref(&b)), of(&[a, b]));
        let united = |standing: &[u8], incoming: &[u8]| {
            unite(Beside::Signatures, (OCI_MANIFEST, standing), (OCI_MANIFEST, incoming))
        };
        assert!(matches!(united(&both, &first).unwrap(), United::Standing));
        assert!(matches!(united(&first, &first).unwrap(), United::Standing));
        // All that stands there comes along: it is put as it is.
        assert!(matches!(united(&first, &both).unwrap(), United::Incoming));
        let United::Merged(merged) = united(&first, &second).unwrap() else { panic!("both are needed") };
        assert_eq!(merged.manifest, both, "appending gives the bytes that cosign would");
        assert_eq!(merged.config, signature::render_config([Digest::of(b"p"), Digest::of(b"p")].into_iter()));
        // A word that the other one lacks is a reason to keep what stands there.
        let own = String::from_utf8(first.clone()).unwrap().replacen('{', "{\"x-own\":[1.50],", 1);
        let United::Merged(kept) = united(own.as_bytes(), &both).unwrap() else { panic!("x-own is lost") };
        assert!(kept.manifest.starts_with(b"{\"x-own\":[1.50],"));
        assert_eq!(united(b"{}", &both).unwrap_err().check(), Check::DestinationBroken);
        assert_eq!(united(&both, b"{}").unwrap_err().check(), Check::SigManifestKind);
    }

    #[test]
    fn nothing_is_lost_and_a_second_time_changes_nothing() {
        let ours = [layer(b"p", b"s1"), layer(b"p", b"s2")];
        let (first, beside_first) = merged(None, &ours[..1]);
        assert_eq!(first.manifest, signature::render(&ours[..1]).manifest);
        let (second, beside_second) = merged(Some((&first.media_type, &first.manifest)), &ours);
        assert_eq!(
            second.manifest,
            signature::render(&ours).manifest,
            "appending gives the bytes that cosign would"
        );
        assert_eq!((beside_second, beside_first), (0, 0));
        assert!(merge(Some((&second.media_type, &second.manifest)), &ours).unwrap().change.is_none());
    }

    #[test]
    fn foreign_text_stays_as_it_is() {
        let foreign = format!(
            "{{\n \"x\" : [1.0, {{}}],\"layers\":[ {{\"digest\":\"{}\", \"size\":1e0}} ],\"config\":{{}},\"annotations\":{{\"b\":\"\\u0062\"}} }}",
            Digest::of(b"foreign")
        );
        let (merged, beside) = merged(Some((OCI_MANIFEST, foreign.as_bytes())), &[layer(b"p", b"s")]);
        let text = String::from_utf8(merged.manifest).unwrap();
        assert!(text.starts_with("{\"x\":[1.0, {}],\"layers\":[{\"digest\":\""), "{text}");
        assert!(text.contains("\"size\":1e0},{\"mediaType\":"), "{text}");
        assert!(text.ends_with("\"annotations\":{\"b\":\"\\u0062\"}}"), "{text}");
        assert_eq!(beside, 1);
    }

    #[test]
    fn broken_and_full_ones_are_left_alone() {
        let image = format!(
            "{{\"layers\":[{{\"mediaType\":\"a/layer\",\"digest\":\"{}\",\"size\":1}}]}}",
            Digest::of(b"layer")
        );
        let both = format!(
            "{{\"manifests\":[],{}",
            &String::from_utf8(merged(None, &[layer(b"p", b"x")]).0.manifest).unwrap()[1..]
        );
        for broken in ["", "[]", "{}", "{\"layers\":null}", "{\"layers\":[{}]}", &image, &both] {
            let error = merge(Some((OCI_MANIFEST, broken.as_bytes())), &[layer(b"p", b"s")]).unwrap_err();
            assert_eq!(error.check(), Check::DestinationBroken, "{broken}");
        }
        let many: Vec<Layer> = (0..1000_u32).map(|n| layer(b"p", &n.to_be_bytes())).collect();
        let (full, _) = merged(None, &many);
        let error = merge(Some((&full.media_type, &full.manifest)), &[layer(b"p", b"one more")]).unwrap_err();
        assert_eq!((error.check(), error.details().collect()), (Check::SigFull, vec!["1001 layers"]));
        let large = |size: usize| format!("{{\"layers\":[],\"config\":{{}},\"x\":\"{}\"}}", "x".repeat(size));
        let size = |size| merged(Some((OCI_MANIFEST, large(size).as_bytes())), &many[..1]).0.manifest.len();
        let room = limits::MANIFEST - size(0);
        assert_eq!(size(room), limits::MANIFEST);
        let error = merge(Some((OCI_MANIFEST, large(room + 1).as_bytes())), &many[..1]).unwrap_err();
        assert_eq!((error.check(), error.details().collect()), (Check::SigFull, vec!["4194305 bytes"]));
    }

    /// Whatever the verifier refuses as a whole can hold nothing of ours.
    #[test]
    fn what_can_never_be_verified_is_left_alone() {
        let ours = [layer(b"p", b"s")];
        let (good, _) = merged(None, &[layer(b"p", b"another")]);
        assert!(
            merge(Some((OCI_MANIFEST, &good.manifest)), &ours).unwrap().change.is_some(),
            "the neighbour"
        );
        let with = |more: &str| [&good.manifest[..good.manifest.len() - 1], more.as_bytes(), b"}"].concat();
        for (media_type, manifest) in [
            ("text/html", good.manifest.clone()),
            (OCI_INDEX, good.manifest.clone()),
            (DOCKER_MANIFEST, good.manifest.clone()), // and its own mediaType is another
            (OCI_MANIFEST, with(",\"Layers\":[]")),
        ] {
            let error = merge(Some((media_type, &manifest)), &ours).unwrap_err();
            assert_eq!(error.check(), Check::DestinationBroken, "{media_type}");
        }
    }

    /// A layer of ours that was changed so that it can count no more is a stranger's.
    #[test]
    fn ours_counts_only_as_the_verifier_counts() {
        let ours = [layer(b"p", b"s")];
        let text = String::from_utf8(merged(None, &ours).0.manifest).unwrap();
        let with = |name: &str, value: &str| {
            text.replace(signature::ANNOTATION, &format!("{name}\":\"{value}\",\"{}", signature::ANNOTATION))
        };
        for (standing, stands) in [
            (text.clone(), true),
            (with(signature::CERTIFICATE_ANNOTATION, ""), true),
            (with(LOG_ANNOTATION, ""), true),
            (with(signature::CERTIFICATE_ANNOTATION, "x"), false),
            (with(signature::CHAIN_ANNOTATION, "x"), false),
            (with(signature::TIMESTAMP_ANNOTATION, "x"), false),
            (with(LOG_ANNOTATION, "{}"), false),
            (text.replace(payload::MEDIA_TYPE, "text/plain"), false),
            (text.replace("\"size\":1,", "\"size\":2,"), false),
        ] {
            let merge = merge(Some((OCI_MANIFEST, standing.as_bytes())), &ours).unwrap();
            assert_eq!((merge.change.is_none(), merge.foreign), (stands, usize::from(!stands)), "{standing}");
            let Some(merged) = merge.change else { continue };
            let again = super::merge(Some((OCI_MANIFEST, &merged.manifest)), &ours, false).unwrap();
            assert_eq!((again.change.is_none(), again.foreign), (true, 1), "{standing}");
        }
    }

    #[test]
    fn layers_that_crash_cosign_are_found() {
        let logs = ["null", " { \\n} ", "", "{\\\"Payload\\\":{}}", "nul", "{}{}"];
        let layers: Vec<String> = logs
            .iter()
            .map(|log| {
                let digest = Digest::of(log.as_bytes());
                format!("{{\"digest\":\"{digest}\",\"annotations\":{{\"{LOG_ANNOTATION}\":\"{log}\"}}}}")
            })
            .collect();
        let standing = format!("{{\"layers\":[{}],\"config\":{{}}}}", layers.join(","));
        let merge = merge(Some((OCI_MANIFEST, standing.as_bytes())), &[layer(b"p", b"s")]).unwrap();
        assert_eq!(merge.foreign, logs.len());
        let named = vec![(1, Digest::of(b"null")), (2, Digest::of(logs[1].as_bytes()))];
        assert_eq!(merge.crashing, Crashing { count: 2, named });
        // A thousand of them are counted, and ten named.
        let many = vec![layers[0].as_str(); 1000].join(",");
        let many = format!("{{\"layers\":[{many}]}}");
        let merge = super::merge::<Layer>(Some((OCI_MANIFEST, many.as_bytes())), &[], false).unwrap();
        assert_eq!((merge.crashing.count, merge.crashing.named.len()), (1000, 10));
    }
}
