//! Files of credentials, as docker and podman write them, and the programs that they name.
//!
//! Nothing is read before a registry asks for a login.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::{files, limits};
use docker_credential::{CredentialRetrievalError as Broken, DockerCredential};
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// What a person has for a registry; wiped when dropped.
pub(crate) enum Credential {
    /// User and password, for basic login or to get a token.
    Password { user: String, password: Zeroizing<String> },
    /// An identity token, to get an access token (OAuth 2 refresh token).
    Identity(Zeroizing<String>),
}

/// The answer to one question, and where it comes from.
pub(crate) struct Found {
    pub(crate) credential: Option<Arc<Credential>>,
    /// For messages: `FILE`, `none in FILE`, `no file`.
    pub(crate) place: String,
}

impl Found {
    /// For messages, without a password: `credentials: FILE, user NAME`, `credentials: none in FILE: no login was sent`.
    pub(crate) fn words(&self) -> String {
        let what = match self.credential.as_deref() {
            Some(Credential::Password { user, .. }) => format!(", user {user}"),
            Some(Credential::Identity(_)) => ", an identity token".to_owned(),
            None => ": no login was sent".to_owned(),
        };
        format!("credentials: {}{what}", self.place)
    }
}

/// Everything that a person has for registries. Files are read once, and a program is asked once for each of its
/// entries, whatever it says.
pub(crate) struct Credentials {
    environment: Environment,
    files: Mutex<Option<Arc<[File]>>>,
    helpers: Mutex<HashMap<(String, String), Said>>,
}

/// What the environment says about where credentials are. An empty variable is an absent one.
struct Environment {
    auth_file: Option<PathBuf>,
    docker_config: Option<PathBuf>,
    home: Option<PathBuf>,
    runtime: Option<PathBuf>,
    config: Option<PathBuf>,
    path: Option<OsString>,
}

/// A file that is there.
struct File {
    name: String,
    bytes: Zeroizing<Vec<u8>>,
}

/// The members of a file that matter. Entries are not looked into before they are asked for: a broken one of another
/// registry does no harm.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(borrow)]
    auths: Option<BTreeMap<String, &'a RawValue>>,
    creds_store: Option<String>,
    cred_helpers: Option<BTreeMap<String, String>>,
}

/// What a helper said: a credential, that it has none, or how it failed.
type Said = Result<Option<Arc<Credential>>, &'static str>;

impl Credentials {
    /// Those of this process's environment.
    pub(crate) fn of_this_process() -> Self {
        Self::new(|name| std::env::var_os(name))
    }

    fn new(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let environment = Environment {
            auth_file: variable("REGISTRY_AUTH_FILE").map(PathBuf::from),
            docker_config: variable("DOCKER_CONFIG").map(PathBuf::from),
            home: variable("HOME").map(PathBuf::from),
            runtime: variable("XDG_RUNTIME_DIR").map(PathBuf::from),
            config: variable("XDG_CONFIG_HOME").map(PathBuf::from),
            path: variable("PATH"),
        };
        Self { environment, files: Mutex::default(), helpers: Mutex::default() }
    }

    /// What there is for a repository of a registry: in the first file that has something, the most specific entry
    /// (`registry.example/team/app`, `registry.example/team`, `registry.example`), of those a helper's before one of
    /// the file; the file's helper for all registries (`credsStore`) comes last.
    ///
    /// Errors: REGISTRY-CREDENTIALS names the file or the helper, never what stands in it or what it said.
    pub(crate) fn find(&self, registry: &str, path: &str) -> Result<Found> {
        let files = self.files()?;
        for file in files.iter() {
            if let Some(found) = self.find_in(file, registry, path)? {
                return Ok(found);
            }
        }
        let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        let place =
            if names.is_empty() { "no file".to_owned() } else { format!("none in {}", names.join(", ")) };
        Ok(Found { credential: None, place })
    }

