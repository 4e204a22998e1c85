//! References: `registry/repository:tag`, `registry/repository@sha256:…` (OCI distribution-spec, "Pulling manifests";
//! Docker Hub spelled as cosign spells it; docs/format.md 3).

use std::fmt;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::limits;

/// A registry and a repository in it. Displays as `registry/repository`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    registry: String,
    path: String,
}

/// A repository with a tag, a digest, both or neither.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Where an item's signature goes: `registry/repository:tag` or `registry/repository@sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    repository: Repository,
    target: Target,
}

/// What a destination names in its repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A tag.
    Tag(String),
    /// A digest.
    Digest(Digest),
}

/// What a payload says the image is called: `registry/repository` or `registry/repository:tag`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    repository: Repository,
    tag: Option<String>,
}

impl Repository {
    /// Host and port, letter case kept.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The one place that this repository is, however its host is spelled: letter case and the port of https make no
    /// other one.
    #[must_use]
    pub fn place(&self) -> String {
        let registry = self.registry.to_ascii_lowercase();
        format!("{}/{}", registry.strip_suffix(":443").unwrap_or(&registry), self.path)
    }

    /// The repository's name in the registry.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl Reference {
    /// Reads a reference as people type it; Docker Hub's short names are spelled out.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &str| Err(Error::new(Check::ReferenceSyntax, without_user(text)).detail(why));
        if text.len() > limits::REFERENCE {
            return refuse("longer than 512 bytes");
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => match Digest::parse(digest) {
                Ok(digest) => (name, Some(digest)),
                Err(_) => return refuse("after @ stands sha256: and 64 lower-case hex digits"),
            },
            None => (text, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((rest, tag)) if !tag.contains('/') => (rest, Some(tag)),
            _ => (name, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return refuse("not a tag");
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => (DOCKER_HUB, name),
        };
        let registry = if registry == "docker.io" { DOCKER_HUB } else { registry };
        if !is_host(registry) {
            return refuse("not a host name with an optional port");
        }
        let path = if registry == DOCKER_HUB && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        if !is_repository(&path) {
            return refuse("not a repository name");
        }
        let repository = Repository { registry: registry.to_owned(), path };
        let reference = Self { repository, tag: tag.map(str::to_owned), digest };
        if reference.to_string().len() > limits::REFERENCE {
            return refuse("longer than 512 bytes");
        }
        Ok(reference)
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, if one was given.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was given.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The destination: the digest wins over the tag. Refuses a name with neither (REFERENCE-BARE).
    pub fn destination(&self) -> Result<Destination> {
        let target = match (&self.digest, &self.tag) {
            (Some(digest), _) => Target::Digest(*digest),
            (None, Some(tag)) => Target::Tag(tag.clone()),
            (None, None) => {
                return Err(Error::new(Check::ReferenceBare, self)
                    .hint(format!("say {self}:TAG or {self}@sha256:DIGEST; latest is never implied")));
            }
        };
        Ok(Destination { repository: self.repository.clone(), target })
    }

    /// The identity: the repository, with the tag when one was given.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { repository: self.repository.clone(), tag: self.tag.clone() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl Destination {
    /// Reads the one spelling of a destination (DOCUMENT-REFERENCE).
    pub fn parse_exact(text: &str) -> Result<Self> {
        exact(text, |reference| reference.destination().ok())
    }

    /// A digest in a repository.
    #[must_use]
    pub fn by_digest(repository: Repository, digest: Digest) -> Self {
        Self { repository, target: Target::Digest(digest) }
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag or digest.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The tag, if it is named by one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match &self.target {
            Target::Tag(tag) => Some(tag),
            Target::Digest(_) => None,
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Tag(tag) => write!(f, "{}:{tag}", self.repository),
            Target::Digest(digest) => write!(f, "{}@{digest}", self.repository),
        }
    }
}

impl Identity {
    /// A repository, without a tag: what cosign calls an image.
    #[must_use]
    pub fn of(repository: Repository) -> Self {
        Self { repository, tag: None }
    }

    /// Reads an identity as people type it (`--identity`); a digest in it is refused.
    pub fn parse(text: &str) -> Result<Self> {
        let reference = Reference::parse(text)?;
        if reference.digest.is_some() {
            return Err(Error::new(Check::ReferenceSyntax, text).detail("an identity has no digest"));
        }
        Ok(reference.identity())
    }

    /// Reads the one spelling of an identity (DOCUMENT-REFERENCE).
    pub fn parse_exact(text: &str) -> Result<Self> {
        exact(text, |reference| reference.digest.is_none().then(|| reference.identity()))
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, if it has one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tag {
            Some(tag) => write!(f, "{}:{tag}", self.repository),
            None => write!(f, "{}", self.repository),
        }
    }
}

fn exact<T: fmt::Display>(text: &str, pick: impl FnOnce(&Reference) -> Option<T>) -> Result<T> {
    let parsed =
        Reference::parse(text).ok().as_ref().and_then(pick).filter(|parsed| parsed.to_string() == text);
    parsed.ok_or_else(|| Error::new(Check::DocumentReference, text))
}

/// A name for a message, without the `user:password@` that somebody may have typed into it.
pub(crate) fn without_user(text: &str) -> &str {
    match text.rsplit_once('@') {
        Some((user, rest)) if user.contains(':') && !rest.starts_with("sha256:") => rest,
        Some((before, digest)) if digest.starts_with("sha256:") => match before.rsplit_once('@') {
            Some((user, _)) => text.get(user.len() + 1..).unwrap_or_default(),
            None => text,
        },
        _ => text,
    }
}

/// cosign's spelling of Docker Hub.
const DOCKER_HUB: &str = "index.docker.io";

/// `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}` (distribution-spec).
#[must_use]
pub fn is_tag(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 128
        && bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(label)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` components joined by `/`, at least two characters (distribution-spec; cosign
/// and crane refuse one letter).
fn is_repository(text: &str) -> bool {
    text.len() >= 2 && text.split('/').all(is_component)
}

fn is_component(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut rest = text.as_bytes();
    loop {
        let run = rest.iter().take_while(|byte| alphanumeric(**byte)).count();
        let Some(after) = rest.get(run..).filter(|_| run > 0) else { return false };
        if after.is_empty() {
            return true;
        }
        let separator = after.iter().take_while(|byte| !alphanumeric(**byte)).count();
        let Some((separator, next)) = after.split_at_checked(separator) else { return false };
        if !matches!(separator, b"." | b"_" | b"__") && !separator.iter().all(|byte| *byte == b'-') {
            return false;
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelled_as_cosign_does() {
        for (typed, spelled) in [
            ("alpine:3", "index.docker.io/library/alpine:3"),
            ("docker.io/alpine:3", "index.docker.io/library/alpine:3"),
            ("team/app:1", "index.docker.io/team/app:1"),
            ("localhost/app:1", "localhost/app:1"),
            ("Registry.Example:5000/team/app__x/y--z.a:1.4", "Registry.Example:5000/team/app__x/y--z.a:1.4"),
            ("registry.example/app", "registry.example/app"),
        ] {
            assert_eq!(Reference::parse(typed).unwrap().to_string(), spelled);
        }
    }

    #[test]
    fn refused() {
        let digest = "0".repeat(64);
        for bad in [
            "",
            ":1",
            "registry.example/a:1",
            "registry.example/App:1",
            "registry.example/app:",
            "registry.example/app:-x",
            "registry.example//app:1",
            "registry.example/app/:1",
            "registry.example/a___b:1",
            "registry.example/a..b:1",
            "[::1]:5000/app:1",
            "registry.example:99999/app:1",
            "registry.example:05/app:1",
            "-x.example/app:1",
            "registry.example/app@sha512:00",
            "registry.example/app:a@b",
            "http://registry.example/app:1",
            "registry.example/app:1 ",
            &format!("registry.example/app@sha256:{digest}0"),
            &format!("registry.example/{}:1", "a".repeat(512)),
        ] {
            assert_eq!(Reference::parse(bad).unwrap_err().check(), Check::ReferenceSyntax, "{bad}");
        }
        for secret in
            ["user:S3CRET@registry.example/app:1", &format!("u:S3CRET@r.example/app@sha256:{digest}")]
        {
            let error = Reference::parse(secret).unwrap_err();
            assert!(!error.to_string().contains("S3CRET"), "{error}");
        }
        assert_eq!(
            Reference::parse("registry.example/app").unwrap().destination().unwrap_err().check(),
            Check::ReferenceBare
        );
        assert_eq!(Identity::parse_exact("alpine:3").unwrap_err().check(), Check::DocumentReference);
        assert_eq!(
            Destination::parse_exact("registry.example/app").unwrap_err().check(),
            Check::DocumentReference
        );
        let both = format!("registry.example/app:1@sha256:{digest}");
        assert_eq!(Destination::parse_exact(&both).unwrap_err().check(), Check::DocumentReference);
        let reference = Reference::parse(&both).unwrap();
        assert_eq!(reference.identity().to_string(), "registry.example/app:1");
        assert_eq!(
            reference.destination().unwrap().to_string(),
            format!("registry.example/app@sha256:{digest}")
        );
    }
}
