//! The syntax of a timestamp: `TimeStampResp` and `TSTInfo` (RFC 3161, 2.4.2) in `SignedData` (RFC 5652, 5.1), in DER.

use cms::cert::x509::ext::Extensions;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::revocation::RevocationInfoChoices;
use cms::signed_data::{DigestAlgorithmIdentifiers, EncapsulatedContentInfo, SignerInfos};
use der::asn1::{Any, AnyRef, BitString, Int, OctetString};
use der::oid::ObjectIdentifier;
use der::{
    DateTime, Decode, DecodeValue, Encode as _, EncodeValue, FixedTag, Header, Length, Reader, Sequence,
    SliceReader, Tag, Writer,
};
use spki::AlgorithmIdentifierOwned;

use super::Token;
use crate::check::Check;
use crate::error::{Error, Result};
use crate::keys::public::Hash;
use crate::trust::Time;

/// TOKEN-SYNTAX: a granted `TimeStampResp` in DER with a token of version 1 and one signer, and nothing after it.
pub(super) fn check_token_syntax(bytes: &[u8]) -> Result<Token> {
    let response = Response::from_der(bytes).map_err(not_der("not a TimeStampResp (RFC 3161)"))?;
    let content = granted(response)?;
    if content.content_type != SIGNED_DATA {
        return Err(refuse("the token is not signed data"));
    }
    let data: SignedData = content.content.decode_as().map_err(not_der("the token is not signed data"))?;
    if data.content.econtent_type != TST_INFO {
        return Err(refuse("what is signed is not a TSTInfo"));
    }
    let Some(Ok(content)) = data.content.econtent.as_ref().map(Any::decode_as::<OctetString>) else {
        return Err(refuse("there is no TSTInfo in it"));
    };
    let content = content.as_bytes().to_vec();
    let info = TstInfo::from_der(&content).map_err(not_der("what is signed is not a TSTInfo"))?;
    if info.version != 1 {
        return Err(refuse(&format!("TSTInfo of version {}", info.version)));
    }
    if info.extensions.iter().flatten().any(|extension| extension.critical) {
        return Err(refuse("a critical extension that is not known"));
    }
    let signers = data.signers.0.into_vec();
    let [signer] = <[_; 1]>::try_from(signers)
        .map_err(|signers| refuse(&format!("{} signers, expected one", signers.len())))?;
    Ok(Token {
        hash: hash_of(&info.imprint.algorithm),
        imprint: info.imprint.hash.as_bytes().to_vec(),
        time: info.time.time,
        fraction: info.time.fraction,
        nonce: info.nonce.as_ref().and_then(unsigned),
        signer,
        certificates: data.certificates.map(|certificates| certificates.0),
        content,
    })
}

/// The token in an answer that grants one. With modifications is not granted: cosign takes no such token either.
fn granted(response: Response) -> Result<ContentInfo> {
    let Status { value, text, failure } = response.status;
    if value != GRANTED || failure.is_some() {
        let refused = refuse(&format!("the authority granted none: status {value}"));
        return Err(text.unwrap_or_default().iter().fold(refused, Error::detail));
    }
    response.token.ok_or_else(|| refuse("there is no token in it"))
}

/// The hash that an algorithm identifier names, without parameters or with NULL (RFC 5754, 2).
pub(super) fn hash_of(algorithm: &AlgorithmIdentifierOwned) -> Option<Hash> {
    if algorithm.parameters.as_ref().is_some_and(|parameters| *parameters != Any::null()) {
        return None;
    }
    match algorithm.oid {
        SHA_256 => Some(Hash::Sha256),
        SHA_384 => Some(Hash::Sha384),
        SHA_512 => Some(Hash::Sha512),
        _ => None,
    }
}

/// The bytes of a number that is not negative, without leading zeros.
fn unsigned(number: &Int) -> Option<Vec<u8>> {
    match number.as_bytes() {
        [0, rest @ ..] => Some(rest.to_vec()),
        [first, ..] if *first >= 0x80 => None,
        bytes => Some(bytes.to_vec()),
    }
}

fn refuse(why: &str) -> Error {
    Error::new(Check::TokenSyntax, "").detail(why)
}

fn not_der(why: &str) -> impl FnOnce(der::Error) -> Error {
    move |error| refuse(why).caused_by(error)
}

#[derive(Sequence)]
struct Response {
    status: Status,
    #[asn1(optional = "true")]
    token: Option<ContentInfo>,
}

/// `PKIStatusInfo`.
#[derive(Sequence)]
struct Status {
    value: u8,
    #[asn1(optional = "true")]
    text: Option<Vec<String>>,
    #[asn1(optional = "true")]
    failure: Option<BitString>,
}

