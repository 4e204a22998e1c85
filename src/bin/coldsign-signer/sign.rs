//! `sign`: review a request, approve it, sign it.

use std::path::Path;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::files::{self, Output};
use coldsign::format::document::{BlobItem, Content};
use coldsign::home::{Home, KeyName};
use coldsign::keys::public::{KeyKind, PublicKey};
use coldsign::keys::sealed::{SealedKey, Use};
use coldsign::limits;
use coldsign::request::Request;
use coldsign::response::{File, Response};
use coldsign::review::{Review, check_approval};
use coldsign::secret::{OsRandom, Passphrase};
use coldsign::selftest::{VERSION, check_self_test};
use coldsign::sign::{Forms, due, sign};
use coldsign::terminal::{Console, counted, filled, size};

use crate::cli::{Form, Sign};
use crate::station::{Place, check_swap, unlock};
use crate::{inspect, passphrase};

/// A key that was asked for: found, not opened yet.
struct Asked {
    name: KeyName,
    sealed: SealedKey,
}

impl Asked {
    fn public(&self) -> &PublicKey {
        self.sealed.public_key()
    }

    fn short_id(&self) -> String {
        short(&self.public().id())
    }
}

/// Everything that can fail without the person fails before the person is asked; keys are opened last.
pub(crate) fn run(console: &mut dyn Console, place: &Place, command: &Sign) -> Result<()> {
    check_approval(command.approve.as_ref(), console)?;
    check_swap(command.memory.allow_swap, console)?;
    check_self_test()?;
    let home = place.open(console)?;
    console.say(&format!("coldsign-signer {VERSION}, self-test ok, home {}", place.path().display()))?;
    let keys = load(&home, &command.keys)?;
    let passphrases = read_passphrases(command)?;
    let output = create(console, &command.output)?;

    let mut response = inspect::read(&command.file)?;
    let forms = command.form.into();
    check_items_many(response.request(), command.max_items)?;
    keys.iter().try_for_each(|key| check_key_uses(response.request(), key))?;
    check_combine_keys(&response, &keys)?;
    let (size_before, blobs) = {
        let rendered = response.render();
        (rendered.size(), rendered.blob_count())
    };
    let payloads: usize = response.request().groups().iter().map(|group| group.payloads.len()).sum();
    let statements = response.request().statements().len();
    console.say(&format!(
        "ok  archive; {}; {} and {} rendered again",
        counted(blobs, "blob", "blobs"),
        counted(payloads, "payload", "payloads"),
        counted(statements, "statement", "statements"),
    ))?;
    for key in &keys {
        let (name, kind) = (&key.name, key.public().kind());
        let uses = key.sealed.uses();
        let said = [format!("{kind},"), format!("use {uses};"), "all but the signatures rendered".to_owned()];
        console.say_all(&filled(&format!("ok  key {name}: "), &said, " "))?;
        if uses.iter().any(|one| one == Use::Image)
            && response.request().uses().contains_key(&Use::Attestation)
        {
            console.say("note: stock cosign counts an attestation by this key as a signature of the")?;
            console.say("      image; two keys are better, one of them for attestations alone")?;
        }
    }
    let all = response.request().item_count();
    let (pending, done): (Vec<&Asked>, Vec<&Asked>) =
        keys.iter().partition(|key| due(&response, &key.public().id(), forms).next().is_some());
    if !pending.is_empty() && passphrases.is_empty() {
        passphrase::check_passphrase_source(console)?;
    }
    let most = size_before.saturating_add(room_for(response.request(), pending.len()));
    let here = output.available()?;
    output.reserve(most)?;
    console.say(&format!("ok  room for the response: {} of {} here", size(most), size(here)))?;
    for signer in response.signers() {
        let id = short(&signer.key().id());
        console.say(&format!("signed already: {id}, every signature verified"))?;
    }
    for key in done {
        console.say(&format!(
            "already signed by {}: {all} of {}",
            key.name,
            counted(all, "item", "items")
        ))?;
    }

    let mut count = 0;
    if !pending.is_empty() || command.approve.is_some() {
        let mut made = Vec::new();
        let reviewed = Review::of(response.request()).approve(
            command.approve.as_ref(),
            &terms(forms, &pending),
            console,
            &mut OsRandom,
        )?;
        for (key, passphrase) in pending.iter().zip(passphrases_of(&keys, &pending, &passphrases)) {
            let (opened, _) = unlock(console, passphrase, &key.name, &key.sealed)?;
            made.push(sign(&reviewed, &response, &opened, forms)?);
        }
        count = made.iter().map(coldsign::sign::NewSignatures::count).sum();
        made.into_iter().try_for_each(|made| response.extend(made))?;
    }
    if count > 0 {
        let (items, signatures) = (counted(all, "item", "items"), counted(count, "signature", "signatures"));
        console.say(&format!("signed {items}, {signatures}, each verified by a second path"))?;
    }

    // Every opened key is gone by now; the passphrases go before anything is written.
    drop(passphrases);
    let rendered = response.render();
    rendered.check_limits().map_err(|error| error.detail("nothing was written"))?;
    output.write(rendered.chunks())?;
    check_out_read_back(&command.output, &rendered, &response)?;
    console.say(&format!(
        "wrote {}, {}, read back and verified; answers request",
        command.output.display(),
        size(rendered.size())
    ))?;
    console.say(&format!("  {}", response.request().digest().grouped()))
}

