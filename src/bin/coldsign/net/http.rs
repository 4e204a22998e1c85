//! One request, from its first byte to its answer.

use std::fmt;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::limits;
use coldsign::transfer::layers::Content;
use ureq::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
    RETRY_AFTER,
};
use ureq::{AsSendBody, Body, BodyReader, SendBody, http};
use url::Url;

use super::Settings;
use super::agents::{Agents, CONNECT, IDLE};
use super::failure::{Bounds, Failure};
use super::retry::{self, Gates, Pauses, Setback};
use super::settings::names_a_user;

/// What the client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A request. GET and HEAD follow redirects unless `redirects` is false.
#[derive(Clone)]
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
    /// Where it is right only while something stands as it was read.
    pub(crate) condition: Option<Condition<'a>>,
    /// Where a body is too large to be held: it is sent, or handed over, as it comes.
    pub(crate) stream: Option<Stream<'a>>,
}

/// A body that is never held as a whole. Its request takes no fixed time in all: a second more for every 16 KiB, and as
/// long as anything moves.
#[derive(Clone, Copy)]
pub(crate) enum Stream<'a> {
    /// Of a 2xx answer to GET, handed over unread ([`Answer::take_stream`]): so many bytes are expected.
    Down(u64),
    /// Of the request, so many bytes, opened anew for each try; `body` is not looked at. It is sent once: what a
    /// registry has of an upload after that, nobody knows.
    Up(u64, &'a dyn Content),
}

impl Stream<'_> {
    fn size(self) -> u64 {
        let (Self::Down(size) | Self::Up(size, _)) = self;
        size
    }
}

/// What a request stands on that others may change: it is not sent late, or again, without a look at that.
#[derive(Clone, Copy)]
pub(crate) struct Condition<'a> {
    /// [`Http::held_up`] before that was read.
    pub(crate) since: usize,
    /// Whether it still stands as it was read.
    pub(crate) holds: &'a dyn Fn() -> Result<bool>,
}

impl fmt::Debug for Request<'_> {
    /// Without what may be secret: `Authorization`, the query, a user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&described(self.method, &self.url))
    }
}

/// An answer, read to its end. Whatever the status: what it means is for the caller to say.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Where it came from, after redirects.
    pub(crate) url: Url,
    pub(crate) body: Vec<u8>,
    headers: HeaderMap,
    stream: Option<Unhurried>,
}

impl Answer {
    /// The body of a 2xx answer that was asked for as a [`Stream::Down`]. What breaks while it is read is an error of ours
    /// inside an I/O error.
    pub(crate) fn take_stream(&mut self) -> Option<impl Read + Send + use<>> {
        self.stream.take()
    }

    /// The value of a header, if it is there once or more (the first); `name` in lower case. A value that is not
    /// printable ASCII is as good as none.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a header.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
    }
}

/// The client of a process: its connections, and what it knows of registries that want to be left alone for a while.
pub(crate) struct Http {
    settings: Settings,
    agents: Agents,
    pub(super) gates: Gates,
    pub(super) pauses: Pauses,
    /// How often a request had to wait.
    held_up: AtomicUsize,
}

impl Http {
    /// A client with these settings, and the proxies of the environment. Opens no connection.
    ///
    /// Errors: USAGE for `--plain-http`; FILE-READ, FILE-NOT-REGULAR, FILE-SIZE, REGISTRY-AUTHORITIES for the file of
    /// authorities.
    pub(crate) fn new(settings: Settings) -> Result<Self> {
        Self::with_environment(settings, |name| std::env::var(name).ok())
    }

    /// The same with an environment of one's own.
    pub(super) fn with_environment(
        settings: Settings,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        settings.check_usage()?;
        let agents = Agents::new(&settings, variable)?;
        Ok(Self {
            settings,
            agents,
            gates: Gates::default(),
            pauses: Pauses::default(),
            held_up: AtomicUsize::new(0),
        })
    }

