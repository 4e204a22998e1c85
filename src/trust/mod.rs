//! What a person trusts besides signing keys: logs and timestamp authorities.

mod authority;
mod chain;
mod window;

pub use authority::Authority;
pub(crate) use authority::Link;
pub(crate) use chain::{check_token_chain, check_token_usage};
pub use window::{Time, Window};
