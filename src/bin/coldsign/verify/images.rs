//! Which images are verified, and what becomes of one.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::format::document::{annotations_value, object};
use coldsign::format::evidence::Descriptor;
use coldsign::format::json::Value;
use coldsign::format::payload::Payload;
use coldsign::format::reference::{Reference, Repository, Target};
use coldsign::limits;
use coldsign::request::Request;
use coldsign::response::Response;
use coldsign::terminal::shown;
use coldsign::transfer::below::manifests_below;
use coldsign::transfer::entries::Picked;
use coldsign::transfer::export::{Ask, Wanted as Wanting};
use coldsign::transfer::shard::Shard;
use coldsign::transfer::source::{Location, Source};
use coldsign::transfer::store::{Place, Places};
use coldsign::transfer::{gather, list};
use coldsign::verify::{Claims, Demand, Form, Known, Valid, Verdict, Verifier, conclude};

use super::rows;
use crate::files::NamedKey;
use crate::registry::Registries;
use crate::report::Row;

/// Everything that is to be verified.
#[derive(Default)]
pub(super) struct Images {
    pub(super) list: Vec<Image>,
    /// Whether each gets one line instead of what was signed.
    pub(super) in_rows: bool,
    /// Signatures that are known to be good from files that were read whole.
    pub(super) known: Known,
    /// The request whose digests they are (`--from`).
    pub(super) request: Option<Digest>,
    /// How many images the whole list has before the first of these.
    pub(super) before: usize,
}

/// One image to verify.
pub(super) struct Image {
    pub(super) name: String,
    pub(super) place: Location,
    wanted: Wanted,
    /// What its line of a list demands besides the command line.
    annotations: BTreeMap<String, String>,
    /// Where in the file of the list it stands, from 1.
    pub(super) line: Option<usize>,
    /// How the list spells it, where that is not its name: paths are relative to the list's folder.
    spelled: Option<String>,
}

/// Which manifests an image is.
enum Wanted {
    /// The one that a tag or name picks; without a name the only one.
    Named(Option<String>),
    /// This digest: a signature counts whether the image is there or not, as for cosign.
    Digest(Digest),
    /// What was signed together.
    Signed { digests: Vec<Digest>, must_be_there: bool },
}

impl Images {
    /// The images of the command line. LIST-EMPTY: there is one.
    pub(super) fn of_sources(sources: &[String], registries: &Registries) -> Result<Self> {
        let mut images = Self::default();
        for text in sources {
            let source = Source::parse(text, Path::new(""))?;
            let place = source.location();
            if source.name().is_some() {
                let name = source.reference().map_or_else(|| text.clone(), ToString::to_string);
                images.list.push(Image::of_source(name, &source, BTreeMap::new()));
            } else if let Location::Archive(path) = place
                && let Some(file) = strict(path)?
            {
                images.in_rows = true;
                images.add_file(&file, Some(place), false);
            } else {
                images.add_layout(text, place, registries)?;
            }
        }
        check_list_empty(&images.list)
            .map_err(|error| if images.in_rows { not_of_images(error) } else { error })?;
        Ok(images)
    }

    /// The images of a list, each where its line says; or those of a request or response by digest, where it says or
    /// in the one layout given.
    pub(super) fn of_file(from: &Path, places: &[String]) -> Result<Self> {
        let mut images = Self { in_rows: true, ..Self::default() };
        let Some(file) = strict(from)? else {
            if !places.is_empty() {
                let error =
                    Error::new(Check::Usage, "--from").detail("the lines of a list say where its images are");
                return Err(error.hint("give no IMAGE beside a list"));
            }
            images.list = lines(from)?;
            check_list_empty(&images.list).map_err(|error| not_of_images(error.within(from.display())))?;
            return Ok(images);
        };
        let place = match places {
            [] => None,
            [place] => match Source::parse(place, Path::new(""))? {
                source if source.name().is_none() => Some(source.location().clone()),
                _ => return Err(Error::new(Check::Usage, place).detail("beside --from a place has no name")),
            },
            _ => {
                return Err(
                    Error::new(Check::Usage, "--from").detail("the images of one file are in one place")
                );
            }
        };
        images.request = Some(file.request().digest());
        images.add_file(&file, place.as_ref(), true);
        check_list_empty(&images.list).map_err(|error| not_of_images(error.within(from.display())))?;
        Ok(images)
    }

