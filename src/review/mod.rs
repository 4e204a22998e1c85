//! What a person is asked to approve: everything here is derived again from the request's evidence.
//!
//! Holding a [`ReviewedRequest`] is the proof that a person approved this request's digest: they typed words that stand
//! on the exporting side's paper, or named the digest where nobody can be asked.

mod extra;

use std::collections::{BTreeMap, BTreeSet};

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::document::{Item, Signed};
use crate::format::evidence::{Child, Config, ImageManifest, Index, Manifest, Platform};
use crate::format::reference::{Identity, Repository};
use crate::keys::sealed::Use;
use crate::request::{Image, Request};
use crate::response::{Place, Response, Signer};
use crate::secret::Random;
use crate::terminal::{
    COLUMNS, Console, Pages, Section, counted, filled, quoted, refused, rule, shown, size,
};
use crate::verify::Form;
use crate::words;
use extra::{Extra, File};

/// A request as it is shown to a person: what it names by number, files after everything else.
pub struct Review<'r> {
    request: &'r Request,
    images: Vec<Shown<'r>>,
    files: Vec<File<'r>>,
}

/// A request that a person approved. There is no other way to one than [`Review::approve`].
pub struct ReviewedRequest<'r> {
    request: &'r Request,
}

impl<'r> ReviewedRequest<'r> {
    /// The request that was approved.
    #[must_use]
    pub fn request(&self) -> &'r Request {
        self.request
    }
}

impl<'r> Review<'r> {
    /// Derives what is shown.
    #[must_use]
    pub fn of(request: &'r Request) -> Self {
        let common = common_annotations(request);
        let places = request.images().iter().zip(1..);
        let images = places.map(|(image, number)| Shown::of(request, image, number, common.is_some()));
        let images: Vec<Shown<'_>> = images.collect();
        let files = request.files().iter().zip(images.len() + 1..);
        let files = files.map(|(file, number)| File::of(request, file, number)).collect();
        Self { request, images, files }
    }

    /// How much it is: `40 images, 1 attestation, 113 items`.
    #[must_use]
    pub fn counts(&self) -> String {
        let of = |is: fn(&Signed) -> bool| self.images.iter().filter(|image| is(&image.top.signed)).count();
        let kinds = [
            (of(|signed| matches!(signed, Signed::Image { .. })), "image", "images"),
            (
                of(|signed| matches!(signed, Signed::CustomPayload { .. })),
                "payload of another tool",
                "payloads of other tools",
            ),
            (of(|signed| matches!(signed, Signed::Attestation { .. })), "attestation", "attestations"),
            (self.files.len(), "file", "files"),
        ];
        let kinds = kinds.into_iter().filter(|(count, ..)| *count > 0);
        let kinds = kinds.map(|(count, one, many)| counted(count, one, many));
        let items = counted(self.request.item_count(), "item", "items");
        kinds.chain([items]).collect::<Vec<_>>().join(", ")
    }

    /// What comes first: children that were not seen, counts, what the requester says, what deserves a second look.
    #[must_use]
    pub fn summary(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let unseen: usize = self.images.iter().map(|image| image.unseen).sum();
        if unseen > 0 {
            let numbers =
                numbers(self.images.iter().filter(|image| image.unseen > 0).map(|image| image.number));
            let what = counted(unseen, "child manifest", "child manifests");
            let images = if numbers.bytes().all(|byte| byte.is_ascii_digit()) { "image" } else { "images" };
            lines.extend(sentence("NOT SEEN: ", &format!("{what}, in {images} {numbers}")));
        }
        let hashes: Vec<usize> =
            self.files.iter().filter(|file| file.is_hash()).map(|file| file.number).collect();
        if !hashes.is_empty() {
            let what = counted(hashes.len(), "file", "files");
            let numbers = numbers(hashes.into_iter());
            lines.extend(sentence(
                "NOT SEEN: ",
                &format!("the content of {what}, by a hash alone, which may be of anything: {numbers}"),
            ));
        }
        let destinations = || self.request.items().iter().map(|item| item.destination.repository());
        let repositories: BTreeSet<String> = destinations().map(ToString::to_string).collect();
        let registries: BTreeSet<&str> = destinations().map(Repository::registry).collect();
        let mut counts = self.counts();
        if !repositories.is_empty() {
            let repositories = counted(repositories.len(), "repository", "repositories");
            let registries = counted(registries.len(), "registry", "registries");
            counts = format!("{counts}, {repositories}, {registries}");
        }
        lines.extend(sentence("", &counts));
        lines.extend(self.said());
        lines.extend(self.second_looks());
        lines
    }

