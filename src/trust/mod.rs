//! What a person trusts besides signing keys: logs and timestamp authorities.

mod window;

pub use window::{Time, Window};