    /// How often a request of this client had to wait before it was sent, or sent again: as long as the number stays, no
    /// time was lost.
    pub(crate) fn held_up(&self) -> usize {
        self.held_up.load(Ordering::Acquire)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends a request until it is answered: again after 429, 500, 502, 503, 504 and dropped connections, with growing
    /// pauses, never after a time-out. The last answer is handed over whatever its status. Where a condition is found not
    /// to hold any more, the request is not sent (again): what came of it before is handed over, an error where that is
    /// nothing; whoever set the condition knows.
    ///
    /// Errors: REGISTRY-REACH, REGISTRY-TIMEOUT, REGISTRY-REDIRECT, REGISTRY-LIMIT; REGISTRY-ANSWER for what is not
    /// HTTP, is encoded, or asks for more patience than there is; REGISTRY-CREDENTIALS for an `authorization` that no
    /// header can hold.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Answer> {
        let more = request.stream.map_or(0, |stream| stream.size() / PACE);
        let most = self.settings.request.saturating_add(Duration::from_secs(more));
        let deadline = Deadline { began: Instant::now(), most };
        let mut hop = Hop { url: request.url.clone(), authorization: request.authorization };
        let mut redirects = 0;
        loop {
            let answer = self.answer(request, &hop, deadline)?;
            if !request.redirects || !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let next = check_registry_redirect(request.method, &answer, redirects)?;
            if next.origin() != hop.url.origin() {
                hop.authorization = None; // for good: also if the way leads back
            }
            hop.url = next;
            redirects += 1;
        }
    }

    /// One hop, tried as often as it makes sense.
    fn answer(&self, request: &Request<'_>, hop: &Hop<'_>, deadline: Deadline) -> Result<Answer> {
        let origin = || hop.url.origin().ascii_serialization();
        let mut tries = 0;
        let mut since = request.condition.map(|condition| condition.since);
        let mut before = None;
        loop {
            while let Some(wait) = self.gates.closed(origin) {
                let told = "another request was answered 429 or 503";
                check_patience(wait, retry::RETRY_AFTER + retry::SPREAD, told, request, hop, deadline)?;
                self.wait(retry::spread(wait));
            }
            if !self.still_holds(request, &mut since)? {
                return before.unwrap_or_else(|| {
                    let error = Error::new(Check::RegistryAnswer, described(request.method, &hop.url));
                    Err(error.detail("not sent: what it was to be put over has changed"))
                });
            }
            let outcome = self.exchange(request, hop, deadline);
            tries += 1;
            let setback = match &outcome {
                Ok(answer) => Setback::of_status(answer.status),
                Err(failure) => Setback::of_failure(failure.kind),
            };
            let Some(setback) = setback else { return outcome.map_err(|failure| failure.error) };
            let wish = outcome.as_ref().ok().and_then(|answer| answer.header(RETRY_AFTER.as_str()));
            let wish = wish.and_then(|text| retry::retry_after(text, SystemTime::now()));
            let pause = match (wish, &outcome) {
                (Some(wish), Ok(answer)) => {
                    let told = format!("status {}", answer.status);
                    check_patience(wish, retry::RETRY_AFTER, &told, request, hop, deadline)?;
                    // The registry decides how often, the deadline how long; a failing one does not count as patient.
                    let again = setback == Setback::Busy || self.pauses.after(setback, tries).is_some();
                    let pause = again.then(|| self.pauses.asked(wish, tries));
                    if let Some(until) = pause.and_then(|pause| Instant::now().checked_add(pause)) {
                        self.gates.close(&origin(), until);
                    }
                    pause
                }
                _ => self.pauses.after(setback, tries),
            };
            let once = matches!(request.stream, Some(Stream::Up(..)));
            match pause.filter(|pause| !once && *pause < deadline.left()) {
                Some(pause) => {
                    self.wait(pause);
                    before = Some(outcome.map_err(|failure| failure.error));
                }
                None => return outcome.map_err(|failure| with_tries(failure.error, tries)),
            }
        }
    }

    fn wait(&self, pause: Duration) {
        thread::sleep(pause);
        self.held_up.fetch_add(1, Ordering::Release);
    }

    /// Whether the condition of a request holds: asked where anything had to wait since it was last known to.
    fn still_holds(&self, request: &Request<'_>, since: &mut Option<usize>) -> Result<bool> {
        match request.condition {
            Some(condition) if *since != Some(self.held_up()) => {
                let holds = (condition.holds)()?;
                *since = Some(self.held_up());
                Ok(holds)
            }
            _ => Ok(true),
        }
    }