    fn files(&self) -> Result<Arc<[File]>> {
        let mut known = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(files) = known.as_ref() {
            return Ok(files.clone());
        }
        let files: Arc<[File]> = self.environment.read_files()?.into();
        *known = Some(files.clone());
        Ok(files)
    }

    fn find_in(&self, file: &File, registry: &str, path: &str) -> Result<Option<Found>> {
        let document: Document<'_> = check_registry_credentials(file)?;
        let (auths, helpers) =
            (document.auths.unwrap_or_default(), document.cred_helpers.unwrap_or_default());
        for wanted in most_specific_first(registry, path) {
            if let Some((key, helper)) = entry(&helpers, &wanted) {
                // An empty name switches a helper off for that registry.
                if !helper.is_empty() {
                    return self.ask(helper, key, file, registry);
                }
            }
            if let Some((key, raw)) = entry(&auths, &wanted)
                && let Some(credential) = read_entry(raw).map_err(|why| broken(&file.name, key, why))?
            {
                return Ok(Some(Found { credential: Some(Arc::new(credential)), place: file.name.clone() }));
            }
        }
        match document.creds_store {
            Some(helper) if !helper.is_empty() => {
                // The spelling that stands in the file is the one under which the login was stored.
                let spelled = entry(&auths, &normal(registry)).map(|(key, _)| key);
                let usual = if normal(registry) == DOCKER_HUB { DOCKER_HUB_KEY } else { registry };
                self.ask(&helper, spelled.unwrap_or(usual), file, registry)
            }
            _ => Ok(None),
        }
    }

    /// Asks a helper that `file` names; one that has nothing leaves the question to the next file.
    fn ask(&self, helper: &str, server: &str, file: &File, registry: &str) -> Result<Option<Found>> {
        let program = format!("docker-credential-{helper}");
        let place = format!("{program}, named by {}", file.name);
        // One lock for all: a helper may ask a person, who answers one question at a time.
        let mut helpers = self.helpers.lock().unwrap_or_else(PoisonError::into_inner);
        let said = helpers
            .entry((program.clone(), server.to_owned()))
            .or_insert_with(|| run_helper(&program, server, self.environment.path.as_ref(), HELPER_TIME));
        match said {
            Ok(credential) => Ok(credential
                .as_ref()
                .map(|credential| Found { credential: Some(credential.clone()), place })),
            Err(why) => Err(Error::new(Check::RegistryCredentials, place)
                .detail(format!("{why}, asked for {server}"))
                .hint(format!(
                    "run it by hand, or name a file with REGISTRY_AUTH_FILE that has a login for {registry}"
                ))),
        }
    }
}

impl Environment {
    /// The files, with whether one has to be there.
    fn candidates(&self) -> Vec<(PathBuf, bool)> {
        if let Some(path) = &self.auth_file {
            return vec![(path.clone(), true)];
        }
        let in_home = |folder: &str| self.home.as_ref().map(|home| home.join(folder));
        let docker = self.docker_config.clone().or_else(|| in_home(".docker"));
        let podman = [self.runtime.clone(), self.config.clone().or_else(|| in_home(".config"))];
        docker
            .map(|folder| folder.join("config.json"))
            .into_iter()
            .chain(podman.into_iter().flatten().map(|folder| folder.join("containers/auth.json")))
            .map(|path| (path, false))
            .collect()
    }

    fn read_files(&self) -> Result<Vec<File>> {
        let mut read = Vec::new();
        for (path, required) in self.candidates() {
            if !required && is_absent(&path) {
                continue;
            }
            let name = self.name(&path);
            let bytes = files::read(&path, limits::CREDENTIALS_FILE).map_err(|error| {
                let refused = Error::new(Check::RegistryCredentials, &name).caused_by(error);
                if required { refused.detail("REGISTRY_AUTH_FILE names it") } else { refused }
            })?;
            read.push(File { name, bytes: Zeroizing::new(bytes) });
        }
        Ok(read)
    }

