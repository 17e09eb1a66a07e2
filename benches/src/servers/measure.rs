//! The rounds: every process is started once for a scenario, then all take turns.

use std::io;
use std::time::Instant;

use super::plan::{Contender, Plan, Scenario};
use crate::client::{Client, Exchange};
use crate::measure::median;
use crate::server::{Server, Spent, calm, pin_client};

/// What was measured.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) scenarios: Vec<(Scenario, Vec<Cost>)>,
}

/// What one server cost, in one scenario.
#[derive(Clone, Debug)]
pub(super) struct Cost {
    pub(super) key: String,
    /// CPU nanoseconds of the process per request, kernel included: one figure a turn.
    pub(super) cpu: Vec<f64>,
    /// Requests a second: one figure a turn.
    pub(super) rate: Vec<f64>,
    /// The part of the CPU time that is not the kernel's, as its clock ticks saw it.
    pub(super) user: f64,
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
    let scenario = |scenario: &Scenario| Ok((*scenario, costs(plan, *scenario)?));
    let scenarios = plan.scenarios.iter().map(scenario).collect::<io::Result<_>>()?;
    Ok(Results { scenarios })
}

/// A server and what asks it.
struct Running<'a> {
    contender: &'a Contender,
    server: Server,
    client: Client,
    cpu: Vec<f64>,
    rate: Vec<f64>,
}

fn costs(plan: &Plan, scenario: Scenario) -> io::Result<Vec<Cost>> {
    let work = scenario.work();
    let takes_part = plan.contenders.iter().filter(|contender| contender.peer.does(&work));
    let started = takes_part.map(|contender| start(contender, scenario));
    let mut servers = started.collect::<io::Result<Vec<_>>>()?;
    let begun = servers.iter().map(|running| running.server.ticks()).collect::<io::Result<Vec<_>>>()?;
    for turn in 0..=plan.turns {
        eprintln!("{}: turn {turn} of {}", scenario.key(), plan.turns);
        for running in &mut servers {
            let (cpu, rate) = running.turn(plan).map_err(|error| running.failed(scenario, &error))?;
            // The first turn warms up.
            if turn > 0 {
                running.cpu.push(cpu);
                running.rate.push(rate);
            }
        }
    }
    let costs = servers.into_iter().zip(begun).map(|(running, begun)| {
        let (user, system) = running.server.ticks()?;
        let (user, system) = (user - begun.0, system - begun.1);
        let user = per(user, user + system);
        Ok(Cost { key: running.contender.key.clone(), cpu: running.cpu, rate: running.rate, user })
    });
    costs.collect()
}

fn start(contender: &Contender, scenario: Scenario) -> io::Result<Running<'_>> {
    let work = scenario.work().arguments();
    let mut arguments = vec![contender.peer.key()];
    arguments.extend(work.iter().map(String::as_str));
    let server = Server::start(&contender.program, &arguments)?;
    let connect = || {
        let exchange = Exchange::http(server.port()?, &scenario.request(), scenario.depth())?;
        Client::connect(server.port()?, scenario.connections(), exchange)
    };
    match connect() {
        Ok(client) => Ok(Running { contender, server, client, cpu: Vec::new(), rate: Vec::new() }),
        Err(error) => Err(io::Error::other(format!("{}, {}: {error}", contender.key, scenario.key()))),
    }
}

impl Running<'_> {
    /// CPU nanoseconds per request, and requests a second.
    fn turn(&mut self, plan: &Plan) -> io::Result<(f64, f64)> {
        let id = self.server.id();
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

    fn failed(&self, scenario: Scenario, error: &io::Error) -> io::Error {
        io::Error::other(format!("{}, {}: {error}", self.contender.key, scenario.key()))
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts and nanoseconds of a second")]
fn per(sum: u64, operations: u64) -> f64 {
    sum as f64 / operations as f64
}