impl From<Form> for Forms {
    fn from(form: Form) -> Self {
        match form {
            Form::Sig => Self::Sig,
            Form::Bundle => Self::Bundle,
            Form::Both => Self::Both,
        }
    }
}

/// Finds the keys.
fn load(home: &Home, names: &[String]) -> Result<Vec<Asked>> {
    let mut keys: Vec<Asked> = Vec::new();
    for name in names {
        let name = KeyName::parse(name)?;
        let sealed = home.load(&name)?;
        if let Some(twin) = keys.iter().find(|key| key.public() == sealed.public_key()) {
            return Err(Error::new(
                Check::Usage,
                format!("--key {} and --key {name} are one key", twin.name),
            ));
        }
        keys.push(Asked { name, sealed });
    }
    Ok(keys)
}

/// One passphrase for all keys, or one for each.
fn read_passphrases(command: &Sign) -> Result<Vec<Passphrase>> {
    let files = command.passphrase_files.iter().map(|file| passphrase::given(Some(file), None));
    let descriptors = command.passphrase_fds.iter().map(|number| passphrase::given(None, Some(*number)));
    let given: Vec<Passphrase> =
        files.chain(descriptors).filter_map(Result::transpose).collect::<Result<_>>()?;
    if given.len() > 1 && given.len() != command.keys.len() {
        let found = format!("{} passphrases for {} keys", given.len(), command.keys.len());
        return Err(
            Error::new(Check::Usage, found).hint("give one for all keys, or one for each in their order")
        );
    }
    Ok(given)
}

/// The passphrase of each pending key, by its place on the command line.
fn passphrases_of<'a>(
    keys: &'a [Asked],
    pending: &'a [&Asked],
    given: &'a [Passphrase],
) -> impl Iterator<Item = Option<&'a Passphrase>> {
    pending.iter().map(move |wanted| match given {
        [one] => Some(one),
        many => keys.iter().position(|key| key.name == wanted.name).and_then(|place| many.get(place)),
    })
}

/// Reserves the response's file, and names what an interrupted run left there.
fn create(console: &mut dyn Console, path: &Path) -> Result<Output> {
    let output = Output::create(path, 0o644)?;
    if let Some(left) = output.replaced() {
        console.say(&format!("replacing {}, left over from an earlier run", left.display()))?;
    }
    Ok(output)
}

/// KEY-USES: a key signs nothing outside its uses, and a hash alone only where files are all that it signs: whatever a
/// hash is of. KEY-TYPE: Ed25519 signs no hash.
fn check_key_uses(request: &Request, key: &Asked) -> Result<()> {
    let (uses, name) = (key.sealed.uses(), key.name.as_str());
    let refused = |error: Error| error.detail("nothing was signed or written");
    for wanted in request.uses().into_keys() {
        uses.check_key_uses(wanted, name).map_err(refused)?;
    }
    let is_hash = |file: &&BlobItem| matches!(file.content, Content::Hash(_));
    let Some(file) = request.files().iter().find(is_hash) else { return Ok(()) };
    if !uses.iter().eq([Use::Blob]) {
        let error = Error::new(Check::KeyUses, name).detail(format!("its uses: {uses}"));
        let error = error.detail(format!("item {} is a hash alone, which can be of anything", file.number));
        return Err(refused(error.hint("a hash is signed by a key whose single use is blob")));
    }
    if key.public().kind() == KeyKind::Ed25519 {
        let error = Error::new(Check::KeyType, format!("{name}, Ed25519"));
        let error =
            error.detail(format!("item {} is a hash alone, and Ed25519 signs whole files", file.number));
        return Err(refused(error.hint("export the file itself: coldsign export --blob FILE")));
    }
    Ok(())
}

/// ITEMS-MANY: nobody reviews more than 1,000 items by accident.
fn check_items_many(request: &Request, asked: Option<usize>) -> Result<()> {
    let (items, most) = (request.item_count(), asked.unwrap_or(limits::ITEMS_UNASKED));
    if items <= most {
        return Ok(());
    }
    Err(Error::new(Check::ItemsMany, format!("{items}, at most {most}"))
        .detail("nothing was signed or written")
        .hint(format!("--max-items {items}, if you mean to review them all")))
}