    /// A path as a person writes it, with `~` for the home directory.
    fn name(&self, path: &Path) -> String {
        let below = self.home.as_ref().and_then(|home| path.strip_prefix(home).ok());
        below.map_or_else(|| path.display().to_string(), |below| format!("~/{}", below.display()))
    }
}

/// REGISTRY-CREDENTIALS: the file is JSON as docker and podman write it.
fn check_registry_credentials(file: &File) -> Result<Document<'_>> {
    serde_json::from_slice(&file.bytes).map_err(|error| {
        // The reader's own words may quote what stands there.
        let place = format!("line {}, column {}", error.line(), error.column());
        Error::new(Check::RegistryCredentials, &file.name)
            .detail(format!("not JSON as docker and podman write it: {place}"))
    })
}

/// The keys that fit a repository, in the normal form, the most specific first.
fn most_specific_first(registry: &str, path: &str) -> impl Iterator<Item = String> {
    let registry = normal(registry);
    let full = format!("{registry}/{path}");
    let ends: Vec<usize> = full.match_indices('/').map(|(at, _)| at).chain([full.len()]).collect();
    ends.into_iter().rev().filter_map(move |end| full.get(..end).map(str::to_owned))
}

/// The entry whose key means `wanted`; of several the one that is spelled so, then one with https, one without a
/// scheme, one with http.
fn entry<'a, V>(entries: &'a BTreeMap<String, V>, wanted: &str) -> Option<(&'a str, &'a V)> {
    let rank = |key: &str| match key {
        _ if key == wanted => 0,
        _ if key.starts_with("https://") => 1,
        _ if key.starts_with("http://") => 3,
        _ => 2,
    };
    let fitting = entries.iter().filter(|(key, _)| normal(key) == wanted);
    fitting.min_by_key(|(key, _)| rank(key)).map(|(key, value)| (key.as_str(), value))
}

/// A key without what docker and podman put around the registry: a scheme, with which the path means nothing either,
/// `/v1` or `/v2`; letter case of the host, and the names of Docker Hub, are evened out.
fn normal(key: &str) -> String {
    let (key, is_url) = match key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")) {
        Some(rest) => (rest, true),
        None => (key, false),
    };
    let key = key.trim_end_matches('/');
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    let host = match host.to_ascii_lowercase() {
        host if host == "docker.io" || host == "registry-1.docker.io" => DOCKER_HUB.to_owned(),
        host => host,
    };
    if is_url || matches!(path, "" | "v1" | "v2") { host } else { format!("{host}/{path}") }
}

/// One entry of `auths`; `None` if it only says that there was a login, which a helper holds.
fn read_entry(raw: &RawValue) -> Result<Option<Credential>, &'static str> {
    if raw.get() == "null" {
        return Ok(None);
    }
    let one = Zeroizing::new(format!("{{\"auths\":{{\"entry\":{}}}}}", raw.get()));
    match docker_credential::get_credential_from_reader(one.as_bytes(), "entry") {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(some_password(user, Zeroizing::new(password)))
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(some_identity(Zeroizing::new(token))),
        Err(Broken::NoCredentialConfigured) => Ok(None),
        Err(Broken::CredentialDecodingError) => Err("auth is not base64 of user:password"),
        Err(Broken::CredentialMismatchError) => Err("auth and username with password are not the same"),
        Err(_) => Err("not an entry as docker and podman write it"),
    }
}

fn some_password(user: String, password: Zeroizing<String>) -> Option<Credential> {
    (!user.is_empty() || !password.is_empty()).then_some(Credential::Password { user, password })
}

fn some_identity(token: Zeroizing<String>) -> Option<Credential> {
    (!token.is_empty()).then_some(Credential::Identity(token))
}

fn broken(file: &str, key: &str, why: &str) -> Error {
    Error::new(Check::RegistryCredentials, file)
        .detail(format!("{why}: entry {key}"))
        .hint(format!("docker login {key}, or podman login {key}, writes it again"))
}

