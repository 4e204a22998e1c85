//! `trusted-root create`: the empty trusted root.

use std::path::Path;

use coldsign::error::Result;
use coldsign::terminal::{Console, shown};

use crate::files;

/// Writes the empty trusted root: what `cosign trusted-root create` writes when it is told of no services. With it
/// `cosign verify --key` asks no network.
pub(crate) fn create(output: &Path, console: &mut dyn Console) -> Result<()> {
    files::create(output, console)?.write(std::iter::once(EMPTY))?;
    console.say(&format!("wrote {}", shown(&output.display().to_string())))
}

const EMPTY: &[u8] = b"{\"mediaType\":\"application/vnd.dev.sigstore.trustedroot+json;version=0.1\"}";
