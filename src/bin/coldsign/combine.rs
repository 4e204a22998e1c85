//! `combine`: the union of several responses.

use std::path::PathBuf;

use coldsign::error::Result;
use coldsign::response::Response;
use coldsign::review::signed_by;
use coldsign::terminal::{Console, shown, size};

use crate::cli::Combine;
use crate::files::{create, joined, read_all};

/// Writes the union of the responses.
pub(crate) fn run(args: &Combine, console: &mut dyn Console) -> Result<()> {
    let output = create(&args.output, console)?;
    let union = read_responses(&args.responses).map_err(|error| error.detail("nothing was written"))?;
    let file = union.render();
    file.check_limits().map_err(|error| error.detail("nothing was written"))?;
    output.reserve(file.size())?;
    output.write(file.chunks())?;
    console.say_all(&signed_by(&union))?;
    let name = shown(&args.output.display().to_string());
    console.say(&format!("wrote {name}, {}; answers request", size(file.size())))?;
    console.say(&format!("  {}", union.request().digest().grouped()))
}

/// RESPONSE-ABSENT where nobody signed any of them.
fn read_responses(paths: &[PathBuf]) -> Result<Response> {
    let union = read_all(paths)?;
    union.check_response_absent().map_err(|error| error.within(joined(paths)))?;
    Ok(union)
}
