//! The side of the process that is measured.
//!
//! Its first line of output is its port, or `ready`. Then it answers each line of input with one of its own.

use std::io::{self, BufRead as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use super::Peer;

/// Echoes until its input ends, as it does with whoever started it. Prints the port first, and `counted()` for every
/// line that comes.
///
/// # Errors
///
/// When there is no port, or its input cannot be read.
pub(super) fn serve_echo(peer: Peer, counted: fn() -> usize) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("{}", listener.local_addr()?.port());
    thread::spawn(move || {
        if let Err(error) = peer.echo(listener) {
            eprintln!("{}: {error}", peer.key());
        }
    });
    // Asleep on its input while the echo is measured.
    answer(|_| Ok(counted()))
}

/// Reads a file as many times as each line says, and prints by how much `counted()` has grown.
///
/// # Errors
///
/// When the peer cannot start, or a read fails.
pub(super) fn serve_reads(peer: Peer, path: &Path, counted: fn() -> usize) -> io::Result<()> {
    let mut reader = peer.reader(path)?;
    println!("ready");
    answer(|line| {
        let reads = line.parse().map_err(io::Error::other)?;
        let before = counted();
        reader(reads)?;
        Ok(counted() - before)
    })
}

fn answer(mut question: impl FnMut(&str) -> io::Result<usize>) -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer = question(line.trim())?;
        writeln!(output, "{answer}")?;
    }
}
