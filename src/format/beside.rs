//! Tags that are made of an image's digest: where cosign keeps what belongs to the image (cosign, `SIGNATURE_SPEC`,
//! "Discovery").

use crate::digest::Digest;

/// What stands beside an image under a tag of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Beside {
    /// Signatures: `sha256-<hex>.sig`.
    Signatures,
    /// Attestations: `sha256-<hex>.att`.
    Attestations,
    /// Software bills of materials, unsigned: `sha256-<hex>.sbom`.
    Sboms,
}

impl Beside {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Signatures, Self::Attestations, Self::Sboms];

    /// What the tag ends with, as it stands on the screen: `.sig`, `.att`, `.sbom`.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Signatures => ".sig",
            Self::Attestations => ".att",
            Self::Sboms => ".sbom",
        }
    }

    /// The tag of this kind of a digest: `sha256-<hex>.sig` and so on.
    #[must_use]
    pub fn tag(self, subject: &Digest) -> String {
        format!("sha256-{}{}", subject.hex(), self.suffix())
    }
}
