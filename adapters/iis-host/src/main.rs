//! The command `bivalve-iis-host`.

fn main() {}
