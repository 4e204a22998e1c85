//! Import: signatures to a destination.
