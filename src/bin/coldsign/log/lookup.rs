//! Looking entries up that do not stand beside their signature (`verify --rekor-url`).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::format::log::Entry;
use coldsign::trust::Trust;
use coldsign::verify::log::Of;
use coldsign::verify::{Evidence, Lookup, Want};

use super::{Logged, Rekor, Version};
use crate::net::Http;

/// A Rekor v1 log that is asked. It is told the SHA-256 of what was signed, the signature and the key, and publishes
/// nothing.
pub(crate) struct Asked {
    http: Http,
    url: String,
    /// What was answered, by key and signature: whoever may push can put one signature there a thousand times.
    answers: Mutex<HashMap<(Digest, Digest), Option<Entry>>>,
    /// Why it is not asked any more: it gave no answer.
    silent: Mutex<Option<String>>,
}

impl Asked {
    /// A log by its address. Usage where entries are not looked at, TRUST-NONE where no log is trusted; Usage where it is no
    /// Rekor v1 log: Rekor v2 has no search.
    pub(crate) fn check(http: Http, url: &str, evidence: &Evidence) -> Result<Self> {
        if evidence.log == Want::Ignore {
            return Err(Error::new(Check::Usage, "--rekor-url").detail("log entries are not looked at"));
        }
        if evidence.trust.logs().is_empty() {
            return Err(Error::new(Check::TrustNone, "--rekor-url")
                .detail("a log is never believed by itself")
                .hint("give --trusted-root or --rekor-key"));
        }
        if Rekor::ask(&http, url, None)?.version() == Version::V2 {
            return Err(Error::new(Check::Usage, url)
                .detail("a Rekor v2 log has no search: its entries stand beside signatures, or nowhere"));
        }
        Ok(Self { http, url: url.to_owned(), answers: Mutex::default(), silent: Mutex::default() })
    }
}

impl Lookup for Asked {
    fn find(&self, of: &Of<'_>, trust: &Trust) -> Result<Option<Entry>> {
        let of_what = (of.key.id(), Digest::of(of.signature));
        if let Some(answer) = locked(&self.answers).get(&of_what) {
            return Ok(answer.clone());
        }
        if let Some(why) = locked(&self.silent).as_ref() {
            return Err(Error::new(Check::LogReach, &self.url).detail("it is not asked again").detail(why));
        }
        let found = Rekor::new(&self.http, Version::V1, &self.url, None)?.find(of, None, trust);
        if let Err(error) = &found
            && matches!(error.check(), Check::LogReach | Check::LogTimeout)
        {
            *locked(&self.silent) = Some(error.to_string());
        }
        let found = found?.map(Logged::into_entry);
        locked(&self.answers).insert(of_what, found.clone());
        Ok(found)
    }

    fn name(&self) -> String {
        self.url.clone()
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asked({})", self.url)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
