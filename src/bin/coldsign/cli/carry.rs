//! What stands beside an image: seen, carried along, taken away.

use clap::{Args, ValueEnum};
use coldsign::format::reference::Reference;

use super::{Beside, Format, Network, parser};

/// Show what stands beside an image: signatures and the like
#[derive(Args, Debug)]
#[command(after_help = "\
An image is registry/repository:tag or registry/repository@sha256:DIGEST, or
oci:DIR[:REF] or oci-archive:FILE[:REF]. Shown are the manifests under its
.sig, .att and .sbom tags and its referrers, and of an index those of
everything that it names. Nothing is verified: coldsign verify does that.
  coldsign tree registry.example/app:1.4
  coldsign tree --output json oci:./layout:1.4")]
pub(crate) struct Tree {
    /// An image
    pub(crate) image: String,
    /// Only the image itself, not what an index names
    #[arg(long)]
    pub(crate) no_recursive: bool,
    #[command(flatten)]
    pub(crate) beside: Beside,
    /// How it is printed
    #[arg(short, long, default_value = "text")]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// Copy an image with what stands beside it, byte for byte
#[derive(Args, Debug)]
#[command(after_help = "\
Either side is registry/repository:tag, registry/repository@sha256:DIGEST,
oci:DIR[:REF] or oci-archive:FILE[:REF]. An index is copied with everything
that it names. .sig and .att that stand at the destination are added to, never
replaced. The digest goes to stdout.
  coldsign copy registry.example/app:1.4 mirror.example/app:1.4
  coldsign copy registry.example/app:1.4 oci-archive:app.tar:1.4
  coldsign copy --only sig,referrer oci:./saved mirror.example/app:1.4

What is there is not sent again: after a failure, or Ctrl-C, the same command
goes on. An archive is written whole, and must not be there yet.")]
pub(crate) struct Copy {
    /// The image to copy
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// Where it goes, and what it is called there
    #[arg(value_name = "TO")]
    pub(crate) to: String,
    /// Copy only these, separated by commas; all unless said
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) only: Vec<Part>,
    /// Of an index, copy the one image for this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(crate) platform: Option<String>,
    /// Let the destination's name leave another image; replace another SBOM
    #[arg(short, long)]
    pub(crate) force: bool,
    #[arg(
        help = "Where the signatures to copy are, if not beside FROM; also COSIGN_REPOSITORY",
        long, value_name = "REPOSITORY", value_parser = parser(Reference::parse)
    )]
    pub(crate) signature_repository: Option<Reference>,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// Delete what stands beside an image
#[derive(Args, Debug)]
#[command(after_help = "\
An image is registry/repository:tag or registry/repository@sha256:DIGEST, or
oci:DIR[:REF]. Each thing that would go is named before anybody is asked. Only
manifests that are signatures, attestations, SBOMs or bundles by their own
types go; the image stays. Of an index this is what stands beside the index
itself: name what it names by digest.
  coldsign clean registry.example/app:1.4
  coldsign clean --type signature --force registry.example/app:1.4")]
pub(crate) struct Clean {
    /// The image
    pub(crate) image: String,
    /// What goes
    #[arg(long = "type", value_name = "TYPE", default_value = "all")]
    pub(crate) kind: CleanKind,
    /// Ask nobody
    #[arg(short, long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) beside: Beside,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// What a copy carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The image, with everything that it names
    Image,
    /// Signatures: the `.sig` tags
    Sig,
    /// Attestations: the `.att` tags
    Att,
    /// SBOMs: the `.sbom` tags
    Sbom,
    /// Referrers, Sigstore bundles among them
    #[value(alias = "referrers")]
    Referrer,
}

/// What goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CleanKind {
    /// The `.sig` tag
    Signature,
    /// The `.att` tag
    Attestation,
    /// The `.sbom` tag
    Sbom,
    /// Referrers that are bundles, signatures, attestations or SBOMs
    Referrer,
    /// All of these
    All,
}
