//! `log submit`: telling a log of the signatures in a response, and attaching what comes back.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicBool, Ordering};

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::format::log::Material;
use coldsign::keys::public::PublicKey;
use coldsign::response::{Place, Response};
use coldsign::terminal::{Console, counted, shown, size};
use coldsign::trust::Trust;
use coldsign::verify::log::{self, Checked, Of};
use coldsign::verify::material::verified;
use coldsign::verify::timestamp::Token;

use super::journal::Journal;
use super::{Rekor, TimestampAuthority, Version};
use crate::cli::{LogSubmit, Services};
use crate::files::{self, create, read_keys};
use crate::net::Http;
use crate::station::{self, Station};
use crate::trust;

/// Writes the response with what the log and the authority gave.
pub(crate) fn run(args: &LogSubmit, console: &mut dyn Console) -> Result<()> {
    let nothing = |error: Error| error.detail("nothing was published, nothing was written");
    let trust = trust::read(&args.trust, false, console)?;
    let keys = read_keys(&args.keys)?;
    let mut response = files::read(&args.response)?;
    response.check_response_absent().map_err(|error| error.within(args.response.display()))?;
    Journal::forget(&args.output);
    let output = create(&args.output, console)?;
    let station = Station::open(&args.network, None)?;
    let publisher = Publisher::open(&args.services, station.http(), &trust).map_err(nothing)?;
    let wanted: Vec<Digest> = keys.iter().map(|key| key.key.id()).collect();
    let wanted = publisher
        .wanted(&response, |key| wanted.is_empty() || wanted.contains(&key.id()))
        .map_err(nothing)?;
    let about: Vec<String> = [Some(response.request().digest().to_string())]
        .into_iter()
        .chain([args.services.rekor_url.clone(), args.services.tsa_url.clone()])
        .flatten()
        .collect();
    let mut journal = Journal::open(&args.output, &about)?;
    let untold = |wanted: &&Wanted| {
        let signature = response.signer(&wanted.key.id()).and_then(|signer| signer.signature(wanted.place));
        signature.is_none_or(|signature| journal.of(&wanted.key.id(), signature.as_bytes()).is_none())
    };
    let untold: Vec<&Wanted> = wanted.iter().filter(untold).collect();
    if !untold.is_empty() {
        publisher.check_asked(&response, &untold, &args.services, console)?;
    }
    let told = publisher.publish(&response, &wanted, &station, Some(&mut journal))?;
    let count = attach(&mut response, told, &trust)?;
    let file = response.render();
    file.check_limits()?;
    output.reserve(file.size())?;
    output.write(file.chunks())?;
    journal.done()?;
    say_done(&count, publisher.skipped(&response), console)?;
    let name = shown(&args.output.display().to_string());
    console.say(&format!("wrote {name}, {}", size(file.size())))
}

/// What became of the signatures.
#[derive(Default)]
struct Count {
    entries: usize,
    /// Of these, the ones that the log had already.
    stood: usize,
    tokens: usize,
}

/// Publishes what a response lacks for the keys given, and attaches it, without a file in between: a run that was killed
/// finds in the log what it told it.
pub(crate) fn publish_all(
    response: &mut Response,
    keys: &[PublicKey],
    publisher: &Publisher<'_>,
    services: &Services,
    station: &Station,
    console: &mut dyn Console,
) -> Result<()> {
    let wanted = publisher.wanted(response, |key| keys.contains(key))?;
    if wanted.is_empty() {
        return console.say("every signature that the log has a place for is logged");
    }
    publisher.check_asked(response, &wanted.iter().collect::<Vec<_>>(), services, console)?;
    let told = publisher.publish(response, &wanted, station, None)?;
    let count = attach(response, told, publisher.trust)?;
    say_done(&count, publisher.skipped(response), console)
}

/// Attaches what was given, and counts it.
fn attach(response: &mut Response, told: BTreeMap<(Digest, Place), Told>, trust: &Trust) -> Result<Count> {
    let mut count = Count::default();
    for ((key, place), told) in told {
        count.entries += told.material.entries.len();
        count.stood += usize::from(told.stood);
        count.tokens += told.material.tokens.len();
        put(response, &key, place, told.material, trust)?;
    }
    Ok(count)
}

