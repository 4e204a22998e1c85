//! Both programs from outside, as a person runs them: screens, exit codes, and what is on the disk afterwards.
//!
//! `trip` is the way through, uncut; `help` the help pages; `sign`, `keys`, `import`, `verify`, `attach`, `beside`,
//! `blob` go through what each command takes and refuses, `claims` and `reports` through what verify compares and
//! writes; `kinds` is what is signed besides images; `logged` is what stands beside signatures; `refusals` are the rows of "when it goes wrong"; `hostile_io` and `killed` are bad media and lost power;
//! `canary` looks for secrets, `safety` for foreign text, `terminal` sits at a real one.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod attach;
mod beside;
mod blob;
mod bundles;
mod canary;
mod claims;
mod help;
mod hostile_io;
mod import;
mod junit;
mod keys;
mod killed;
mod kinds;
#[path = "../support/log.rs"]
mod log;
mod logged;
mod refusals;
mod reports;
mod safety;
mod sign;
mod station;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod trip;
mod trust;
mod uses;
mod verify;
