//! Logging in: challenges (RFC 9110 11), tokens (RFC 6750, RFC 6749 6, distribution's "Token Authentication
//! Specification"), and which of a person's credentials go where.
//!
//! Credentials go to the registry's own origin and to the token service that it names, tokens to the origin only.

mod challenge;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::format::json::{Names, Value};
use coldsign::format::reference::Repository;
use coldsign::limits;
use serde::Deserialize;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::credentials::{Credential, Credentials};
use crate::net::{Answer, Http, Method, Request};

/// What a request wants to do in its repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    Pull,
    PullPush,
    /// To take manifests away; to put them as well, for what lists them.
    Delete,
}

/// A client that is logged in where it has to be.
///
/// Threads share what it knows: how an origin wants to be logged in to, and the tokens of each repository.
pub(crate) struct Session {
    http: Http,
    credentials: Credentials,
    /// By origin, what it asked for when it last said 401.
    asked: RwLock<HashMap<String, Asked>>,
    /// By origin and repository.
    logins: Mutex<HashMap<(String, String), SharedLogins>>,
    /// Registries that credentials were sent for.
    logged_in: Mutex<HashSet<String>>,
}

/// Who asks: a repository of the registry at an origin, and what for.
struct Place<'a> {
    repository: &'a Repository,
    origin: &'a Url,
    scope: Scope,
}

/// How an origin wants to be logged in to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

/// The logins of one repository. Whoever gets a new one holds the lock meanwhile: the others wait and use it too.
#[derive(Default)]
struct Logins {
    pull: Option<Login>,
    pull_push: Option<Login>,
    delete: Option<Login>,
    /// Why there is none: the token service did not answer in time, and is not asked the same again.
    silent: Vec<(Scope, Error)>,
}

type SharedLogins = Arc<Mutex<Logins>>;

/// A value of `Authorization` while it is good.
struct Login {
    authorization: Authorization,
    until: Option<Instant>,
}

/// A value of `Authorization`; wiped when the last holder drops it.
type Authorization = Arc<Zeroizing<String>>;

