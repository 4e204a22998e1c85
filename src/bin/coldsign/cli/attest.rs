//! Attestations, and signatures of files.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use coldsign::format::attestation::PredicateType;
use coldsign::format::reference::Reference;

use super::{Beside, LookupArgs, Network, TrustArgs, at_least_one, parser, predicate_type};

/// Verify attestations, as cosign does
#[derive(Args, Debug)]
#[command(after_help = "\
An image is named as for verify; a response or a layout without REF stands for
every image in it. Attestations are looked for in both forms, .att and bundle;
each signature of each is judged alone: by a key given, about the digest of the
image, and of the type asked for. What is said of the image beyond that is
yours to judge: it goes to stdout, a DSSE envelope a line, each with the one
signature that was verified.
  coldsign verify-attestation --key attest.pub --type slsaprovenance1 \\
      registry.example/app:1.4 | jq -r .payload | base64 -d

--type is a URI or one of cosign's names:
  custom slsaprovenance slsaprovenance02 slsaprovenance1 link spdx spdxjson
  cyclonedx vuln openvex
Names of one URI are one type: spdx and spdxjson, slsaprovenance and
slsaprovenance02. Log entries are demanded where a log is trusted.")]
pub(crate) struct VerifyAttestation {
    /// An image; its attestations are beside it
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
    /// A public key whose attestations count; may be repeated
    #[arg(long = "key", value_name = "FILE", required = true)]
    pub(crate) keys: Vec<PathBuf>,
    /// What is to be attested: a name or a URI
    #[arg(long = "type", value_name = "TYPE", default_value = "custom", value_parser = predicate_type)]
    pub(crate) kind: PredicateType,
    /// Compare the digest that an .att is about; of bundles it always is
    #[arg(
        long, value_name = "BOOL", default_value = "true", default_missing_value = "true",
        num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub(crate) check_claims: bool,
    /// How many distinct keys must have attested it
    #[arg(long, value_name = "N", default_value = "1", value_parser = parser(at_least_one))]
    pub(crate) threshold: usize,
    /// Verify what an index names as well, each by its own digest
    #[arg(short, long)]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) beside: Beside,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) lookup: LookupArgs,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// Verify the signature of a file, as cosign does
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("by").args(["bundle", "signature"]).required(true))]
#[command(override_usage = "\
coldsign verify-blob --key <FILE> --bundle <FILE> <FILE>
       coldsign verify-blob --key <FILE> --signature <FILE|BASE64|-> <FILE>")]
#[command(after_help = "\
A signature is what `cosign sign-blob` and `openssl dgst -sha256 -sign` write: a
bundle of any version, or the signature alone, in base64 or as it is. The file
is read once, whatever its size:
  coldsign verify-blob --key release.pub --bundle app.bundle app.tar.gz
  coldsign verify-blob --key release.pub --signature app.sig app.tar.gz

--signature is told from the name of a file as `coldsign attach signature` does
it. sha256:DIGEST stands for a file that is elsewhere; of an Ed25519 key it does
not, which signs no digest. Keys are P-256 and RSA with SHA-256, P-384 with
SHA-256 or SHA-384, P-521 with SHA-256 or SHA-512, and Ed25519.")]
pub(crate) struct VerifyBlob {
    /// The file, - for stdin, or sha256:DIGEST
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    /// A public key whose signature counts; may be repeated
    #[arg(long = "key", value_name = "FILE", required = true)]
    pub(crate) keys: Vec<PathBuf>,
    /// The bundle that holds the signature
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
    /// The signature alone: a file, itself in base64, or - for stdin
    #[arg(long, value_name = "FILE|BASE64|-")]
    pub(crate) signature: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) lookup: LookupArgs,
}

/// Verify an attestation of a file, as cosign does
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("by").args(["bundle", "signature"]).required(true))]
#[command(override_usage = "\
coldsign verify-blob-attestation --key <FILE> --bundle <FILE> <FILE>
       coldsign verify-blob-attestation --key <FILE> --signature <FILE> <FILE>")]