    /// One request and its answer.
    fn exchange(&self, request: &Request<'_>, hop: &Hop<'_>, deadline: Deadline) -> Result<Answer, Failure> {
        let at = || described(request.method, &hop.url);
        let left = deadline.left();
        if left.is_zero() {
            let error = Error::new(Check::RegistryTimeout, at());
            return Err(error.detail(format!("not answered within {} s", deadline.most.as_secs())).into());
        }
        if names_a_user(&hop.url) {
            return Err(Error::new(Check::RegistryRedirect, at())
                .detail("address with a user or password")
                .into());
        }
        let mut head = http::Request::builder().method(request.method.name()).uri(hop.url.as_str());
        if let Some(accept) = request.accept {
            head = head.header(ACCEPT, accept);
        }
        if let Some(authorization) = hop.authorization {
            let mut value = HeaderValue::from_str(authorization).map_err(|_| {
                Error::new(Check::RegistryCredentials, at())
                    .detail("credentials hold what no HTTP header can")
            })?;
            value.set_sensitive(true);
            head = head.header(AUTHORIZATION, value);
        }
        if let Some((kind, _)) = request.body {
            head = head.header(CONTENT_TYPE, kind);
        }
        let bounds = self.bounds(request, deadline);
        let answered = match (request.stream, request.body, request.method) {
            (Some(Stream::Up(size, content)), ..) => {
                let mut body = content.open()?;
                let head = head.header(CONTENT_TYPE, OCTETS).header(CONTENT_LENGTH, size);
                self.run(head.body(SendBody::from_reader(&mut body)), hop, bounds, left)
            }
            (_, Some((_, bytes)), _) => self.run(head.body(bytes), hop, bounds, left),
            // Without a length some servers wait for a body.
            (_, None, Method::Post | Method::Put) => self.run(head.body::<&[u8]>(&[]), hop, bounds, left),
            (_, None, _) => self.run(head.body(()), hop, bounds, left),
        };
        let wire = Wire { at: at(), url: hop.url.clone(), peer: self.agents.peer(&hop.url), bounds };
        let failed = |error: ureq::Error| wire.failure(error);
        let (head, body) = answered?.map_err(failed)?.into_parts();
        let status = head.status.as_u16();
        let headers = head.headers;
        let mut stream = None;
        let body = if request.method == Method::Head {
            Vec::new()
        } else if head.status.is_success() && matches!(request.stream, Some(Stream::Down(_))) {
            check_identity(&headers).map_err(|error| error.within(at()))?;
            stream = Some(Unhurried { body: body.into_reader(), wire });
            Vec::new()
        } else if head.status.is_success() {
            check_identity(&headers).map_err(|error| error.within(at()))?;
            read(body, &headers, request.limit, &at).map_err(|error| match error {
                Unread::Over(error) => error.into(),
                Unread::Broken(error) => failed(error),
            })?
        } else {
            cut(body).map_err(failed)?
        };
        Ok(Answer { status, url: hop.url.clone(), body, headers, stream })
    }

    /// How long a request may take in all, and be silent. A registry may take its time to store what was streamed to it.
    fn bounds(&self, request: &Request<'_>, deadline: Deadline) -> Bounds {
        let idle = match request.stream {
            Some(Stream::Up(..)) => self.settings.request,
            _ => IDLE.min(self.settings.request),
        };
        Bounds { whole: deadline.most, idle, connect: CONNECT.min(self.settings.request) }
    }

    /// Hands a request to the pool of its way. The inner error is one of the wire.
    fn run<S: AsSendBody>(
        &self,
        request: http::Result<http::Request<S>>,
        hop: &Hop<'_>,
        bounds: Bounds,
        left: Duration,
    ) -> Result<Result<http::Response<Body>, ureq::Error>> {
        let agent = self.agents.get(&hop.url, &self.settings)?;
        let request = match request {
            Ok(request) => request,
            Err(error) => return Ok(Err(error.into())),
        };
        // The pool's own bound is the whole time of a request: right for the first try, too long for a later one.
        let usual = bounds.whole == self.settings.request && bounds.idle <= IDLE;
        Ok(if usual && self.settings.request.saturating_sub(left) < FIRST_TRY {
            agent.run(request)
        } else {
            let own = agent.configure_request(request).timeout_global(Some(left));
            agent.run(own.timeout_per_read(Some(bounds.idle)).build())
        })
    }
}

/// Where a request goes next, and what it may show there.
struct Hop<'a> {
    url: Url,
    authorization: Option<&'a str>,
}

/// What an error of a request says: of what, where, by whom, after how long.
struct Wire {
    at: String,
    url: Url,
    peer: String,
    bounds: Bounds,
}

impl Wire {
    fn failure(&self, error: ureq::Error) -> Failure {
        Failure::new(error, &self.at, &self.url, &self.peer, self.bounds)
    }
}

/// The body of an answer, read by whoever wants it.
struct Unhurried {
    body: BodyReader<'static>,
    wire: Wire,
}

impl io::Read for Unhurried {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer).map_err(|error| io::Error::other(self.wire.failure(error.into()).error))
    }
}

impl fmt::Debug for Unhurried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.wire.at)
    }
}

/// When nobody waits for an answer any longer: pauses, redirects and tries count.
#[derive(Clone, Copy)]
struct Deadline {
    began: Instant,
    most: Duration,
}

impl Deadline {
    fn left(self) -> Duration {
        self.most.saturating_sub(self.began.elapsed())
    }
}