impl Session {
    /// Nothing is read before a registry asks for a login.
    pub(crate) fn new(http: Http) -> Self {
        let credentials = Credentials::of_this_process();
        Self {
            http,
            credentials,
            asked: RwLock::default(),
            logins: Mutex::default(),
            logged_in: Mutex::default(),
        }
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// Whether credentials were sent for a registry; not whether it took them.
    pub(crate) fn logged_in(&self, registry: &str) -> bool {
        self.logged_in.lock().unwrap_or_else(PoisonError::into_inner).contains(registry)
    }

    /// Sends a request for a repository, with credentials where the registry asks for them; `authorization` of the
    /// request is not looked at. A URL on another origin than the registry's gets none. A 401 after that is
    /// REGISTRY-LOGIN and names the file of credentials, or REGISTRY-DENIED where the same login may read what it may not
    /// push to; a 403 is REGISTRY-DENIED; every other status is handed over.
    ///
    /// Errors: those of [`Http::send`] and of `Settings::origin`; REGISTRY-LOGIN, REGISTRY-DENIED, REGISTRY-REALM, REGISTRY-CREDENTIALS;
    /// REGISTRY-ANSWER of a token service.
    pub(crate) fn send(
        &self,
        repository: &Repository,
        scope: Scope,
        request: &Request<'_>,
    ) -> Result<Answer> {
        let origin = self.http.settings().origin(repository.registry())?;
        let place = Place { repository, origin: &origin, scope };
        self.exchange(&place, request).map_err(|error| match (error.check(), scope) {
            (Check::RegistryLogin, Scope::PullPush) => self.check_registry_denied_push(&place, error),
            _ => error,
        })
    }

    fn exchange(&self, place: &Place<'_>, request: &Request<'_>) -> Result<Answer> {
        let Place { repository, origin, .. } = *place;
        let ours = request.url.origin() == origin.origin();
        let mut login = match self.asked_by(origin).filter(|_| ours) {
            Some(asked) => self.login(place, &asked, None)?,
            None => None,
        };
        let mut refused = 0;
        loop {
            let authorization = login.as_ref().map(|login| login.as_str());
            let answer = self.http.send(&Request { authorization, ..request.clone() })?;
            let answer = conceal(answer, authorization.map(secret_of).as_slice());
            self.check_registry_denied(place, &answer)?;
            if answer.status != 401 {
                return Ok(answer);
            }
            if !ours || answer.url.origin() != origin.origin() {
                return Err(Error::new(Check::RegistryLogin, repository.registry())
                    .detail(place.said(&answer))
                    .detail("no login is sent anywhere but to the registry and its token service"));
            }
            // A token that was refused is got anew, once.
            refused += u8::from(login.is_some());
            let next = match Asked::read(answer.all("www-authenticate"), origin)? {
                Some(asked) if refused < 2 => {
                    self.remember(origin, &asked);
                    self.login(place, &asked, login.as_ref())?
                }
                _ => None,
            };
            if next.is_none() || next == login {
                return Err(self.registry_refused_login(place, &answer));
            }
            login = next;
        }
    }

    fn asked_by(&self, origin: &Url) -> Option<Asked> {
        self.asked.read().unwrap_or_else(PoisonError::into_inner).get(origin.as_str()).cloned()
    }

    fn remember(&self, origin: &Url, asked: &Asked) {
        if self.asked_by(origin).as_ref() != Some(asked) {
            let mut known = self.asked.write().unwrap_or_else(PoisonError::into_inner);
            known.insert(origin.to_string(), asked.clone());
        }
    }

    /// The logins of a repository; of the others those that nobody uses at this moment are forgotten when there are
    /// many: memory does not grow with the repositories of a run.
    fn logins_of(&self, place: &Place<'_>) -> SharedLogins {
        let mut all = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (place.origin.to_string(), place.repository.path().to_owned());
        if all.len() >= REPOSITORIES && !all.contains_key(&key) {
            all.retain(|_, logins| Arc::strong_count(logins) > 1);
        }
        all.entry(key).or_default().clone()
    }

    /// The value of `Authorization` for a repository, other than the one that was `refused`; `None` where a password
    /// is asked for and there is none.
    fn login(
        &self,
        place: &Place<'_>,
        asked: &Asked,
        refused: Option<&Authorization>,
    ) -> Result<Option<Authorization>> {
        let logins = self.logins_of(place);
        let mut logins = logins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refused) = refused {
            logins.forget(refused);
        }
        if let Some(authorization) = logins.good(place.scope, Instant::now()) {
            return Ok(Some(authorization));
        }
        logins.check_registry_timeout(place.scope)?;
        let credential =
            self.credentials.find(place.repository.registry(), place.repository.path())?.credential;
        if credential.is_some() {
            let mut logged_in = self.logged_in.lock().unwrap_or_else(PoisonError::into_inner);
            logged_in.insert(place.repository.registry().to_owned());
        }
        let login = match (asked, credential.as_deref()) {
            (Asked::Basic, Some(Credential::Password { user, password })) => {
                Login { authorization: Arc::new(basic(user, password)), until: None }
            }
            (Asked::Basic, _) => return Ok(None),
            (Asked::Bearer { realm, service }, credential) => {
                let token = self.get_token(place, realm, service.as_deref(), credential);
                token.map_err(|error| logins.refused(place.scope, error))?
            }
        };
        let authorization = login.authorization.clone();
        *logins.of(place.scope) = Some(login);
        Ok(Some(authorization))
    }

