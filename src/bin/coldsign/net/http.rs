//! One request, from its first byte to its answer.

use std::time::Duration;

use coldsign::error::Result;
use url::Url;

use super::Settings;

/// What the client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
}

/// A request. GET and HEAD follow redirects unless `redirects` is false.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// `Accept`, if one is sent.
    pub(crate) accept: Option<&'a str>,
    /// Body and its `Content-Type`.
    pub(crate) body: Option<(&'a str, &'a [u8])>,
    /// The value of `Authorization`: sent to the origin of `url`, dropped where a redirect leaves it.
    pub(crate) authorization: Option<&'a str>,
    /// The most that is read of the body of a 2xx answer, bytes; any other body is cut at 64 KiB.
    pub(crate) limit: usize,
    pub(crate) redirects: bool,
}

/// An answer, read to its end. Whatever the status: what it means is for the caller to say.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Where it came from, after redirects.
    pub(crate) url: Url,
    pub(crate) body: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// The value of a header, if it is there once or more (the first); `name` in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a header.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The client of a process: its connections, and what it knows of registries that want to be left alone for a while.
pub(crate) struct Http {
    settings: Settings,
}

impl Http {
    /// A client with these settings. FILE-READ, REGISTRY-REACH: the file of authorities can be read.
    pub(crate) fn new(settings: Settings) -> Result<Self> {
        Ok(Self { settings })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends a request until it is answered: again after 429, 500, 502, 503, 504 and dropped connections, with growing
    /// pauses, never after a time-out. The last answer is handed over whatever its status.
    ///
    /// Errors: REGISTRY-REACH, REGISTRY-TIMEOUT, REGISTRY-REDIRECT, REGISTRY-LIMIT.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Answer> {
        unimplemented!("{request:?} {:?}", Duration::ZERO)
    }
}