    /// One row an image with its platforms below, in the order of the numbers.
    #[must_use]
    pub fn rows(&self) -> Vec<String> {
        let width = self.number_width();
        let images = self.images.iter().flat_map(|image| image.row(width));
        images.chain(self.files.iter().flat_map(|file| file.row(width))).collect()
    }

    /// Everything there is to say of image or file `number`, counted from 1.
    #[must_use]
    pub fn all_of(&self, number: usize) -> Option<Vec<String>> {
        let place = number.checked_sub(1)?;
        let image = self.images.get(place).map(Shown::everything);
        image.or_else(|| self.files.get(place.checked_sub(self.images.len())?).map(File::everything))
    }

    /// Asks the person at the terminal for words of the request, after the last page; without a terminal compares
    /// `approve`. `terms` says what is approved besides the items: forms and keys, in printable ASCII. Nothing that is
    /// said before the approval tells the digest or a word.
    ///
    /// APPROVAL-TERMINAL, APPROVAL-MISSING ([`check_approval`]), APPROVAL-OTHER, OPERATOR-REFUSED, CHALLENGE.
    pub fn approve(
        self,
        approve: Option<&Digest>,
        terms: &str,
        console: &mut dyn Console,
        random: &mut dyn Random,
    ) -> Result<ReviewedRequest<'r>> {
        check_approval(approve, console)?;
        let terms = sentence("", &format!("{}, {terms}", self.counts()));
        if let Some(approve) = approve {
            check_approval_other(approve, &self.request.digest())?;
            console.say_all(&self.summary())?;
            console.say_all(&self.rows())?;
            console.say_all(&terms)?;
            console.say("ok: --approve names this request")?;
        } else {
            let pages = Pages::new(self.summary(), self.sections(), console.height());
            pages.turn(console, &|number| self.all_of(number))?;
            console.say(&rule("approval", pages.count() + 1, pages.count() + 1))?;
            console.say_all(&terms)?;
            console.say("The words are on the exporting side's paper; this screen does not show them.")?;
            check_challenge(&self.request.digest(), console, random)?;
            console.say("ok: paper and stick agree")?;
        }
        Ok(ReviewedRequest { request: self.request })
    }

    fn sections(&self) -> Vec<Section> {
        let width = self.number_width();
        let mut groups: Vec<(String, Vec<&Shown<'_>>)> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for image in &self.images {
            let group = image.group();
            let place = *places.entry(group.clone()).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, images)) => images.push(image),
                None => groups.push((group, vec![image])),
            }
        }
        let section = |(group, images): (String, Vec<&Shown<'_>>)| Section {
            title: format!("{group}, {}", counted(images.len(), "image", "images")),
            blocks: images.into_iter().map(|image| image.row(width)).collect(),
        };
        let files = (!self.files.is_empty()).then(|| Section {
            title: counted(self.files.len(), "file", "files"),
            blocks: self.files.iter().map(|file| file.row(width)).collect(),
        });
        groups.into_iter().map(section).chain(files).collect()
    }

    fn number_width(&self) -> usize {
        (self.images.len() + self.files.len()).to_string().len().max(2)
    }

    /// The requester's note, annotations that stand on every item, and members of the document that are ignored.
    fn said(&self) -> Vec<String> {
        let note = self.request.note().map(|note| format!("requester says: {}", quoted(note)));
        let all = common_annotations(self.request).filter(|annotations| !annotations.is_empty());
        let whom = if self.request.uses().len() > 1 { "all images: " } else { "all items: " };
        let all = all.map(|annotations| (whom, annotated(annotations)));
        let mut lines = match (note, all) {
            (Some(note), Some((label, annotations))) => {
                let beside = format!("{note:<33} {label}{}", annotations.join("  "));
                if beside.len() <= COLUMNS {
                    vec![beside]
                } else {
                    [filled("", &[note], ""), filled(label, &annotations, "  ")].concat()
                }
            }
            (Some(note), None) => filled("", &[note], ""),
            (None, Some((label, annotations))) => filled(label, &annotations, "  "),
            (None, None) => Vec::new(),
        };
        let ignored: Vec<String> = self.request.unknown_optional().iter().map(|name| quoted(name)).collect();
        lines.extend(filled("ignored in the request: ", &ignored, "  "));
        lines
    }

    fn second_looks(&self) -> Vec<String> {
        let with = |look: &Look| {
            numbers(self.images.iter().filter(|image| image.looks.contains(look)).map(|image| image.number))
        };
        let looks = Look::ALL.iter().map(|look| (look, with(look)));
        let looks: Vec<String> = looks
            .filter(|(_, numbers)| !numbers.is_empty())
            .map(|(look, numbers)| format!("{}: {numbers}", look.text()))
            .collect();
        let first = "look twice: ";
        if looks.is_empty() {
            let unseen =
                self.images.iter().any(|image| image.unseen > 0) || self.files.iter().any(File::is_hash);
            return if unseen { Vec::new() } else { vec![format!("{first}at nothing")] };
        }
        let mut lines: Vec<String> = Vec::new();
        for look in looks {
            if let Some(line) = lines.last_mut().filter(|line| line.len() + 4 + look.len() <= COLUMNS) {
                line.push_str("    ");
                line.push_str(&look);
            } else {
                let blanks = " ".repeat(first.len());
                lines.extend(sentence(if lines.is_empty() { first } else { &blanks }, &look));
            }
        }
        lines
    }
}

