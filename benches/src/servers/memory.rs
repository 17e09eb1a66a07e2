//! What idle connections cost.

use std::io;
use std::thread;
use std::time::Duration;

use bivalve_peers::Work;

use super::plan::{Contender, Scenario};
use super::process::Process;
use crate::client::{Client, Exchange};

/// Connections that are opened first: what the first few cost, the process costs.
const FIRST: usize = 64;

/// Bytes of anonymous memory in user space for each idle connection, which has had an answer before.
pub(super) fn per_connection(contender: &Contender, connections: usize) -> io::Result<f64> {
    let process = Process::start(contender, &Work::Hello)?;
    let exchange = Exchange::http(process.port()?, &Scenario::Single.request(), 1)?;
    let first = idle(&process, FIRST, exchange)?;
    let before = resident(process.id())?;
    let rest = connections.saturating_sub(FIRST).max(1);
    let all = idle(&process, rest, exchange)?;
    let after = resident(process.id())?;
    drop((first, all));
    #[allow(clippy::cast_precision_loss, reason = "bytes of a process")]
    Ok((after.saturating_sub(before)) as f64 / rest as f64)
}

fn idle(process: &Process, connections: usize, exchange: Exchange) -> io::Result<Client> {
    let mut client = Client::connect(process.port()?, connections, exchange)?;
    // One request each.
    client.run(Duration::ZERO)?;
    thread::sleep(Duration::from_millis(300));
    Ok(client)
}

/// Bytes of anonymous memory that a process has.
fn resident(id: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok());
    kibibytes.map(|n| n * 1024).ok_or_else(|| io::Error::other("the kernel does not tell RssAnon"))
}
