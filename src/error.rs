//! What stopped a program: which check, where, what was done and not done, what to do.

use std::error::Error as StdError;
use std::fmt::{self, Display};

use rayon::prelude::*;

use crate::check::Check;
use crate::exit::Exit;

/// The result of everything that can be refused.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal. Holds no secret and no payload bytes; text from files in it is escaped where it is shown
/// ([`crate::terminal::report`]).
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    check: Check,
    at: String,
    details: Vec<String>,
    hints: Vec<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// `check` failed at `at`: a file, a blob, an item, a name.
    pub fn new(check: Check, at: impl Display) -> Self {
        Self(Box::new(Inner {
            check,
            at: at.to_string(),
            details: Vec::new(),
            hints: Vec::new(),
            source: None,
        }))
    }

    /// One more line: what was expected and found, what was done and what was not.
    #[must_use]
    pub fn detail(mut self, line: impl Display) -> Self {
        self.0.details.push(line.to_string());
        self
    }

    /// What to type or to do next.
    #[must_use]
    pub fn hint(mut self, line: impl Display) -> Self {
        self.0.hints.push(line.to_string());
        self
    }

    /// The cause below it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same refusal, said of a place further out: `FILE: BLOB`.
    #[must_use]
    pub fn within(mut self, place: impl Display) -> Self {
        self.0.at = if self.0.at.is_empty() { place.to_string() } else { format!("{place}: {}", self.0.at) };
        self
    }

    /// The same refusal by another check: what is wrong with one kind of server is wrong with another.
    #[must_use]
    pub fn by(mut self, check: Check) -> Self {
        self.0.check = check;
        self
    }

    /// Which check refused.
    #[must_use]
    pub fn check(&self) -> Check {
        self.0.check
    }

    /// The exit code, decided by the check.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.0.check.exit()
    }

    /// Where, as given; may hold foreign text.
    #[must_use]
    pub fn at(&self) -> &str {
        &self.0.at
    }

    /// The further lines; may hold foreign text.
    pub fn details(&self) -> impl Iterator<Item = &str> {
        self.0.details.iter().map(String::as_str)
    }

    /// The hints: our own words.
    pub fn hints(&self) -> impl Iterator<Item = &str> {
        self.0.hints.iter().map(String::as_str)
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]: {}", self.0.check, self.0.check.message())?;
        if !self.0.at.is_empty() {
            write!(f, ": {}", self.0.at)?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| {
            let source: &(dyn StdError + 'static) = source;
            source
        })
    }
}

/// Every result, or the first error in the order of the input: which core was faster decides no verdict.
pub(crate) fn in_order<T: Send>(results: impl IndexedParallelIterator<Item = Result<T>>) -> Result<Vec<T>> {
    results.collect::<Vec<_>>().into_iter().collect()
}