    /// Gets a token for the repository: with an identity token by POST (RFC 6749 6), else by GET, with a password if
    /// there is one.
    fn get_token(
        &self,
        place: &Place<'_>,
        realm: &Url,
        service: Option<&str>,
        credential: Option<&Credential>,
    ) -> Result<Login> {
        let asked_at = Instant::now();
        let scope = token_scope(place.repository.path(), place.scope);
        let (authorization, form);
        let mut request = Request {
            method: Method::Get,
            url: realm.clone(),
            accept: Some("application/json"),
            body: None,
            authorization: None,
            limit: limits::HTTP_ERROR,
            redirects: false,
            condition: None,
            stream: None,
        };
        let secrets = match credential {
            Some(Credential::Identity(token)) => {
                form = refresh_form(service, &scope, token);
                request.method = Method::Post;
                request.body = Some(("application/x-www-form-urlencoded", form.as_bytes()));
                let encoded = form.rsplit('=').next().unwrap_or_default();
                [token.as_str(), encoded]
            }
            Some(Credential::Password { user, password }) => {
                request.url = token_url(realm, service, &scope);
                authorization = basic(user, password);
                request.authorization = Some(&authorization);
                [password.as_str(), secret_of(&authorization)]
            }
            None => {
                request.url = token_url(realm, service, &scope);
                [""; 2]
            }
        };
        let answer = conceal(self.http.send(&request)?, &secrets);
        check_registry_realm_redirect(&answer)?;
        let of_no_use = |why: &str| Error::new(Check::RegistryAnswer, shown(realm)).detail(why);
        match (answer.status, credential) {
            (200, _) => read_token(&Zeroizing::new(answer.body), asked_at).map_err(of_no_use),
            // Some services say 403 of a wrong password, OAuth 2 says 400 of a wrong refresh token (RFC 6749 5.2).
            (401 | 403, _) | (400, Some(Credential::Identity(_))) => {
                Err(self.login_refused(place, &format!("{}, from {}", said(&answer), shown(realm))))
            }
            _ => Err(of_no_use(&said(&answer))),
        }
    }

    /// REGISTRY-LOGIN, for a refusal that nothing is left to answer with; `words` are those of who refused.
    fn login_refused(&self, place: &Place<'_>, words: &str) -> Error {
        let registry = place.repository.registry();
        let found = self.credentials.find(registry, place.repository.path());
        let credentials =
            found.map_or_else(|_| "credentials: cannot be read".to_owned(), |found| found.words());
        Error::new(Check::RegistryLogin, registry)
            .detail(words)
            .detail(credentials)
            .hint(format!("docker login {registry}, then run the same command again"))
    }

    /// REGISTRY-LOGIN, for a 401 of the registry itself, and why there is no other try.
    fn registry_refused_login(&self, place: &Place<'_>, answer: &Answer) -> Error {
        let error = self.login_refused(place, &place.said(answer));
        let headers = || answer.all("www-authenticate");
        match Asked::read(headers(), place.origin) {
            Ok(None) => error.detail("it asks for neither a password nor a token"),
            _ if headers().any(|header| header.contains("insufficient_scope")) => {
                error.detail(format!("the login does not allow to {}", place.scope.words()))
            }
            _ => error,
        }
    }

    /// REGISTRY-DENIED: the registry allows what is asked of it.
    fn check_registry_denied(&self, place: &Place<'_>, answer: &Answer) -> Result<()> {
        if answer.status != 403 {
            return Ok(());
        }
        let (registry, path) = (place.repository.registry(), place.repository.path());
        let error = Error::new(Check::RegistryDenied, place.repository)
            .detail(place.said(answer))
            .detail(format!("asked: {}", place.scope.words()));
        let found = self.credentials.find(registry, path);
        Err(match found {
            Ok(found) if found.credential.is_some() => error.detail(found.words()),
            Ok(found) => error
                .detail(found.words())
                .hint(format!("docker login {registry}, then run the same command again")),
            Err(_) => error,
        })
    }

    /// REGISTRY-DENIED for a push that was refused as if the login were wrong: the same login may read there. It says so
    /// only where nobody reads without one: else reading proves nothing about a password. `error` is the refusal.
    fn check_registry_denied_push(&self, place: &Place<'_>, error: Error) -> Error {
        let (registry, path) = (place.repository.registry(), place.repository.path());
        let Ok(found) = self.credentials.find(registry, path) else { return error };
        let Ok(mut url) = place.origin.join(&format!("v2/{path}/tags/list")) else { return error };
        if found.credential.is_none() {
            return error;
        }
        url.set_query(Some("n=1"));
        let request = Request {
            method: Method::Get,
            url,
            accept: Some("application/json"),
            body: None,
            authorization: None,
            limit: limits::MANIFEST,
            redirects: false,
            condition: None,
            stream: None,
        };
        match self.http.send(&request).map(|answer| answer.status) {
            Ok(401) => {}
            Ok(200) => return error.detail("anybody may read there: a wrong password, or no right to push"),
            _ => return error,
        }
        let read = self.exchange(&Place { scope: Scope::Pull, ..*place }, &request);
        if !matches!(read.map(|answer| answer.status), Ok(200 | 404)) {
            return error;
        }
        Error::new(Check::RegistryDenied, place.repository)
            .detail(error.details().next().unwrap_or_default())
            .detail(format!("the login may read {} and not push to it", place.repository))
            .detail(found.words())
            .hint("ask for the right to push")
    }
}

