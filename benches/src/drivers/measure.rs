//! The rounds: every process is started once, then all take turns.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::report::Results;
use super::{FILE, MESSAGE, Peer, READ, post};
use crate::client::{Client, Exchange};
use crate::counts::{per, system_calls};
use crate::load::CONNECTIONS;
use crate::measure::median;
use crate::server::{Server, Spent, calm, pin_client};

/// How long to measure whom.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Turns of each, after one that warms up.
    turns: usize,
    /// One turn of an echo.
    time: Duration,
    /// Who takes part.
    peers: Vec<Peer>,
}

/// Many short turns: on a machine with other work, more of them are calm.
impl Default for Plan {
    fn default() -> Self {
        Self { turns: 31, time: Duration::from_millis(100), peers: Peer::ALL.to_vec() }
    }
}

impl Plan {
    pub(super) fn from_arguments(arguments: &[&str]) -> io::Result<Self> {
        let mut plan = Self::default();
        for argument in arguments {
            let unknown = || {
                let text = format!("{argument:?} is not known: turns=3, ms=100 and only=uring,raw-ring are");
                io::Error::new(io::ErrorKind::InvalidInput, text)
            };
            match argument.split_once('=').ok_or_else(unknown)? {
                ("turns", turns) => plan.turns = turns.parse().map_err(|_| unknown())?,
                ("ms", time) => plan.time = Duration::from_millis(time.parse().map_err(|_| unknown())?),
                ("only", keys) => {
                    let peers = keys.split(',').map(|key| Peer::from_key(key).ok_or_else(unknown));
                    plan.peers = peers.collect::<io::Result<_>>()?;
                }
                _ => return Err(unknown()),
            }
        }
        Ok(plan)
    }
}

/// What one of them cost, of one kind of operation.
#[derive(Clone, Debug)]
pub(super) struct Cost {
    pub(super) peer: Peer,
    /// CPU nanoseconds of the process per operation, kernel included: one figure a turn.
    pub(super) cpu: Vec<f64>,
    /// Its system calls per operation; not a number where the kernel does not tell.
    pub(super) calls: f64,
    /// Its allocations per operation.
    pub(super) allocations: f64,
}

impl Cost {
    pub(super) fn cpu_ns(&self) -> f64 {
        median(self.cpu.clone())
    }
}

/// Reads in one turn.
const READS: u32 = 20_000;

/// How often a turn is taken that was disturbed.
const ATTEMPTS: usize = 3;

/// How often system calls are counted.
const COUNTS: usize = 5;

/// Measures everybody who takes part.
///
/// # Errors
///
/// When a process cannot be started or breaks off.
pub(super) fn compare(program: &Path, counting: &Path, plan: &Plan) -> io::Result<Results> {
    pin_client()?;
    eprintln!("drivers: one posted completion …");
    let posts = post::round_trips()?;
    eprintln!("drivers: {CONNECTIONS} connections …");
    let many = echoes(program, counting, plan, CONNECTIONS)?;
    eprintln!("drivers: 1 connection …");
    let single = echoes(program, counting, plan, 1)?;
    eprintln!("drivers: reads …");
    let reads = reads(program, counting, plan)?;
    Ok(Results { posts, many, single, reads })
}

/// CPU nanoseconds of a process for each operation that it does meanwhile.
fn cpu(id: u32, operate: impl FnOnce() -> io::Result<u64>) -> io::Result<f64> {
    let before = Spent::by(id)?;
    let operations = operate()?;
    Ok(per(Spent::by(id)?.since(before).cpu, operations))
}

fn echoes(program: &Path, counting: &Path, plan: &Plan, connections: usize) -> io::Result<Vec<Cost>> {
    let start = |program: &Path, peer: Peer| {
        let server = Server::start(program, &["drivers", "serve", "echo", peer.key()])?;
        let client = Client::connect(server.port()?, connections, Exchange::echo(&[b'.'; MESSAGE]))?;
        io::Result::Ok((server, client))
    };
    let started = plan.peers.iter().map(|peer| start(program, *peer));
    let mut servers = started.collect::<io::Result<Vec<_>>>()?;
    let mut samples = vec![Vec::with_capacity(plan.turns); servers.len()];
    for turn in 0..=plan.turns {
        for ((server, client), samples) in servers.iter_mut().zip(&mut samples) {
            let id = server.id();
            let spent = calm(id, ATTEMPTS, || cpu(id, || client.run(plan.time)))?;
            // The first turn warms up.
            if turn > 0 {
                samples.push(spent);
            }
        }
    }
    let mut calls = Vec::new();
    for (server, client) in &mut servers {
        let id = server.id();
        calls.push(system_calls(id, COUNTS, |time| client.run(time))?);
    }
    drop(servers);
    let mut costs = Vec::new();
    for ((peer, cpu), calls) in plan.peers.iter().zip(samples).zip(calls) {
        let (mut server, mut client) = start(counting, *peer)?;
        // Long enough for buffers and tables to have grown.
        client.run(plan.time)?;
        let before = server.ask("count")?;
        let messages = client.run(plan.time)?;
        let allocations = per(server.ask("count")? - before, messages);
        costs.push(Cost { peer: *peer, cpu, calls, allocations });
    }
    Ok(costs)
}

fn reads(program: &Path, counting: &Path, plan: &Plan) -> io::Result<Vec<Cost>> {
    let file = Scratch::new()?;
    let path = file.0.to_string_lossy();
    let peers: Vec<Peer> = plan.peers.iter().copied().filter(|peer| peer.reads_files()).collect();
    let start =
        |program: &Path, peer: Peer| Server::start(program, &["drivers", "serve", "read", peer.key(), &path]);
    let mut servers = peers.iter().map(|peer| start(program, *peer)).collect::<io::Result<Vec<_>>>()?;
    let mut samples = vec![Vec::with_capacity(plan.turns); servers.len()];
    let question = READS.to_string();
    for turn in 0..=plan.turns {
        for (server, samples) in servers.iter_mut().zip(&mut samples) {
            let id = server.id();
            let spent = calm(id, ATTEMPTS, || cpu(id, || server.ask(&question).map(|_| READS.into())))?;
            if turn > 0 {
                samples.push(spent);
            }
        }
    }
    let mut calls = Vec::new();
    for server in &mut servers {
        let id = server.id();
        calls.push(system_calls(id, COUNTS, |_| server.ask(&question).map(|_| READS.into()))?);
    }
    drop(servers);
    let mut costs = Vec::new();
    for ((peer, cpu), calls) in peers.into_iter().zip(samples).zip(calls) {
        let mut server = start(counting, peer)?;
        server.ask(&question)?;
        let allocations = per(server.ask(&question)?, READS.into());
        costs.push(Cost { peer, cpu, calls, allocations });
    }
    Ok(costs)
}

/// A file of [`FILE`] bytes in the page cache; removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("bivalve-reads-{}", std::process::id()));
        let scratch = Self(path);
        // Not zeroes, which some file systems do not store.
        std::fs::write(&scratch.0, vec![0xb1; FILE - FILE % READ])?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
