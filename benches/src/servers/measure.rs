//! The rounds: every process is started once for a scenario, then all take turns.

use std::io;
use std::time::{Duration, Instant};

use bivalve_peers::{Peer, Work};

use super::memory;
use super::plan::{Contender, Plan, Scenario, Who};
use super::process::Process;
use crate::client::{Client, Exchange};
use crate::counts::{per, system_calls};
use crate::measure::median;
use crate::server::{Server, Spent, calm, pin_client, raise_descriptors, ticks};

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) scenarios: Vec<(Scenario, Vec<Cost>)>,
    /// Bytes of memory for each idle connection, by key.
    pub(super) idle: Vec<(String, f64)>,
    /// Allocations per request, by key.
    pub(super) allocations: Vec<(String, f64)>,
    /// Requests in one message at which a server of ours has stalled.
    pub(super) stalls: Vec<String>,
}

/// What one server cost, in one scenario.
#[derive(Clone, Debug)]
pub(super) struct Cost {
    pub(super) key: String,
    pub(super) name: String,
    /// CPU nanoseconds of the process per request, kernel included: one figure a turn.
    pub(super) cpu: Vec<f64>,
    /// Requests a second: one figure a turn.
    pub(super) rate: Vec<f64>,
    /// The part of the CPU time that is not the kernel's, as its clock ticks saw it.
    pub(super) user: f64,
    /// System calls per request; not a number where nobody counted.
    pub(super) calls: f64,
}

impl Cost {
    pub(super) fn cpu_ns(&self) -> f64 {
        median(self.cpu.clone())
    }
}

/// Measures everybody who takes part.
///
/// # Errors
///
/// When a process cannot be started or breaks off.
pub(super) fn compare(plan: &Plan) -> io::Result<Results> {
    pin_client()?;
    raise_descriptors();
    let mut results = Results::default();
    for scenario in &plan.scenarios {
        results.scenarios.push((*scenario, costs(plan, *scenario)?));
    }
    let single = |contender: &&Contender| contender.does(Scenario::Single);
    if plan.scenarios.contains(&Scenario::Single) && plan.idle > 0 {
        for contender in plan.contenders.iter().filter(single) {
            eprintln!("idle connections: {}", contender.key);
            results.idle.push((contender.key.clone(), memory::per_connection(contender, plan.idle)?));
        }
    }
    if plan.scenarios.contains(&Scenario::Pipelined) {
        results.stalls = stalls(plan)?;
    }
    if plan.counting.is_some() {
        for contender in plan.contenders.iter().filter(single) {
            if let Some(allocations) = allocations(plan, contender)? {
                results.allocations.push((contender.key.clone(), allocations));
            }
        }
    }
    Ok(results)
}

/// A server and what asks it.
struct Running<'a> {
    contender: &'a Contender,
    process: Process,
    client: Client,
    cpu: Vec<f64>,
    rate: Vec<f64>,
    begun: (u64, u64),
}

fn costs(plan: &Plan, scenario: Scenario) -> io::Result<Vec<Cost>> {
    let takes_part = plan.contenders.iter().filter(|contender| contender.does(scenario));
    let started = takes_part.map(|contender| Running::start(plan, contender, scenario));
    let mut servers = started.collect::<io::Result<Vec<_>>>()?;
    for turn in 0..=plan.turns {
        eprintln!("{}: turn {turn} of {}", scenario.key(), plan.turns);
        for running in &mut servers {
            let (cpu, rate) =
                running.turn(plan).map_err(|error| failed(running.contender, scenario, &error))?;
            // The first turn warms up.
            if turn > 0 {
                running.cpu.push(cpu);
                running.rate.push(rate);
            }
        }
    }
    servers.into_iter().map(|running| running.finish(plan, scenario)).collect()
}

