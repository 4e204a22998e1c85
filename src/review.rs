//! What a person is shown before approving, re-derived from evidence.
