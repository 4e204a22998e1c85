//! `combine`: the union of several responses.

use coldsign::error::Result;
use coldsign::files::Output;
use coldsign::review::signed_by;
use coldsign::terminal::{Console, shown, size};

use crate::cli::Combine;
use crate::files::read_all;

/// Writes the union of the responses.
pub(crate) fn run(args: &Combine, console: &mut dyn Console) -> Result<()> {
    let output = Output::create(&args.output, 0o644)?;
    let union = read_all(&args.responses).and_then(|union| union.check_response_absent().map(|()| union));
    let union = union.map_err(|error| error.detail("nothing was written"))?;
    let file = union.render();
    output.reserve(file.size())?;
    output.write(file.chunks())?;
    console.say_all(&signed_by(&union))?;
    let name = shown(&args.output.display().to_string());
    console.say(&format!("wrote {name}, {}; answers request", size(file.size())))?;
    console.say(&format!("  {}", union.request().digest().grouped()))
}
