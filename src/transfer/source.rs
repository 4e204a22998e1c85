//! Where an image comes from, as a person types it: `registry/repository:tag`, `registry/repository@sha256:…`,
//! `oci:DIR[:REF]` or `oci-archive:FILE[:REF]`.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::reference::{Reference, Repository, Target, without_user};

/// An image in a place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    location: Location,
    name: Option<String>,
    reference: Option<Reference>,
}

/// A place that images are in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// `oci:DIR`
    Directory(PathBuf),
    /// `oci-archive:FILE`
    Archive(PathBuf),
    /// `registry/repository`
    Registry(Repository),
}

impl Source {
    /// Reads `oci:DIR[:REF]` or `oci-archive:FILE[:REF]`; the path ends at its first colon, as skopeo has it.
    /// `@sha256:…` after the path is a REF as well. A relative path is one of `base`. Anything else is a reference to an
    /// image in a registry, with `docker://` before it or not; where it has a tag and a digest, the digest picks.
    ///
    /// Errors: SOURCE-SYNTAX, REFERENCE-BARE.
    pub fn parse(text: &str, base: &Path) -> Result<Self> {
        let refuse = |why: &str| {
            let error = Error::new(Check::SourceSyntax, without_user(text)).detail(why);
            error.hint("say oci:DIR[:REF], oci-archive:FILE[:REF] or registry/repository:tag")
        };
        let layout = text.split_once(':').filter(|(kind, _)| LAYOUTS.contains(kind));
        let Some((kind, rest)) = layout else {
            let reference = Reference::parse(text.strip_prefix("docker://").unwrap_or(text))
                .map_err(|error| error.details().fold(refuse("not a reference either"), Error::detail))?;
            return Self::of(reference);
        };
        let (path, name) = match rest.split_once(':') {
            Some((path, hex)) if path.ends_with("@sha256") => {
                let digest = Digest::parse_hex(hex)
                    .map_err(|_| refuse("after @ stands sha256: and 64 lower-case hex digits"))?;
                (path.strip_suffix("@sha256").unwrap_or(path), Some(digest.to_string()))
            }
            Some((path, name)) => (path, Some(name.to_owned())),
            None => (rest, None),
        };
        if path.is_empty() {
            return Err(refuse("no path"));
        }
        if name.as_ref().is_some_and(String::is_empty) {
            return Err(refuse("nothing after the last colon"));
        }
        let path = base.join(path);
        let location = match kind {
            "oci" => Location::Directory(path),
            "oci-archive" => Location::Archive(path),
            _ => {
                return Err(refuse("a docker-archive holds no manifest").hint(docker_hint(&path)));
            }
        };
        Ok(Self { location, name, reference: None })
    }

    /// An image in a registry. REFERENCE-BARE: with a tag or a digest.
    pub fn of(reference: Reference) -> Result<Self> {
        let name = match reference.destination()?.target() {
            Target::Tag(tag) => tag.clone(),
            Target::Digest(digest) => digest.to_string(),
        };
        let location = Location::Registry(reference.repository().clone());
        Ok(Self { location, name: Some(name), reference: Some(reference) })
    }

    /// The whole reference to an image in a registry.
    #[must_use]
    pub fn reference(&self) -> Option<&Reference> {
        self.reference.as_ref()
    }

    /// The place.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The REF, which picks an image in it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "oci:{}", path.display()),
            Self::Archive(path) => write!(f, "oci-archive:{}", path.display()),
            Self::Registry(repository) => repository.fmt(f),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reference) = &self.reference {
            return reference.fmt(f);
        }
        self.location.fmt(f)?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

/// The command that makes a layout of what `docker save` wrote before version 25.
pub(super) fn docker_hint(path: &Path) -> String {
    let target = path.with_extension("");
    format!("skopeo copy docker-archive:{} oci-archive:{}-oci.tar", path.display(), target.display())
}

/// What stands before the first colon of a layout.
const LAYOUTS: [&str; 3] = ["oci", "oci-archive", "docker-archive"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_type_it() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (text, location, name) in [
            ("oci:./layout:1.4", Location::Directory("./layout".into()), Some("1.4")),
            ("oci:layout", Location::Directory("layout".into()), None),
            (
                "oci-archive:/x/a.tar:registry.example:5000/app:1",
                Location::Archive("/x/a.tar".into()),
                Some("registry.example:5000/app:1"),
            ),
            (&format!("oci:layout:{digest}"), Location::Directory("layout".into()), Some(&digest)),
            (&format!("oci:layout@{digest}"), Location::Directory("layout".into()), Some(&digest)),
        ] {
            let source = Source::parse(text, Path::new("")).unwrap();
            assert_eq!((source.location(), source.name()), (&location, name), "{text}");
        }
        let source = Source::parse("oci:a:1", Path::new("/lists")).unwrap();
        assert_eq!(source.to_string(), "oci:/lists/a:1");
        for (text, shown, name) in [
            ("registry.example/app:1", "registry.example/app:1", "1"),
            ("docker://alpine:3", "index.docker.io/library/alpine:3", "3"),
            ("docker://oci:3", "index.docker.io/library/oci:3", "3"),
            (
                &format!("registry.example/app:1@{digest}"),
                &format!("registry.example/app:1@{digest}"),
                digest.as_str(),
            ),
        ] {
            let source = Source::parse(text, Path::new("/lists")).unwrap();
            assert_eq!((source.to_string().as_str(), source.name()), (shown, Some(name)), "{text}");
            assert!(matches!(source.location(), Location::Registry(_)) && source.reference().is_some());
        }
        for text in ["layout", "registry.example/app"] {
            assert_eq!(Source::parse(text, Path::new("")).unwrap_err().check(), Check::ReferenceBare);
        }
        for text in [
            "",
            "./layout",
            "docker://",
            "oci:",
            "oci::1",
            "oci:a:",
            "oci:a@sha256:00",
            "docker-archive:a.tar",
        ] {
            assert_eq!(
                Source::parse(text, Path::new("")).unwrap_err().check(),
                Check::SourceSyntax,
                "{text}"
            );
        }
    }
}
