//! The same contenders with every allocation counted. Started by `bivalve-benches`.

use std::alloc::System;
use std::io;

use bivalve_benches::peers::Peer;
use bivalve_benches::{dispatch, drivers, iis};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn counted() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["dispatch"] => {
            for (name, allocations) in dispatch::allocations(counted) {
                println!("{name}={allocations}");
            }
            Ok(())
        }
        ["drivers", "serve", arguments @ ..] => drivers::serve(arguments, counted),
        ["iis", key] => {
            let [rust, cpp] = iis::count(&std::env::current_exe()?, key, counted)?;
            println!("{rust} {cpp}");
            Ok(())
        }
        ["serve", peer] => match Peer::from_key(peer) {
            Some(peer) => peer.serve(counted),
            None => Err(io::Error::other(format!("no server is called {peer}"))),
        },
        _ => Err(io::Error::other("started by bivalve-benches only")),
    }
}
