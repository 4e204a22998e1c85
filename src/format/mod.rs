//! The wire: bytes to values and back. No files, clock, randomness, terminal or network, and no secrets.

pub mod archive;
pub mod attestation;
pub mod beside;
pub mod bundle;
pub mod custom;
pub mod document;
pub mod envelope;
pub mod evidence;
pub mod json;
pub mod layout;
pub mod log;
pub mod payload;
pub mod reference;
pub mod signature;
pub mod statement;