impl Scope {
    fn words(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::PullPush => "pull and push",
            Self::Delete => "pull, push and delete",
        }
    }
}

impl Place<'_> {
    /// [`said`], and who said it where that is not the registry.
    fn said(&self, answer: &Answer) -> String {
        if answer.url.origin() == self.origin.origin() {
            said(answer)
        } else {
            format!("{}, from {}", said(answer), shown(&answer.url))
        }
    }
}

impl Asked {
    /// The challenge that is answered, of all that a registry sends: a token's before a password's.
    ///
    /// REGISTRY-REALM for a token service that nothing may be sent to; `None` where there is no such challenge.
    fn read<'a>(headers: impl Iterator<Item = &'a str>, origin: &Url) -> Result<Option<Self>> {
        let challenges: Vec<_> = headers.flat_map(challenge::parse).collect();
        let of = |scheme| challenges.iter().find(|challenge| challenge.scheme == scheme);
        if let Some(bearer) = of("bearer") {
            let realm = check_registry_realm(bearer.parameter("realm").unwrap_or_default(), origin)?;
            return Ok(Some(Self::Bearer { realm, service: bearer.parameter("service").map(str::to_owned) }));
        }
        Ok(of("basic").map(|_| Self::Basic))
    }
}

impl Logins {
    /// A login that serves `scope` at `now`.
    fn good(&self, scope: Scope, now: Instant) -> Option<Authorization> {
        let pull = self.pull.as_ref().filter(|_| scope == Scope::Pull);
        let push = self.pull_push.as_ref().filter(|_| scope != Scope::Delete);
        let all = self.delete.iter().chain(push).chain(pull);
        let mut good = all.filter(|login| login.until.is_none_or(|until| now < until));
        good.next().map(|login| login.authorization.clone())
    }

    fn of(&mut self, scope: Scope) -> &mut Option<Login> {
        match scope {
            Scope::Pull => &mut self.pull,
            Scope::PullPush => &mut self.pull_push,
            Scope::Delete => &mut self.delete,
        }
    }

    /// REGISTRY-TIMEOUT: the token service did not let us wait in vain before.
    fn check_registry_timeout(&self, scope: Scope) -> Result<()> {
        self.silent.iter().find(|(of, _)| *of == scope).map_or(Ok(()), |(_, error)| Err(repeated(error)))
    }

    /// Remembers an error if it is a time-out.
    fn refused(&mut self, scope: Scope, error: Error) -> Error {
        if error.check() == Check::RegistryTimeout {
            self.silent.push((scope, repeated(&error)));
        }
        error
    }

    fn forget(&mut self, refused: &Authorization) {
        for login in [&mut self.pull, &mut self.pull_push, &mut self.delete] {
            login.take_if(|login| login.authorization == *refused);
        }
    }
}

/// The same refusal, said again.
fn repeated(error: &Error) -> Error {
    let again = error.details().fold(Error::new(error.check(), error.at()), Error::detail);
    error.hints().fold(again, Error::hint)
}

/// What a registry says in an answer that is an error, for messages: `404 not found: MANIFEST_UNKNOWN: manifest
/// unknown`. At most 300 characters, foreign ones: they are escaped where they are shown.
pub(crate) fn said(answer: &Answer) -> String {
    words(answer.status, &answer.body)
}

fn words(status: u16, body: &[u8]) -> String {
    let mut words = match reason(status) {
        "" => format!("status {status}"),
        reason => format!("{status} {reason}"),
    };
    let Ok(body) = Value::parse(body, limits::DEPTH_EVIDENCE, Names::Exact) else { return words };
    let first = body.get("errors").and_then(Value::as_array).and_then(<[_]>::first);
    // distribution-spec, "Error Codes"; RFC 6749 5.2; Docker Hub's token service.
    for (object, name) in [
        (first, "code"),
        (first, "message"),
        (Some(&body), "error"),
        (Some(&body), "error_description"),
        (Some(&body), "message"),
        (Some(&body), "details"),
    ] {
        if let Some(text) = object.and_then(|object| object.get(name)).and_then(Value::as_str) {
            words.push_str(": ");
            words.extend(text.chars().take(WORDS));
        }
    }
    words.chars().take(2 * WORDS).collect()
}

