//! One service by its address: requests that are answered by it alone, and what goes wrong in its own words.

use std::thread;
use std::time::Duration;

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::format::json::{Names, Value};
use coldsign::limits;
use url::Url;

use crate::net::{Answer, Http, Method, Request, described};

/// Whose service it is: the checks that it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Log,
    Authority,
}

impl Whose {
    fn timeout(self) -> Check {
        if self == Self::Log { Check::LogTimeout } else { Check::TsaTimeout }
    }

    pub(super) fn refused(self) -> Check {
        if self == Self::Log { Check::LogRefused } else { Check::TsaRefused }
    }

    pub(super) fn answer(self) -> Check {
        if self == Self::Log { Check::LogAnswer } else { Check::TsaAnswer }
    }

    /// What a registry's check is here.
    fn of(self, check: Check) -> Check {
        match (check, self) {
            (Check::RegistryReach, Self::Log) => Check::LogReach,
            (Check::RegistryReach, Self::Authority) => Check::TsaReach,
            (Check::RegistryTimeout, _) => self.timeout(),
            (Check::RegistryRedirect, Self::Log) => Check::LogRedirect,
            (Check::RegistryRedirect | Check::RegistryAnswer | Check::RegistryLimit, _) => self.answer(),
            (other, _) => other,
        }
    }
}

/// A service.
pub(super) struct Service<'a> {
    http: &'a Http,
    whose: Whose,
    /// Ends with a slash, unless it is asked at that one address.
    base: Url,
    /// Before what timed out is sent again; each is twice the one before.
    pause: Duration,
}

impl<'a> Service<'a> {
    /// USAGE: the address is https, or http to loopback or a host of `--plain-http`.
    pub(super) fn new(http: &'a Http, whose: Whose, address: &str) -> Result<Self> {
        let mut service = Self::at(http, whose, address)?;
        if !service.base.path().ends_with('/') {
            service.base.set_path(&format!("{}/", service.base.path()));
        }
        Ok(service)
    }

    /// The same, asked at that one address.
    pub(super) fn at(http: &'a Http, whose: Whose, address: &str) -> Result<Self> {
        Ok(Self { http, whose, base: http.settings().service(address)?, pause: PAUSE })
    }

    /// The part of it below a path.
    pub(super) fn below(&self, path: &str) -> Self {
        Self { base: self.url(path), ..*self }
    }

    /// Where it is, for people.
    pub(super) fn place(&self) -> &Url {
        &self.base
    }

    /// The address of something below it; `path` is one of ours, and without one it is its own.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }

    pub(super) fn get(&self, path: &str, limit: usize) -> Result<Answer> {
        self.ask(&request(Method::Get, self.url(path), None, limit))
    }

    pub(super) fn post(&self, path: &str, kind: &str, body: &[u8], limit: usize) -> Result<Answer> {
        self.ask(&request(Method::Post, self.url(path), Some((kind, body)), limit))
    }

    /// Sends a request as the client of registries does, and again after a time-out: whoever did not hear the answer may
    /// have been heard all the same, and is then answered so. LOG-REDIRECT, TSA-ANSWER: a service answers itself.
    fn ask(&self, request: &Request<'_>) -> Result<Answer> {
        let mut pause = self.pause;
        let mut tries = 1;
        let answer = loop {
            match self.http.send(request) {
                Ok(answer) => break answer,
                Err(error) if error.check() == Check::RegistryTimeout && tries < TRIES => {
                    thread::sleep(pause);
                    pause *= 2;
                    tries += 1;
                }
                Err(error) => {
                    let check = self.whose.of(error.check());
                    let error = error.by(check);
                    return Err(if tries > 1 { error.detail(format!("tried {tries} times")) } else { error });
                }
            }
        };
        if !(300..400).contains(&answer.status) {
            return Ok(answer);
        }
        let check = self.whose.of(Check::RegistryRedirect);
        let to = answer.header("location").unwrap_or("it does not say where to");
        Err(Error::new(check, described(request.method, &request.url))
            .detail(format!("status {}: {}", answer.status, shortened(to)))
            .hint("give the address at which it answers itself"))
    }

    /// An answer of another status than those that are of use, with the server's words: 4xx is its last word, anything
    /// else says nothing about what was asked.
    pub(super) fn refused(&self, answer: &Answer, method: Method) -> Error {
        let check = match answer.status {
            400..=499 if answer.status != 429 => self.whose.refused(),
            _ => self.whose.answer(),
        };
        let error = Error::new(check, described(method, &answer.url)).detail(said(answer));
        match (answer.status, method, self.whose) {
            (404, Method::Post, Whose::Log) => error.hint(NOT_A_LOG),
            (404, Method::Post, Whose::Authority) => error.hint("an authority is given by its whole address"),
            _ => error,
        }
    }

    /// LOG-ANSWER, TSA-ANSWER: an answer of the right status that cannot be used.
    pub(super) fn no_use(&self, answer: &Answer, method: Method, why: &str) -> Error {
        Error::new(self.whose.answer(), described(method, &answer.url)).detail(why)
    }

    /// The pauses of a service that is waited for, and the time that it is.
    pub(super) fn patience(&self) -> (Duration, Duration) {
        (self.pause, self.pause * PATIENCE)
    }

    #[cfg(test)]
    pub(super) fn hasty(self) -> Self {
        Self { pause: Duration::from_millis(1), ..self }
    }
}

fn request<'a>(method: Method, url: Url, body: Option<(&'a str, &'a [u8])>, limit: usize) -> Request<'a> {
    Request {
        method,
        url,
        accept: None,
        body,
        authorization: None,
        limit,
        redirects: false,
        condition: None,
        stream: None,
    }
}

/// What a service says in an answer that is an error: `status 400: message`. Foreign words, escaped where they are shown.
fn said(answer: &Answer) -> String {
    let status = answer.status;
    let json = Value::parse(&answer.body, limits::DEPTH_EVIDENCE, Names::Exact).ok();
    let message = json.as_ref().and_then(|json| json.get("message")).and_then(Value::as_str);
    let plain = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
    let words = match message {
        Some(message) => message.to_owned(),
        None if plain => String::from_utf8_lossy(&answer.body).trim().to_owned(),
        None => String::new(),
    };
    if words.is_empty() {
        format!("status {status}")
    } else {
        format!("status {status}: {}", shortened(&words))
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(limits::SHOWN).collect()
}

/// What is most often wrong where a path is not there.
pub(super) const NOT_A_LOG: &str = "a log is given by its address, without the path of its API";
/// How often a request that times out is sent in all.
const TRIES: u32 = 3;
/// The first pause before what timed out is sent again, and before a log is looked at again.
const PAUSE: Duration = Duration::from_millis(250);
/// What a log is waited for, in first pauses: 30 s, three times its usual pause between checkpoints.
const PATIENCE: u32 = 120;
