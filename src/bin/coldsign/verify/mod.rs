//! `verify`: what stands beside images, judged by the keys a person gave, with cosign's output and exit codes.

pub(crate) mod attestation;
pub(crate) mod blob;
mod images;
mod report;
mod rows;
pub(crate) mod show;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::format::reference::{Reference, Repository};
use coldsign::terminal::{self, Console, counted, shown};
use coldsign::transfer::annotations;
use coldsign::verify::{Demand, Evidence, Purpose, Verifier};

use crate::cli::Verify;
use crate::files::{self, NamedKey};
use crate::report::{Files, Report};
use crate::station::{self, Station};
use crate::trust;
use images::{Image, Images, Judge, Judged};

/// Verifies every image, also after one failed. The exit code is that of the first that fails.
pub(crate) fn run(asked: &Verify, console: &mut dyn Console) -> Result<Exit> {
    let keys = files::read_keys(&asked.keys)?;
    let evidence = trust::evidence_of(&asked.trust, &asked.lookup, Some(&asked.network), console)?;
    let demand = demand(asked, &keys, evidence)?;
    let elsewhere = Elsewhere::of(asked.beside.signature_repository.as_ref())?;
    let station = Station::open(&asked.network, elsewhere.repository())?;
    let registries = station.registries();
    let mut images = match &asked.from {
        Some(from) => Images::of_file(from, &asked.images)?,
        None => Images::of_sources(&asked.images, registries)?,
    };
    elsewhere.say("signatures", &images, console)?;
    let files = Files::open(&asked.reports, console)?;
    let head = report::head(asked, &keys, &images, &demand, elsewhere.repository().as_ref());
    let whole = images.list.len();
    if let Some(shard) = asked.shard {
        images.keep(shard);
        images.in_rows = true;
    }
    let judge = Judge {
        registries,
        verifier: Verifier::knowing(std::mem::take(&mut images.known)),
        demand: &demand,
        recursive: asked.recursive,
        keys: &keys,
        elsewhere: elsewhere.name(),
    };
    if images.in_rows && !asked.check_claims {
        console.say(UNCHECKED_CLAIMS)?;
    }
    if let Some(shard) = asked.shard.filter(|_| images.list.is_empty()) {
        let whole = counted(whole, "image", "images");
        console.say(&format!("shard {shard} of {whole} is empty: nothing to verify"))?;
    }
    let bar = station::progress("verifying", images.list.len());
    let report = Report::new(files, head);
    let mut tally = Tally {
        asked,
        in_rows: images.in_rows,
        console,
        report,
        entry: images.before,
        counts: Counts::default(),
    };
    let mut told = Ok(());
    station.flow().run(
        &images.list,
        |image| judge.judge(image),
        |place, judged| {
            let Some(image) = images.list.get(place) else { return };
            bar.inc(1);
            let said = bar.suspend(|| tally.add(image, judged));
            // Whoever read the rows may have gone: the verdict and the reports are still wanted.
            if told.is_ok() {
                told = said;
            }
        },
    );
    bar.finish_and_clear();
    tally.finish(told)
}

/// What was asked for contradicts itself where claims are not read and something about them is demanded, or where more
/// keys are demanded than were given.
fn demand(asked: &Verify, keys: &[NamedKey], evidence: Evidence) -> Result<Demand> {
    if !asked.check_claims && (!asked.annotations.is_empty() || asked.threshold > 1) {
        return Err(Error::new(Check::Usage, "--check-claims=false")
            .detail("it goes with neither -a nor --threshold"));
    }
    files::check_threshold(asked.threshold, keys.len())?;
    let annotations = annotations::parse(asked.annotations.iter().map(String::as_str))?;
    let keys = keys.iter().map(|key| key.key.clone()).collect();
    Ok(Demand {
        keys,
        purpose: Purpose::Signature,
        annotations,
        claims: asked.check_claims,
        threshold: asked.threshold,
        evidence,
    })
}

/// The exit code of an image that failed. A signature that is lost to what stands beside it is one that did not match.
pub(crate) fn exit(error: &Error) -> Exit {
    match error.exit() {
        Exit::Log | Exit::Token => Exit::NoneMatched,
        exit => exit,
    }
}

/// Where signatures are looked for, if not beside their image, and who said so.
struct Elsewhere {
    repository: Option<Repository>,
    is_flag: bool,
}

impl Elsewhere {
    fn of(flag: Option<&Reference>) -> Result<Self> {
        Ok(Self { repository: station::signature_repository(flag)?, is_flag: flag.is_some() })
    }

    fn repository(&self) -> Option<Repository> {
        self.repository.clone()
    }

    /// `REPOSITORY (COSIGN_REPOSITORY)`
    fn name(&self) -> Option<String> {
        let from = if self.is_flag { "--signature-repository" } else { "COSIGN_REPOSITORY" };
        self.repository.as_ref().map(|repository| format!("{repository} ({from})"))
    }