    /// The digest of the list (docs/reports.md): SHA-256 of the RFC 8785 bytes of its entries.
    pub(super) fn digest(&self) -> Digest {
        Digest::of(&Value::Array(self.list.iter().map(Image::entry).collect()).to_canonical())
    }

    /// Leaves the images of one shard.
    pub(super) fn keep(&mut self, shard: Shard) {
        let range = shard.range(self.list.len());
        self.before = range.start;
        self.list.truncate(range.end);
        self.list.drain(..range.start);
    }

    fn add_file(&mut self, file: &Response, place: Option<&Location>, must_be_there: bool) {
        self.known.extend(file.known());
        self.list.extend(Image::of_request(file.request(), place, must_be_there));
    }

    /// Every image of a layout.
    fn add_layout(&mut self, text: &str, place: &Location, registries: &Registries) -> Result<()> {
        let layout = registries.layouts().open(place).expect("what has no name is a layout")?;
        let found = layout.images();
        self.in_rows |= found.len() > 1;
        let image = |name: String, one: &Picked| {
            Image::new(name, place, Wanted::Digest(one.descriptor.digest), BTreeMap::new())
        };
        match found.as_slice() {
            [] => return Err(Error::new(Check::SigTag, text).detail("index.json names no image")),
            [one] => self.list.push(image(text.to_owned(), one)),
            several => self.list.extend(several.iter().map(|one| {
                let digest = one.descriptor.digest.to_string();
                image(one.names.first().map_or(digest, ToString::to_string), one)
            })),
        }
        Ok(())
    }
}

/// The images of a list, one a line.
fn lines(from: &Path) -> Result<Vec<Image>> {
    let bytes = coldsign::files::read(from, limits::LIST_FILE)?;
    let place = from.display().to_string();
    let wanted = list::parse(&bytes, &place, from.parent().unwrap_or(Path::new("")))?;
    let spelled = list::parse(&bytes, &place, Path::new(""))?;
    let image = |(wanted, spelled): (Wanting, Wanting)| {
        let image = Image::of_source(wanted.source.to_string(), &wanted.source, wanted.annotations);
        let line = wanted.place.and_then(|place| place.rsplit_once(':')?.1.parse().ok());
        Image { line, spelled: Some(spelled.source.to_string()), ..image }
    };
    // A payload of another tool, or an attestation, is no signature of its image.
    let of_images = wanted.into_iter().zip(spelled).filter(|(wanted, _)| wanted.ask == Ask::Image);
    Ok(of_images.map(image).collect())
}

/// LIST-EMPTY: at least one image is asked for.
fn check_list_empty(images: &[Image]) -> Result<()> {
    if images.is_empty() { Err(Error::new(Check::ListEmpty, "")) } else { Ok(()) }
}

/// What a file without an image to verify is for.
fn not_of_images(error: Error) -> Error {
    error.hint("attestations, payloads and files are no signatures of images: coldsign verify-attestation, verify-blob")
}

impl Image {
    fn new(name: String, place: &Location, wanted: Wanted, annotations: BTreeMap<String, String>) -> Self {
        Self { name, place: place.clone(), wanted, annotations, line: None, spelled: None }
    }

    /// What stands for it in the digest of the list: what was asked for, as it was asked for.
    fn entry(&self) -> Value {
        let text = |text: &str| Value::String(text.to_owned());
        let digests = match &self.wanted {
            Wanted::Named(_) => &[],
            Wanted::Digest(digest) => std::slice::from_ref(digest),
            Wanted::Signed { digests, .. } => digests.as_slice(),
        };
        let digests: Vec<Value> = digests.iter().map(|digest| text(&digest.to_string())).collect();
        let place = self.spelled.is_none().then(|| text(&self.place.to_string()));
        let members = [
            ("annotations", (!self.annotations.is_empty()).then(|| annotations_value(&self.annotations))),
            ("digests", (!digests.is_empty()).then_some(Value::Array(digests))),
            ("image", Some(text(self.spelled.as_ref().unwrap_or(&self.name)))),
            ("place", place),
        ];
        object(members.into_iter().filter_map(|(name, value)| Some((name, value?))))
    }

