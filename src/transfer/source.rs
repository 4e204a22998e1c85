//! Where an image comes from, as a person types it: `oci:DIR[:REF]` or `oci-archive:FILE[:REF]`.

use std::fmt;
use std::path::{Path, PathBuf};

use super::layout::Layout;
use super::{archive_in, layout_dir};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};

/// An image in a layout.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    location: Location,
    name: Option<String>,
}

/// A layout: a directory or an archive.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// `oci:DIR`
    Directory(PathBuf),
    /// `oci-archive:FILE`
    Archive(PathBuf),
}

impl Source {
    /// Reads `oci:DIR[:REF]` or `oci-archive:FILE[:REF]`; the path ends at its first colon, as skopeo has it.
    /// `@sha256:…` after the path is a REF as well. A relative path is one of `base`.
    ///
    /// Errors: SOURCE-SYNTAX.
    pub fn parse(text: &str, base: &Path) -> Result<Self> {
        let refuse = |why: &str| {
            let error = Error::new(Check::SourceSyntax, text).detail(why);
            error.hint("say oci:DIR[:REF] or oci-archive:FILE[:REF]")
        };
        let (kind, rest) = text.split_once(':').ok_or_else(|| refuse("it does not say how to read it"))?;
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
            "docker-archive" => {
                return Err(refuse("a docker-archive holds no manifest").hint(archive_in::docker_hint(&path)));
            }
            _ => return Err(refuse("images come from layouts")),
        };
        Ok(Self { location, name })
    }

    /// The layout.
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

impl Location {
    /// Opens it to read.
    pub fn open(&self) -> Result<Layout> {
        match self {
            Self::Directory(path) => layout_dir::open(path),
            Self::Archive(path) => archive_in::open(path),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "oci:{}", path.display()),
            Self::Archive(path) => write!(f, "oci-archive:{}", path.display()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.location.fmt(f)?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

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
        for text in [
            "",
            "layout",
            "registry.example/app:1",
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
