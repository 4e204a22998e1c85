//! Trusted roots: files of log keys and timestamp authorities (protobuf-specs `sigstore_trustroot.proto`).

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Authority, Log, Time, Window};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::json::{Names, Value, quoted_plain};
use crate::format::log::{present, protobuf_base64};
use crate::keys::public::{KeyKind, PublicKey};
use crate::limits;

/// The media type that every reader takes.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";

/// What a trusted root says that concerns coldsign.
#[derive(Debug)]
pub struct TrustedRoot {
    logs: Vec<Named>,
    authorities: Vec<Authority>,
    /// Certificate authorities and certificate logs: keyless signatures' affair.
    others: usize,
}

#[derive(Debug)]
struct Named {
    id: Digest,
    key: PublicKey,
    window: Window,
    base_url: Option<String>,
}

impl TrustedRoot {
    /// Reads a trusted root. TRUST-KIND, TRUST-MEMBER, TRUST-KEY, TRUST-CHAIN.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if !u64::try_from(bytes.len()).is_ok_and(|size| size <= limits::TRUSTED_ROOT) {
            return Err(refuse("larger than 1 MiB"));
        }
        let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)?;
        check_trust_kind(&value)?;
        value.only(&MEMBERS).map_err(refuse)?;
        let logs = list(&value, "tlogs")?.iter().enumerate();
        let logs = logs
            .map(|(place, log)| Named::read(log).map_err(|error| error.within(format!("tlogs[{place}]"))));
        let authorities = list(&value, "timestampAuthorities")?.iter().enumerate();
        let authorities = authorities.map(|(place, authority)| {
            read_authority(authority).map_err(|error| error.within(format!("timestampAuthorities[{place}]")))
        });
        Ok(Self {
            logs: logs.collect::<Result<_>>()?,
            authorities: authorities.collect::<Result<_>>()?,
            others: list(&value, "certificateAuthorities")?.len() + list(&value, "ctlogs")?.len(),
        })
    }

    /// How many certificate authorities and logs of certificates it names: only keyless signatures need them.
    #[must_use]
    pub fn others(&self) -> usize {
        self.others
    }

    /// Its logs and authorities, from this source.
    pub(super) fn into_trust(self, source: &Arc<str>) -> (Vec<Log>, Vec<Authority>) {
        let log = |log: Named| Log::new(log.id, log.key, log.window, log.base_url, source);
        (self.logs.into_iter().map(log).collect(), self.authorities)
    }
}

impl Named {
    /// `TransparencyLogInstance`
    fn read(log: &Value) -> Result<Self> {
        log.only(&LOG_MEMBERS).map_err(refuse)?;
        if text(log, "hashAlgorithm")? != "SHA2_256" {
            return Err(refuse("hashAlgorithm is SHA2_256"));
        }
        let key = member(log, "publicKey", &["rawBytes", "keyDetails", "validFor"])?;
        let id = member(log, "logId", &["keyId"])?;
        let id = present(id.get("keyId")).and_then(hash).ok_or_else(|| refuse("logId is no hash"))?;
        let window =
            window(key)?.ok_or_else(|| refuse("no validFor.start: a log's key holds from some time on"))?;
        let base_url = present(log.get("baseUrl")).and_then(Value::as_str).filter(|url| !url.is_empty());
        Ok(Self { id, key: check_trust_key(key)?, window, base_url: base_url.map(str::to_owned) })
    }
}

/// TRUST-KIND: a trusted root says that it is one.
fn check_trust_kind(value: &Value) -> Result<()> {
    let found = value.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    if matches!(found, MEDIA_TYPE | "application/vnd.dev.sigstore.trustedroot.v0.1+json") {
        return Ok(());
    }
    Err(Error::new(Check::TrustKind, found))
}

/// TRUST-KEY: a key of the type that its details say, and one that logs have.
fn check_trust_key(key: &Value) -> Result<PublicKey> {
    let details = text(key, "keyDetails")?;
    let spki = present(key.get("rawBytes")).and_then(Value::as_str).and_then(protobuf_base64);
    let spki = spki.ok_or_else(|| refuse("rawBytes is not base64"))?;
    let refuse = |why: String| Error::new(Check::TrustKey, details).detail(why);
    let key = PublicKey::from_der(&spki)
        .map_err(|error| refuse("its bytes are no such key".to_owned()).caused_by(error))?;
    match (details, key.kind()) {
        ("PKIX_ECDSA_P256_SHA_256", KeyKind::P256)
        | ("PKIX_ECDSA_P384_SHA_384", KeyKind::P384)
        | ("PKIX_ED25519", KeyKind::Ed25519) => Ok(key),
        (_, kind) => Err(refuse(format!("its bytes are a key of type {kind}"))),
    }
}

