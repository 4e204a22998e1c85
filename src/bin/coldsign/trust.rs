//! Reading what a person trusts besides keys: the files of logs and timestamp authorities.

use std::path::Path;
use std::sync::Arc;

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::limits;
use coldsign::terminal::{Console, shown};
use coldsign::trust::Trust;
use coldsign::verify::{Evidence, Want};

use crate::cli::{LookupArgs, Network, TrustArgs, TrustFiles};
use crate::log::lookup::Asked;
use crate::net::{Http, Settings};
use crate::station;

/// What is demanded beside a signature. A variable that decides something is said.
pub(crate) fn evidence(asked: &TrustArgs, console: &mut dyn Console) -> Result<Evidence> {
    let trust = read(&asked.files, asked.insecure_ignore_tlog == Some(true), console)?;
    let log = log_want(asked, &trust)?;
    let tsa = tsa_want(asked, &trust)?;
    if asked.log_threshold > 1 && log != Want::Require {
        return Err(Error::new(Check::Usage, "--log-threshold").detail("it goes with --log require"));
    }
    let distinct = distinct_logs(&trust);
    if log == Want::Require && asked.log_threshold > distinct.max(1) {
        return Err(Error::new(Check::Usage, format!("--log-threshold {}", asked.log_threshold))
            .detail(format!("{distinct} given")));
    }
    Ok(Evidence { trust: Arc::new(trust), log, logs: asked.log_threshold, tsa, lookup: None, keep: false })
}

/// The same, with a log that is asked for what does not stand beside signatures.
pub(crate) fn evidence_of(
    asked: &TrustArgs,
    lookup: &LookupArgs,
    network: Option<&Network>,
    console: &mut dyn Console,
) -> Result<Evidence> {
    let mut evidence = evidence(asked, console)?;
    if let Some(url) = &lookup.rekor_url {
        let settings = network.map_or_else(Settings::alone, station::settings);
        evidence.lookup = Some(Arc::new(Asked::check(Http::new(settings)?, url, &evidence)?));
    }
    Ok(evidence)
}

/// Everything that was given. A flag replaces the variable, and never adds to it; nothing is read of it where entries are
/// not looked at.
pub(crate) fn read(asked: &TrustFiles, ignored: bool, console: &mut dyn Console) -> Result<Trust> {
    let mut trust = Trust::default();
    if let Some(path) = &asked.trusted_root {
        trust.add_root(&bytes(path, limits::TRUSTED_ROOT)?, &path.display().to_string())?;
    }
    for path in &asked.rekor_keys {
        trust.add_log_key(&bytes(path, limits::KEY_FILE)?, &path.display().to_string())?;
    }
    for path in &asked.chains {
        trust.add_authority(&bytes(path, limits::AUTHORITIES_FILE)?, &path.display().to_string())?;
    }
    let flagged = asked.trusted_root.is_some() || !asked.rekor_keys.is_empty();
    if flagged || ignored {
        return Ok(trust);
    }
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        let path = Path::new(&path);
        let source = format!("{} ({VARIABLE})", path.display());
        trust.add_log_key(&bytes(path, limits::KEY_FILE)?, &source)?;
        console.say(&format!("log key: {}", shown(&source)))?;
    }
    Ok(trust)
}

/// TRUST-NONE, Usage.
fn log_want(asked: &TrustArgs, trust: &Trust) -> Result<Want> {
    let said: Option<Want> = asked.log.map(Into::into);
    let cosigns = asked.insecure_ignore_tlog.map(|ignore| if ignore { Want::Ignore } else { Want::Require });
    let contradicts = |what: &str| Err(Error::new(Check::Usage, "--insecure-ignore-tlog").detail(what));
    match (said, cosigns) {
        (_, Some(Want::Ignore)) if !asked.files.rekor_keys.is_empty() => {
            return contradicts("--rekor-key is given to check entries with");
        }
        (Some(said), Some(cosigns)) if said != cosigns => {
            return contradicts(&format!("--log says {}", said.name()));
        }
        _ => {}
    }
    let default = if trust.logs().is_empty() { Want::IfPresent } else { Want::Require };
    let want = said.or(cosigns).unwrap_or(default);
    if want == Want::Require && trust.is_empty() {
        return Err(Error::new(Check::TrustNone, "--log require")
            .hint("give --trusted-root, --rekor-key or SIGSTORE_REKOR_PUBLIC_KEY"));
    }
    Ok(want)
}

/// TRUST-NONE, Usage.
fn tsa_want(asked: &TrustArgs, trust: &Trust) -> Result<Want> {
    let want = match (Want::from(asked.tsa), asked.use_signed_timestamps) {
        (Want::Ignore, true) => {
            return Err(Error::new(Check::Usage, "--use-signed-timestamps").detail("--tsa says ignore"));
        }
        (_, true) => Want::Require,
        (want, false) => want,
    };
    if want == Want::Require && trust.is_empty() {
        return Err(Error::new(Check::TrustNone, "--tsa require")
            .hint("give --trusted-root or --timestamp-certificate-chain"));
    }
    Ok(want)
}

fn distinct_logs(trust: &Trust) -> usize {
    let mut keys: Vec<_> = trust.logs().iter().map(|log| log.key().id()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.len()
}

fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>> {
    coldsign::files::read(path, limit)
}

/// As cosign reads it: the file of one log key.
const VARIABLE: &str = "SIGSTORE_REKOR_PUBLIC_KEY";
