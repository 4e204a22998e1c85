//! The stations at a registry: the tests' own one, which goes wrong on demand. Nothing here needs more than Rust.
//!
//! `verdicts` are the signatures of other programs and hands, served and judged, `attestations` what counts as one;
//! `faults` what registries do wrong, `login` who gets to know a password; `manners` and `places` what a registry is
//! asked when all is well, and where; `writers` several imports at once; `journal` an import that is killed at every
//! request it makes, interrupted, run again; `screens` what import says; `carry` is what stands beside an image: seen,
//! copied, taken away; `elsewhere` a signature by another tool, and what is asked for its payload.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod attestations;
mod carry;
mod elsewhere;
mod faults;
mod journal;
#[path = "../support/log_refusals.rs"]
mod log_refusals;
mod login;
mod logs;
mod manners;
mod places;
#[path = "../support/refusals.rs"]
mod refusals;
#[path = "../support/registry/mod.rs"]
mod registry;
mod screens;
#[path = "../support/mod.rs"]
mod support;
mod trip;
mod verdicts;
mod writers;