/// Ascending numbers, runs as `3-8`.
fn numbers(ascending: impl Iterator<Item = usize>) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for number in ascending {
        match runs.last_mut().filter(|(_, last)| last + 1 == number) {
            Some((_, last)) => *last = number,
            None => runs.push((number, number)),
        }
    }
    let run = |(first, last): (usize, usize)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first}-{last}"),
    };
    runs.into_iter().map(run).collect::<Vec<_>>().join(", ")
}

/// Who signed a file, each key with its whole id and how many items it signed in each form. Every signature was
/// verified by the key when the file was read.
#[must_use]
pub fn signed_by(response: &Response) -> Vec<String> {
    let request = response.request();
    let uses = request.uses();
    let lines = |signer: &Signer| {
        let (key, id) = (signer.key(), signer.key().id());
        let start: String = id.grouped().chars().take(17).collect();
        let of = |kind: Use, what: &str, counts: &dyn Fn(Place) -> bool| {
            let all = uses.get(&kind)?;
            Some(format!("{what} {} of {all}", signer.items(request, counts).len()))
        };
        let custom = |place: Place| matches!(place, Place::Payload(..)) && place.form(request).is_none();
        let attested = |place: Place| matches!(place, Place::Statement(_)) && place.form(request).is_none();
        let signed = [
            of(Use::Image, ".sig", &|place| place.form(request) == Some(Form::Sig)),
            of(Use::Image, "bundle", &|place| place.form(request) == Some(Form::Bundle)),
            of(Use::CustomPayload, "payloads", &custom),
            of(Use::Attestation, "attestations", &attested),
            of(Use::Blob, "files", &|place| matches!(place, Place::File(_))),
        ];
        let signed: Vec<String> = signed.into_iter().flatten().collect();
        let mut lines = sentence("", &format!("signed by {start}, {}: {}", key.kind(), signed.join(", ")));
        lines.push(format!("  {}", id.grouped()));
        lines.extend(beside(signer));
        lines
    };
    response.signers().flat_map(lines).collect()
}

/// How much stands beside a key's signatures; nothing is said where nothing does.
fn beside(signer: &Signer) -> Option<String> {
    let (entries, tokens) = signer.material().values().fold((0, 0), |(entries, tokens), there| {
        (entries + there.entries.len(), tokens + there.tokens.len())
    });
    let counts = [(entries, "log entry", "log entries"), (tokens, "timestamp", "timestamps")];
    let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, one, many)| counted(count, one, many)).collect();
    (!counts.is_empty()).then(|| format!("  beside: {}, not checked here", counts.join(", ")))
}

/// APPROVAL-MISSING and APPROVAL-TERMINAL: at a terminal the approval is the words, elsewhere it is `--approve`. Said
/// before anything else is done, and again before the approval.
pub fn check_approval(approve: Option<&Digest>, console: &dyn Console) -> Result<()> {
    match (console.is_terminal(), approve) {
        (true, Some(_)) => {
            Err(Error::new(Check::ApprovalTerminal, "").detail("nothing was signed or written"))
        }
        (false, None) => Err(Error::new(Check::ApprovalMissing, "")
            .detail("nothing was signed or written")
            .hint("--approve sha256:DIGEST, as export printed it on the connected side")),
        _ => Ok(()),
    }
}

