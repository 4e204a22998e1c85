//! Private keys that sign.
