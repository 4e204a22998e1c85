//! `verify`: what stands beside images, judged by the keys a person gave, with cosign's output and exit codes.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::format::json;
use coldsign::format::payload::{self, Payload};
use coldsign::format::statement::Statement;
use coldsign::limits;
use coldsign::request::Request;
use coldsign::response::Response;
use coldsign::terminal::{self, Console, counted, shown};
use coldsign::transfer::entries::Picked;
use coldsign::transfer::layout::Layout;
use coldsign::transfer::source::{Location, Source};
use coldsign::transfer::store::Place as _;
use coldsign::transfer::{annotations, gather, list};
use coldsign::verify::{Claims, Demand, Form, Known, Valid, Verifier, conclude};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::cli::{Format, Verify};
use crate::files;
use crate::inspect::ascii;

/// Verifies every image, also after one failed. The exit code is that of the first that fails.
pub(crate) fn run(asked: &Verify, console: &mut dyn Console) -> Result<Exit> {
    let demand = demand(asked)?;
    let mut layouts = Layouts::default();
    let (images, in_rows) = match &asked.from {
        Some(from) => (from_file(from, &asked.images, &mut layouts)?, true),
        None => from_sources(&asked.images, &mut layouts)?,
    };
    if images.is_empty() {
        return Err(Error::new(Check::ListEmpty, ""));
    }
    images.iter().try_for_each(|image| layouts.open(&image.place).map(|_| ()))?;
    let verifier = Verifier::knowing(std::mem::take(&mut layouts.known));
    let judged: Vec<_> = images.par_iter().map(|image| image.judge(&layouts, &verifier, &demand)).collect();
    let mut exit = Exit::Done;
    let mut good = 0;
    for (image, judged) in images.iter().zip(judged) {
        match judged {
            Ok(judged) => {
                good += image.digests.len();
                if in_rows {
                    console.show(&format!("ok    {}", judged.row(image)))?;
                } else {
                    judged.show(image, asked, console)?;
                }
            }
            Err((error, failed)) => {
                good += image.digests.len() - failed;
                exit = if exit == Exit::Done { error.exit() } else { exit };
                if in_rows {
                    console.show(&format!(
                        "FAIL  {:<NAME_WIDTH$}  {}",
                        shown(&image.name),
                        shown(&error.to_string())
                    ))?;
                }
                let error = error.within(&image.name);
                terminal::report(&error).lines().try_for_each(|line| console.say(line))?;
            }
        }
    }
    if in_rows {
        let digests: usize = images.iter().map(|image| image.digests.len()).sum();
        let images = counted(images.len(), "image", "images");
        let failed = match digests - good {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        console.show(&format!("{images}, {}: {good} ok{failed}", counted(digests, "digest", "digests")))?;
    }
    Ok(exit)
}

/// What was asked for contradicts itself where claims are not read and something about them is demanded, or where more
/// keys are demanded than were given.
fn demand(asked: &Verify) -> Result<Demand> {
    if !asked.check_claims && (!asked.annotations.is_empty() || asked.threshold > 1) {
        return Err(Error::new(Check::Usage, "--check-claims=false")
            .detail("it goes with neither -a nor --threshold"));
    }
    let keys: Vec<_> = files::read_keys(&asked.keys)?.into_iter().map(|key| key.key).collect();
    if asked.threshold > keys.len() {
        let error = Error::new(Check::Usage, format!("--threshold {}", asked.threshold));
        return Err(error.detail(format!("{} given", counted(keys.len(), "key", "keys"))));
    }
    let annotations = annotations::parse(asked.annotations.iter().map(String::as_str))?;
    Ok(Demand { keys, annotations, claims: asked.check_claims, threshold: asked.threshold })
}

/// One image to verify: the digests that were signed together, or just its own.
struct Image {
    name: String,
    place: Location,
    digests: Vec<Digest>,
    /// What its line of a list demands besides the command line.
    annotations: BTreeMap<String, String>,
    /// Why it cannot be verified at all: it is not there.
    absent: Option<Error>,
}

/// Layouts that were opened, each once, and signatures that are known to be good from files that were read whole.
#[derive(Default)]
struct Layouts {
    open: HashMap<Location, Layout>,
    known: Known,
}

impl Layouts {
    fn open(&mut self, place: &Location) -> Result<&Layout> {
        Ok(match self.open.entry(place.clone()) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(place.open_layout().expect("a layout")?),
        })
    }
}