    fn of_source(name: String, source: &Source, annotations: BTreeMap<String, String>) -> Self {
        let wanted = match source.reference().and_then(Reference::digest) {
            Some(digest) => Wanted::Digest(digest),
            None => Wanted::Named(source.name().map(str::to_owned)),
        };
        Self::new(name, source.location(), wanted, annotations)
    }

    fn of_request<'a>(
        request: &'a Request,
        place: Option<&'a Location>,
        must_be_there: bool,
    ) -> impl Iterator<Item = Self> + 'a {
        request.images().iter().filter_map(move |image| {
            let top = request.items().get(image.first)?;
            // Payloads of other tools and attestations are no signatures of the image.
            top.identity()?;
            let destination = &top.destination;
            let digests = image.items.iter().filter_map(|item| request.items().get(*item));
            let digests = digests.map(|item| item.subject.digest).collect();
            let own = || Location::Registry(destination.repository().clone());
            let wanted = Wanted::Signed { digests, must_be_there };
            let place = place.cloned().unwrap_or_else(own);
            Some(Self::new(destination.to_string(), &place, wanted, BTreeMap::new()))
        })
    }

    /// What it is asked of: a registry, or a layout.
    pub(super) fn registry(&self) -> String {
        self.repository()
            .map_or_else(|| self.place.to_string(), |repository| repository.registry().to_owned())
    }

    /// The repository that was asked for, where it is one.
    pub(super) fn repository(&self) -> Option<&Repository> {
        match &self.place {
            Location::Registry(repository) => Some(repository),
            Location::Directory(_) | Location::Archive(_) => None,
        }
    }
}

/// A request or response; `None` where the file is of another kind, an error where it is a broken one of ours.
fn strict(path: &Path) -> Result<Option<Response>> {
    const OTHER_KINDS: [Check; 6] = [
        Check::FileKind,
        Check::FileSize,
        Check::FileNotRegular,
        Check::ArchiveName,
        Check::ArchiveHeader,
        Check::ArchiveOrder,
    ];
    let bytes = match coldsign::files::read(path, limits::FILE) {
        Ok(bytes) if bytes.get(TAR_MAGIC..TAR_MAGIC + 5) == Some(b"ustar") => bytes,
        Ok(_) => return Ok(None),
        Err(error) if OTHER_KINDS.contains(&error.check()) => return Ok(None),
        Err(error) => return Err(error),
    };
    match Response::read(&bytes.into()) {
        Ok(response) => Ok(Some(response)),
        Err(error) if OTHER_KINDS.contains(&error.check()) => Ok(None),
        Err(error) => Err(error.within(path.display())),
    }
}

/// What images are judged by.
pub(super) struct Judge<'a> {
    pub(super) registries: &'a Registries,
    pub(super) verifier: Verifier,
    pub(super) demand: &'a Demand,
    /// Whether what an index names must be signed as well.
    pub(super) recursive: bool,
    /// The keys of the demand, with the files they came from.
    pub(super) keys: &'a [NamedKey],
    /// Where signatures of images in registries are looked for, if not beside them, and who said so:
    /// `REPOSITORY (COSIGN_REPOSITORY)`.
    pub(super) elsewhere: Option<String>,
}

/// What became of an image: of each of its digests.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) digests: Vec<JudgedDigest>,
    pub(super) found: BTreeMap<Form, Found>,
}

/// What became of one digest.
pub(super) struct JudgedDigest {
    pub(super) digest: Digest,
    pub(super) outcome: Result<Verified>,
    /// What each key and form says; none where nothing was looked at.
    pub(super) rows: Vec<Row>,
}

/// How many signatures of a form were found, valid or not.
#[derive(Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) all: usize,
    /// Those that no key given verifies.
    pub(super) by_others: usize,
}

/// What verified of one digest.
pub(super) struct Verified {
    pub(super) valid: Vec<Valid>,
    /// What a person should know besides: printable ASCII.
    pub(super) notes: Vec<String>,
}