/// COMBINE-KEYS: there is room for these keys beside those that signed before.
fn check_combine_keys(response: &Response, keys: &[Asked]) -> Result<()> {
    let new = keys.iter().filter(|key| response.signer(&key.public().id()).is_none()).count();
    let total = response.signers().len() + new;
    if total <= limits::KEYS {
        return Ok(());
    }
    Err(Error::new(Check::CombineKeys, format!("{total}, at most {}", limits::KEYS))
        .detail("nothing was signed or written"))
}

/// More bytes than the signatures of so many keys add to the file, with everything around them.
fn room_for(request: &Request, keys: usize) -> u64 {
    let layers = request.groups().iter().map(|group| MANIFESTS + SIG_LAYER * number(group.payloads.len()));
    // An attestation stands in an envelope and in a bundle.
    let bundles = request.statements().iter().map(|unit| {
        let forms = if unit.attested.is_some() { 2 } else { 1 };
        (MANIFESTS + unit.statement.size.saturating_mul(4) / 3).saturating_mul(forms)
    });
    let files = request.files().iter().map(|_| MANIFESTS);
    let one: u64 = layers.chain(bundles).chain(files).fold(MANIFESTS, u64::saturating_add);
    one.saturating_mul(number(keys))
}

/// A layer's descriptor with its signature, and its line in the config.
const SIG_LAYER: u64 = 1_024;
/// A manifest and what it names with their tar headers and padding, and its entry in `index.json`.
const MANIFESTS: u64 = 5 * 1_024;

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// What is approved besides the items.
fn terms(forms: Forms, keys: &[&Asked]) -> String {
    let names: Vec<String> = keys
        .iter()
        .map(|key| format!("{} ({}, {})", key.name, key.public().kind(), key.short_id()))
        .collect();
    let keys = match names.len() {
        0 => "nothing new".to_owned(),
        1 => format!("key {}", names.join(", ")),
        _ => format!("keys {}", names.join(", ")),
    };
    format!("{}, {keys}", forms.name())
}

/// OUT-READ-BACK: the medium gives back what was written, and it verifies.
fn check_out_read_back(path: &Path, written: &File, response: &Response) -> Result<()> {
    let refuse = || {
        Error::new(Check::OutReadBack, path.display())
            .detail("do not use this file, nor this medium")
            .hint("remove it and sign again, on another medium")
    };
    let bytes = files::read(path, limits::FILE)?;
    let mut rest = bytes.as_slice();
    for chunk in written.chunks() {
        rest = rest.strip_prefix(chunk.as_ref()).ok_or_else(refuse)?;
    }
    if !rest.is_empty() {
        return Err(refuse());
    }
    response.read_back(&bytes.into()).map(|_| ()).map_err(|cause| refuse().caused_by(cause))
}

/// The first two groups of a key id: enough to recognise it where nobody compares.
fn short(id: &Digest) -> String {
    id.grouped().chars().take(17).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is reserved is enough for what is written, by responses of two keys that an independent program wrote.
    #[test]
    fn room_is_enough() {
        for name in ["single", "index"] {
            let path = format!("{}/fixtures/format/{name}", env!("CARGO_MANIFEST_DIR"));
            let file = |kind: &str| std::fs::read(format!("{path}.{kind}.tar")).unwrap();
            let (request, response) = (file("request"), file("response"));
            let (before, after) = (number(request.len()), number(response.len()));
            let request = Response::read(&request.into()).unwrap();
            assert!(before + room_for(request.request(), 2) >= after, "{name}");
        }
    }

    /// OUT-READ-BACK: a medium that gives back other bytes, fewer or more is not trusted with a response.
    #[test]
    fn out_read_back_catches_a_lying_medium() {
        let path = format!("{}/fixtures/format/single.response.tar", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path).unwrap();
        let response = Response::read(&bytes.clone().into()).unwrap();
        let written = response.render();
        let folder = tempfile::tempdir().unwrap();
        let medium = folder.path().join("response.tar");
        let mut other = bytes.clone();
        other[700] ^= 1;
        for lie in [&other[..], &bytes[..512], &[&bytes[..], &[0]].concat()] {
            std::fs::write(&medium, lie).unwrap();
            let refused = check_out_read_back(&medium, &written, &response).unwrap_err();
            assert_eq!(refused.check(), Check::OutReadBack);
        }
        std::fs::write(&medium, &bytes).unwrap();
        check_out_read_back(&medium, &written, &response).unwrap();
    }
}
