//! One server, for a look with a client or a profiler of one's own: `peers uring hello`, `peers hyper echo`.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    bivalve_peers::serve(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), || 0)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the servers are compared on Linux");
}
