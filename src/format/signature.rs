//! Signature layers and the .sig manifest.