/// APPROVAL-OTHER: the approval is the digest of this request. The right one is not said.
fn check_approval_other(approve: &Digest, request: &Digest) -> Result<()> {
    if approve == request {
        return Ok(());
    }
    Err(Error::new(Check::ApprovalOther, approve)
        .detail("nothing was signed or written, the key was not opened")
        .hint("stick and paper do not belong together; on the connected side compare")
        .hint("coldsign inspect --digest FILE"))
}

/// CHALLENGE: six of the 32 words of the request, at places drawn anew for each attempt.
fn check_challenge(digest: &Digest, console: &mut dyn Console, random: &mut dyn Random) -> Result<()> {
    let all = words::words(digest);
    for attempt in 1..=ATTEMPTS {
        let places = draw(random)?;
        let asked: Vec<&str> = places.iter().filter_map(|place| all.get(*place).copied()).collect();
        let names: Vec<String> = places.iter().map(|place| (place + 1).to_string()).collect();
        let names = names.join(", ");
        let names = names
            .rsplit_once(", ")
            .map_or_else(|| names.clone(), |(most, last)| format!("{most} and {last}"));
        console.say(&format!("Words {names} of the request (q refuses):"))?;
        let typed = loop {
            console.drop_typed_ahead()?;
            let typed = console.ask("> ")?;
            match words::count(&typed) {
                Some(0) => {}
                // Another number of words is a slip, not an answer.
                Some(given) if given != ASKED => {
                    console.say(&format!("{ASKED} words are asked for, {given} given"))?;
                }
                _ => break typed,
            }
        };
        if typed.trim().eq_ignore_ascii_case("q") {
            return Err(refused(""));
        }
        if words::same(&typed, &asked) {
            return Ok(());
        }
        console.say(&format!("these are not the words of this request (attempt {attempt} of {ATTEMPTS})"))?;
    }
    Err(Error::new(Check::Challenge, "")
        .detail("nothing was signed or written, the key was not opened")
        .hint("stick and paper do not belong together; on the connected side compare")
        .hint("coldsign inspect request.tar")
        .hint("with the paper; if they differ, find out why before you export again"))
}

/// Six different places of 32, ascending, each as likely as any other.
fn draw(random: &mut dyn Random) -> Result<BTreeSet<usize>> {
    let mut places = BTreeSet::new();
    for _ in 0..DRAWS {
        let mut byte = [0];
        random.fill(&mut byte)?;
        let [byte] = byte;
        // 256 is a multiple of 32: every place has the same chance.
        places.insert(usize::from(byte % 32));
        if places.len() == ASKED {
            return Ok(places);
        }
    }
    Err(Error::new(Check::RandomSource, "the same few numbers again and again"))
}

/// How many words are asked for.
const ASKED: usize = 6;
/// How often a person may answer wrongly.
const ATTEMPTS: usize = 3;
/// Six different numbers below 32 take 6.6 draws on average; a source that needs this many is broken.
const DRAWS: usize = 1_000;

/// The annotations of every image, where all have the same.
fn common_annotations(request: &Request) -> Option<&BTreeMap<String, String>> {
    let mut all = request.items().iter().filter_map(Item::annotations);
    let first = all.next()?;
    all.all(|annotations| annotations == first).then_some(first)
}

/// One image of the request.
struct Shown<'r> {
    number: usize,
    top: &'r Item,
    own_annotations: bool,
    parts: Vec<Part<'r>>,
    unseen: usize,
    platforms: usize,
    looks: BTreeSet<Look>,
    /// What is signed besides the image, where that is not the image itself.
    extra: Option<Extra>,
}

/// Why an image deserves a second look.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Artifact,
    Attached,
    Differs,
    NoRevision,
    Revisions,
    OnePlatform,
    SamePlatform,
    Nested,
    Attestations,
    Attested,
    NotUnderstood,
}

impl Look {
    const ALL: [Self; 11] = [
        Self::NotUnderstood,
        Self::Attested,
        Self::Artifact,
        Self::Attached,
        Self::Differs,
        Self::NoRevision,
        Self::Revisions,
        Self::OnePlatform,
        Self::SamePlatform,
        Self::Nested,
        Self::Attestations,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Artifact => "artifact",
            Self::Attached => "attached to another manifest",
            Self::Differs => "identity and destination differ",
            Self::NoRevision => "no revision label",
            Self::Revisions => "platforms of different revisions",
            Self::OnePlatform => "one platform only",
            Self::SamePlatform => "two images for one platform",
            Self::Nested => "nested index",
            Self::Attestations => "attestations",
            Self::Attested => "something is stated about an image",
            Self::NotUnderstood => "payload that is not understood",
        }
    }
}

