//! The way from images to signatures and back.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
use coldsign::digest::Digest;
use coldsign::format::attestation::PredicateType;
use coldsign::format::reference::{Identity, Reference};
use coldsign::transfer::shard::Shard;

use super::{Beside, LookupArgs, Network, Services, TrustArgs, at_least_one, parser, predicate_type};

/// Write a request: images, with their manifests and configs
#[derive(Args, Debug)]
#[command(after_help = "\
An image is registry/repository:tag or registry/repository@sha256:DIGEST, or
oci:DIR[:REF] or oci-archive:FILE[:REF]. REF is a name or tag in the layout,
or sha256:DIGEST; a layout with one image needs none. A tag is resolved once.
Layers are neither read nor copied.

The digest of the request goes to stdout, everything else to stderr:
  coldsign export -o request.tar registry.example/app:1.4
  coldsign export -o request.tar oci:./layout:1.4 --as registry.example/app:1.4
  coldsign export -o request.tar --from images.txt -a release=2026.18

A line of a list is IMAGE [--as REF] [--identity REF] [-a KEY=VALUE]..., or
IMAGE with --payload FILE or with --type TYPE --predicate FILE; words are
separated by blanks, a word with blanks is a JSON string, # begins a comment,
paths are relative to the list's folder.

Something else than the image, by a key that is allowed to (key uses):
  coldsign export -o r.tar --attest --type spdxjson --predicate sbom.json IMAGE
  coldsign export -o r.tar --payload payload.json IMAGE
  coldsign export -o r.tar --blob release.tgz --blob release.txt")]
pub(crate) struct Export {
    /// Where an image comes from
    #[arg(value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// Read images from a list, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// The image's name at its destination, with a tag or a digest
    #[arg(long = "as", value_name = "REF", value_parser = parser(Reference::parse))]
    pub(crate) name: Option<Reference>,
    /// What the signatures call the image, if not its name
    #[arg(long, value_name = "REF", value_parser = parser(Identity::parse))]
    pub(crate) identity: Option<Identity>,
    /// Signed with every image; a comma is part of the value
    #[arg(short, long = "annotation", value_name = "KEY=VALUE")]
    pub(crate) annotations: Vec<String>,
    /// For the person who signs; it is shown, not signed
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Sign a statement about the image, not the image
    #[arg(long, requires_all = ["kind", "predicate", "images"], conflicts_with_all = ["from", "identity", "annotations"])]
    pub(crate) attest: bool,
    /// What the statement says: a URI, or a name that cosign knows
    #[arg(long = "type", value_name = "TYPE", requires = "attest", value_parser = predicate_type)]
    pub(crate) kind: Option<PredicateType>,
    /// The statement's predicate, JSON; for --type custom any text
    #[arg(long, value_name = "FILE", requires = "attest")]
    pub(crate) predicate: Option<PathBuf>,
    /// Sign this payload of another tool, and put it beside the image
    #[arg(long, value_name = "FILE", requires = "images", conflicts_with_all = ["attest", "from", "identity", "annotations"])]
    pub(crate) payload: Option<PathBuf>,
    /// Sign a file; its content travels in the request; may be repeated
    #[arg(long = "blob", value_name = "FILE")]
    pub(crate) blobs: Vec<PathBuf>,
    /// Sign a hash alone, by a key that signs files only; may be repeated
    #[arg(long = "blob-digest", value_name = "NAME=sha256:DIGEST", value_parser = parser(named_digest))]
    pub(crate) blob_digests: Vec<(String, Digest)>,
    /// Carry only an index's images for this platform; may be repeated
    #[arg(long = "platform", value_name = "OS/ARCH[/VARIANT]", conflicts_with = "no_recursive")]
    pub(crate) platforms: Vec<String>,
    /// Carry an index alone, without what it names
    #[arg(long)]
    pub(crate) no_recursive: bool,
    /// The request to write; it must not be there yet
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// Print what a request, a response or a public key holds
#[derive(Args, Debug)]
#[command(after_help = "\
The words of a request are for paper that goes to the sealed side:
  coldsign inspect request.tar | lp")]
pub(crate) struct Inspect {
    /// A request, a response or a public key
    pub(crate) file: PathBuf,
    /// Print the request's digest and nothing else
    #[arg(long, conflicts_with = "format")]
    pub(crate) digest: bool,
    /// How it is printed
    #[arg(long, default_value = "text")]
    pub(crate) format: Format,
}

/// Check a response and put its signatures beside the images
#[derive(Args, Debug)]
#[command(after_help = "\
Keys come from you, never from the file. Several responses are united first.
Nothing is written before everything was checked. Signatures go to where the
request says, or into a layout; they are read back and verified:
  coldsign import response.tar --key release.pub --request request.tar
  coldsign import response.tar --key release.pub --to oci:./layout

The same command again changes nothing.")]
pub(crate) struct Import {
    /// A response; several are united
    #[arg(required = true, value_name = "RESPONSE")]
    pub(crate) responses: Vec<PathBuf>,
    /// A public key whose signatures count; may be repeated
    #[arg(long = "key", value_name = "FILE", required = true)]
    pub(crate) keys: Vec<PathBuf>,
    /// Put signatures into this layout, not to where the request says
    #[arg(long, value_name = "oci:DIR")]
    pub(crate) to: Option<String>,
    #[arg(
        help = "Put them into this repository; else the environment's COSIGN_REPOSITORY",
        long, value_name = "REPOSITORY", value_parser = parser(Reference::parse), conflicts_with = "to"
    )]
    pub(crate) signature_repository: Option<Reference>,
    /// The request that was sent, to be compared
    #[arg(long, value_name = "FILE", conflicts_with = "request_digest")]
    pub(crate) request: Option<PathBuf>,
    /// The digest of the request that was sent
    #[arg(long, value_name = "sha256:DIGEST", value_parser = Digest::parse)]
    pub(crate) request_digest: Option<Digest>,
    /// How many distinct keys must have signed each item
    #[arg(long, value_name = "N", default_value = "1", value_parser = parser(at_least_one))]
    pub(crate) threshold: usize,
    /// Which signatures to put
    #[arg(long, default_value = "sig")]
    pub(crate) attach: Attach,
    /// Check and compare, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write what was done to a file: json:FILE
    #[arg(long, value_name = "json:FILE")]
    pub(crate) report: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) services: Services,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// Verify signatures as `cosign verify --key` does
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").args(["images", "from"]).required(true).multiple(true))]
#[command(after_help = "\
An image is registry/repository:tag or registry/repository@sha256:DIGEST, or
oci:DIR[:REF] or oci-archive:FILE[:REF]; a layout without REF stands for every
image in it. Entries that stand beside a signature are checked with the logs
that you trust, and demanded where you name one; none is asked without
--rekor-url.
  coldsign verify --key release.pub registry.example/app:1.4
  coldsign verify --key release.pub oci-archive:response.tar
  coldsign verify --key release.pub --trusted-root root.json IMAGE