/// `SignedData`, the certificates in it not read: they may be of any kind, and in any order.
#[derive(Sequence)]
struct SignedData {
    version: CmsVersion,
    digests: DigestAlgorithmIdentifiers,
    content: EncapsulatedContentInfo,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    certificates: Option<Unread>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    revocations: Option<RevocationInfoChoices>,
    signers: SignerInfos,
}

/// A set as it stands: the DER of each of its members.
struct Unread(Vec<Vec<u8>>);

impl FixedTag for Unread {
    const TAG: Tag = Tag::Set;
}

impl<'a> DecodeValue<'a> for Unread {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        let mut inside = SliceReader::new(reader.read_slice(header.length())?)?;
        let mut members = Vec::new();
        while !inside.is_finished() {
            members.push(AnyRef::decode(&mut inside)?.to_der()?);
        }
        Ok(Self(members))
    }
}

impl EncodeValue for Unread {
    fn value_len(&self) -> der::Result<Length> {
        self.0.iter().try_fold(Length::ZERO, |sum, member| sum + Length::try_from(member.len())?)
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        self.0.iter().try_for_each(|member| writer.write(member))
    }
}

#[derive(Sequence)]
struct TstInfo {
    version: u8,
    policy: ObjectIdentifier,
    imprint: MessageImprint,
    serial: Int,
    time: GenTime,
    #[asn1(optional = "true")]
    accuracy: Option<Accuracy>,
    #[asn1(default = "Default::default")]
    ordering: bool,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    authority: Option<Any>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(Sequence)]
pub(super) struct MessageImprint {
    pub(super) algorithm: AlgorithmIdentifierOwned,
    pub(super) hash: OctetString,
}

#[derive(Sequence)]
struct Accuracy {
    #[asn1(optional = "true")]
    seconds: Option<u64>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    millis: Option<u16>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    micros: Option<u16>,
}

/// A `GeneralizedTime` that may have a fraction of a second, which RFC 3161 allows and RFC 5280 does not.
#[derive(Debug, PartialEq, Eq)]
struct GenTime {
    time: Time,
    fraction: bool,
    text: String,
}

impl GenTime {
    /// `YYYYMMDDhhmmss[.s...]Z`, the last digit of a fraction not zero.
    fn read(text: &str) -> Option<Self> {
        let utc = text.strip_suffix('Z')?;
        let (whole, fraction) = utc.split_once('.').map_or((utc, None), |(whole, rest)| (whole, Some(rest)));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() != 14 || !digits(whole) || fraction.is_some_and(|rest| !digits(rest)) {
            return None;
        }
        if fraction.is_some_and(|rest| rest.is_empty() || rest.ends_with('0')) {
            return None;
        }
        let two = |at: usize| whole.get(at..at.saturating_add(2))?.parse::<u8>().ok();
        let year = whole.get(..4)?.parse().ok()?;
        let date = DateTime::new(year, two(4)?, two(6)?, two(8)?, two(10)?, two(12)?).ok()?;
        let time = Time(date.unix_duration().as_secs());
        Some(Self { time, fraction: fraction.is_some(), text: text.to_owned() })
    }
}

impl FixedTag for GenTime {
    const TAG: Tag = Tag::GeneralizedTime;
}

impl<'a> DecodeValue<'a> for GenTime {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        let text = str::from_utf8(reader.read_slice(header.length())?).ok();
        text.and_then(Self::read).ok_or_else(|| Tag::GeneralizedTime.value_error().into())
    }
}

impl EncodeValue for GenTime {
    fn value_len(&self) -> der::Result<Length> {
        self.text.len().try_into()
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        writer.write(self.text.as_bytes())
    }
}

const GRANTED: u8 = 0;
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// id-ct-TSTInfo.
pub(super) const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
pub(super) const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_a_fraction() {
        // date -u -d '2026-11-22 21:07:31' +%s
        const SECONDS: u64 = 1_795_381_651;
        let read = |text: &str| GenTime::read(text).map(|read| (read.time.0, read.fraction));
        for (text, wanted) in [
            ("20261122210731Z", Some((SECONDS, false))),
            ("20261122210731.5Z", Some((SECONDS, true))),
            ("20261122210731.000001Z", Some((SECONDS, true))),
            ("19700101000000Z", Some((0, false))),
            ("20261122210731.50Z", None),
            ("20261122210731.0Z", None),
            ("20261122210731.Z", None),
            ("20261122210731,5Z", None),
            ("20261122210731.5.5Z", None),
            ("20261122210731", None),
            ("20261122210731+0000", None),
            ("202611222107Z", None),
            ("+0261122210731Z", None),
            ("20261322210731Z", None),
            ("20260229210731Z", None),
            ("20261122240000Z", None),
            ("20261122210760Z", None),
            ("19691231235959Z", None),
            ("2026112221073\u{e9}Z", None),
            ("", None),
        ] {
            assert_eq!(read(text), wanted, "{text}");
        }
    }
}
