//! Signing what was reviewed.
