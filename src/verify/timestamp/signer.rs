//! Who signed a timestamp: signed attributes (RFC 5652, 5.3 and 11) that name the certificate (RFC 2634, 5035, 5816).

use cms::cert::x509::ext::pkix::name::{GeneralName, GeneralNames};
use cms::cert::x509::serial_number::SerialNumber;
use cms::cert::x509::time::Time as CertificateTime;
use der::asn1::{Any, OctetString};
use der::oid::ObjectIdentifier;
use der::{DecodeOwned, Encode as _, Sequence};
use spki::AlgorithmIdentifierOwned;

use super::Token;
use super::syntax::{TST_INFO, hash_of};
use crate::check::Check;
use crate::error::{Error, Result};
use crate::keys::public::Hash;
use crate::trust::{Authority, Link, Time};

/// TOKEN-SIGNATURE: the signed attributes hash the content and name the authority's certificate, and the signature over
/// them verifies with that certificate's key.
pub(super) fn check_token_signature(token: &Token, authority: &Authority) -> Result<()> {
    let refuse = |why: &str| Error::new(Check::TokenSignature, authority.name()).detail(why);
    let leaf = authority.leaf().ok_or_else(|| refuse("its own certificate is not there"))?;
    let own = authority.chain().next().unwrap_or_default();
    names_content(token).map_err(refuse)?;
    names_certificate(token, leaf, own).map_err(refuse)?;
    stands_beside(token, own).map_err(refuse)?;
    read::<CertificateTime>(token, SIGNING_TIME).map_err(refuse)?;
    let key = authority.key().ok_or_else(|| refuse("its key is of a kind that is not verified here"))?;
    let hash =
        signature_hash(token).ok_or_else(|| refuse("signed by an algorithm that is not verified here"))?;
    let signed = token.signer.signed_attrs.as_ref().and_then(|attributes| attributes.to_der().ok());
    let signed = signed.ok_or_else(|| refuse(UNSIGNED))?;
    if !key.verify_named(hash, &signed, token.signer.signature.as_bytes()) {
        return Err(refuse("the signature does not verify"));
    }
    Ok(())
}

/// The attributes hold the content's type and hash.
fn names_content(token: &Token) -> Result<(), &'static str> {
    let kind: ObjectIdentifier = read(token, CONTENT_TYPE)?.ok_or("no content type is signed")?;
    if kind != TST_INFO {
        return Err("another content type is signed");
    }
    let hash = hash_of(&token.signer.digest_alg).ok_or("its hash is not SHA-256, SHA-384 or SHA-512")?;
    let digest: OctetString = read(token, MESSAGE_DIGEST)?.ok_or("no hash of the content is signed")?;
    if digest.as_bytes() != hash.of(&token.content) {
        return Err("the hash of other content is signed");
    }
    Ok(())
}

/// The first certificate that the attributes name is the authority's own, in each of both spellings that is there.
fn names_certificate(token: &Token, leaf: &Link, own: &[u8]) -> Result<(), &'static str> {
    let old: Option<SigningCertificate> = read(token, SIGNING_CERTIFICATE)?;
    let new: Option<SigningCertificateV2> = read(token, SIGNING_CERTIFICATE_V2)?;
    if old.is_none() && new.is_none() {
        return Err("no certificate is named");
    }
    if let Some(old) = old {
        let first = old.certificates.first().ok_or("no certificate is named")?;
        let hash = <sha1::Sha1 as sha1::Digest>::digest(own);
        names(first.hash.as_bytes() == hash.as_slice(), first.issuer.as_ref(), leaf)?;
    }
    if let Some(new) = new {
        let first = new.certificates.first().ok_or("no certificate is named")?;
        let hash = first.algorithm.as_ref().map_or(Some(Hash::Sha256), hash_of);
        let hash = hash.ok_or("its certificate is named by an unknown hash")?;
        names(first.hash.as_bytes() == hash.of(own), first.issuer.as_ref(), leaf)?;
    }
    Ok(())
}