/// One manifest of an image's tree.
struct Part<'r> {
    item: &'r Item,
    manifest: &'r Manifest,
    kind: Kind<'r>,
}

enum Kind<'r> {
    Index(&'r Index),
    /// An image for a platform, as its config says.
    Platform(&'r Config),
    /// What `BuildKit` states about another child; for no platform.
    Attestation,
    /// Anything else: its config is no image config.
    Artifact(&'r ImageManifest),
}

impl<'r> Shown<'r> {
    fn of(request: &'r Request, image: &Image, number: usize, same_annotations: bool) -> Self {
        let items: Vec<&Item> = image.items.iter().filter_map(|place| request.items().get(*place)).collect();
        let manifests =
            || items.iter().filter_map(|item| Some((*item, request.manifest(&item.subject.digest)?)));
        let mut entries: BTreeMap<Digest, Vec<&Child>> = BTreeMap::new();
        for (_, manifest) in manifests() {
            if let Manifest::Index(index) = manifest {
                for child in &index.manifests {
                    entries.entry(child.descriptor.digest).or_default().push(child);
                }
            }
        }
        let kind = |item: &Item, manifest: &'r Manifest| match manifest {
            Manifest::Index(index) => Kind::Index(index),
            Manifest::Image(image) => {
                let entries = entries.get(&item.subject.digest).map(Vec::as_slice).unwrap_or_default();
                match request.config(&image.config.digest).filter(|_| image.has_image_config()) {
                    config if is_attestation(entries, config) => Kind::Attestation,
                    Some(config) => Kind::Platform(config),
                    None => Kind::Artifact(image),
                }
            }
        };
        let parts: Vec<Part<'_>> =
            manifests().map(|(item, manifest)| Part { item, manifest, kind: kind(item, manifest) }).collect();
        let top = items.first().copied().or_else(|| request.items().get(image.first));
        let top = top.expect("an image of a request has its top item");
        let platforms = parts.iter().filter(|part| matches!(part.kind, Kind::Platform(_))).count();
        let unseen = items.iter().map(|item| item.unseen.len()).sum();
        let own_annotations = !same_annotations;
        let mut shown = Self {
            number,
            top,
            own_annotations,
            parts,
            unseen,
            platforms,
            looks: BTreeSet::new(),
            extra: Extra::of(request, top),
        };
        shown.looks = Look::ALL.into_iter().filter(|look| shown.deserves(*look)).collect();
        shown
    }

    fn deserves(&self, look: Look) -> bool {
        match self.top.signed {
            Signed::Image { .. } => {}
            Signed::CustomPayload { .. } => return look == Look::NotUnderstood,
            Signed::Attestation { .. } => return look == Look::Attested,
        }
        let below = || self.parts.iter().skip(1);
        let revisions =
            || self.platform_parts().map(|part| self.label(part, REVISION)).collect::<BTreeSet<_>>();
        match look {
            Look::Artifact => self.parts.iter().any(Part::is_artifact),
            Look::Attached => self.parts.iter().any(|part| part.subject().is_some()),
            Look::Differs => self.differs(),
            Look::NoRevision => revisions().contains(&None),
            Look::Revisions => revisions().len() > 1,
            Look::OnePlatform => self.platforms == 1,
            Look::SamePlatform => self.has_platform_twice(),
            Look::Nested => below().any(|part| matches!(part.kind, Kind::Index(_))),
            Look::Attestations => below().any(|part| matches!(part.kind, Kind::Attestation)),
            Look::Attested | Look::NotUnderstood => false,
        }
    }

    /// What a signature calls it; where it calls it nothing, where the signature goes.
    fn name(&self) -> String {
        self.top.identity().map_or_else(|| self.top.destination.to_string(), ToString::to_string)
    }

    /// What images stand under one heading: the repository without its last component.
    fn group(&self) -> String {
        let repository = self.top.identity().map_or(self.top.destination.repository(), Identity::repository);
        let repository = repository.to_string();
        repository.rsplit_once('/').map(|(group, _)| group.to_owned()).unwrap_or(repository)
    }

    fn differs(&self) -> bool {
        let (Some(identity), destination) = (self.top.identity(), &self.top.destination) else {
            return false;
        };
        identity.repository() != destination.repository()
            || destination.tag().is_some_and(|tag| identity.tag() != Some(tag))
    }

    /// Whether two images of the tree say the same platform: which one runs is for somebody else to choose.
    fn has_platform_twice(&self) -> bool {
        let mut seen = BTreeSet::new();
        self.platform_parts().any(|part| match part.kind {
            Kind::Platform(config) => {
                !seen.insert((&config.os, &config.architecture, &config.variant, &config.os_version))
            }
            _ => false,
        })
    }

    fn platform_parts(&self) -> impl Iterator<Item = &Part<'r>> {
        self.parts.iter().filter(|part| matches!(part.kind, Kind::Platform(_)))
    }

    /// A label of an image; where its config has none, the annotation of that name on its manifest or the top index.
    fn label<'a>(&'a self, part: &'a Part<'r>, key: &str) -> Option<&'a str> {
        let find = |pairs: &'a [(String, String)]| {
            pairs
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value.as_str())
                .filter(|value| !value.is_empty())
        };
        let label = match &part.kind {
            Kind::Platform(config) => find(&config.labels),
            _ => None,
        };
        let above = || self.parts.first().and_then(|top| find(annotations(top.manifest)));
        label.or_else(|| find(annotations(part.manifest))).or_else(above)
    }

    /// What is signed, or what the top manifest is, for the right end of a row.
    fn kind(&self) -> String {
        let mut words = match &self.top.signed {
            Signed::Image { .. } => self.kind_of_top(),
            Signed::CustomPayload { payload } => {
                vec!["payload NOT UNDERSTOOD".to_owned(), size(payload.size)]
            }
            Signed::Attestation { predicate, .. } => vec!["attestation".to_owned(), size(predicate.size)],
        };
        if self.unseen > 0 {
            words.push(format!("{} NOT SEEN", self.unseen));
        }
        words.join(", ")
    }

    fn kind_of_top(&self) -> Vec<String> {
        match self.parts.first().map(|part| &part.kind) {
            Some(Kind::Index(_)) => {
                vec!["index".to_owned(), counted(self.platforms, "platform", "platforms")]
            }
            Some(Kind::Platform(_) | Kind::Attestation) => vec!["image".to_owned()],
            Some(Kind::Artifact(_)) | None => vec!["artifact".to_owned()],
        }
    }

    fn row(&self, width: usize) -> Vec<String> {
        let (name, kind) = (self.name(), self.kind());
        let number = format!("{:>width$}  ", self.number);
        let mut lines = filled(&number, &[name], "");
        match lines.last_mut().filter(|line| line.len() + 2 + kind.len() <= COLUMNS) {
            Some(line) => *line = format!("{line}{kind:>room$}", room = COLUMNS - line.len()),
            None => lines.push(format!("{kind:>COLUMNS$}")),
        }
        let indent = " ".repeat(number.len());
        let mut add = |pieces: &[String]| lines.extend(filled(&indent, pieces, "  "));
        if self.differs() {
            add(&["destination".to_owned(), self.top.destination.to_string()]);
        }
        add(&[self.top.subject.digest.grouped()]);
        if let Some(annotations) =
            self.top.annotations().filter(|annotations| self.own_annotations && !annotations.is_empty())
        {
            add(&annotated(annotations));
        }
        lines.extend(self.extra.iter().flat_map(|said| said.lines(&indent, MEMBERS)));
        let mut add = |pieces: &[String]| lines.extend(filled(&indent, pieces, "  "));
        for part in &self.parts {
            if let Some(subject) = part.subject() {
                add(&["attached to".to_owned(), subject.grouped()]);
            }
        }
        for child in self.unseen_children() {
            add(&["NOT SEEN".to_owned(), platform(child)]);
        }
        let labels: BTreeSet<Vec<String>> = self.platform_parts().map(|part| self.labels(part)).collect();
        let agree = labels.len() <= 1;
        if agree {
            add(&labels.into_iter().next().unwrap_or_default());
        }
        for (part, text) in self.parts_in_columns() {
            lines.extend(filled(&indent, &[text], ""));
            if !agree {
                lines.extend(filled(&format!("{indent}  "), &self.labels(part), "  "));
            }
        }
        lines
    }

    /// The labels by which a person knows an image.
    fn labels(&self, part: &Part<'r>) -> Vec<String> {
        let known = [("version", VERSION), ("revision", REVISION), ("source", SOURCE)];
        let text = |(name, key): (&str, &str)| {
            self.label(part, key).map(|value| format!("{name} {}", quoted(value)))
        };
        known.into_iter().filter_map(text).collect()
    }

    fn unseen_children(&self) -> impl Iterator<Item = &'r Child> {
        self.parts.iter().flat_map(|part| {
            let children = match part.manifest {
                Manifest::Index(index) => index.manifests.as_slice(),
                Manifest::Image(_) => &[],
            };
            let mut told = BTreeSet::new();
            let unseen = move |child: &&Child| part.item.unseen.contains(&child.descriptor.digest);
            children.iter().filter(unseen).filter(move |child| told.insert(child.descriptor.digest))
        })
    }

    /// A line for each manifest but the top index: platform, layers, size, when it was made.
    fn parts_in_columns(&self) -> Vec<(&Part<'r>, String)> {
        let below = self
            .parts
            .iter()
            .enumerate()
            .filter(|(place, part)| !(*place == 0 && matches!(part.kind, Kind::Index(_))));
        let rows: Vec<(&Part<'r>, [String; 4])> = below.map(|(_, part)| (part, part.cells())).collect();
        let wide = |column: usize| {
            let lengths = rows.iter().filter_map(|(_, cells)| cells.get(column)).map(String::len);
            lengths.filter(|length| *length <= COLUMN).max().unwrap_or(0)
        };
        let (first, second, third) = (wide(0), wide(1), wide(2));
        let line = |(part, [name, layers, bytes, made]): (_, [String; 4])| {
            (
                part,
                format!("{name:<first$}   {layers:>second$}   {bytes:>third$}   {made}")
                    .trim_end()
                    .to_owned(),
            )
        };
        rows.into_iter().map(line).collect()
    }

    fn everything(&self) -> Vec<String> {
        let mut lines = filled("identity     ", &[self.name()], "");
        lines.extend(filled("destination  ", &[self.top.destination.to_string()], ""));
        lines.extend(filled(
            "annotations  ",
            &self.top.annotations().map(annotated).unwrap_or_default(),
            "  ",
        ));
        lines.extend(self.extra.iter().flat_map(|said| said.lines("", usize::MAX)));
        for part in &self.parts {
            lines.extend(part.everything());
        }
        lines
    }
}

