//! `sigstore-verify-rust --bundle FILE --trusted-root FILE --key PEM ARTIFACT`
//!
//! Judges a Sigstore bundle with the crate `sigstore-verify`: the signature by this key, whatever the bundle's hint says,
//! and at least one log entry with its proof, by the logs of the trusted root. A message signature is over the artifact; the
//! statement of an envelope must name its digest. Prints `ok` and ends with 0, or prints the error and ends with 1.
//! `tests/peers/install.sh` puts it into `bin/`.

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::{Bundle, DerPublicKey};
use sigstore_verify::{PublicKeyVerificationPolicy, verify};

const USAGE: &str = "usage: sigstore-verify-rust --bundle FILE --trusted-root FILE --key PEM ARTIFACT";

/// The files that are given.
struct Given {
    bundle: String,
    root: String,
    key: String,
    artifact: String,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["--help"] {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match Given::parse(arguments).and_then(|given| judge(&given)) {
        Ok(()) => {
            println!("ok");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

impl Given {
    fn parse(arguments: Vec<String>) -> Result<Self, Box<dyn Error>> {
        let (mut bundle, mut root, mut key, mut artifact) = (None, None, None, None);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (place, value) = match &*argument {
                "--bundle" => (&mut bundle, arguments.next()),
                "--trusted-root" => (&mut root, arguments.next()),
                "--key" => (&mut key, arguments.next()),
                flag if flag.starts_with("--") => return Err(USAGE.into()),
                _ => (&mut artifact, Some(argument)),
            };
            if place.is_some() || value.is_none() {
                return Err(USAGE.into());
            }
            *place = value;
        }
        let (Some(bundle), Some(root), Some(key), Some(artifact)) = (bundle, root, key, artifact) else {
            return Err(USAGE.into());
        };
        Ok(Self { bundle, root, key, artifact })
    }
}

fn judge(given: &Given) -> Result<(), Box<dyn Error>> {
    let bundle = Bundle::from_json(&read(&given.bundle)?)?;
    let root = TrustedRoot::from_json(&read(&given.root)?)?;
    let policy = PublicKeyVerificationPolicy::new(DerPublicKey::from_pem(&read(&given.key)?)?);
    let artifact = fs::read(&given.artifact).map_err(|error| format!("{}: {error}", given.artifact))?;
    verify(&artifact, &bundle, &policy, &root)?;
    Ok(())
}

fn read(file: &str) -> Result<String, Box<dyn Error>> {
    fs::read_to_string(file).map_err(|error| format!("{file}: {error}").into())
}
