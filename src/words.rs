//! Digests as words of the PGP word list.
