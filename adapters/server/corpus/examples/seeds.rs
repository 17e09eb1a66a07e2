//! Writes what fuzzing begins with: `cargo run -p bivalve-http-corpus --example seeds -- DIRECTORY`, a directory for each target.

#![forbid(unsafe_code)]

use std::path::Path;

fn main() -> std::io::Result<()> {
    let directory = std::env::args_os().nth(1).ok_or_else(|| std::io::Error::other("which directory?"))?;
    for seed in bivalve_http_corpus::seeds() {
        let directory = Path::new(&directory).join(seed.target);
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join(&*seed.id), seed.octets)?;
    }
    Ok(())
}
