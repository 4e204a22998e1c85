//! `verify-blob`, `verify-blob-attestation`: what is signed of a file.

use std::io::{self, Read};
use std::path::Path;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::keys::public::PublicKey;
use coldsign::limits;
use coldsign::terminal::Console;
use coldsign::verify::{BlobAttestation, BlobSignature, BlobVerdict, BlobVerifier, verify_blob_digest};
use sha2::{Digest as _, Sha256};

use super::show;
use crate::cli::{VerifyBlob, VerifyBlobAttestation};
use crate::files::{self, read_keys};
use crate::given::Given;
use crate::trust;

/// Verifies a file and says so as cosign does.
pub(crate) fn run(asked: &VerifyBlob, console: &mut dyn Console) -> Result<()> {
    let named = read_keys(&asked.keys)?;
    let keys: Vec<PublicKey> = named.iter().map(|key| key.key.clone()).collect();
    let evidence = trust::evidence_of(&asked.trust, &asked.lookup, None, console)?;
    let (signature, name) = signature(asked)?;
    let within = |error: Error| match error.check() {
        Check::MessageDigest => {
            error.within(&name).detail(format!("the file given is {}", file_name(&asked.file)))
        }
        _ => error.within(&name),
    };
    let verdict = match Digest::parse(&asked.file) {
        Ok(digest) => verify_blob_digest(&keys, &signature, &digest, &evidence).map_err(within)?,
        Err(_) => {
            read_by(&asked.file, BlobVerifier::new(&keys, &signature))?.finish(&evidence).map_err(within)?
        }
    };
    console.say("Verified OK")?;
    let BlobVerdict { key, standing } = verdict;
    let file = files::names(named.iter().filter(|named| named.key == *key));
    console.say(&format!("by {file}, {}", key.kind()))?;
    console.say(&format!("signature: verified; {}", show::states(&[&standing])))?;
    show::standing(&standing, console)
}

/// Verifies an attestation of a file and says so as cosign does.
pub(crate) fn attestation(asked: &VerifyBlobAttestation, console: &mut dyn Console) -> Result<()> {
    let named = read_keys(&asked.keys)?;
    let keys: Vec<PublicKey> = named.iter().map(|key| key.key.clone()).collect();
    let evidence = trust::evidence(&asked.trust, console)?;
    let limit = u64::try_from(limits::MANIFEST).unwrap_or(u64::MAX);
    let read = |path: &Path| coldsign::files::read(path, limit);
    let (attestation, name) = match (&asked.bundle, &asked.signature) {
        (Some(path), _) => (BlobAttestation::of_bundle(&read(path)?), path.display().to_string()),
        (None, Some(path)) => (BlobAttestation::of_envelope(&read(path)?), path.display().to_string()),
        (None, None) => return Err(Error::new(Check::Usage, "--bundle")),
    };
    let attestation = attestation.map_err(|error| error.within(&name))?;
    let file = match Digest::parse(&asked.file) {
        Ok(digest) => digest,
        Err(_) => digest_of(&asked.file)?,
    };
    let file = asked.check_claims.then_some(&file);
    let verdict =
        attestation.verify(&keys, &asked.kind, file, &evidence).map_err(|error| error.within(&name))?;
    let BlobVerdict { key, standing } = verdict;
    console.say("Verified OK")?;
    let file = files::names(named.iter().filter(|named| named.key == *key));
    console.say(&format!("by {file}, {}; type: {}", key.kind(), asked.kind))?;
    console.say(&format!("signature: verified; {}", show::states(&[&standing])))?;
    show::standing(&standing, console)
}

/// The SHA-256 of a file, or of standard input.
fn digest_of(file: &str) -> Result<Digest> {
    let mut hash = Sha256::new();
    read_file(file, |bytes| hash.update(bytes))?;
    Ok(Digest::from_bytes(hash.finalize().into()))
}

/// The signature, and what it is called in messages.
fn signature(asked: &VerifyBlob) -> Result<(BlobSignature, String)> {
    if let Some(bundle) = &asked.bundle {
        let name = bundle.display().to_string();
        let bytes = coldsign::files::read(bundle, u64::try_from(limits::MANIFEST).unwrap_or(u64::MAX))?;
        return Ok((BlobSignature::of_bundle(&bytes).map_err(|error| error.within(&name))?, name));
    }
    let given = Given::parse(asked.signature.as_deref().unwrap_or_default())?;
    if given == Given::Stdin && asked.file == STDIN {
        return Err(
            Error::new(Check::Usage, STDIN).detail("file and signature cannot both be standard input")
        );
    }
    let name = given.to_string();
    Ok((BlobSignature::bare(&given.read()?).map_err(|error| error.within(&name))?, name))
}

/// Reads a file, or standard input, to its end.
fn read_by<'k>(file: &str, mut verifier: BlobVerifier<'k>) -> Result<BlobVerifier<'k>> {
    read_file(file, |bytes| verifier.update(bytes))?;
    Ok(verifier)
}

/// Hands a file over piece by piece.
fn read_file(file: &str, each: impl FnMut(&[u8])) -> Result<()> {
    let read = |error| Error::new(Check::FileRead, file_name(file)).caused_by(error);
    if file == STDIN {
        return pass(io::stdin().lock(), each).map_err(read);
    }
    pass(coldsign::files::open_regular(Path::new(file))?, each).map_err(read)
}

fn pass(mut from: impl Read, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => each(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn file_name(file: &str) -> &str {
    if file == STDIN { "standard input" } else { file }
}

/// What stands for standard input.
const STDIN: &str = "-";
/// Bytes read at once.
const BUFFER: usize = 256 * 1024;