impl<'a> Running<'a> {
    fn start(plan: &Plan, contender: &'a Contender, scenario: Scenario) -> io::Result<Self> {
        let start = || {
            let process = Process::start(contender, &scenario.work(plan.files.path()))?;
            let exchange = Exchange::http(process.port()?, &scenario.request(), scenario.depth())?;
            let client = Client::connect(process.port()?, scenario.connections(), exchange)?;
            let begun = ticks(process.id())?;
            Ok(Self { contender, process, client, cpu: Vec::new(), rate: Vec::new(), begun })
        };
        start().map_err(|error| failed(contender, scenario, &error))
    }

    /// CPU nanoseconds per request, and requests a second.
    fn turn(&mut self, plan: &Plan) -> io::Result<(f64, f64)> {
        let id = self.process.id();
        calm(id, plan.attempts, || {
            let (before, begun) = (Spent::by(id)?, Instant::now());
            let requests = self.client.run(plan.time)?;
            let seconds = begun.elapsed().as_secs_f64();
            let cpu = per(Spent::by(id)?.since(before).cpu, requests);
            #[allow(clippy::cast_precision_loss, reason = "requests of a second")]
            let rate = requests as f64 / seconds;
            Ok((cpu, rate))
        })
    }

    fn finish(mut self, plan: &Plan, scenario: Scenario) -> io::Result<Cost> {
        let (user, system) = ticks(self.process.id())?;
        let (user, system) = (user - self.begun.0, system - self.begun.1);
        let mut calls = f64::NAN;
        if scenario == Scenario::Single && plan.counts > 0 {
            eprintln!("system calls: {}", self.contender.key);
            calls = system_calls(self.process.id(), plan.counts, |time| self.client.run(time))?;
        }
        let Self { contender, cpu, rate, .. } = self;
        let (key, name) = (contender.key.clone(), contender.name());
        Ok(Cost { key, name, cpu, rate, user: per(user, user + system), calls })
    }
}

/// How many requests in one message are tried.
const DEPTHS: [usize; 8] = [2, 3, 7, 16, 50, 128, 500, 2000];

/// Asks the servers of ours with more and more requests in one message. Who does not answer has stalled.
fn stalls(plan: &Plan) -> io::Result<Vec<String>> {
    let ours = [Peer::Uring, Peer::Uring10All, Peer::UringAxum, Peer::Tokio].map(Who::Peer);
    let mut stalls = Vec::new();
    for contender in plan.contenders.iter().filter(|contender| ours.contains(&contender.who)) {
        eprintln!("requests in one message: {}", contender.key);
        for depth in DEPTHS {
            let process = Process::start(contender, &Work::Hello)?;
            let exchange = Exchange::http(process.port()?, &Scenario::Pipelined.request(), depth)?;
            let mut client = Client::connect(process.port()?, 8, exchange)?;
            if let Err(error) = client.run(Duration::from_millis(50)) {
                stalls.push(format!("{} at {depth}: {error}", contender.name()));
            }
        }
    }
    Ok(stalls)
}

/// Before allocations are counted.
const WARM_UP: Duration = Duration::from_secs(1);

/// Allocations per request; nothing for nginx, which is not counted.
fn allocations(plan: &Plan, contender: &Contender) -> io::Result<Option<f64>> {
    let (Some(counting), Who::Peer(peer)) = (&plan.counting, contender.who) else { return Ok(None) };
    let mut server = Server::start(counting, &[peer.key(), "hello"])?;
    let exchange = Exchange::http(server.port()?, &Scenario::Single.request(), 1)?;
    let mut client = Client::connect(server.port()?, Scenario::Single.connections(), exchange)?;
    // Long enough for buffers and tables to have grown.
    client.run(WARM_UP)?;
    let before = server.ask("count")?;
    let requests = client.run(plan.time)?;
    Ok(Some(per(server.ask("count")? - before, requests)))
}

fn failed(contender: &Contender, scenario: Scenario, error: &io::Error) -> io::Error {
    io::Error::other(format!("{}, {}: {error}", contender.key, scenario.key()))
}