#[command(after_help = "\
The attestation is a statement of the type asked for, about the SHA-256 of the
file, as `cosign attest-blob` writes it: in a bundle, or as a DSSE envelope.
  coldsign verify-blob-attestation --key attest.pub --type slsaprovenance1 \\
      --bundle app.intoto.json app.tar.gz

sha256:DIGEST stands for a file that is elsewhere. Types are those of
`coldsign verify-attestation`.")]
pub(crate) struct VerifyBlobAttestation {
    /// The file, - for stdin, or sha256:DIGEST
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    /// A public key whose attestation counts; may be repeated
    #[arg(long = "key", value_name = "FILE", required = true)]
    pub(crate) keys: Vec<PathBuf>,
    /// What is to be attested: a name or a URI
    #[arg(long = "type", value_name = "TYPE", default_value = "custom", value_parser = predicate_type)]
    pub(crate) kind: PredicateType,
    /// The bundle that holds the attestation
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
    /// The attestation as a DSSE envelope
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: Option<PathBuf>,
    /// Compare the SHA-256 of the file with what is attested
    #[arg(
        long, value_name = "BOOL", default_value = "true", default_missing_value = "true",
        num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub(crate) check_claims: bool,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

/// Put attestations that another tool made beside an image
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("by").args(["keys", "allow_unverified"]).required(true))]
#[command(override_usage = "\
coldsign attach attestation [OPTIONS] --attestation <FILE> --key <FILE>
                                   <IMAGE>
       coldsign attach attestation [OPTIONS] --attestation <FILE>
                                   --allow-unverified <IMAGE>")]
#[command(after_help = "\
A file holds DSSE envelopes or bundles as JSON, one, or one a line: what
`coldsign download attestation` and `cosign attest --bundle` write. Every one in
every file is taken: envelopes into the image's .att, bundles as referrers.

Each is about the digest of the image, and verified by a key given; only then is
anything put, beside what stands there, read back and verified again:
  coldsign attach attestation --attestation a.json --attestation b.jsonl \\
      --key attest.pub registry.example/app:1.4

The same command again changes nothing. With a bundle beside it stock cosign
looks at no .sig of the image.")]
pub(crate) struct AttachAttestation {
    /// An image in a registry, or in a layout as oci:DIR[:REF]
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// A file with one attestation or several; may be repeated
    #[arg(long = "attestation", value_name = "FILE", required = true)]
    pub(crate) attestations: Vec<PathBuf>,
    /// A public key that they verify by; may be repeated
    #[arg(long = "key", value_name = "FILE")]
    pub(crate) keys: Vec<PathBuf>,
    /// Put attestations that nobody verified
    #[arg(long)]
    pub(crate) allow_unverified: bool,
    #[arg(
        help = "Put them into this repository; else the environment's COSIGN_REPOSITORY",
        long, value_name = "REPOSITORY", value_parser = parser(Reference::parse)
    )]
    pub(crate) signature_repository: Option<Reference>,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// Print every attestation of an image, not verified
#[derive(Args, Debug)]
#[command(after_help = "\
One JSON object a line, as received: DSSE envelopes of the .att, then bundles,
which have a member mediaType. Where there is none it ends with 10, of whatever
type it was asked for. What it prints can be put beside another copy:
  coldsign download attestation registry.example/app:1.4 > app.jsonl
  coldsign attach attestation --attestation app.jsonl --key attest.pub \\
      mirror.example/app:1.4")]
pub(crate) struct DownloadAttestation {
    /// An image in a registry, or in a layout as oci:DIR[:REF] or
    /// oci-archive:FILE[:REF]
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// Only those of this type: a name or a URI, as for verify-attestation
    #[arg(long, visible_alias = "type", value_name = "TYPE", value_parser = predicate_type)]
    pub(crate) predicate_type: Option<PredicateType>,
    #[command(flatten)]
    pub(crate) beside: Beside,
    #[command(flatten)]
    pub(crate) network: Network,
}