/// `CertificateAuthority`
fn read_authority(authority: &Value) -> Result<Authority> {
    authority.only(&AUTHORITY_MEMBERS).map_err(refuse)?;
    let chain = member(authority, "certChain", &["certificates"])?;
    let certificates = list(chain, "certificates")?.iter().map(|certificate| {
        certificate.only(&["rawBytes"]).map_err(refuse)?;
        let bytes = certificate.get("rawBytes").and_then(Value::as_str).and_then(protobuf_base64);
        bytes.ok_or_else(|| refuse("rawBytes is not base64"))
    });
    let certificates: Vec<Vec<u8>> = certificates.collect::<Result<_>>()?;
    let uri = present(authority.get("uri")).and_then(Value::as_str).map(str::to_owned);
    Authority::new(&certificates, window(authority)?, uri)
}

/// `TimeRange`: `None` where there is no start.
fn window(value: &Value) -> Result<Option<Window>> {
    let Some(range) = present(value.get("validFor")) else { return Ok(None) };
    range.only(&["start", "end"]).map_err(refuse)?;
    let time = |name: &str, parse: fn(&str) -> Option<Time>| match present(range.get(name)) {
        None => Ok(None),
        Some(value) => {
            let time = value.as_str().and_then(parse);
            time.map(Some).ok_or_else(|| refuse("validFor is no RFC 3339 time in UTC"))
        }
    };
    let (start, end) = (time("start", Time::parse_start)?, time("end", Time::parse)?);
    if start.is_some_and(|start| end.is_some_and(|end| end < start)) {
        return Err(refuse("validFor ends before it starts"));
    }
    match (start, end) {
        (None, Some(_)) => Err(refuse("validFor has an end and no start")),
        (start, end) => Ok(start.map(|start| Window { start, end })),
    }
}

fn refuse(why: &str) -> Error {
    Error::new(Check::TrustMember, "").detail(why)
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a [Value]> {
    match present(value.get(name)) {
        None => Ok(&[]),
        Some(list) => list.as_array().ok_or_else(|| refuse("a list is wanted").detail(name)),
    }
}

fn member<'a>(value: &'a Value, name: &str, names: &[&str]) -> Result<&'a Value> {
    let inner = present(value.get(name)).ok_or_else(|| refuse("it is not there").detail(name))?;
    inner.only(names).map_err(|why| refuse(why).detail(name))?;
    Ok(inner)
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value.get(name).and_then(Value::as_str).ok_or_else(|| refuse("no string").detail(name))
}

fn hash(value: &Value) -> Option<Digest> {
    protobuf_base64(value.as_str()?)?.try_into().ok().map(Digest::from_bytes)
}

/// Renders a trusted root in the order of its schema, every list there: some readers want empty ones, too.
#[must_use]
pub fn create(logs: &[Log], authorities: &[Authority]) -> String {
    let logs: Vec<String> = logs.iter().map(render_log).collect();
    let authorities: Vec<String> = authorities.iter().map(render_authority).collect();
    format!(
        "{{\"mediaType\":\"{MEDIA_TYPE}\",\"tlogs\":[{}],\"certificateAuthorities\":[],\"ctlogs\":[],\
         \"timestampAuthorities\":[{}]}}",
        logs.join(","),
        authorities.join(","),
    )
}

fn render_log(log: &Log) -> String {
    let details = match log.key().kind() {
        KeyKind::Ed25519 => "PKIX_ED25519",
        KeyKind::P384 => "PKIX_ECDSA_P384_SHA_384",
        _ => "PKIX_ECDSA_P256_SHA_256",
    };
    let url = log.base_url().map(|url| format!("\"baseUrl\":{},", quoted_plain(url))).unwrap_or_default();
    format!(
        "{{{url}\"hashAlgorithm\":\"SHA2_256\",\"publicKey\":{{\"rawBytes\":\"{}\",\"keyDetails\":\"{details}\"{}}},\
         \"logId\":{{\"keyId\":\"{}\"}}}}",
        STANDARD.encode(log.key().spki()),
        render_window(log.window()),
        STANDARD.encode(log.id().as_bytes()),
    )
}

fn render_authority(authority: &Authority) -> String {
    let certificates: Vec<String> = authority
        .chain()
        .map(|certificate| format!("{{\"rawBytes\":\"{}\"}}", STANDARD.encode(certificate)))
        .collect();
    let uri = authority.uri().map(|uri| format!("\"uri\":{},", quoted_plain(uri))).unwrap_or_default();
    format!(
        "{{{uri}\"certChain\":{{\"certificates\":[{}]}}{}}}",
        certificates.join(","),
        render_window(authority.window()),
    )
}

/// `,"validFor":{…}`, where there is one.
fn render_window(window: Option<Window>) -> String {
    let Some(Window { start, end }) = window else { return String::new() };
    let mut out = format!(",\"validFor\":{{\"start\":\"{start}\"");
    if let Some(end) = end {
        let _ = write!(out, ",\"end\":\"{end}\"");
    }
    out.push('}');
    out
}

const MEMBERS: [&str; 5] = ["mediaType", "tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities"];
const LOG_MEMBERS: [&str; 6] =
    ["baseUrl", "hashAlgorithm", "publicKey", "logId", "checkpointKeyId", "operator"];
const AUTHORITY_MEMBERS: [&str; 5] = ["subject", "uri", "certChain", "validFor", "operator"];