fn is_absent(path: &Path) -> bool {
    let error = path.metadata().err().map(|error| error.kind());
    matches!(error, Some(io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
}

/// What a helper answers to `get`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: Zeroized,
}

#[derive(Deserialize)]
#[serde(from = "String")]
struct Zeroized(Zeroizing<String>);

impl From<String> for Zeroized {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// Runs `PROGRAM get` as docker does: the server goes in, JSON comes out. What it says on stderr is not shown: nobody
/// knows what a program puts there.
fn run_helper(program: &str, server: &str, path: Option<&OsString>, time: Duration) -> Said {
    if !program.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err("not a name of a helper");
    }
    if server.len() > QUESTION {
        return Err("the key of the entry is too long");
    }
    let until = Instant::now() + time;
    let mut command = Command::new(program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such program",
        _ => "the program cannot be started",
    })?;
    let said = talk(&mut child, server, until);
    if said.is_err() {
        // It has ended, or is to end now.
        let _ = child.kill();
        let _ = child.wait();
    }
    let (output, success) = said?;
    if !success {
        // The words of docker's own helpers and of those that follow them.
        let none = String::from_utf8_lossy(&output).contains("credentials not found");
        return if none { Ok(None) } else { Err("the program failed") };
    }
    let answer: HelperAnswer =
        serde_json::from_slice(&output).map_err(|_| "the program did not answer as such a helper does")?;
    let credential = match answer.username.as_str() {
        "<token>" => some_identity(answer.secret.0),
        _ => some_password(answer.username, answer.secret.0),
    };
    Ok(credential.map(Arc::new))
}

/// Says `server` to a helper; its output and whether it succeeded.
fn talk(child: &mut Child, server: &str, until: Instant) -> Result<(Zeroizing<Vec<u8>>, bool), &'static str> {
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("the program cannot be talked to");
    };
    // It fits into the pipe, so this waits for nobody; a program that does not want to hear it may still answer.
    let _ = stdin.write_all(server.as_bytes());
    drop(stdin);
    let output = read_output(stdout)
        .recv_timeout(until.saturating_duration_since(Instant::now()))
        .map_err(|_| "the program took too long")?
        .map_err(|_| "the program's answer cannot be read")?;
    if output.len() > HELPER_ANSWER {
        return Err("the program says too much");
    }
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok((output, status.success())),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(2)),
            _ => return Err("the program took too long"),
        }
    }
}

/// Reads beside the caller, who does not wait for ever.
fn read_output(stdout: ChildStdout) -> Receiver<io::Result<Zeroizing<Vec<u8>>>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Room for all that is read: a buffer that grows would leave copies behind.
        let mut output = Zeroizing::new(Vec::with_capacity(HELPER_ANSWER + 64));
        let most = u64::try_from(HELPER_ANSWER + 1).unwrap_or(u64::MAX);
        let read = stdout.take(most).read_to_end(&mut output);
        // Nobody listens any more when it took too long.
        let _ = sender.send(read.map(|_| output));
    });
    receiver
}

