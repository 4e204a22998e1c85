//! The union of responses to one request: commutative, idempotent, nothing is lost (docs/format.md 8).

use crate::check::Check;
use crate::error::{Error, Result};
use crate::response::Response;

/// The union of `first` and `others` by (item, key, form), log entries and timestamps beside equal signatures united.
/// LOG-LIMIT and TOKEN-LIMIT where there are too many of those, COMBINE-REQUEST where they answer different requests,
/// COMBINE-KEYS where together they have more than 8 keys.
pub fn combine(first: Response, others: impl IntoIterator<Item = Response>) -> Result<Response> {
    let mut union = first;
    for other in others {
        check_combine_request(&union, &other)?;
        for signer in other.signers() {
            let signatures = signer.signatures().iter().map(|(place, signature)| {
                let material = signer.logged(*place).cloned().unwrap_or_default();
                (*place, signature.clone(), material)
            });
            union.add(signer.key(), signatures)?;
        }
    }
    Ok(union)
}

/// COMBINE-REQUEST: the same request document.
fn check_combine_request(union: &Response, other: &Response) -> Result<()> {
    let (one, two) = (union.request().digest(), other.request().digest());
    if one == two {
        return Ok(());
    }
    Err(Error::new(Check::CombineRequest, "").detail(one).detail(two))
}