/// REGISTRY-REDIRECT: GET and HEAD follow, at most five times, to http or https, never from https to http, to no
/// address with a user in it. Returns where to.
fn check_registry_redirect(method: Method, answer: &Answer, before: usize) -> Result<Url> {
    let refuse = |why: &str| {
        Error::new(Check::RegistryRedirect, described(method, &answer.url))
            .detail(format!("status {}: {why}", answer.status))
    };
    if !matches!(method, Method::Get | Method::Head) {
        return Err(refuse("only GET and HEAD are redirected"));
    }
    let location = answer.header(LOCATION.as_str()).ok_or_else(|| refuse("it does not say where to"))?;
    let next = answer.url.join(location).map_err(|_| refuse("where to is not an address"))?;
    let to = bare(&next);
    match (answer.url.scheme(), next.scheme()) {
        ("https", "http") => return Err(refuse(&format!("from https to {to}"))),
        (_, "http" | "https") => {}
        (_, other) => return Err(refuse(&format!("to the scheme {other}"))),
    }
    if names_a_user(&next) {
        return Err(refuse(&format!("to an address with a user or password: {to}")));
    }
    if before >= limits::HTTP_REDIRECTS {
        return Err(refuse(&format!("more than {} redirects, the next one to {to}", limits::HTTP_REDIRECTS)));
    }
    Ok(next)
}

/// REGISTRY-ANSWER: what a registry asks us to wait is at most a minute, and ends before the request does. A gate is
/// closed for `most`: a minute, and what those who wait for it are spread by.
fn check_patience(
    wait: Duration,
    most: Duration,
    why: &str,
    request: &Request<'_>,
    hop: &Hop<'_>,
    deadline: Deadline,
) -> Result<()> {
    let refuse = |bound: String| {
        // A date that is 60.3 s away is more than 60 s away.
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        Err(Error::new(Check::RegistryAnswer, described(request.method, &hop.url))
            .detail(format!("{why}: asks to wait {seconds} s, {bound}"))
            .hint("run the same command again later"))
    };
    if wait > most {
        return refuse(format!("at most {} s are waited", retry::RETRY_AFTER.as_secs()));
    }
    if wait > deadline.left() {
        return refuse(format!("a request takes at most {} s in all", deadline.most.as_secs()));
    }
    Ok(())
}

/// REGISTRY-ANSWER: a body comes as it is; nothing is decompressed.
fn check_identity(headers: &HeaderMap) -> Result<()> {
    let other = headers
        .get_all(CONTENT_ENCODING)
        .into_iter()
        .find(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    match other {
        None => Ok(()),
        Some(encoding) => Err(Error::new(Check::RegistryAnswer, "").detail(format!(
            "body is encoded, asked for as it is: {}",
            String::from_utf8_lossy(encoding.as_bytes())
        ))),
    }
}

/// A body that was not read.
enum Unread {
    Over(Error),
    Broken(ureq::Error),
}

/// REGISTRY-LIMIT: the body of a success has at most `limit` bytes, by what it says and by what comes.
fn read(body: Body, headers: &HeaderMap, limit: usize, at: &dyn Fn() -> String) -> Result<Vec<u8>, Unread> {
    let over = || {
        let error = Error::new(Check::RegistryLimit, at());
        Unread::Over(error.detail(format!("body of more than {limit} bytes; the rest was not read")))
    };
    let said = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if said.is_some_and(|said| said > limit) {
        return Err(over());
    }
    let mut bytes = Vec::with_capacity(said.unwrap_or_default());
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    body.into_reader()
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(|error: io::Error| Unread::Broken(error.into()))?;
    if bytes.len() > limit {
        return Err(over());
    }
    Ok(bytes)
}

/// The beginning of a body that is only shown or parsed leniently.
fn cut(body: Body) -> Result<Vec<u8>, ureq::Error> {
    let most = u64::try_from(limits::HTTP_ERROR).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    body.into_reader().take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// `METHOD scheme://host[:port]/path`.
pub(crate) fn described(method: Method, url: &Url) -> String {
    format!("{} {}", method.name(), bare(url))
}

/// A URL without its query, which can be signed or hold a session, and without a user.
fn bare(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

fn with_tries(error: Error, tries: u32) -> Error {
    if tries > 1 { error.detail(format!("tried {tries} times")) } else { error }
}

/// What of the time of a request may be gone while its own try still counts as the first.
const FIRST_TRY: Duration = Duration::from_millis(20);
/// Bytes a second of a streamed body below which nobody waits for its end.
const PACE: u64 = 16 * 1024;
/// The media type of a streamed body.
const OCTETS: &str = "application/octet-stream";