/// Docker Hub as references spell it.
const DOCKER_HUB: &str = "index.docker.io";
/// Docker Hub as docker stores its login.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// How long a helper may take: it may ask a person for the passphrase of a key.
const HELPER_TIME: Duration = Duration::from_secs(60);
/// Bytes that a helper may answer.
const HELPER_ANSWER: usize = 64 * 1024;
/// Bytes of the key that is said to a helper: less than any pipe holds.
const QUESTION: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A home directory, and a folder of helpers in front of the system's programs.
    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, text: &str) -> &Self {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            self
        }

        /// A helper, as a shell script. Another process writes it: one that this process held open while a thread of
        /// it starts a program could not be run.
        fn helper(&self, name: &str, script: &str) -> &Self {
            self.write("script", &format!("#!/bin/sh\n{script}\n"));
            let file = self.path(&format!("bin/docker-credential-{name}"));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let installed =
                Command::new("install").args(["-m", "755"]).arg(self.path("script")).arg(file).status();
            assert!(installed.unwrap().success());
            self
        }

        /// Its credentials, with further variables whose values are names in it.
        fn with(&self, variables: &[(&str, &str)]) -> Credentials {
            Credentials::new(|name| match (name, variables.iter().find(|(known, _)| *known == name)) {
                (_, Some((_, ""))) => Some(OsString::new()),
                (_, Some((_, value))) => Some(self.path(value).into()),
                ("HOME", None) => Some(self.0.path().into()),
                ("PATH", None) => Some(format!("{}:/usr/bin:/bin", self.path("bin").display()).into()),
                _ => None,
            })
        }

        fn find(&self, registry: &str, path: &str) -> Result<(String, String)> {
            self.with(&[]).find(registry, path).map(spelled)
        }
    }

    /// The credential as `user:password`, `identity TOKEN` or `-`, and the place.
    fn spelled(found: Found) -> (String, String) {
        let credential = match found.credential.as_deref() {
            Some(Credential::Password { user, password }) => format!("{user}:{}", password.as_str()),
            Some(Credential::Identity(token)) => format!("identity {}", token.as_str()),
            None => "-".to_owned(),
        };
        (credential, found.place)
    }

    fn pair(credential: &str, place: &str) -> (String, String) {
        (credential.to_owned(), place.to_owned())
    }

    /// `auths` of user `u` with the name of each key as password (base64 by hand would hide what is meant).
    fn auths(keys: &[&str]) -> String {
        let entries: Vec<_> =
            keys.iter().map(|key| format!(r#""{key}":{{"username":"u","password":"{key}"}}"#)).collect();
        format!(r#"{{"auths":{{{}}}}}"#, entries.join(","))
    }

    const DOCKER: &str = ".docker/config.json";
    const PODMAN: &str = ".config/containers/auth.json";

    #[test]
    fn files_are_asked_in_their_order() {
        let home = Home::new();
        assert_eq!(home.find("r.example", "a").unwrap(), pair("-", "no file"));
        home.write(PODMAN, &auths(&["r.example", "p.example"]));
        assert_eq!(
            home.find("r.example", "a").unwrap(),
            pair("u:r.example", "~/.config/containers/auth.json")
        );
        home.write(
            DOCKER,
            r#"{"auths":{"r.example":{"auth":"ZG9ja2VyOnNlOmNyZXQ="}},"HttpHeaders":{"a":1}}"#,
        );
        assert_eq!(home.find("r.example", "a").unwrap(), pair("docker:se:cret", "~/.docker/config.json"));
        // A registry that docker's file does not have may be in podman's.
        assert_eq!(home.find("p.example", "a").unwrap().0, "u:p.example");
        assert_eq!(
            home.find("q.example", "a").unwrap(),
            pair("-", "none in ~/.docker/config.json, ~/.config/containers/auth.json")
        );

        home.write("run/containers/auth.json", &auths(&["p.example", "run.example"]));
        home.write("other/config.json", &auths(&["docker.example"]));
        home.write("mine.json", &auths(&["mine.example"]));
        let runtime = home.with(&[("XDG_RUNTIME_DIR", "run")]);
        assert_eq!(spelled(runtime.find("p.example", "a").unwrap()).1, "~/run/containers/auth.json");
        let docker = home.with(&[("DOCKER_CONFIG", "other")]);
        assert_eq!(spelled(docker.find("docker.example", "a").unwrap()).0, "u:docker.example");
        assert_eq!(spelled(docker.find("r.example", "a").unwrap()).0, "u:r.example", "podman's");
        // REGISTRY_AUTH_FILE is the only one; an empty variable is none.
        let only = home.with(&[("REGISTRY_AUTH_FILE", "mine.json")]);
        assert_eq!(spelled(only.find("mine.example", "a").unwrap()).0, "u:mine.example");
        assert_eq!(spelled(only.find("r.example", "a").unwrap()), pair("-", "none in ~/mine.json"));
        let empty = home.with(&[("REGISTRY_AUTH_FILE", ""), ("DOCKER_CONFIG", "")]);
        assert_eq!(spelled(empty.find("r.example", "a").unwrap()).0, "docker:se:cret");
    }

    #[test]
    fn the_most_specific_entry_counts() {
        let home = Home::new();
        home.write(PODMAN, &auths(&["r.example", "r.example/team", "r.example/team/app", "r.example:5000"]));
        for (registry, path, password) in [
            ("r.example", "team/app", "r.example/team/app"),
            ("r.example", "team/app/sub", "r.example/team/app"),
            ("r.example", "team/application", "r.example/team"),
            ("r.example", "teams", "r.example"),
            ("R.Example", "Team", "r.example"),
            ("r.example:5000", "team/app", "r.example:5000"),
        ] {
            assert_eq!(home.find(registry, path).unwrap().0, format!("u:{password}"), "{registry}/{path}");
        }
        for other in ["example", "r.example:443", "r.example.evil", "xr.example"] {
            assert_eq!(home.find(other, "team/app").unwrap().0, "-", "{other}");
        }
    }

    #[test]
    fn spellings_of_a_key() {
        for (key, registry) in [
            ("https://r.example", "r.example"),
            ("https://r.example/", "r.example"),
            ("https://r.example/v1/", "r.example"),
            ("http://r.example:5000/v2/", "r.example:5000"),
            ("r.example/v2/", "r.example"),
            ("R.EXAMPLE", "r.example"),
            ("https://index.docker.io/v1/", "index.docker.io"),
            ("index.docker.io", "index.docker.io"),
            ("docker.io", "index.docker.io"),
            ("docker.io/library", "index.docker.io"),
            ("registry-1.docker.io", "index.docker.io"),
        ] {
            let home = Home::new();
            home.write(DOCKER, &auths(&[key]));
            assert_eq!(home.find(registry, "library/alpine").unwrap().0, format!("u:{key}"));
            assert_eq!(home.find("other.example", "library/alpine").unwrap().0, "-", "{key}");
        }
        // Of several spellings the same one counts each time.
        let home = Home::new();
        home.write(DOCKER, &auths(&["http://r.example", "r.example/", "https://r.example/v1/"]));
        assert_eq!(home.find("r.example", "a").unwrap().0, "u:https://r.example/v1/");
        home.write(DOCKER, &auths(&["http://r.example", "r.example/", "https://r.example", "r.example"]));
        assert_eq!(home.find("r.example", "a").unwrap().0, "u:r.example");
    }

    #[test]
    fn kinds_of_entries() {
        let home = Home::new();
        for (entry, expected) in [
            (r#"{"auth":"dTpw"}"#, "u:p"),
            (r#"{"auth":"dTo"}"#, "u:"),
            (r#"{"auth":"dTpw","identitytoken":"it"}"#, "identity it"),
            (r#"{"username":"u","password":"p"}"#, "u:p"),
            (r#"{"auth":"dTpw","username":"u","password":"p","email":"e"}"#, "u:p"),
            ("{}", "-"),
            ("null", "-"),
            (r#"{"email":"e"}"#, "-"),
        ] {
            home.write(DOCKER, &format!(r#"{{"auths":{{"r.example":{entry}}}}}"#));
            assert_eq!(home.find("r.example", "a").unwrap().0, expected, "{entry}");
        }
    }

    #[test]
    fn broken_files_are_named_and_not_quoted() {
        let home = Home::new();
        for (text, detail) in [
            ("", "not JSON as docker and podman write it: line 1, column 0"),
            ("{\"auths\":\n\"hunter2\"}", "not JSON as docker and podman write it: line 2, column 9"),
            (r#"{"auths":{}}x"#, "not JSON as docker and podman write it: line 1, column 13"),
            (
                r#"{"auths":{"r.example":{"auth":"aHVudGVyMg=="}}}"#,
                "auth is not base64 of user:password: entry r.example",
            ),
            (
                r#"{"auths":{"r.example":{"auth":"hunter2!"}}}"#,
                "auth is not base64 of user:password: entry r.example",
            ),
            (
                r#"{"auths":{"r.example":{"auth":"dTpw","username":"u","password":"hunter2"}}}"#,
                "auth and username with password are not the same: entry r.example",
            ),
            (
                r#"{"auths":{"r.example":["hunter2"]}}"#,
                "not an entry as docker and podman write it: entry r.example",
            ),
        ] {
            home.write(DOCKER, text);
            let error = home.find("r.example", "a").unwrap_err();
            assert_eq!((error.check(), error.at()), (Check::RegistryCredentials, "~/.docker/config.json"));
            assert_eq!(error.details().collect::<Vec<_>>(), [detail], "{text}");
            assert!(!coldsign::terminal::report(&error).contains("hunter2"), "{text}");
        }
        // A broken entry of another registry does no harm.
        home.write(DOCKER, r#"{"auths":{"q.example":{"auth":"!"},"r.example":{"auth":"dTpw"}}}"#);
        assert_eq!(home.find("r.example", "a").unwrap().0, "u:p");
    }

    #[test]
    fn files_that_cannot_be_read() {
        let home = Home::new();
        let check = |credentials: &Credentials| credentials.find("r.example", "a").err().map(|e| e.check());
        // The one that is named has to be there; the usual ones need not.
        let named = home.with(&[("REGISTRY_AUTH_FILE", "absent.json")]);
        assert_eq!(check(&named), Some(Check::RegistryCredentials));
        assert_eq!(check(&home.with(&[("DOCKER_CONFIG", "absent")])), None);
        home.write("file", "");
        assert_eq!(check(&home.with(&[("DOCKER_CONFIG", "file")])), None);

        fs::create_dir_all(home.path(DOCKER)).unwrap();
        assert_eq!(check(&home.with(&[])), Some(Check::RegistryCredentials), "a directory");
        fs::remove_dir(home.path(DOCKER)).unwrap();
        symlink("../real.json", home.path(DOCKER)).unwrap();
        assert_eq!(check(&home.with(&[])), None, "a link to nothing");
        home.write("real.json", &auths(&["r.example"]));
        assert_eq!(home.find("r.example", "a").unwrap().0, "u:r.example", "a link");
        for (length, expected) in [(1 << 20, None), ((1 << 20) + 1, Some(Check::RegistryCredentials))] {
            let mut text = auths(&["r.example"]);
            text.push_str(&" ".repeat(length - text.len()));
            home.write("real.json", &text);
            assert_eq!(check(&home.with(&[])), expected, "{length}");
        }
    }

    #[test]
    fn helpers_are_asked_once() {
        let home = Home::new();
        home.helper("good", r#"read key; echo "$1 $key" >>"$0.log"; echo "{\"ServerURL\":\"x\",\"Username\":\"u\",\"Secret\":\"$key\"}""#)
            .helper("token", r#"cat >/dev/null; echo '{"Username":"<token>","Secret":"it"}'"#)
            .helper("empty", r#"echo '{"ServerURL":"","Username":"","Secret":""}'"#)
            .helper("none", "cat >/dev/null; echo 'credentials not found in native keychain'; exit 1")
            .write(
                DOCKER,
                r#"{"auths":{"f.example":{"auth":"dTpw"},"g.example":{"auth":"dTpw"},"https://s.example/":{}},
                    "credsStore":"good",
                    "credHelpers":{"g.example":"good","t.example":"token","n.example":"none","e.example":"empty",
                                   "f.example":""}}"#,
            )
            .write(PODMAN, &auths(&["n.example", "e.example"]));
        let credentials = home.with(&[]);
        let find = |registry| spelled(credentials.find(registry, "a").unwrap());
        let good = "docker-credential-good, named by ~/.docker/config.json";
        for _ in 0..3 {
            assert_eq!(find("g.example"), pair("u:g.example", good), "before the entry of the file");
            assert_eq!(find("t.example").0, "identity it");
            // What a helper does not have may be in the next file.
            assert_eq!(find("n.example"), pair("u:n.example", "~/.config/containers/auth.json"));
            assert_eq!(find("e.example").0, "u:e.example");
            assert_eq!(find("f.example").0, "u:p", "switched off");
            assert_eq!(find("other.example").0, "u:other.example", "the store");
            assert_eq!(find("s.example").0, "u:https://s.example/", "as it was stored");
            assert_eq!(find("index.docker.io").0, "u:https://index.docker.io/v1/");
        }
        let log = fs::read_to_string(home.path("bin/docker-credential-good.log")).unwrap();
        assert_eq!(
            log.lines().collect::<Vec<_>>(),
            [
                "get g.example",
                "get other.example",
                "get https://s.example/",
                "get https://index.docker.io/v1/"
            ]
        );
    }

    #[test]
    fn helpers_that_fail_are_named_and_not_quoted() {
        let home = Home::new();
        home.helper("fails", "cat >/dev/null; echo hunter2; echo hunter2 >&2; exit 1")
            .helper("garbled", "cat >/dev/null; echo '{\"Username\":\"u\",\"Secret\":\"hunter2\"'")
            .helper("silent", "exit 0")
            .helper("deaf", "exec <&-; echo '{\"Username\":\"u\",\"Secret\":\"p\"}'")
            .helper("endless", "while :; do echo hunter2hunter2hunter2hunter2; done")
            .write("bin/docker-credential-locked", "");
        for (helper, detail) in [
            ("fails", "the program failed, asked for r.example"),
            ("garbled", "the program did not answer as such a helper does, asked for r.example"),
            ("silent", "the program did not answer as such a helper does, asked for r.example"),
            ("endless", "the program says too much, asked for r.example"),
            ("absent", "there is no such program, asked for r.example"),
            ("locked", "the program cannot be started, asked for r.example"),
            ("../../fails", "not a name of a helper, asked for r.example"),
        ] {
            home.write(DOCKER, &format!(r#"{{"credHelpers":{{"r.example":"{helper}"}}}}"#));
            let error = home.find("r.example", "a").unwrap_err();
            let at = format!("docker-credential-{helper}, named by ~/.docker/config.json");
            assert_eq!((error.check(), error.at()), (Check::RegistryCredentials, at.as_str()));
            assert_eq!(error.details().collect::<Vec<_>>(), [detail]);
            assert!(!coldsign::terminal::report(&error).contains("hunter2"), "{helper}");
        }
        home.write(DOCKER, r#"{"credHelpers":{"r.example":"deaf"}}"#);
        assert_eq!(home.find("r.example", "a").unwrap().0, "u:p");
        let long = "k".repeat(QUESTION + 1);
        assert_eq!(
            run_helper("docker-credential-x", &long, None, HELPER_TIME).err().unwrap(),
            "the key of the entry is too long"
        );
    }

    #[test]
    fn helpers_that_hang_are_ended() {
        let home = Home::new();
        home.helper("hangs", r#"echo $$ >"$0.pid"; exec sleep 600"#)
            .helper("stays", r#"echo '{"Username":"u","Secret":"p"}'; exec >&-; exec sleep 600"#);
        let path = OsString::from(format!("{}:/usr/bin:/bin", home.path("bin").display()));
        for helper in ["hangs", "stays"] {
            let program = format!("docker-credential-{helper}");
            let said = run_helper(&program, "r.example", Some(&path), Duration::from_millis(300));
            assert_eq!(said.err().unwrap(), "the program took too long", "{helper}");
        }
        let pid = fs::read_to_string(home.path("bin/docker-credential-hangs.pid")).unwrap();
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "it is gone");
    }
}
