//! The signer's directory.