impl Judged {
    pub(super) fn valid(&self) -> impl Iterator<Item = &Valid> {
        self.verified().flat_map(|verified| &verified.valid)
    }

    /// Itself, where no digest of it has failed; else what failed first, and where.
    pub(super) fn whole(self) -> Result<Self> {
        if self.digests.iter().all(|one| one.outcome.is_ok()) {
            return Ok(self);
        }
        match self.into_failure() {
            Some((digest, error)) => Err(error.within(digest)),
            None => Ok(Self::default()),
        }
    }

    /// The first digest that failed, and why.
    pub(super) fn into_failure(self) -> Option<(Digest, Error)> {
        self.digests.into_iter().find_map(|one| Some((one.digest, one.outcome.err()?)))
    }

    pub(super) fn verified(&self) -> impl Iterator<Item = &Verified> {
        self.digests.iter().filter_map(|one| one.outcome.as_ref().ok())
    }
}

impl Judge<'_> {
    /// What stands beside every digest of an image. An error where it is not known which digests these are: SIG-TAG, or
    /// what the place could not answer.
    pub(super) fn judge(&self, image: &Image) -> Result<Judged> {
        let place = self.registries.open(&image.place)?;
        // A line's annotation overrides the command's of that key, as in export.
        let mut demand = Cow::Borrowed(self.demand);
        if !image.annotations.is_empty() {
            demand.to_mut().annotations.extend(image.annotations.clone());
        }
        let (seen, judged) = (HashSet::new(), Judged::default());
        let patience = gather::Patience::default();
        let mut work = Work { judge: self, image, place, demand, seen, slow: false, patience, judged };
        match &image.wanted {
            Wanted::Named(name) => {
                let picked = work.place.pick(name.as_deref()).map_err(check_sig_tag)?;
                work.tree(&picked.descriptor);
            }
            Wanted::Digest(digest) => work.digest(digest, self.recursive),
            Wanted::Signed { digests, must_be_there } => {
                for digest in digests {
                    work.digest(digest, *must_be_there || self.recursive);
                }
            }
        }
        Ok(work.judged)
    }
}

/// One image, while it is judged.
struct Work<'a> {
    judge: &'a Judge<'a>,
    image: &'a Image,
    place: Arc<dyn Place + 'a>,
    demand: Cow<'a, Demand>,
    seen: HashSet<Digest>,
    /// Whether a digest failed because the place took too long.
    slow: bool,
    patience: gather::Patience,
    judged: Judged,
}

