//! `self-test`: what this program is, and that it computes rightly here.

use coldsign::error::Result;
use coldsign::selftest::{VERSION, check_self_test, features, own_digest};
use coldsign::terminal::Console;

pub(crate) fn run(console: &mut dyn Console) -> Result<()> {
    let primitives = check_self_test()?;
    console.show(&format!("coldsign-signer {VERSION}, {}, sha256", features()))?;
    console.show(&format!("  {}", own_digest()?.grouped()))?;
    console.show(&format!("ok  {}", primitives.join(" ")))
}
