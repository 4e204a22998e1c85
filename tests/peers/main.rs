//! What real tools say of our files: cosign 2.6 and 3.1 verify them, skopeo and oras read them and push out of them,
//! podman's policy takes them.
//!
//! `format` judges the fixtures that an independent program wrote from the description of the format, `written` what
//! the two programs write, `documented` every setting that `docs/verifiers.md` shows. `registries` makes the whole trip
//! through real registries, `neighbours` has others sign beside us there, `access` is how one gets in, `annotations` what
//! each makes of `-a`. `elsewhere` is what other tools sign and what they take of ours, `carried` what is copied, saved
//! and loaded, `attest` attestations and signatures of files, `keys` the types of keys. `flows` has the whole ceremony for
//! everything that can be asked for, `from_cosign` every command of `docs/from-cosign.md`. `logs` starts real transparency
//! logs and a timestamp authority, and shows with stock tools alone that they are right; `logged` is what cosign logs there,
//! `log_later` what coldsign does, `roots` the files that name them.

mod access;
mod annotations;
mod attest;
mod carried;
mod documented;
mod elsewhere;
mod flows;
mod format;
mod from_cosign;
mod keys;
mod log_later;
mod logged;
mod logs;
mod neighbours;
mod registries;
mod roots;
#[path = "../support/mod.rs"]
mod support;
mod tools;
mod wire;
mod written;
