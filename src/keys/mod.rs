//! Keys: public ones with their ids, private ones in files (`docs/key-format.md`).

pub mod cosign;
mod derive;
pub mod foreign;
mod pem;
pub mod public;
pub mod sealed;
pub mod signing;
#[cfg(feature = "connected")]
mod verifying;

pub use foreign::open_foreign;
