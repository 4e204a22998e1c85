//! Merging signatures into the `.sig` that stands at a destination: what is absent is appended, everything else stays as
//! it was received, byte for byte.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::{Descriptor, OCI_CONFIG, OCI_MANIFEST};
use crate::format::json::{Names, Value};
use crate::format::signature::{self, ANNOTATION, LOG_ANNOTATION, Layer};
use crate::limits;

/// What stands at a destination beside the layers that were merged into it, and what is to be put there.
#[derive(Debug)]
pub struct Merge {
    /// How many layers stand there that are none of those merged.
    pub foreign: usize,
    /// Those of them on which cosign 2 panics: number (from 1) and payload.
    pub crashing: Vec<(usize, Digest)>,
    /// What is to be put; `None` where all layers stand there.
    pub change: Option<Merged>,
}

/// A `.sig` manifest to be put, and its config.
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

/// Adds `layers` to what stands at the destination. DESTINATION-BROKEN, SIG-FULL.
pub fn merge(standing: Option<Standing<'_>>, layers: &[Layer]) -> Result<Merge> {
    let Some((media_type, bytes)) = standing else {
        check_sig_full(layers.len(), 0)?;
        let rendered = signature::render(layers);
        check_sig_full(layers.len(), rendered.manifest.len())?;
        let (manifest, config) = (rendered.manifest.to_vec(), rendered.config.to_vec());
        let merged = Merged { media_type: OCI_MANIFEST.to_owned(), manifest, config };
        return Ok(Merge { foreign: 0, crashing: Vec::new(), change: Some(merged) });
    };
    let there = there(bytes)?;
    let is = |there: &There, layer: &Layer| {
        there.payload == layer.payload.digest && there.signature == layer.signature
    };
    let absent: Vec<&Layer> =
        layers.iter().filter(|layer| !there.iter().any(|there| is(there, layer))).collect();
    let foreign: Vec<(usize, &There)> =
        (1..).zip(&there).filter(|(_, there)| !layers.iter().any(|layer| is(there, layer))).collect();
    let crashing = foreign.iter().filter(|(_, there)| there.crashes);
    let crashing = crashing.map(|(number, there)| (*number, there.payload)).collect();
    let foreign = foreign.len();
    if absent.is_empty() {
        return Ok(Merge { foreign, crashing, change: None });
    }
    check_sig_full(there.len() + absent.len(), 0)?;
    let digests: Vec<Digest> = there
        .iter()
        .map(|there| there.payload)
        .chain(absent.iter().map(|layer| layer.payload.digest))
        .collect();
    let config = signature::render_config(digests.into_iter());
    let manifest = append(bytes, &absent, &config)?;
    check_sig_full(there.len() + absent.len(), manifest.len())?;
    let merged = Merged { media_type: media_type.to_owned(), manifest, config };
    Ok(Merge { foreign, crashing, change: Some(merged) })
}

/// A layer that stands there.
struct There {
    payload: Digest,
    /// Decoded; empty where it cannot be.
    signature: Vec<u8>,
    /// Its log annotation is `null` or `{}`: cosign 2 takes that for a log entry and panics on what it lacks.
    crashes: bool,
}

/// The layers that stand there.
fn there(bytes: &[u8]) -> Result<Vec<There>> {
    let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| broken().caused_by(error))?;
    let layers = value.get("layers").and_then(Value::as_array).ok_or_else(broken)?;
    let layer = |layer: &Value| {
        let payload = layer.get("digest")?.as_str().and_then(|digest| Digest::parse(digest).ok())?;
        let annotation = |name: &str| {
            layer.get("annotations").and_then(|annotations| annotations.get(name)).and_then(Value::as_str)
        };
        let text = annotation(ANNOTATION).unwrap_or_default();
        let text: String = text.chars().filter(|character| !matches!(character, '\r' | '\n')).collect();
        let signature = STANDARD.decode(text).unwrap_or_default();
        Some(There { payload, signature, crashes: annotation(LOG_ANNOTATION).is_some_and(crashes) })
    };
    layers.iter().map(|found| layer(found).ok_or_else(broken)).collect()
}

/// Whether a log annotation is `null` or `{}`, blanks aside.
fn crashes(log: &str) -> bool {
    let text: String =
        log.chars().filter(|character| !matches!(character, ' ' | '\t' | '\r' | '\n')).collect();
    matches!(text.as_str(), "null" | "{}")
}

/// The manifest with layers appended and the config replaced; every other byte of text stays.
fn append(bytes: &[u8], absent: &[&Layer], config: &[u8]) -> Result<Vec<u8>> {
    rewrite(bytes, absent.len() * 400, broken, |name, value| match name {
        "config" => Ok(Some(config_text(value, config))),
        "layers" => layers_text(value, absent).map(Some),
        _ => Ok(None),
    })
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

fn layers_text(standing: &RawValue, absent: &[&Layer]) -> Result<String> {
    let mut layers: Vec<&RawValue> =
        serde_json::from_str(standing.get()).map_err(|error| broken().caused_by(error))?;
    let rendered: Vec<Layer> = absent.iter().map(|layer| (*layer).clone()).collect();
    let rendered = signature::render(&rendered);
    let ours: Members<'_> =
        serde_json::from_slice(&rendered.manifest).map_err(|error| broken().caused_by(error))?;
    let ours = ours.get("layers").ok_or_else(broken)?;
    let ours: Vec<&RawValue> = serde_json::from_str(ours.get()).map_err(|error| broken().caused_by(error))?;
    layers.extend(ours);
    let texts: Vec<&str> = layers.iter().map(|layer| layer.get()).collect();
    Ok(format!("[{}]", texts.join(",")))
}

/// DESTINATION-BROKEN: what stands there is read before it is changed.
fn broken() -> Error {
    Error::new(Check::DestinationBroken, "")
        .detail("its .sig is no manifest of signatures; it was left as it is")
}

/// SIG-FULL: at most 1,000 layers and 4 MiB.
fn check_sig_full(layers: usize, size: usize) -> Result<()> {
    if layers <= limits::SIG_LAYERS && size <= limits::MANIFEST {
        return Ok(());
    }
    Err(Error::new(Check::SigFull, "").detail(format!("{layers} layers, {size} bytes")))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::payload;

    fn layer(payload: &[u8], signature: &[u8]) -> Layer {
        Layer { payload: Descriptor::of(payload::MEDIA_TYPE, payload), signature: signature.to_vec() }
    }

    fn merged(standing: Option<Standing<'_>>, layers: &[Layer]) -> (Merged, usize) {
        let merge = merge(standing, layers).unwrap();
        (merge.change.unwrap(), merge.foreign)
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
        for broken in ["", "[]", "{}", "{\"layers\":null}", "{\"layers\":[{}]}"] {
            let error = merge(Some((OCI_MANIFEST, broken.as_bytes())), &[layer(b"p", b"s")]).unwrap_err();
            assert_eq!(error.check(), Check::DestinationBroken, "{broken}");
        }
        let many: Vec<Layer> = (0..1000_u32).map(|n| layer(b"p", &n.to_be_bytes())).collect();
        let (full, _) = merged(None, &many);
        let error = merge(Some((&full.media_type, &full.manifest)), &[layer(b"p", b"one more")]).unwrap_err();
        assert_eq!(error.check(), Check::SigFull);
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
        assert_eq!(merge.crashing, [(1, Digest::of(b"null")), (2, Digest::of(logs[1].as_bytes()))]);
    }
}
