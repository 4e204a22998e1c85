//! The connected stations: export, inspect, import, verify.

fn main() {}
