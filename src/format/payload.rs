//! Simple signing payloads.