impl Part<'_> {
    fn subject(&self) -> Option<&Digest> {
        let subject = match self.manifest {
            Manifest::Image(image) => &image.subject,
            Manifest::Index(index) => &index.subject,
        };
        subject.as_ref().map(|subject| &subject.digest)
    }

    fn artifact_type(&self) -> Option<&str> {
        match self.manifest {
            Manifest::Image(image) => image.artifact_type.as_deref(),
            Manifest::Index(index) => index.artifact_type.as_deref(),
        }
    }

    fn is_artifact(&self) -> bool {
        match self.kind {
            Kind::Attestation => false,
            Kind::Artifact(_) => true,
            Kind::Index(_) | Kind::Platform(_) => self.artifact_type().is_some(),
        }
    }

    /// What it is, how many layers, their size as the manifest says it, and the rest.
    fn cells(&self) -> [String; 4] {
        let (name, rest) = match &self.kind {
            Kind::Index(index) => {
                let manifests = counted(index.manifests.len(), "manifest", "manifests");
                let artifact = self.artifact_type().map(|kind| format!("ARTIFACT {}", word(kind)));
                return ["index".to_owned(), manifests, String::new(), artifact.unwrap_or_default()];
            }
            Kind::Platform(config) => {
                let platform = named(&Platform {
                    os: config.os.clone(),
                    architecture: config.architecture.clone(),
                    variant: config.variant.clone(),
                    os_version: config.os_version.clone(),
                });
                let created = config.created.as_deref().map(|created| format!("created {}", moment(created)));
                let artifact = self.artifact_type().map(|kind| format!("ARTIFACT {}", word(kind)));
                (platform, [artifact, created].into_iter().flatten().collect::<Vec<_>>().join("   "))
            }
            Kind::Attestation => ("attestation".to_owned(), String::new()),
            Kind::Artifact(image) => {
                let kind = self.artifact_type().map(|kind| format!("ARTIFACT {}", word(kind)));
                (kind.unwrap_or_else(|| format!("config {}", word(&image.config.media_type))), String::new())
            }
        };
        let layers = match self.manifest {
            Manifest::Image(image) => image.layers.as_slice(),
            Manifest::Index(_) => &[],
        };
        let bytes = layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size));
        [name, counted(layers.len(), "layer", "layers"), size(bytes), rest]
    }

    fn everything(&self) -> Vec<String> {
        let [name, layers, bytes, rest] = self.cells();
        let what: Vec<String> =
            [name, layers, bytes, rest].into_iter().filter(|cell| !cell.is_empty()).collect();
        let mut lines = filled(&format!("item {}  ", self.item.number), &what, "  ");
        let digest = |digest: &Digest| format!("    {}", digest.grouped());
        let say = |label: &str, pieces: &[String]| filled(&format!("  {label}  "), pieces, "  ");
        lines.push(digest(&self.item.subject.digest));
        lines.extend(say("type", &[word(&self.item.subject.media_type)]));
        if let Some(subject) = self.subject() {
            lines.push("  attached to".to_owned());
            lines.push(digest(subject));
        }
        for pair in annotations(self.manifest) {
            lines.extend(say("annotation", &[assigned(pair)]));
        }
        match self.manifest {
            Manifest::Index(index) => {
                let unseen = |child: &&Child| self.item.unseen.contains(&child.descriptor.digest);
                for child in index.manifests.iter().filter(unseen) {
                    lines.extend(say("NOT SEEN", &[platform(child), word(&child.descriptor.media_type)]));
                    lines.push(digest(&child.descriptor.digest));
                }
            }
            Manifest::Image(image) => {
                lines.extend(say("config", &[word(&image.config.media_type)]));
                lines.push(digest(&image.config.digest));
                if let Kind::Platform(config) = self.kind {
                    lines.extend(config.labels.iter().flat_map(|pair| say("label", &[assigned(pair)])));
                }
                for layer in &image.layers {
                    lines.extend(say("layer", &[size(layer.size), word(&layer.media_type)]));
                    lines.push(digest(&layer.digest));
                }
            }
        }
        lines
    }
}