--from checks the images of a list, or those of a request or response: in the
registries that it names, or in the one layout given as IMAGE. Of a request or
response it checks digests, not tags: what a tag names by now is not asked.
  coldsign verify --key release.pub --from response.tar --report junit:v.xml
  coldsign verify --key release.pub --from response.tar oci:./layout")]
pub(crate) struct Verify {
    /// An image; its signatures are beside it
    #[arg(value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// A public key whose signatures count; may be repeated
    #[arg(long = "key", value_name = "FILE", required = true)]
    pub(crate) keys: Vec<PathBuf>,
    /// Verify what this list, request or response names
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Signed with the image; may be repeated
    #[arg(short, long = "annotation", visible_alias = "annotations", value_name = "KEY=VALUE")]
    pub(crate) annotations: Vec<String>,
    /// Compare the digest and the annotations that were signed
    #[arg(
        long, value_name = "BOOL", default_value = "true", default_missing_value = "true",
        num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub(crate) check_claims: bool,
    /// How many distinct keys must have signed
    #[arg(long, value_name = "N", default_value = "1", value_parser = parser(at_least_one))]
    pub(crate) threshold: usize,
    /// Verify what an index names as well, each by its own digest
    #[arg(short, long)]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) beside: Beside,
    /// Write what became of each digest to json:FILE, junit:FILE or sarif:FILE
    #[arg(long = "report", value_name = "KIND:FILE")]
    pub(crate) reports: Vec<String>,
    /// Verify one part of the list: shard K of N, for `report merge`
    #[arg(long, value_name = "K/N", value_parser = parser(Shard::parse))]
    pub(crate) shard: Option<Shard>,
    /// How signed payloads are printed
    #[arg(short, long, default_value = "json")]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) lookup: LookupArgs,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// Unite several responses to one request
#[derive(Args, Debug)]
#[command(after_help = "\
  coldsign combine a.tar b.tar -o c.tar")]
pub(crate) struct Combine {
    /// A response
    #[arg(required = true, num_args = 1.., value_name = "RESPONSE")]
    pub(crate) responses: Vec<PathBuf>,
    /// The file to write; it must not be there yet
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attach {
    /// `.sig` manifests: what stock cosign looks at unless a bundle is there
    Sig,
    /// Sigstore bundles as referrers; they hide `.sig` from stock cosign
    Bundle,
    /// Both
    Both,
}

/// `NAME=sha256:DIGEST`.
fn named_digest(text: &str) -> Result<(String, Digest), String> {
    let (name, digest) = text.rsplit_once('=').ok_or("NAME=sha256:DIGEST is wanted")?;
    let digest = Digest::parse(digest).map_err(|error| error.to_string())?;
    if name.is_empty() { Err("the name is empty".to_owned()) } else { Ok((name.to_owned(), digest)) }
}
