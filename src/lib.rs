//! coldsign: sign container images on a machine that never has a network.
//!
//! The way of the data, and what is trusted when:
//!
//! ```text
//! transfer::export   a layout's manifests and configs, hashed            -> request file
//! format             bytes <-> values; refuses everything but one spelling
//! request            Request: complete, self-consistent, every payload rendered again
//! review             ReviewedRequest: a person saw it and approved this digest
//! sign               signatures, each verified before it is written      -> response file
//! response           Response: a request and signatures that verify by the file's own keys
//! combine            the union of several responses to one request
//! transfer::import   signatures by the keys a person gave                -> destination
//! trust              log keys and timestamp authorities that a person gave
//! verify             what stands at a destination, by the keys a person gave
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used))]

pub mod check;
pub mod combine;
pub mod digest;
pub mod error;
pub mod exit;
pub mod files;
pub mod format;
pub mod home;
pub mod keys;
pub mod limits;
pub mod passphrase;
pub mod request;
pub mod response;
pub mod review;
pub mod secret;
pub mod selftest;
pub mod sign;
pub mod terminal;
#[cfg(feature = "connected")]
pub mod transfer;
#[cfg(feature = "connected")]
pub mod trust;
pub mod verify;
pub mod words;
