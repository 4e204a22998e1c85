//! The sealed station: review and sign.

fn main() {}
