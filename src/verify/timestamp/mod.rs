//! Timestamps of signatures: tokens of RFC 3161, by the authorities that a person trusts (docs/verification.md).
//!
//! A token is signed by a certificate that the trust material holds. What a token carries itself (certificates, revocation
//! lists, attributes outside the signature) proves nothing and is not trusted.

mod request;
mod signer;
mod syntax;

use std::collections::{BTreeSet, HashSet};

use cms::signed_data::SignerInfo;

use crate::check::Check;
use crate::error::{Error, Result};
use crate::keys::public::Hash;
use crate::limits;
use crate::trust::{Authority, Time, check_token_chain, check_token_usage};

pub use request::{check_reply, request};
use signer::{check_token_signature, signing_time};

/// A timestamp that was read, and not yet checked.
#[derive(Clone, Debug)]
pub struct Token {
    /// What was signed: the DER of a `TSTInfo`.
    content: Vec<u8>,
    /// `None` for a hash that is not taken.
    hash: Option<Hash>,
    imprint: Vec<u8>,
    time: Time,
    /// Whether it is later than `time`, by less than a second.
    fraction: bool,
    /// Without leading zeros.
    nonce: Option<Vec<u8>>,
    signer: SignerInfo,
    /// The certificates beside it, as they stand; `None` where there is no set of them.
    certificates: Option<Vec<Vec<u8>>>,
}

impl Token {
    /// Reads the DER of a `TimeStampResp`, as an annotation or a bundle holds it in base64.
    ///
    /// TOKEN-LIMIT, TOKEN-SYNTAX.
    pub fn parse(der: &[u8]) -> Result<Self> {
        check_token_limit(der)?;
        syntax::check_token_syntax(der)
    }

    /// When it says that it was made, the fraction of a second dropped. Nothing but [`Token::check`] makes it true.
    #[must_use]
    pub fn time(&self) -> Time {
        self.time
    }

    /// Checks it as a timestamp of `message`. `None` where no authority made it: it is unchecked then, may be of anything,
    /// and never counts.
    ///
    /// TOKEN-IMPRINT, TOKEN-SIGNATURE, TOKEN-USAGE, TOKEN-CHAIN, TOKEN-WINDOW. Where several authorities have the
    /// certificate that it names, one for which all holds is enough.
    pub fn check(&self, message: &[u8], authorities: &[Authority]) -> Result<Option<Stamp>> {
        let mut refused = None;
        let named =
            authorities.iter().enumerate().filter(|(_, authority)| authority.is_signer(&self.signer.sid));
        for (index, authority) in named {
            match self.check_by(message, authority) {
                Ok(()) => return Ok(Some(Stamp { authority: index, time: self.latest() })),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        refused.map_or(Ok(None), Err)
    }

    /// TOKEN-IMPRINT: whoever made it, it is a timestamp of `message`.
    pub fn check_imprint(&self, message: &[u8]) -> Result<()> {
        check_token_imprint(self, message)
    }

    fn check_by(&self, message: &[u8], authority: &Authority) -> Result<()> {
        check_token_imprint(self, message)?;
        check_token_signature(self, authority)?;
        check_token_usage(authority)?;
        for time in self.seconds().chain(signing_time(self)).collect::<BTreeSet<_>>() {
            check_token_chain(authority, time)?;
        }
        check_token_window(self, authority)
    }

    /// The first whole second that is not before its time.
    fn latest(&self) -> Time {
        Time(self.time.0.saturating_add(u64::from(self.fraction)))
    }

    /// The whole seconds around its time: what ends in whole seconds and holds at each of them holds at that time.
    fn seconds(&self) -> impl Iterator<Item = Time> {
        let next = self.fraction.then(|| Time(self.time.0.saturating_add(1)));
        std::iter::once(self.time).chain(next)
    }
}

/// What a verified timestamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    authority: usize,
    time: Time,
}

impl Stamp {
    /// Which of the authorities made it: their index.
    #[must_use]
    pub fn authority(&self) -> usize {
        self.authority
    }

    /// The message is not younger than this: a fraction of a second is rounded up.
    #[must_use]
    pub fn time(&self) -> Time {
        self.time
    }
}

/// TOKEN-LIMIT: a timestamp has at most 64 KiB.
fn check_token_limit(der: &[u8]) -> Result<()> {
    if der.len() <= limits::TOKEN {
        return Ok(());
    }
    Err(Error::new(Check::TokenLimit, "").detail(format!("{} bytes", der.len())))
}

/// TOKEN-LIMIT: a signature has at most 32 timestamps.
pub fn check_token_count(tokens: &[Vec<u8>]) -> Result<()> {
    if tokens.len() <= limits::TOKENS {
        return Ok(());
    }
    Err(Error::new(Check::TokenLimit, "").detail(format!("{} timestamps", tokens.len())))
}

/// TOKEN-REPEATED: no timestamp of a signature stands twice, byte for byte.
pub fn check_token_repeated(tokens: &[Vec<u8>]) -> Result<()> {
    let mut seen = HashSet::new();
    if tokens.iter().all(|token| seen.insert(token)) {
        return Ok(());
    }
    Err(Error::new(Check::TokenRepeated, ""))
}

/// TOKEN-IMPRINT: the imprint is the SHA-256, SHA-384 or SHA-512 of the message.
fn check_token_imprint(token: &Token, message: &[u8]) -> Result<()> {
    let refuse = |why: &str| Err(Error::new(Check::TokenImprint, "").detail(why));
    match token.hash {
        Some(hash) if hash.of(message) == token.imprint => Ok(()),
        Some(_) => refuse("the hash in it is another's"),
        None => refuse("the hash in it is not by SHA-256, SHA-384 or SHA-512"),
    }
}

/// TOKEN-WINDOW: the time is in the authority's window, its ends included.
fn check_token_window(token: &Token, authority: &Authority) -> Result<()> {
    let Some(window) = authority.window() else { return Ok(()) };
    if token.seconds().all(|time| window.contains(time)) {
        return Ok(());
    }
    let end = window.end.map_or_else(|| "without an end".to_owned(), |end| format!("to {end}"));
    Err(Error::new(Check::TokenWindow, authority.name())
        .detail(format!("made at {}, trusted from {} {end}", token.time, window.start)))
}
