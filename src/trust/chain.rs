//! Whether the certificates of an authority are for timestamps, and hold at a time (RFC 5280, 6; RFC 3161, 2.3).

use std::time::Duration;

use der::Encode as _;
use der::asn1::{Any, BitString};
use der::oid::ObjectIdentifier;
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, UnixTime, alg_id,
};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, RequiredEkuNotFoundContext,
    anchor_from_trusted_cert,
};
use x509_cert::certificate::Version;

use super::Time;
use super::authority::{Authority, Link};
use crate::check::Check;
use crate::error::{Error, Result};
use crate::keys::public::{EC, Hash, P256, P384, P521, PublicKey};

/// TOKEN-USAGE: the authority's certificate has one extended key usage, timeStamping, and it is critical. Where it has a
/// key usage, that is for signatures.
pub(crate) fn check_token_usage(authority: &Authority) -> Result<()> {
    let refuse = |why: &str| Err(Error::new(Check::TokenUsage, authority.name()).detail(why));
    let Some(leaf) = authority.leaf() else { return refuse("its own certificate is not there") };
    match &leaf.extended_usage {
        None => return refuse("it has no extended key usage"),
        Some((_, usage)) if usage.0 != [TIME_STAMPING] => {
            return refuse("its extended key usage is not timeStamping alone");
        }
        Some((false, _)) => return refuse("its extended key usage is not critical"),
        Some((true, _)) => {}
    }
    if leaf.key_usage.is_some_and(|usage| !usage.digital_signature() && !usage.non_repudiation()) {
        return refuse("its key usage is not for signatures");
    }
    Ok(())
}

/// TOKEN-CHAIN: each certificate was issued by the next, the last is the root that is trusted, and all hold at `time`,
/// the root too.
pub(crate) fn check_token_chain(authority: &Authority, time: Time) -> Result<()> {
    let refuse = |why: &str| Error::new(Check::TokenChain, authority.name()).detail(why);
    let Some((root, _)) = authority.issuers().split_last() else {
        return Err(refuse("the chain has no root above the authority's own certificate"));
    };
    if !holds(root, time) {
        return Err(refuse("the root is not valid at that time"));
    }
    if !authority.issuers().iter().all(may_issue) {
        return Err(refuse("a certificate above may not issue others"));
    }
    judge(authority, time).map_err(|error| refuse(reason(&error)).caused_by(error))
}

/// RFC 5280, 6.1, as webpki has it. It looks at no date of the root.
fn judge(authority: &Authority, time: Time) -> Result<(), webpki::Error> {
    let [own, intermediates @ .., root] = authority.certificates() else {
        return Err(webpki::Error::UnknownIssuer);
    };
    let anchors = [anchor_from_trusted_cert(root)?];
    let time = UnixTime::since_unix_epoch(Duration::from_secs(time.0));
    let own = EndEntityCert::try_from(own)?;
    let algorithms = [webpki::ALL_VERIFICATION_ALGS, OTHERS].concat();
    own.verify_for_usage(&algorithms, &anchors, intermediates, time, Timestamping, None, None).map(drop)
}

fn reason(error: &webpki::Error) -> &'static str {
    match error {
        webpki::Error::CertExpired { .. } => "a certificate is over at that time",
        webpki::Error::CertNotValidYet { .. } => "a certificate is not valid yet at that time",
        webpki::Error::UnknownIssuer => "a certificate is not by the next one",
        webpki::Error::InvalidSignatureForPublicKey => "a certificate is not signed by the next one",
        webpki::Error::RequiredEkuNotFoundContext(_) => "an intermediate is not for timestamps",
        _ => "the chain does not hold",
    }
}

fn holds(link: &Link, time: Time) -> bool {
    let validity = link.certificate.tbs_certificate().validity();
    let time = Duration::from_secs(time.0);
    validity.not_before.to_unix_duration() <= time && time <= validity.not_after.to_unix_duration()
}

/// Whether it is a CA's that signs certificates; certificates before version 3 cannot say so.
fn may_issue(link: &Link) -> bool {
    let old = link.certificate.tbs_certificate().version() != Version::V3;
    (old || link.is_ca) && link.key_usage.is_none_or(|usage| usage.key_cert_sign())
}

/// An extended key usage, where there is one, lets timestamps be made below it.
struct Timestamping;

impl ExtendedKeyUsageValidator for Timestamping {
    fn validate(&self, usages: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let allowed = [TIME_STAMPING.as_bytes(), ANY_USAGE.as_bytes()].map(KeyPurposeId::new);
        let mut present = Vec::new();
        for usage in usages {
            let usage = usage?;
            if allowed.contains(&usage) {
                return Ok(());
            }
            present.push(usage.to_decoded_oid());
        }
        if present.is_empty() {
            return Ok(());
        }
        let required = webpki::KeyUsage::required(TIME_STAMPING.as_bytes());
        Err(webpki::Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext { required, present }))
    }
}

/// ECDSA by a curve and a hash that webpki has not.
#[derive(Debug)]
struct Ecdsa {
    curve: ObjectIdentifier,
    key: AlgorithmIdentifier,
    hash: Hash,
    signature: AlgorithmIdentifier,
}

impl Ecdsa {
    const fn new(curve: ObjectIdentifier, key: AlgorithmIdentifier, hash: Hash) -> Self {
        let signature = match hash {
            Hash::Sha256 => alg_id::ECDSA_SHA256,
            Hash::Sha384 => alg_id::ECDSA_SHA384,
            Hash::Sha512 => alg_id::ECDSA_SHA512,
        };
        Self { curve, key, hash, signature }
    }

    fn key(&self, point: &[u8]) -> Option<PublicKey> {
        let algorithm = AlgorithmIdentifierOwned { oid: EC, parameters: Some(Any::from(self.curve)) };
        let subject_public_key = BitString::from_bytes(point).ok()?;
        let spki = SubjectPublicKeyInfoOwned { algorithm, subject_public_key }.to_der().ok()?;
        PublicKey::from_der(&spki).ok()
    }
}

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let good = self.key(key).is_some_and(|key| key.verify_named(self.hash, message, signature));
        if good { Ok(()) } else { Err(InvalidSignature) }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

static OTHERS: &[&dyn SignatureVerificationAlgorithm] = &[
    &Ecdsa::new(P256, alg_id::ECDSA_P256, Hash::Sha512),
    &Ecdsa::new(P384, alg_id::ECDSA_P384, Hash::Sha512),
    &Ecdsa::new(P521, alg_id::ECDSA_P521, Hash::Sha256),
    &Ecdsa::new(P521, alg_id::ECDSA_P521, Hash::Sha384),
    &Ecdsa::new(P521, alg_id::ECDSA_P521, Hash::Sha512),
];

/// id-kp-timeStamping (RFC 3161, 2.3).
static TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// anyExtendedKeyUsage (RFC 5280, 4.2.1.12).
static ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
