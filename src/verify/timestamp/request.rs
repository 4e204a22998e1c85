//! Asking an authority for a timestamp, and whether its answer is one to that question (RFC 3161, 2.4.1).

use der::asn1::{Any, OctetString, Uint};
use der::{Encode as _, Sequence};
use spki::AlgorithmIdentifierOwned;

use super::syntax::{MessageImprint, SHA_256};
use super::{Stamp, Token, check_token_imprint};
use crate::check::Check;
use crate::error::{Error, Result};
use crate::keys::public::Hash;
use crate::trust::Authority;

/// The DER of a `TimeStampReq` for the SHA-256 of `message`: the body of `application/timestamp-query`. The answer holds
/// the authority's certificate where `certificate` says so.
///
/// # Panics
///
/// Never: what is in it has a fixed size.
#[must_use]
pub fn request(message: &[u8], nonce: [u8; 8], certificate: bool) -> Vec<u8> {
    let algorithm = AlgorithmIdentifierOwned { oid: SHA_256, parameters: Some(Any::null()) };
    let hash = OctetString::new(Hash::Sha256.of(message)).expect("32 bytes");
    let nonce = Uint::new(&nonce).expect("8 bytes");
    let request =
        TimeStampReq { version: 1, imprint: MessageImprint { algorithm, hash }, nonce, certificate };
    request.to_der().expect("a request is far below 4 GiB")
}

/// Checks the answer to [`request`], as received: that it is a timestamp, has the nonce and is of `message`, and all that
/// [`Token::check`] demands. `None` where no authority given made it.
///
/// TOKEN-LIMIT, TOKEN-SYNTAX, TOKEN-IMPRINT, and the checks of a token.
pub fn check_reply(
    der: &[u8],
    message: &[u8],
    nonce: [u8; 8],
    authorities: &[Authority],
) -> Result<(Token, Option<Stamp>)> {
    let token = Token::parse(der)?;
    check_token_nonce(&token, nonce)?;
    check_token_imprint(&token, message)?;
    let stamp = token.check(message, authorities)?;
    Ok((token, stamp))
}

/// TOKEN-IMPRINT: an answer has the nonce of the request.
fn check_token_nonce(token: &Token, nonce: [u8; 8]) -> Result<()> {
    let zeros = nonce.iter().take_while(|byte| **byte == 0).count();
    let wanted = nonce.get(zeros..).unwrap_or_default();
    if token.nonce.as_deref() == Some(wanted) {
        return Ok(());
    }
    Err(Error::new(Check::TokenImprint, "")
        .detail("it answers another request: the nonce is not the one sent"))
}

#[derive(Sequence)]
struct TimeStampReq {
    version: u8,
    imprint: MessageImprint,
    nonce: Uint,
    #[asn1(default = "Default::default")]
    certificate: bool,
}