fn names(hashed: bool, issued: Option<&IssuerSerial>, leaf: &Link) -> Result<(), &'static str> {
    let content = leaf.certificate.tbs_certificate();
    let same = |issued: &IssuerSerial| {
        issued.issuer == [GeneralName::DirectoryName(content.issuer().clone())]
            && issued.serial == *content.serial_number()
    };
    if hashed && issued.is_none_or(same) { Ok(()) } else { Err("another certificate is named") }
}

/// Where certificates stand beside the token, the first that is not a CA's is the authority's own, as cosign has it.
fn stands_beside(token: &Token, own: &[u8]) -> Result<(), &'static str> {
    for certificate in token.certificates.iter().flatten() {
        if certificate == own {
            return Ok(());
        }
        match Link::read(certificate) {
            Ok(other) if other.is_ca() => {}
            Ok(_) => return Err("another certificate stands beside it"),
            Err(_) => return Err("a certificate beside it cannot be read"),
        }
    }
    match &token.certificates {
        Some(certificates) if !certificates.is_empty() => Err("only certificates of CAs stand beside it"),
        _ => Ok(()),
    }
}

/// When it was signed by its attributes, which may say so once more (RFC 5652, 11.3): cosign looks at the chain then.
pub(super) fn signing_time(token: &Token) -> Option<Time> {
    let time: CertificateTime = read(token, SIGNING_TIME).ok()??;
    Some(Time(time.to_unix_duration().as_secs()))
}

/// The one value of the one signed attribute of this type, where it is there.
fn read<T: DecodeOwned>(token: &Token, oid: ObjectIdentifier) -> Result<Option<T>, &'static str> {
    let attributes = token.signer.signed_attrs.as_ref().ok_or(UNSIGNED)?;
    let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
    let Some(attribute) = found.next() else { return Ok(None) };
    let (None, [value]) = (found.next(), attribute.values.as_slice()) else {
        return Err("a signed attribute stands twice");
    };
    let value = value.to_der().ok().and_then(|der| T::from_der(&der).ok());
    value.map(Some).ok_or("a signed attribute cannot be read")
}

/// The hash of the signature: ECDSA names it (RFC 5754, 3.3); RSA takes that of the content, and may name it again (3.2).
fn signature_hash(token: &Token) -> Option<Hash> {
    let AlgorithmIdentifierOwned { oid, parameters } = &token.signer.signature_algorithm;
    let digest = hash_of(&token.signer.digest_alg)?;
    let null = parameters.as_ref().is_none_or(|parameters| *parameters == Any::null());
    match *oid {
        ECDSA_SHA_256 if parameters.is_none() => Some(Hash::Sha256),
        ECDSA_SHA_384 if parameters.is_none() => Some(Hash::Sha384),
        ECDSA_SHA_512 if parameters.is_none() => Some(Hash::Sha512),
        RSA if null => Some(digest),
        RSA_SHA_256 if null && digest == Hash::Sha256 => Some(digest),
        RSA_SHA_384 if null && digest == Hash::Sha384 => Some(digest),
        RSA_SHA_512 if null && digest == Hash::Sha512 => Some(digest),
        _ => None,
    }
}

/// RFC 2634, 5.4.
#[derive(Sequence)]
struct SigningCertificate {
    certificates: Vec<EssCertId>,
    #[asn1(optional = "true")]
    policies: Option<Vec<Any>>,
}

/// The hash is SHA-1.
#[derive(Sequence)]
struct EssCertId {
    hash: OctetString,
    #[asn1(optional = "true")]
    issuer: Option<IssuerSerial>,
}

/// RFC 5035, 3.
#[derive(Sequence)]
struct SigningCertificateV2 {
    certificates: Vec<EssCertIdV2>,
    #[asn1(optional = "true")]
    policies: Option<Vec<Any>>,
}

#[derive(Sequence)]
struct EssCertIdV2 {
    /// SHA-256 unless it says otherwise.
    #[asn1(optional = "true")]
    algorithm: Option<AlgorithmIdentifierOwned>,
    hash: OctetString,
    #[asn1(optional = "true")]
    issuer: Option<IssuerSerial>,
}

#[derive(Sequence)]
struct IssuerSerial {
    issuer: GeneralNames,
    serial: SerialNumber,
}

const UNSIGNED: &str = "it has no signed attributes";

const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

const ECDSA_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
