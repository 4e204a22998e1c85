//! The strict tar.
