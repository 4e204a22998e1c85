//! Signatures made elsewhere, and what stands beside an image.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use coldsign::format::reference::{Identity, Reference};

use super::{AttachAttestation, Beside, DownloadAttestation, Network, parser};

/// Print the payload that another tool signs
#[derive(Args, Debug)]
#[command(after_help = "\
The bytes that `cosign generate` prints, without a newline: the image is called
by its repository, without a tag. For a digest nothing is asked of a registry.
  coldsign generate registry.example/app:1.4 > payload.json
  openssl dgst -sha256 -sign openssl.key -out payload.sig payload.json
  base64 payload.sig > payload.b64
  coldsign attach signature --payload payload.json --signature payload.b64 \\
      --key openssl.pub registry.example/app:1.4")]
pub(crate) struct Generate {
    /// An image in a registry; or in a layout, with --identity
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// Signed with the image; a comma is part of the value
    #[arg(short, long = "annotation", visible_alias = "annotations", value_name = "KEY=VALUE")]
    pub(crate) annotations: Vec<String>,
    /// What the payload calls the image, if not its repository
    #[arg(long, value_name = "REF", value_parser = parser(Identity::parse))]
    pub(crate) identity: Option<Identity>,
    #[command(flatten)]
    pub(crate) network: Network,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AttachWhat {
    /// Put a signature that another tool made beside an image
    Signature(AttachSignature),
    /// Put attestations that another tool made beside an image
    Attestation(AttachAttestation),
}

/// Put a signature that another tool made beside an image
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("by").args(["key", "allow_unverified"]).required(true))]
#[command(override_usage = "\
coldsign attach signature [--payload <FILE>] --signature <FILE|BASE64|->
           <--key <FILE>|--allow-unverified> [OPTIONS] <IMAGE>")]
#[command(after_help = "\
--signature takes a file with the signature in base64, the base64 itself, or -
for standard input. Base64 of 64 bytes and more is a signature, anything else
is a file; where a file has such a name nothing is guessed: ./NAME is always a
file, and - takes the signature itself.

The payload's digest is compared with the image's, the signature is verified,
put beside the others on one line, read back and verified again:
  coldsign attach signature --payload payload.json --signature payload.b64 \\
      --key openssl.pub registry.example/app:1.4
  base64 payload.sig | coldsign attach signature --payload payload.json \\
      --signature - --key openssl.pub oci:./layout:1.4

Keys are P-256, P-384, P-521 and RSA, with SHA-256, or Ed25519. The same
command again changes nothing.

--rekor-response takes what cosign writes as --bundle, or the annotation
dev.sigstore.cosign/bundle; --tsr the answer of a timestamp authority. They must
be of this signature and key; the log and the authority are not asked for here:
  coldsign verify --key openssl.pub --trusted-root trusted_root.json IMAGE")]
pub(crate) struct AttachSignature {
    /// An image in a registry, or in a layout as oci:DIR[:REF]
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// What was signed; else what `coldsign generate IMAGE` prints
    #[arg(long, value_name = "FILE")]
    pub(crate) payload: Option<PathBuf>,
    /// The signature in base64: a file, itself, or - for stdin
    #[arg(long, value_name = "FILE|BASE64|-")]
    pub(crate) signature: String,
    /// The public key that the signature verifies by
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Put a signature that nobody verified
    #[arg(long)]
    pub(crate) allow_unverified: bool,
    /// The log entry of the signature, as cosign keeps it
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) rekor_response: Option<PathBuf>,
    /// An RFC 3161 timestamp of the signature
    #[arg(long, visible_alias = "rfc3161-timestamp", value_name = "FILE", requires = "key")]
    pub(crate) tsr: Option<PathBuf>,
    /// Whether the payload must be about the image; false takes any
    #[arg(
        long, value_name = "BOOL", default_value = "true", default_missing_value = "true",
        num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub(crate) check_claims: bool,
    #[arg(
        help = "Put it into this repository; else the environment's COSIGN_REPOSITORY",
        long, value_name = "REPOSITORY", value_parser = parser(Reference::parse)
    )]
    pub(crate) signature_repository: Option<Reference>,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// Take the signatures out of a response
#[derive(Args, Debug)]
#[command(after_help = "\
A line for each item, key and form, with one blank between its words:
  ITEM KEY-ID BASE64 FORM
FORM is sig, a signature over the payload; bundle or attestation, one over the
DSSE envelope of the item's statement; or file, one over a file.

--output-dir writes, for each item, key and form, what other tools verify:
  N-DIGEST.payload           what was signed (N is the item, DIGEST short)
  N-DIGEST-KEY.sig           the signature, as openssl takes it
  N-DIGEST-KEY.b64           the same in base64
  N-DIGEST-KEY.blob.bundle   the same, in a bundle over the payload or file
  N-DIGEST-KEY.cosign.bundle a payload's, with its log entry, for cosign 2
  N-DIGEST-KEY.tsr           a payload's timestamp
  N-DIGEST-KEY.bundle        the bundle over the image, or of the attestation
  N-DIGEST-KEY.dsse          the attestation's envelope
  N-DIGEST.content           a file that the request carries

  openssl dgst -sha256 -verify release.pub -signature N-DIGEST-KEY.sig \\
      N-DIGEST.payload")]
pub(crate) struct Extract {
    /// A response
    #[arg(value_name = "RESPONSE")]
    pub(crate) response: PathBuf,
    /// Write files into this directory, which is empty or not there yet
    #[arg(long, value_name = "DIR")]
    pub(crate) output_dir: Option<PathBuf>,
}

/// Print where cosign keeps what stands beside an image
#[derive(Args, Debug)]
#[command(after_help = "\
For a digest nothing is asked of a registry, nor whether anything is there:
  crane manifest $(coldsign triangulate registry.example/app:1.4)")]
pub(crate) struct Triangulate {
    /// An image in a registry, or in a layout as oci:DIR[:REF]
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// What is looked for
    #[arg(long = "type", default_value = "signature")]
    pub(crate) kind: Kind,
    #[command(flatten)]
    pub(crate) beside: Beside,
    #[command(flatten)]
    pub(crate) network: Network,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Signatures: tag sha256-<hex>.sig
    Signature,
    /// Attestations: tag sha256-<hex>.att
    Attestation,
    /// Bills of materials: tag sha256-<hex>.sbom
    Sbom,
    /// The image itself, by its digest
    Digest,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DownloadWhat {
    /// Print every signature beside an image, not verified
    Signature(DownloadSignature),
    /// Print every attestation of an image, not verified
    Attestation(DownloadAttestation),
}

/// Print every signature beside an image, not verified
#[derive(Args, Debug)]
#[command(after_help = "\
One JSON object a line. Signatures of the .sig have the members that cosign
gives them: Base64Signature, Payload, Cert, Chain, Bundle, RFC3161Timestamp. A
bundle is printed as it is and has a member mediaType. Both are printed where
both are there; attestations are no signatures.
  coldsign download signature registry.example/app:1.4 |
      jq -r 'select(has(\"mediaType\") | not).Base64Signature'")]
pub(crate) struct DownloadSignature {
    /// An image in a registry, or in a layout as oci:DIR[:REF] or
    /// oci-archive:FILE[:REF]
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    #[command(flatten)]
    pub(crate) beside: Beside,
    #[command(flatten)]
    pub(crate) network: Network,
}