/// The words of RFC 9110 15 for what registries say.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "ok",
        201 => "created",
        202 => "accepted",
        204 => "no content",
        400 => "bad request",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not found",
        405 => "method not allowed",
        406 => "not acceptable",
        409 => "conflict",
        413 => "content too large",
        415 => "unsupported media type",
        416 => "range not satisfiable",
        429 => "too many requests",
        500 => "internal server error",
        501 => "not implemented",
        502 => "bad gateway",
        503 => "service unavailable",
        504 => "gateway timeout",
        _ => "",
    }
}

/// The answer without its body if that repeats a secret, as it is or in JSON: nothing of it gets into a message.
fn conceal(mut answer: Answer, secrets: &[&str]) -> Answer {
    if answer.status >= 400 && repeats(&answer.body, secrets) {
        answer.body = Vec::new();
    }
    answer
}

fn repeats(body: &[u8], secrets: &[&str]) -> bool {
    let words = words(0, body);
    secrets.iter().filter(|secret| !secret.is_empty()).any(|secret| {
        words.contains(secret) || body.windows(secret.len()).any(|part| part == secret.as_bytes())
    })
}

/// REGISTRY-REALM: a token service is a URL without a user in it, and speaks https unless the registry does not.
/// What we ask of it ourselves is taken out of it.
fn check_registry_realm(realm: &str, origin: &Url) -> Result<Url> {
    let refuse = |why: &str, at: &str| {
        let place = if at.is_empty() { origin.as_str().to_owned() } else { format!("{origin} names {at}") };
        Err(Error::new(Check::RegistryRealm, place).detail(why).detail("no credentials were sent"))
    };
    let Ok(mut url) = Url::parse(realm) else {
        return refuse("the challenge names no URL of a token service", "");
    };
    let at = shown(&url);
    match url.scheme() {
        "https" => {}
        "http" if origin.scheme() == "http" && url.host() == origin.host() => {}
        _ => {
            return refuse(
                "a token service speaks https, or is on the host of a registry that does not",
                &at,
            );
        }
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("a token service's URL has no user in it", &at);
    }
    url.set_fragment(None);
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != "scope" && name != "service")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    Ok(url)
}

/// REGISTRY-REALM: a token service does not send on what it is given.
fn check_registry_realm_redirect(answer: &Answer) -> Result<()> {
    if (300..400).contains(&answer.status) {
        return Err(Error::new(Check::RegistryRealm, shown(&answer.url))
            .detail("the token service redirects, which is not followed"));
    }
    Ok(())
}

/// What a token is asked for: ours to say, whatever a challenge says.
fn token_scope(path: &str, scope: Scope) -> String {
    match scope {
        Scope::Pull => format!("repository:{path}:pull"),
        Scope::PullPush => format!("repository:{path}:pull,push"),
        Scope::Delete => format!("repository:{path}:pull,push,delete"),
    }
}

fn token_url(realm: &Url, service: Option<&str>, scope: &str) -> Url {
    let mut url = realm.clone();
    url.query_pairs_mut()
        .extend_pairs(service.map(|service| ("service", service)))
        .append_pair("scope", scope);
    url
}

/// distribution, "Token Authentication: `OAuth2`".
fn refresh_form(service: Option<&str>, scope: &str, token: &str) -> Zeroizing<String> {
    // Room for all of it: a buffer that grows would leave copies behind.
    let room = 3 * (token.len() + scope.len() + service.map_or(0, str::len)) + 128;
    let mut form = form_urlencoded::Serializer::new(String::with_capacity(room));
    form.append_pair("grant_type", "refresh_token")
        .extend_pairs(service.map(|service| ("service", service)))
        .append_pair("scope", scope)
        .append_pair("client_id", "coldsign")
        .append_pair("refresh_token", token);
    Zeroizing::new(form.finish())
}

/// RFC 7617.
fn basic(user: &str, password: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new([user.as_bytes(), b":", password.as_bytes()].concat());
    let mut value = Zeroizing::new(String::with_capacity(8 + pair.len().div_ceil(3) * 4));
    value.push_str("Basic ");
    STANDARD.encode_string(&*pair, &mut value);
    value
}

