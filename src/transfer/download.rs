//! What stands beside an image, as it was found: nothing of it is verified.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::gather::{Patience, Patient, read_bundle};
use super::store::{Beside, Store};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::attestation::PredicateType;
use crate::format::evidence::{Descriptor, read_descriptor};
use crate::format::json::{Names, Value};
use crate::format::{signature, statement};
use crate::limits;
use crate::verify::{check_att_layer_type, check_att_manifest_kind, check_sig_manifest_kind};

/// Something that was found beside an image.
#[derive(Debug)]
pub enum Found {
    /// A layer of a `.sig`.
    Layer(Box<FoundLayer>),
    /// A bundle that holds a signature, as received: one JSON text.
    Bundle(String),
    /// A bundle that holds an attestation.
    Attestation,
}

/// A layer of a `.sig` with what its annotations say.
#[derive(Debug)]
pub struct FoundLayer {
    /// The signature annotation, as it stands.
    pub signature: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// DER of the certificate.
    pub certificate: Option<Vec<u8>>,
    /// DER of the certificates above it.
    pub chain: Option<Vec<Vec<u8>>>,
    /// The log entry: one JSON text.
    pub log: Option<String>,
    /// The timestamp token: one JSON text.
    pub timestamp: Option<String>,
}

/// Reads every signature that stands at `store` for `subject`, and hands each over as it comes: `.sig` layers in their
/// order, then bundles. What cannot be read is an error of its own and never hides what stands behind it.
pub fn signatures(store: &dyn Store, subject: &Digest, each: impl FnMut(Result<Found>)) {
    walk(store, Beside::Signatures, subject, read_layer, read, each);
}

/// An attestation that was found beside an image, as received: one JSON text.
#[derive(Debug)]
pub enum Attested {
    /// A DSSE envelope.
    Envelope(String),
    /// A bundle.
    Bundle(String),
    /// Something that is no attestation, or one of another type than was asked for.
    Other,
}

/// Reads every attestation that stands at `store` for `subject`, of this type if one is given, as [`signatures`] does.
pub fn attestations(
    store: &dyn Store,
    subject: &Digest,
    kind: Option<&PredicateType>,
    each: impl FnMut(Result<Attested>),
) {
    let wanted = |found: &str| match kind {
        Some(kind) => kind.uri() == found,
        None => found != statement::PREDICATE_TYPE,
    };
    let layer = |store: &Patient<'_>, layer: &Value| {
        let bytes = read_envelope(store, layer)?;
        let refuse = || Error::new(Check::AttEnvelope, Digest::of(&bytes));
        let envelope = Value::parse(&bytes, limits::DEPTH_EVIDENCE, Names::Exact)
            .map_err(|error| refuse().caused_by(error))?;
        if !wanted(&predicate_type(&envelope).map_err(|error| refuse().caused_by(error))?) {
            return Ok(Attested::Other);
        }
        text(bytes).map(Attested::Envelope)
    };
    let bundle = |bytes: Vec<u8>| {
        let bundle = Value::parse(&bytes, limits::DEPTH_EVIDENCE, Names::Exact)
            .map_err(|error| Error::new(Check::BundleSyntax, "").caused_by(error))?;
        match bundle.get("dsseEnvelope").map(predicate_type).transpose()? {
            Some(found) if wanted(&found) => text(bytes).map(Attested::Bundle),
            _ => Ok(Attested::Other),
        }
    };
    walk(store, Beside::Attestations, subject, layer, bundle, each);
}

