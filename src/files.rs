//! Files of a station: bounded reads, output written once and whole.
