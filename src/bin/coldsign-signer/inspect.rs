//! `inspect`: what a request asks for, and who signed it.

use std::path::Path;

use coldsign::error::Result;
use coldsign::response::Response;
use coldsign::review::{Review, signed_by};
use coldsign::terminal::Console;
use coldsign::{files, limits};

/// Prints the review on stdout. Neither the digest nor its words are in it.
pub(crate) fn run(console: &mut dyn Console, file: &Path) -> Result<()> {
    let response = read(file)?;
    let kind = if response.signers().len() == 0 { "request" } else { "response" };
    console.show(kind)?;
    let review = Review::of(response.request());
    for line in review.summary().iter().chain(&signed_by(&response)).chain(&review.rows()) {
        console.show(line)?;
    }
    Ok(())
}

/// Reads a request or a response.
pub(crate) fn read(file: &Path) -> Result<Response> {
    let bytes = files::read(file, limits::FILE)?;
    Response::read(&bytes.into())
        .map_err(|error| error.within(file.display()).detail("nothing was signed or written"))
}