/// For which platform an index says that a child is.
fn platform(child: &Child) -> String {
    child.platform.as_ref().map_or_else(|| "no platform".to_owned(), named)
}

/// `BuildKit`'s mark on each entry of an index that names the manifest, believed only where no platform could run it.
fn is_attestation(entries: &[&Child], config: Option<&Config>) -> bool {
    let marked = |child: &&Child| {
        let mark = ("vnd.docker.reference.type", "attestation-manifest");
        child.annotations.iter().any(|(key, value)| (key.as_str(), value.as_str()) == mark)
    };
    let runs_nowhere = config.is_none_or(|config| config.os == "unknown" && config.architecture == "unknown");
    !entries.is_empty() && entries.iter().all(marked) && runs_nowhere
}

fn annotations(manifest: &Manifest) -> &[(String, String)] {
    match manifest {
        Manifest::Image(image) => &image.annotations,
        Manifest::Index(index) => &index.annotations,
    }
}

fn annotated(annotations: &BTreeMap<String, String>) -> Vec<String> {
    annotations.iter().map(|(key, value)| format!("{}={}", word(key), quoted(value))).collect()
}

fn assigned((key, value): &(String, String)) -> String {
    format!("{}={}", word(key), quoted(value))
}

/// Foreign text as it is where it can be nothing but one word, else quoted.
fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+/:".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) { shown(text) } else { quoted(text) }
}