/// What of a value of `Authorization` nobody may see: all but the scheme.
fn secret_of(authorization: &str) -> &str {
    authorization.split_once(' ').map_or(authorization, |(_, secret)| secret)
}

/// A token service's answer (distribution, "Token Authentication Specification"; RFC 6749 5.1).
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<serde_json::Value>,
}

/// Reads a token and how long it is good; distribution says 60 s where a service says nothing, and no less.
fn read_token(body: &[u8], asked_at: Instant) -> Result<Login, &'static str> {
    let answer: TokenAnswer =
        serde_json::from_slice(body).map_err(|_| "the token service's answer is not JSON with a token")?;
    let (token, access_token) = (answer.token.map(Zeroizing::new), answer.access_token.map(Zeroizing::new));
    let token = token.filter(|token| !token.is_empty()).or(access_token).unwrap_or_default();
    if token.is_empty() {
        return Err("the token service gives no token");
    }
    if token.len() > TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the token service's token is too long, or no text that a header takes");
    }
    let seconds = answer.expires_in.and_then(|seconds| seconds.as_u64()).unwrap_or_default();
    let life = Duration::from_secs(seconds.clamp(60, 24 * 60 * 60)).saturating_sub(MARGIN);
    let mut value = Zeroizing::new(String::with_capacity(7 + token.len()));
    value.push_str("Bearer ");
    value.push_str(&token);
    Ok(Login { authorization: Arc::new(value), until: Some(asked_at + life) })
}