impl Work<'_> {
    /// A digest, and what is below it if that is asked for.
    fn digest(&mut self, digest: &Digest, must_be_there: bool) {
        if !must_be_there {
            return self.signatures(digest);
        }
        let found = self.check_registry_timeout().and_then(|()| self.place.resolve(&Target::Digest(*digest)));
        let there = found.and_then(|found| {
            found.ok_or_else(|| {
                Error::new(Check::SigTag, "").detail(format!("gone from {}", self.place.place()))
            })
        });
        match there {
            Ok(descriptor) => self.tree(&descriptor),
            Err(error) => self.fail(digest, error),
        }
    }

    /// A manifest that is there, and what is below it if that is asked for.
    fn tree(&mut self, top: &Descriptor) {
        self.signatures(&top.digest);
        if !self.judge.recursive {
            return;
        }
        let mut below = Vec::new();
        let read = manifests_below(&*self.place, top, &mut below);
        for digest in &below {
            self.signatures(digest);
        }
        // What an index names cannot be told where it cannot be read: then the index itself has failed.
        if let Err(error) = read {
            self.fail(&top.digest, error);
        }
    }

    /// A digest has failed, whatever stands beside it.
    fn fail(&mut self, digest: &Digest, error: Error) {
        self.slow |= error.check() == Check::RegistryTimeout;
        let known = self.judged.digests.iter_mut().find(|one| one.digest == *digest);
        match known.map(|one| &mut one.outcome) {
            Some(outcome @ Ok(_)) => *outcome = Err(error),
            Some(Err(_)) => {}
            None => {
                self.seen.insert(*digest);
                self.unseen(digest, error);
            }
        }
    }

    /// A digest beside which nothing was looked at.
    fn unseen(&mut self, digest: &Digest, error: Error) {
        self.judged.digests.push(JudgedDigest { digest: *digest, outcome: Err(error), rows: Vec::new() });
    }

    /// What stands beside one digest; each is looked at once.
    fn signatures(&mut self, digest: &Digest) {
        if !self.seen.insert(*digest) {
            return;
        }
        if let Err(error) = self.check_registry_timeout() {
            return self.unseen(digest, error);
        }
        let verdicts =
            gather::judge(&*self.place, digest, &self.judge.verifier, &self.demand, &self.patience);
        for verdict in verdicts.iter().filter(|verdict| verdict.unread().is_none()) {
            let found = self.judged.found.entry(verdict.form).or_default();
            found.all += 1;
            let by_other = matches!(&verdict.outcome, Err(error) if error.check() == Check::SigKey);
            found.by_others += usize::from(by_other);
        }
        let rows = rows::of(&verdicts, self.judge.keys, &self.demand);
        let mut notes = unread(&verdicts);
        let verified = conclude(verdicts, &self.demand).map(|valid| {
            notes.extend(self.image.repository().into_iter().flat_map(|asked| elsewhere(&valid, asked)));
            Verified { valid, notes }
        });
        let verified = verified.map_err(|error| match (error.check(), &self.judge.elsewhere) {
            (Check::SigAbsent | Check::AttAbsent, Some(elsewhere)) if self.image.repository().is_some() => {
                error.detail(format!("looked in {elsewhere}"))
            }
            _ => error,
        });
        self.slow |= matches!(&verified, Err(error) if error.check() == Check::RegistryTimeout);
        self.judged.digests.push(JudgedDigest { digest: *digest, outcome: verified, rows });
    }

    /// REGISTRY-TIMEOUT, without a request, where one of its digests failed so: a time-out ends its image.
    fn check_registry_timeout(&self) -> Result<()> {
        if !self.slow {
            return Ok(());
        }
        let error = Error::new(Check::RegistryTimeout, "");
        Err(error.detail("not asked for: a request for this image took too long"))
    }
}

/// SIG-TAG: the image asked for is there. cosign says of one that is not that its tag was not found.
fn check_sig_tag(error: Error) -> Error {
    match error.check() {
        Check::ImageAbsent => error.details().fold(Error::new(Check::SigTag, ""), Error::detail),
        _ => error,
    }
}

/// What could not be read beside what verified.
fn unread(verdicts: &[Verdict]) -> Vec<String> {
    let unread: Vec<String> = verdicts
        .iter()
        .filter_map(Verdict::unread)
        .map(|error| shown(&format!("not read, and not needed: {error}")))
        .collect();
    at_most(unread, NOTES)
}

/// The names of other repositories that valid signatures are for, where none is for the one that was asked: a mirror's,
/// as a rule.
fn elsewhere(valid: &[Valid], asked: &Repository) -> Vec<String> {
    let names: Vec<String> = valid.iter().filter_map(identity).collect();
    let is_asked =
        |name: &String| Reference::parse(name).is_ok_and(|named| named.repository().place() == asked.place());
    if names.iter().any(is_asked) {
        return Vec::new();
    }
    let mut notes: Vec<String> = Vec::new();
    for name in names {
        let note = format!("signed for {}, identity not compared", shown(&name));
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    at_most(notes, NOTES)
}

/// What a payload calls its image; `None` where nothing is called so.
pub(super) fn identity(valid: &Valid) -> Option<String> {
    let Claims::Payload(bytes) = valid.claims() else { return None };
    let payload = Payload::parse(bytes).ok()?;
    Some(payload.reference().to_owned()).filter(|reference| !reference.is_empty())
}

fn at_most(mut lines: Vec<String>, most: usize) -> Vec<String> {
    let more = lines.len().saturating_sub(most);
    lines.truncate(most);
    if more > 0 {
        lines.push(format!("and {more} more like this"));
    }
    lines
}

/// Where `ustar` stands in a tar header.
const TAR_MAGIC: usize = 257;
/// Notes of one kind on one image.
const NOTES: usize = 3;