/// `linux/arm64/v8`, with the version of the system where there is one.
fn named(platform: &Platform) -> String {
    let parts = [Some(&platform.os), Some(&platform.architecture), platform.variant.as_ref()];
    let name: Vec<String> = parts.into_iter().flatten().map(|part| word(part)).collect();
    let version = platform.os_version.as_ref().map(|version| format!(" {}", word(version)));
    name.join("/") + &version.unwrap_or_default()
}

/// `2026-04-28T09:12:33Z` to the minute, in its own words when it is not in UTC or no time at all.
fn moment(created: &str) -> String {
    let digits = |text: &str, shape: &str| {
        let fits =
            |(byte, wanted): (u8, u8)| if wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted };
        text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
    };
    match (created.get(..10), created.get(10..11), created.get(11..16), created.get(16..)) {
        (Some(date), Some("T"), Some(time), Some(rest))
            if digits(date, "0000-00-00")
                && digits(time, "00:00")
                && rest.starts_with(':')
                && rest.ends_with('Z') =>
        {
            format!("{date} {time} UTC")
        }
        _ => quoted(created),
    }
}

/// Our own words, broken at blanks.
fn sentence(first: &str, text: &str) -> Vec<String> {
    let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    filled(first, &words, " ")
}

const VERSION: &str = "org.opencontainers.image.version";
const REVISION: &str = "org.opencontainers.image.revision";
const SOURCE: &str = "org.opencontainers.image.source";
/// A cell wider than this does not push its column out.
const COLUMN: usize = 32;
/// Members of a predicate that a row names; all of it has them all.
const MEMBERS: usize = 24;