/// Hands over what is read of the layers beside a digest, then of its bundles.
fn walk<T>(
    store: &dyn Store,
    beside: Beside,
    subject: &Digest,
    read_layer: impl Fn(&Patient<'_>, &Value) -> Result<T>,
    read: impl Fn(Vec<u8>) -> Result<T>,
    mut each: impl FnMut(Result<T>),
) {
    let patience = Patience::default();
    let of_layers = &Patient::new(store, &patience);
    match of_layers.ask(|store| store.beside(beside, subject)) {
        Ok(found) => {
            for descriptor in found {
                match layers(of_layers, beside, &descriptor) {
                    Ok(layers) => layers.iter().for_each(|layer| each(read_layer(of_layers, layer))),
                    Err(error) => each(Err(error)),
                }
            }
        }
        Err(error) => each(Err(error)),
    }
    let patience = Patience::default();
    let of_bundles = &Patient::new(store, &patience);
    match of_bundles.ask(|store| store.referrers(subject)) {
        Ok(found) => {
            for referrer in found {
                match read_bundle(of_bundles, &referrer) {
                    Ok(None) => {}
                    Ok(Some((layer, bytes))) => {
                        each(read(bytes).map_err(|error| error.within(layer.digest)));
                    }
                    Err(error) => each(Err(error)),
                }
            }
        }
        Err(error) => each(Err(error)),
    }
}

fn layers(store: &Patient<'_>, beside: Beside, descriptor: &Descriptor) -> Result<Vec<Value>> {
    let manifest = store
        .ask(|store| store.manifest(&descriptor.digest))?
        .ok_or_else(|| Error::new(Check::SourceAbsent, descriptor.digest))?;
    let layers = match beside {
        Beside::Attestations => check_att_manifest_kind(&descriptor.media_type, &manifest),
        _ => check_sig_manifest_kind(&descriptor.media_type, &manifest),
    };
    layers.map_err(|error| error.within(descriptor.digest))
}

fn read_envelope(store: &Patient<'_>, layer: &Value) -> Result<Vec<u8>> {
    let envelope = check_att_layer_type(layer)?;
    let absent = || Error::new(Check::AttLayerSize, envelope.digest);
    let bytes =
        store.ask(|store| store.blob(&envelope.digest))?.ok_or_else(|| absent().detail("it is not there"))?;
    if Descriptor::of(&envelope.media_type, &bytes) == envelope { Ok(bytes) } else { Err(absent()) }
}

/// What is strict JSON is UTF-8.
fn text(json: Vec<u8>) -> Result<String> {
    String::from_utf8(json).map_err(|error| Error::new(Check::JsonSyntax, "").caused_by(error))
}

fn read_layer(store: &Patient<'_>, layer: &Value) -> Result<Found> {
    let annotation = |name: &str| {
        layer.get("annotations").and_then(|annotations| annotations.get(name)).and_then(Value::as_str)
    };
    // An empty one says nothing, as for cosign.
    let said = |name: &str| annotation(name).filter(|text| !text.is_empty());
    let payload =
        read_descriptor(layer).map_err(|error| Error::new(Check::SigLayerType, "").caused_by(error))?;
    let within = |error: Error| error.within(payload.digest);
    let signature =
        annotation(signature::ANNOTATION).ok_or_else(|| Error::new(Check::SigAnnotation, payload.digest))?;
    let bytes = store
        .ask(|store| store.blob(&payload.digest))?
        .ok_or_else(|| Error::new(Check::SigLayerSize, payload.digest).detail("it is not there"))?;
    if Descriptor::of(&payload.media_type, &bytes) != payload {
        return Err(Error::new(Check::SigLayerSize, payload.digest));
    }
    let chain = said(signature::CHAIN_ANNOTATION).map(certificates).transpose().map_err(within)?;
    let own = said(signature::CERTIFICATE_ANNOTATION).map(certificates).transpose().map_err(within)?;
    Ok(Found::Layer(Box::new(FoundLayer {
        signature: signature.to_owned(),
        payload: bytes,
        certificate: own.and_then(|all| all.into_iter().next()),
        chain,
        log: said(signature::LOG_ANNOTATION).map(check_sig_log).transpose().map_err(within)?,
        timestamp: said(signature::TIMESTAMP_ANNOTATION).map(check_sig_log).transpose().map_err(within)?,
    })))
}

/// SIG-CERTIFICATE: PEM blocks `CERTIFICATE`, one after the other. Returns their DER.
fn certificates(text: &str) -> Result<Vec<Vec<u8>>> {
    let refuse = || Error::new(Check::SigCertificate, "");
    let block = |text: &str| {
        let block =
            der::pem::decode_vec(text.trim().as_bytes()).map_err(|error| refuse().caused_by(error))?;
        if block.0 == "CERTIFICATE" { Ok(block.1) } else { Err(refuse().detail(block.0)) }
    };
    let blocks = text.split_inclusive(END_CERTIFICATE).filter(|text| !text.trim().is_empty());
    blocks.map(block).collect()
}

/// SIG-LOG: a log or timestamp annotation is JSON with one meaning.
fn check_sig_log(text: &str) -> Result<String> {
    Value::parse(text.as_bytes(), limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| Error::new(Check::SigLog, "").caused_by(error))?;
    Ok(text.to_owned())
}

/// What a bundle holds. BUNDLE-SYNTAX where that cannot be told.
fn read(bytes: Vec<u8>) -> Result<Found> {
    let refuse = |why: &str| Error::new(Check::BundleSyntax, "").detail(why);
    let bundle = Value::parse(&bytes, limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse("not strict JSON").caused_by(error))?;
    let is_signature = match bundle.get("dsseEnvelope") {
        None if bundle.get("messageSignature").is_some() => true,
        None => return Err(refuse("neither dsseEnvelope nor messageSignature")),
        Some(envelope) => predicate_type(envelope)? == statement::PREDICATE_TYPE,
    };
    if !is_signature {
        return Ok(Found::Attestation);
    }
    String::from_utf8(bytes).map(Found::Bundle).map_err(|error| refuse("not UTF-8").caused_by(error))
}

/// What kind of statement an envelope holds.
fn predicate_type(envelope: &Value) -> Result<String> {
    let refuse = |why: &str| Error::new(Check::BundleSyntax, "").detail(why);
    let payload = envelope.get("payload").and_then(Value::as_str).unwrap_or_default();
    let payload = STANDARD.decode(payload).or_else(|_| URL_SAFE.decode(payload));
    let payload = payload.map_err(|error| refuse("payload is not base64").caused_by(error))?;
    let statement = Value::parse(&payload, limits::DEPTH_PREDICATE + 1, Names::Exact)
        .map_err(|error| refuse("its statement is not strict JSON").caused_by(error))?;
    let kind = statement.get("predicateType").and_then(Value::as_str);
    kind.map(str::to_owned).ok_or_else(|| refuse("its statement has no predicateType"))
}

/// What ends a certificate in PEM.
const END_CERTIFICATE: &str = "-----END CERTIFICATE-----";