/// The images of the command line, and whether they get one line each.
fn from_sources(sources: &[String], layouts: &mut Layouts) -> Result<(Vec<Image>, bool)> {
    let mut images = Vec::new();
    let mut in_rows = false;
    for text in sources {
        let source = Source::parse(text, Path::new(""))?;
        let place = source.location();
        if source.name().is_some() {
            images.push(Image::named(text, &source, layouts)?);
        } else if let Location::Archive(path) = place
            && let Some(response) = strict(path)?
        {
            in_rows = true;
            layouts.known.extend(response.known());
            images.extend(Image::of_request(response.request(), place));
        } else {
            let found = layouts.open(place)?.images();
            in_rows |= found.len() > 1;
            match found.as_slice() {
                [] => return Err(Error::new(Check::SigTag, text).detail("index.json names no image")),
                [one] => images.push(Image::of_digest(text.clone(), place, one)),
                several => images.extend(several.iter().map(|one| {
                    let digest = one.descriptor.digest.to_string();
                    Image::of_digest(one.names.first().map_or(digest, ToString::to_string), place, one)
                })),
            }
        }
    }
    Ok((images, in_rows))
}

/// The images of a list, each where its line says; or those of a request or response by digest, in the one place given.
fn from_file(from: &Path, places: &[String], layouts: &mut Layouts) -> Result<Vec<Image>> {
    let Some(file) = strict(from)? else {
        if !places.is_empty() {
            let error =
                Error::new(Check::Usage, "--from").detail("the lines of a list say where its images are");
            return Err(error.hint("give no IMAGE beside a list"));
        }
        let wanted = list::read(from)?;
        return wanted
            .iter()
            .map(|wanted| {
                let image = Image::named(&wanted.source.to_string(), &wanted.source, layouts)?;
                Ok(Image { annotations: wanted.annotations.clone(), ..image })
            })
            .collect();
    };
    let place = match places {
        [] => Location::Archive(from.to_owned()),
        [place] => match Source::parse(place, Path::new(""))? {
            source if source.name().is_none() => source.location().clone(),
            _ => return Err(Error::new(Check::Usage, place).detail("beside --from a place has no name")),
        },
        _ => return Err(Error::new(Check::Usage, "--from").detail("the images of one file are in one place")),
    };
    layouts.known.extend(file.known());
    Ok(Image::of_request(file.request(), &place).collect())
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

impl Image {
    fn named(text: &str, source: &Source, layouts: &mut Layouts) -> Result<Self> {
        let place = source.location();
        match layouts.open(place)?.pick(source.name()) {
            Ok(picked) => Ok(Self::of_digest(text.to_owned(), place, &picked)),
            // cosign says of an image that is not there that its tag was not found.
            Err(error) if error.check() == Check::ImageAbsent => {
                let absent = error.details().fold(Error::new(Check::SigTag, ""), Error::detail);
                Ok(Self {
                    name: text.to_owned(),
                    place: place.clone(),
                    digests: Vec::new(),
                    annotations: BTreeMap::new(),
                    absent: Some(absent),
                })
            }
            Err(error) => Err(error),
        }
    }

    fn of_digest(name: String, place: &Location, picked: &Picked) -> Self {
        Self {
            name,
            place: place.clone(),
            digests: vec![picked.descriptor.digest],
            annotations: BTreeMap::new(),
            absent: None,
        }
    }

    fn of_request<'a>(request: &'a Request, place: &'a Location) -> impl Iterator<Item = Self> + 'a {
        request.images().iter().map(move |image| {
            let top = request.items().get(image.first);
            let digests = image.items.iter().filter_map(|item| request.items().get(*item));
            Self {
                name: top.map(|item| item.destination.to_string()).unwrap_or_default(),
                place: place.clone(),
                digests: digests.map(|item| item.subject.digest).collect(),
                annotations: BTreeMap::new(),
                absent: None,
            }
        })
    }

    /// What verified; or the first failure, and how many digests failed.
    fn judge(
        &self,
        layouts: &Layouts,
        verifier: &Verifier,
        demand: &Demand,
    ) -> Result<Judged, (Error, usize)> {
        if let Some(absent) = &self.absent {
            let error = absent.details().fold(Error::new(absent.check(), absent.at()), Error::detail);
            return Err((error, 0));
        }
        let layout =
            layouts.open.get(&self.place).expect("every place is opened before its images are judged");
        // A line's annotation overrides the command's of that key, as in export.
        let mut demand = demand.clone();
        demand.annotations.extend(self.annotations.clone());
        let demand = &demand;
        let mut judged = Judged::default();
        let mut failed = 0;
        let mut first = None;
        for digest in &self.digests {
            let verdicts = gather::judge(layout, digest, verifier, demand);
            for verdict in &verdicts {
                *judged.found.entry(verdict.form).or_default() += 1;
            }
            match conclude(verdicts, demand) {
                Ok(valid) => judged.digests.push((*digest, valid)),
                Err(error) => {
                    failed += 1;
                    first.get_or_insert(error.within(digest));
                }
            }
        }
        first.map_or(Ok(judged), |error| Err((error, failed)))
    }
}

/// What verified, of every digest of an image.
#[derive(Default)]
struct Judged {
    digests: Vec<(Digest, Vec<Valid>)>,
    /// How many signatures were found, valid or not.
    found: BTreeMap<Form, usize>,
}

impl Judged {
    fn valid(&self) -> impl Iterator<Item = &Valid> {
        self.digests.iter().flat_map(|(_, valid)| valid)
    }

    /// `absent`, `unchecked` or both.
    fn log(&self) -> String {
        let names: BTreeSet<&str> = self.valid().map(|valid| valid.log().name()).collect();
        names.into_iter().collect::<Vec<_>>().join(" and ")
    }

    /// `registry.example/team/app:1.4          3 digests, .sig, log absent`
    fn row(&self, image: &Image) -> String {
        let forms: BTreeSet<Form> = self.valid().map(Valid::form).collect();
        let forms: Vec<&str> = forms.into_iter().map(Form::name).collect();
        let digests = counted(self.digests.len(), "digest", "digests");
        format!("{:<NAME_WIDTH$}  {digests}, {}, log {}", shown(&image.name), forms.join(" and "), self.log())
    }

    /// As cosign shows it, and one line of ours before what was signed.
    fn show(&self, image: &Image, asked: &Verify, console: &mut dyn Console) -> Result<()> {
        console.say("")?;
        console.say(&format!("Verification for {} --", shown(&image.name)))?;
        console.say("The following checks were performed on each of these signatures:")?;
        if !asked.annotations.is_empty() {
            console.say("  - The specified annotations were verified.")?;
        }
        if asked.check_claims {
            console.say("  - The cosign claims were validated")?;
        }
        console.say("  - The signatures were verified against the specified public key")?;
        if !asked.check_claims {
            console.say("warning: what the signatures claim was not checked (--check-claims=false)")?;
        }
        let forms = self.found.iter().map(|(form, found)| {
            let valid = self.valid().filter(|valid| valid.form() == *form).count();
            format!("{}, {valid} of {found} valid", form.name())
        });
        console.say(&format!("form: {}; log: {}", forms.collect::<Vec<_>>().join("; "), self.log()))?;
        let signed = self.digests.iter();
        let signed = signed
            .flat_map(|(digest, valid)| valid.iter().map(|valid| signed_value(valid, digest, &image.name)));
        match asked.output {
            Format::Json => {
                console.show("")?;
                console.show(&ascii(&Value::Array(signed.collect())))
            }
            Format::Text => signed.map(|value| ascii(&value)).try_for_each(|line| console.show(&line)),
        }
    }
}

/// What was signed, as cosign prints it: a payload in today's spelling, a statement as a payload of its type.
fn signed_value(valid: &Valid, digest: &Digest, name: &str) -> Value {
    let value = |reference: &str, digest: &Digest, kind: &str, optional: Value| {
        json!({
            "critical": {
                "identity": {"docker-reference": reference},
                "image": {"docker-manifest-digest": digest.to_string()},
                "type": kind,
            },
            "optional": optional,
        })
    };
    // Without --check-claims what was signed may be anything.
    let anything = |bytes: &[u8]| Value::String(String::from_utf8_lossy(bytes).into_owned());
    match valid.claims() {
        Claims::Payload(bytes) => Payload::parse(bytes).map_or_else(
            |_| anything(bytes),
            |signed| {
                let optional =
                    if signed.optional().is_empty() { Value::Null } else { members(signed.optional()) };
                value(signed.reference(), &signed.digest(), payload::TYPE, optional)
            },
        ),
        Claims::Statement(bytes) => Statement::parse(bytes).map_or_else(
            |_| anything(bytes),
            |statement| {
                let optional = members(statement.annotations_of(digest).unwrap_or_default());
                value(name, digest, statement.predicate_type(), optional)
            },
        ),
    }
}

fn members(members: &[(String, json::Value)]) -> Value {
    let value = |value: &json::Value| serde_json::to_value(value).unwrap_or(Value::Null);
    Value::Object(members.iter().map(|(name, member)| (name.clone(), value(member))).collect())
}

/// Where `ustar` stands in a tar header.
const TAR_MAGIC: usize = 257;
/// Names up to here make a column.
const NAME_WIDTH: usize = 38;
