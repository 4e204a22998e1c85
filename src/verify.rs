//! What stands at a destination, by the keys a person gave.
