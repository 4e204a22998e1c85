//! cosign's encrypted key files.