/// Attaches what was checked. Where there is place for one it takes the place of what does not hold here.
pub(super) fn put(
    response: &mut Response,
    key: &Digest,
    place: Place,
    material: Material,
    trust: &Trust,
) -> Result<bool> {
    let nothing = Material::default();
    let there = response.logged(place, key).unwrap_or(&nothing);
    let mut kept =
        response.of(place, key).map(|signed| verified(there, &signed.of(), trust)).unwrap_or_default();
    // What is not replaced stays, whoever made it.
    if material.entries.is_empty() {
        kept.entries.clone_from(&there.entries);
    }
    if material.tokens.is_empty() {
        kept.tokens.clone_from(&there.tokens);
    }
    response.make_room(key, place, &kept);
    response.add_material(key, place, material)
}

/// Says how it went.
fn say_done(count: &Count, skipped: usize, console: &mut dyn Console) -> Result<()> {
    let Count { entries, stood, tokens } = *count;
    let entries_said = counted(entries, "log entry", "log entries");
    let stood = if stood > 0 { format!(", {stood} of which the log had already") } else { String::new() };
    let tokens = counted(tokens, "timestamp", "timestamps");
    console.say(&format!("{entries_said}{stood}; {tokens}; each checked with what is trusted"))?;
    if skipped > 0 {
        let payloads = counted(skipped, "signature of a payload is", "signatures of payloads are");
        console.say(&format!("{payloads} not logged: a .sig has no place for an entry of Rekor v2"))?;
    }
    Ok(())
}

/// What was given for one signature.
pub(super) struct Told {
    material: Material,
    stood: bool,
}

/// A signature that something is wanted for.
pub(super) struct Wanted {
    key: PublicKey,
    place: Place,
    entry: bool,
    token: bool,
}