/// A URL for messages: without query, fragment and user, which may hold secrets.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // A URL that can have neither has none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// Bytes of a token: servers take headers of 8 to 32 KiB in all.
const TOKEN: usize = 16 * 1024;
/// A token is not sent any more when so little of its time is left.
const MARGIN: Duration = Duration::from_secs(5);
/// Repositories whose logins are remembered, at about 2 KiB each.
const REPOSITORIES: usize = 1_000;
/// Characters of a registry's code, or of its message, that are shown.
const WORDS: usize = 150;

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_token_before_a_password() {
        let origin = url("https://r.example/");
        let asked = |headers: &[&str]| Asked::read(headers.iter().copied(), &origin);
        let bearer =
            r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:other:*""#;
        let expected =
            Asked::Bearer { realm: url("https://auth.example/token"), service: Some("r.example".to_owned()) };
        for headers in [
            &[bearer][..],
            &["Basic realm=\"x\"", bearer],
            &["Negotiate", bearer, "Basic realm=\"x\""],
            &[&format!("Basic realm=\"x\", {bearer}")],
        ] {
            assert_eq!(asked(headers).unwrap().as_ref(), Some(&expected), "{headers:?}");
        }
        assert_eq!(asked(&["Digest realm=\"x\"", "BASIC"]).unwrap(), Some(Asked::Basic));
        for none in [&[][..], &["Digest realm=\"x\""], &["Basically realm=\"x\""], &["\u{1}"]] {
            assert_eq!(asked(none).unwrap(), None, "{none:?}");
        }
        // A token service that nothing may be sent to does not make us send a password.
        for realm in ["http://auth.example/", "", "token"] {
            let bad = format!("Bearer realm=\"{realm}\"");
            assert_eq!(asked(&["Basic realm=\"x\"", &bad]).unwrap_err().check(), Check::RegistryRealm);
        }
    }

    #[test]
    fn realms_that_get_credentials() {
        let (https, http) = (url("https://r.example/"), url("http://127.0.0.1:5000/"));
        for (realm, origin, expected) in [
            ("https://auth.example/token", &https, "https://auth.example/token"),
            ("https://auth.example", &https, "https://auth.example/"),
            ("https://auth.example:8443/a?b=c&d=#e", &https, "https://auth.example:8443/a?b=c&d="),
            (
                "https://auth.example/?scope=repository:other:push&service=x&account=a",
                &https,
                "https://auth.example/?account=a",
            ),
            ("https://auth.example/?service=x", &https, "https://auth.example/"),
            ("http://127.0.0.1:5000/token", &http, "http://127.0.0.1:5000/token"),
            ("https://auth.example/token", &http, "https://auth.example/token"),
        ] {
            assert_eq!(check_registry_realm(realm, origin).unwrap().as_str(), expected);
        }
        for realm in [
            "http://r.example/token",
            "http://auth.example/token",
            "HTTP://r.example/token",
            "ftp://r.example/token",
            "file:///etc/passwd",
            "javascript:1",
            "data:,x",
            "https://user@auth.example/",
            "https://user:secret@auth.example/",
            "https://:secret@auth.example/",
            "https://",
            "//auth.example/",
            "/token",
            "auth.example/token",
            "",
        ] {
            let error = check_registry_realm(realm, &https).unwrap_err();
            assert_eq!(error.check(), Check::RegistryRealm, "{realm}");
            assert!(!coldsign::terminal::report(&error).contains("secret"), "{realm}");
        }
        for realm in ["ftp://127.0.0.1:5000/", "http://auth.example/token", "http://127.0.0.2:5000/token"] {
            assert_eq!(
                check_registry_realm(realm, &http).unwrap_err().check(),
                Check::RegistryRealm,
                "{realm}"
            );
        }
        let error = check_registry_realm("ftp://127.0.0.1:5000/", &http).unwrap_err();
        assert_eq!(error.check(), Check::RegistryRealm);
    }

    #[test]
    fn a_token_is_asked_for_one_repository() {
        let realm = url("https://auth.example/token?account=a");
        assert_eq!(token_scope("team/app", Scope::Pull), "repository:team/app:pull");
        let scope = token_scope("team/app", Scope::PullPush);
        assert_eq!(
            token_url(&realm, Some("r example&scope=x"), &scope).as_str(),
            "https://auth.example/token?account=a&service=r+example%26scope%3Dx&scope=repository%3Ateam%2Fapp%3Apull%2Cpush"
        );
        assert_eq!(
            token_url(&url("https://auth.example/"), None, "repository:a:pull").as_str(),
            "https://auth.example/?scope=repository%3Aa%3Apull"
        );
        assert_eq!(
            refresh_form(Some("r.example"), "repository:a:pull", "t/+=&x").as_str(),
            "grant_type=refresh_token&service=r.example&scope=repository%3Aa%3Apull&client_id=coldsign&refresh_token=t%2F%2B%3D%26x"
        );
        // RFC 7617 2.
        assert_eq!(basic("Aladdin", "open sesame").as_str(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[test]
    fn tokens_are_bounded_in_bytes_and_time() {
        let now = Instant::now();
        let read = |body: &str| {
            let login = read_token(body.as_bytes(), now)?;
            let life = login.until.map(|until| until.duration_since(now).as_secs());
            Ok::<_, &str>((login.authorization.to_string(), life))
        };
        for (body, token, life) in [
            (r#"{"token":"abc"}"#, "Bearer abc", 55),
            (r#"{"access_token":"abc","expires_in":300,"issued_at":"x"}"#, "Bearer abc", 295),
            (r#"{"token":"a","access_token":"b","expires_in":1}"#, "Bearer a", 55),
            (r#"{"token":"","access_token":"b","expires_in":-1}"#, "Bearer b", 55),
            (r#"{"token":null,"access_token":"b","expires_in":"300"}"#, "Bearer b", 55),
            (r#"{"token":"a","expires_in":18446744073709551615}"#, "Bearer a", 86_395),
            (r#"{"token":"a","expires_in":1e300}"#, "Bearer a", 55),
        ] {
            assert_eq!(read(body), Ok((token.to_owned(), Some(life))), "{body}");
        }
        let longest = format!(r#"{{"token":"{}"}}"#, "x".repeat(TOKEN));
        assert_eq!(read(&longest).unwrap().0.len(), TOKEN + 7);
        let long = format!(r#"{{"token":"{}"}}"#, "x".repeat(TOKEN + 1));
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"token":1}"#,
            r#"{"token":""}"#,
            r#"{"token":"a"}x"#,
            r#"{"token":"a","token":"b"}"#,
            r#"{"token":"a\r\nX: y"}"#,
            r#"{"token":"a b"}"#,
            r#"{"token":"\u00e9"}"#,
            "<html>",
            &long,
        ] {
            assert!(read(bad).is_err(), "{bad:.40}");
        }
    }

    #[test]
    fn a_token_to_push_pulls_too() {
        let now = Instant::now();
        let login = |value: &str, seconds: u64| Login {
            authorization: Arc::new(Zeroizing::new(value.to_owned())),
            until: Some(now + Duration::from_secs(seconds)),
        };
        let good = |logins: &Logins, scope, after: u64| {
            logins.good(scope, now + Duration::from_secs(after)).map(|login| login.to_string())
        };
        let mut logins = Logins::default();
        *logins.of(Scope::Pull) = Some(login("pull", 100));
        assert_eq!(good(&logins, Scope::Pull, 99).as_deref(), Some("pull"));
        assert_eq!(good(&logins, Scope::Pull, 100), None);
        assert_eq!(good(&logins, Scope::PullPush, 0), None);
        *logins.of(Scope::PullPush) = Some(login("push", 50));
        assert_eq!(good(&logins, Scope::PullPush, 0).as_deref(), Some("push"));
        assert_eq!(good(&logins, Scope::Pull, 0).as_deref(), Some("push"));
        assert_eq!(good(&logins, Scope::Pull, 50).as_deref(), Some("pull"), "the other one has ended");
        // Only what was refused is forgotten: another thread may have got a new one meanwhile.
        logins.forget(&Arc::new(Zeroizing::new("push".to_owned())));
        assert_eq!(good(&logins, Scope::PullPush, 0), None);
        assert_eq!(good(&logins, Scope::Pull, 0).as_deref(), Some("pull"));
    }

    #[test]
    fn the_words_of_a_registry() {
        for (status, body, expected) in [
            (
                401,
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":[{"a":1}]},{"code":"X"}]}"#,
                "401 unauthorized: UNAUTHORIZED: authentication required",
            ),
            (404, r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#, "404 not found: NAME_UNKNOWN"),
            (
                400,
                r#"{"error":"invalid_grant","error_description":"too old"}"#,
                "400 bad request: invalid_grant: too old",
            ),
            (
                401,
                r#"{"details":"incorrect username or password"}"#,
                "401 unauthorized: incorrect username or password",
            ),
            (403, r#"{"message":"no"}"#, "403 forbidden: no"),
            (404, "404 page not found\n", "404 not found"),
            (500, r#"{"errors":[]}"#, "500 internal server error"),
            (418, r#"{"errors":[{"code":1,"message":null}]}"#, "status 418"),
            (502, "<html>", "502 bad gateway"),
            (503, "", "503 service unavailable"),
        ] {
            assert_eq!(words(status, body.as_bytes()), expected);
        }
        let long = format!(
            r#"{{"errors":[{{"code":"{0}","message":"{0}"}}],"error":"{0}"}}"#,
            "\u{e9}".repeat(9_000)
        );
        assert_eq!(words(403, long.as_bytes()).chars().count(), 2 * WORDS);
        assert_eq!(words(403, &b"[".repeat(60_000)), "403 forbidden");
        assert_eq!(words(403, b"{\"message\":\"\xff\"}"), "403 forbidden");
    }

    #[test]
    fn secrets_that_are_sent_back_are_not_shown() {
        let body = |text: &str| format!(r#"{{"message":"you said {text}"}}"#).into_bytes();
        for echo in ["a/b", r"a\/b", r"\u0061/b", "xa/by"] {
            assert!(repeats(&body(echo), &["", "a/b"]), "{echo}");
        }
        assert!(repeats(b"<p>a/b</p>", &["a/b", "a%2Fb"]));
        assert!(repeats(b"<p>a%2Fb</p>", &["a/b", "a%2Fb"]));
        for (other, secrets) in [("a-b", &["a/b", ""][..]), ("a/b", &["", ""]), ("a/b", &[])] {
            assert!(!repeats(&body(other), secrets), "{other}");
        }
        assert_eq!(secret_of(&basic("u", "p")), "dTpw");
    }

    #[test]
    fn urls_are_shown_without_what_may_be_secret() {
        assert_eq!(
            shown(&url("https://u:p@cdn.example:8443/b/c?X-Signature=s#f")),
            "https://cdn.example:8443/b/c"
        );
        assert_eq!(shown(&url("mailto:a?b")), "mailto:a");
    }
}
