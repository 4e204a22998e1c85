//! Timestamp authorities (RFC 3161, 3.4): a question by HTTP, and its answer.

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::limits;
use coldsign::trust::{Time, Trust};
use coldsign::verify::timestamp::{check_reply, request};

use super::service::{Service, Whose};
use crate::net::{Http, Method, described};

/// An authority that is asked. Several workers may ask it at once.
pub(crate) struct TimestampAuthority<'a>(Service<'a>);

/// A timestamp that an authority gave and that was checked: holding one is the proof.
#[derive(Clone, Debug)]
pub(crate) struct Stamped {
    der: Vec<u8>,
    time: Time,
    authority: String,
}

impl<'a> TimestampAuthority<'a> {
    /// An authority by its whole address, as `--tsa-url` has it. Opens no connection. USAGE.
    pub(crate) fn new(http: &'a Http, url: &str) -> Result<Self> {
        Service::at(http, Whose::Authority, url).map(Self)
    }

    /// Asks for a timestamp of `message`, and checks it. Its certificate comes with it where `certificate` says so:
    /// annotations have it, bundles do not. The authority is told a hash, and nothing else.
    ///
    /// TSA-REACH, TSA-TIMEOUT, TSA-REFUSED, TSA-ANSWER; the checks of a timestamp; TOKEN-REQUIRED where it is of no
    /// authority that is trusted; RANDOM-SOURCE.
    pub(crate) fn stamp(&self, message: &[u8], certificate: bool, trust: &Trust) -> Result<Stamped> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|error| Error::new(Check::RandomSource, "").caused_by(error))?;
        self.stamp_with(message, nonce, certificate, trust)
    }

    /// The same with a nonce of one's own.
    pub(super) fn stamp_with(
        &self,
        message: &[u8],
        nonce: [u8; 8],
        certificate: bool,
        trust: &Trust,
    ) -> Result<Stamped> {
        let answer = self.0.post("", QUERY, &request(message, nonce, certificate), limits::TOKEN)?;
        // What is no success is words under the same content type.
        if !matches!(answer.status, 200 | 201) {
            return Err(self.0.refused(&answer, Method::Post));
        }
        let at = described(Method::Post, &answer.url);
        let (_, stamp) = check_reply(&answer.body, message, nonce, trust.authorities())
            .map_err(|error| error.within(&at))?;
        let stamp = stamp.ok_or_else(|| check_token_required(&at))?;
        let authority = trust.authorities().get(stamp.authority()).map(|found| found.name().to_owned());
        Ok(Stamped { der: answer.body, time: stamp.time(), authority: authority.unwrap_or_default() })
    }

    #[cfg(test)]
    pub(super) fn hasty(self) -> Self {
        Self(self.0.hasty())
    }
}

impl Stamped {
    /// The DER of the `TimeStampResp`, as received.
    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// The DER, to be attached.
    pub(crate) fn into_der(self) -> Vec<u8> {
        self.der
    }

    /// The time in it.
    pub(crate) fn time(&self) -> Time {
        self.time
    }

    /// Who made it, by the name in the trusted certificate. Text of others.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

/// TOKEN-REQUIRED: a timestamp is of an authority that is trusted. The error.
fn check_token_required(at: &str) -> Error {
    Error::new(Check::TokenRequired, at)
        .detail("it is of no authority that was given")
        .hint("--trusted-root names the authorities that are trusted")
}

const QUERY: &str = "application/timestamp-query";