/// The services that were named, and whom they are checked by.
pub(crate) struct Publisher<'a> {
    rekor: Option<(Rekor<'a>, String)>,
    authority: Option<(TimestampAuthority<'a>, String)>,
    trust: &'a Trust,
}

impl<'a> Publisher<'a> {
    /// Opens what was named; a log is asked which kind it is and for its checkpoint, and told nothing. Usage where nothing was
    /// named, or where an entry would have no time; TRUST-NONE where nobody is trusted, LOG-REQUIRED where this log is not.
    pub(crate) fn open(services: &Services, http: &'a Http, trust: &'a Trust) -> Result<Self> {
        let usage = |at: &str, why: &str| Error::new(Check::Usage, at).detail(why);
        if services.rekor_url.is_none() && services.tsa_url.is_none() {
            return Err(usage("--rekor-url", "no log and no timestamp authority was named"));
        }
        if services.rekor_url.is_some() && trust.logs().is_empty() {
            return Err(Error::new(Check::TrustNone, "--rekor-url")
                .detail("what the log gives is checked before it is attached")
                .hint("give --trusted-root or --rekor-key"));
        }
        if services.tsa_url.is_some() && trust.authorities().is_empty() {
            return Err(Error::new(Check::TrustNone, "--tsa-url")
                .detail("what the authority gives is checked before it is attached")
                .hint("give --trusted-root or --timestamp-certificate-chain"));
        }
        let rekor = services.rekor_url.as_deref().map(|url| {
            let rekor = Rekor::ask(http, url, services.rekor_tiles_url.as_deref())?;
            rekor.check_log_required(trust)?;
            Ok::<_, Error>((rekor, url.to_owned()))
        });
        let rekor = rekor.transpose()?;
        let is_v2 =
            rekor.as_ref().is_some_and(|(rekor, _): &(Rekor<'_>, String)| rekor.version() == Version::V2);
        if is_v2 && services.tsa_url.is_none() && !services.no_timestamp {
            return Err(usage("--rekor-url", "an entry of Rekor v2 has no time")
                .hint("give --tsa-url as well, or say --no-timestamp"));
        }
        let authority = services
            .tsa_url
            .as_deref()
            .map(|url| Ok::<_, Error>((TimestampAuthority::new(http, url)?, url.to_owned())));
        Ok(Self { rekor, authority: authority.transpose()?, trust })
    }

    /// The signatures that lack something, of the keys that count. LOG-REFUSED where the log takes none like it: nothing is
    /// published then.
    pub(super) fn wanted(
        &self,
        response: &Response,
        counts: impl Fn(&PublicKey) -> bool,
    ) -> Result<Vec<Wanted>> {
        let mut wanted = Vec::new();
        for signer in response.signers().filter(|signer| counts(signer.key())) {
            let id = signer.key().id();
            for place in signer.signatures().keys() {
                let Some(signed) = response.of(*place, &id) else { continue };
                let (of, nothing) = (signed.of(), Material::default());
                let there = response.logged(*place, &id).unwrap_or(&nothing);
                let entry = match &self.rekor {
                    Some((rekor, url)) if has_place(rekor, *place) && !self.is_logged(there, &of, url) => {
                        rekor.check_log_refused(&of).map_err(|error| {
                            error.hint("--key FILE names the keys whose signatures are published")
                        })?;
                        true
                    }
                    _ => false,
                };
                let token = self.authority.is_some() && !self.is_stamped(there, &of);
                if entry || token {
                    wanted.push(Wanted { key: signer.key().clone(), place: *place, entry, token });
                }
            }
        }
        Ok(wanted)
    }

    /// How many signatures the log's entries have no place beside.
    pub(super) fn skipped(&self, response: &Response) -> usize {
        let Some((rekor, _)) = &self.rekor else { return 0 };
        let places = response.signers().flat_map(|signer| signer.signatures().keys());
        places.filter(|place| !has_place(rekor, **place)).count()
    }

    /// Whether it makes entries that a `.sig` has no place for.
    pub(crate) fn is_v2(&self) -> bool {
        self.rekor.as_ref().is_some_and(|(rekor, _)| rekor.version() == Version::V2)
    }

    /// Whether an entry of this log stands there and holds.
    fn is_logged(&self, there: &Material, of: &Of<'_>, url: &str) -> bool {
        there.entries.iter().any(|entry| match log::check(entry, of, self.trust) {
            Ok(Checked::Entered(entered)) => entered.log.base_url().is_none_or(|base| is_below(url, base)),
            _ => false,
        })
    }

    fn is_stamped(&self, there: &Material, of: &Of<'_>) -> bool {
        let check = |token: Token| token.check(of.stamped(), self.trust.authorities());
        there.tokens.iter().any(|der| matches!(Token::parse(der).and_then(check), Ok(Some(_))))
    }

    /// OPERATOR-REFUSED: a person saw what will be published, and said yes. Usage where there is nobody to ask.
    pub(super) fn check_asked(
        &self,
        response: &Response,
        wanted: &[&Wanted],
        services: &Services,
        console: &mut dyn Console,
    ) -> Result<()> {
        let tokens = wanted.iter().filter(|wanted| wanted.token).count();
        self.say_published(response, wanted, console)?;
        if let Some((_, url)) = self.authority.as_ref().filter(|_| tokens > 0) {
            let told = counted(tokens, "signature", "signatures");
            console.say(&format!("{} is told the SHA-256 of {told}", shown(url)))?;
        }
        if services.yes {
            return Ok(());
        }
        let nothing = "nothing was published, nothing was written";
        if !io::stdin().is_terminal() {
            return Err(Error::new(Check::Usage, "no terminal to ask at")
                .detail(nothing)
                .hint("say --yes to publish without being asked"));
        }
        let answer = console.ask("publish? [y/N] ")?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(());
        }
        Err(Error::new(Check::OperatorRefused, "").detail(nothing))
    }

    /// Says what the log will publish: by each key, the hashes of what was signed.
    fn say_published(
        &self,
        response: &Response,
        wanted: &[&Wanted],
        console: &mut dyn Console,
    ) -> Result<()> {
        let Some((rekor, url)) = &self.rekor else { return Ok(()) };
        let mut keys: BTreeMap<Digest, (&PublicKey, Vec<String>)> = BTreeMap::new();
        let mut envelopes = false;
        for wanted in wanted.iter().filter(|wanted| wanted.entry) {
            let Some(signed) = response.of(wanted.place, &wanted.key.id()) else { continue };
            let of = signed.of();
            envelopes |= rekor.is_sent_envelope(&of);
            keys.entry(wanted.key.id())
                .or_insert((&wanted.key, Vec::new()))
                .1
                .push(rekor.published_hash(&of));
        }
        if keys.is_empty() {
            return Ok(());
        }
        let version = if rekor.version() == Version::V1 { "v1" } else { "v2" };
        let url = shown(url);
        console.say(&format!("to be published by {url} (Rekor {version}), for everybody and for ever:"))?;
        for (id, (key, hashes)) in keys {
            console.say(&format!("  the {} key", key.kind()))?;
            console.say(&format!("    {id}"))?;
            let count =
                counted(hashes.len(), "signature by it, and the hash", "signatures by it, and the hashes");
            console.say(&format!("  {count} of what it signed"))?;
            hashes.iter().take(HASHES).try_for_each(|hash| console.say(&format!("    {hash}")))?;
            match hashes.len().saturating_sub(HASHES) {
                0 => {}
                more => console.say(&format!("    and {more} more, which coldsign inspect shows"))?,
            }
        }
        console.say(if envelopes {
            "  no payload; the log is sent the envelope of a statement, and keeps hashes"
        } else {
            "  no payload"
        })
    }

    /// Tells the services, several at once; each answer is checked. Ends with the first error, of which it says what the
    /// next run finds.
    pub(super) fn publish(
        &self,
        response: &Response,
        wanted: &[Wanted],
        station: &Station,
        mut journal: Option<&mut Journal>,
    ) -> Result<BTreeMap<(Digest, Place), Told>> {
        let bar = station::progress("publishing", wanted.len());
        let (mut told, mut failed) = (BTreeMap::new(), None);
        let known: Vec<Option<Material>> = wanted
            .iter()
            .map(|wanted| {
                let signature = response.signer(&wanted.key.id())?.signature(wanted.place)?;
                journal.as_ref()?.of(&wanted.key.id(), signature.as_bytes()).cloned()
            })
            .collect();
        let given: Vec<(&Wanted, Option<Material>)> = wanted.iter().zip(known).collect();
        let stop = AtomicBool::new(false);
        station.flow().run(
            &given,
            |(wanted, known)| {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::new(Check::Interrupted, ""));
                }
                self.tell(response, wanted, known.as_ref())
            },
            |place, result| {
                bar.inc(1);
                let Some((wanted, known)) = given.get(place) else { return };
                let kept = result.and_then(|told| {
                    let signed =
                        response.signer(&wanted.key.id()).and_then(|signer| signer.signature(wanted.place));
                    if let (Some(journal), Some(signed), true) =
                        (journal.as_deref_mut(), signed, known.as_ref() != Some(&told.material))
                    {
                        journal.add(&wanted.key.id(), signed.as_bytes(), &told.material)?;
                    }
                    Ok(told)
                });
                match kept {
                    Ok(given) => drop(told.insert((wanted.key.id(), wanted.place), given)),
                    Err(error) => {
                        stop.store(true, Ordering::Relaxed);
                        failed.get_or_insert(error);
                    }
                }
            },
        );
        bar.finish_and_clear();
        match failed {
            None => Ok(told),
            Some(error) => {
                let count = format!("{} of {} are done; no file was written", told.len(), wanted.len());
                Err(error.detail(count).hint("the same command goes on from there"))
            }
        }
    }

    /// Tells the services of one signature what was not told before.
    fn tell(&self, response: &Response, wanted: &Wanted, known: Option<&Material>) -> Result<Told> {
        let id = wanted.key.id();
        let signed = response.of(wanted.place, &id).ok_or_else(|| Error::new(Check::SignatureInvalid, id))?;
        let of = signed.of();
        // Whoever could write the journal is believed no more than the log is.
        let mut material = known.map(|known| verified(known, &of, self.trust)).unwrap_or_default();
        material.entries.truncate(1);
        material.tokens.truncate(1);
        if !wanted.entry {
            material.entries.clear();
        }
        if !wanted.token {
            material.tokens.clear();
        }
        let mut stood = false;
        if let Some((rekor, _)) = self.rekor.as_ref().filter(|_| wanted.entry && material.entries.is_empty())
        {
            let logged = rekor.submit(&of, self.trust)?;
            stood = logged.stood();
            material.entries.push(logged.into_entry());
        }
        if let Some((authority, _)) =
            self.authority.as_ref().filter(|_| wanted.token && material.tokens.is_empty())
        {
            // cosign's annotations hold the authority's certificate, its bundles do not.
            let certificate = matches!(wanted.place, Place::Payload(..));
            material.tokens.push(authority.stamp(of.stamped(), certificate, self.trust)?.into_der());
        }
        Ok(Told { material, stood })
    }
}

/// Whether an entry of a log has a place beside what is signed there: one of Rekor v2 has none in a `.sig`.
fn has_place(rekor: &Rekor<'_>, place: Place) -> bool {
    rekor.version() == Version::V1 || !matches!(place, Place::Payload(..))
}

/// Whether two addresses name one service: one is the other, or below it.
fn is_below(url: &str, base: &str) -> bool {
    let trimmed = |text: &str| text.trim_end_matches('/').to_owned();
    let (url, base) = (trimmed(url), trimmed(base));
    url == base || url.strip_prefix(&base).is_some_and(|rest| rest.starts_with('/'))
}

/// Hashes that are shown of what one key signed.
const HASHES: usize = 8;
