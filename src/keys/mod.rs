//! Keys: public ones with their ids, private ones in files.

pub mod cosign;
pub mod foreign;
pub mod public;
pub mod sealed;
pub mod signing;