    /// A variable that somebody else set decides what is found: that is said, whatever is found.
    fn say(&self, what: &str, images: &Images, console: &mut dyn Console) -> Result<()> {
        match self.name() {
            Some(name) if !self.is_flag && images.list.iter().any(|image| image.repository().is_some()) => {
                console.say(&format!("looking for {what} in {}", shown(&name)))
            }
            _ => Ok(()),
        }
    }
}

/// Where results go as they come.
struct Tally<'a> {
    asked: &'a Verify,
    in_rows: bool,
    console: &'a mut dyn Console,
    report: Report,
    /// The place in the whole list of the image that was added last.
    entry: usize,
    counts: Counts,
}

/// How it went so far.
#[derive(Default)]
struct Counts {
    images: usize,
    digests: usize,
    good: usize,
    /// Images of which no digest is known.
    unresolved: usize,
    /// Images that were not begun.
    interrupted: usize,
    /// The code of the first failure.
    exit: Option<Exit>,
    /// Errors by check and registry: one cause of many is told whole a few times.
    told: BTreeMap<(String, Check), usize>,
}

impl Tally<'_> {
    /// Reports one image and shows it.
    fn add(&mut self, image: &Image, judged: Result<Judged>) -> Result<()> {
        self.counts.images += 1;
        self.entry += 1;
        let judged = match judged {
            Ok(judged) => judged,
            Err(error) => {
                self.report.add(&report::unresolved(image, self.entry, &error));
                self.counts.exit.get_or_insert(exit(&error));
                if error.check() == Check::Interrupted {
                    self.counts.interrupted += 1;
                    return Ok(());
                }
                self.counts.unresolved += 1;
                return self.show_failed(image, error);
            }
        };
        for one in &judged.digests {
            self.report.add(&report::outcome(image, self.entry, one, self.asked.threshold));
        }
        let good = judged.verified().count();
        self.counts.digests += judged.digests.len();
        self.counts.good += good;
        if good == judged.digests.len() {
            return if self.in_rows {
                self.console.show(&show::row(image, &judged))
            } else {
                show::block(image, &judged, self.asked, self.console)
            };
        }
        let Some((digest, error)) = judged.into_failure() else { return Ok(()) };
        let named = image.name.ends_with(&digest.to_string());
        let error = if named { error } else { error.within(digest) };
        self.counts.exit.get_or_insert(exit(&error));
        self.show_failed(image, error)
    }

    /// Every image has its line: a row, or the first line of its error. What an error says besides is said of the first
    /// few of a kind.
    fn show_failed(&mut self, image: &Image, error: Error) -> Result<()> {
        if self.in_rows {
            self.console.show(&show::failed_row(image, &error))?;
            if !show::says_more(&error) {
                return Ok(());
            }
        }
        let told = self.counts.told.entry((image.registry(), error.check())).or_default();
        *told += 1;
        let whole = *told <= WHOLE;
        let error = error.within(&image.name);
        let report = terminal::report(&error);
        let mut lines = report.lines();
        let first = lines.next().unwrap_or_default();
        match (self.in_rows, whole) {
            (true, false) => return Ok(()),
            (true, true) => self.console.say(&show::without_message(&error))?,
            (false, _) => self.console.say(first)?,
        }
        if whole { lines.try_for_each(|line| self.console.say(line)) } else { Ok(()) }
    }

    /// Writes the reports and says how it went. `told` is what became of the rows.
    fn finish(self, told: Result<()>) -> Result<Exit> {
        let Self { in_rows, console, report, counts, .. } = self;
        let told = told.and_then(|()| counts.show(in_rows, console));
        report.write()?;
        match (counts.exit, told) {
            (Some(exit), _) => Ok(exit),
            (None, told) => told.map(|()| Exit::Done),
        }
    }
}

impl Counts {
    /// `40 images, 112 digests: 112 ok`
    fn show(&self, in_rows: bool, console: &mut dyn Console) -> Result<()> {
        if in_rows {
            for ((registry, check), told) in self.told.iter().filter(|(_, told)| **told > WHOLE) {
                let more = counted(told - WHOLE, "more image", "more images");
                console.say(&format!("error[{check}]: {more} like these: {}", shown(registry)))?;
            }
            let (images, digests) =
                (counted(self.images, "image", "images"), counted(self.digests, "digest", "digests"));
            let mut line = format!("{images}, {digests}: {} ok", self.good);
            for (count, what) in [
                (self.digests - self.good, "failed"),
                (self.unresolved, "without a digest"),
                (self.interrupted, "not begun"),
            ] {
                if count > 0 {
                    let _ = write!(line, ", {count} {what}");
                }
            }
            console.show(&line)?;
        }
        if self.interrupted > 0 {
            let images = counted(self.interrupted, "image", "images");
            let error = Error::new(Check::Interrupted, format!("{images} not verified"));
            terminal::report(&error).lines().try_for_each(|line| console.say(line))?;
        }
        Ok(())
    }
}

/// Errors of one check at one registry that are told whole.
const WHOLE: usize = 3;
/// Said once where rows are shown: nothing follows that was signed.
const UNCHECKED_CLAIMS: &str =
    "Warning: claims are not verified (--check-claims=false): digests and annotations";
