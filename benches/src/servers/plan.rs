//! Who is measured, at what, and for how long.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bivalve_peers::{Peer, Work};

use crate::load::CONNECTIONS;

/// One run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Turns of each, after one that warms up.
    pub(super) turns: usize,
    /// One turn.
    pub(super) time: Duration,
    /// How often a turn is repeated while something else has the cores.
    pub(super) attempts: usize,
    pub(super) scenarios: Vec<Scenario>,
    pub(super) contenders: Vec<Contender>,
}

/// A server that takes part. Two programs can be compared: `uring@PATH` is the peer `uring` of another build of
/// `peers`.
#[derive(Clone, Debug)]
pub(super) struct Contender {
    pub(super) key: String,
    pub(super) peer: Peer,
    pub(super) program: PathBuf,
}

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scenario {
    /// One request at a time on each connection.
    Single,
    /// Sixteen requests in one message.
    Pipelined,
    /// One request at a time on a thousand connections.
    Thousand,
    /// A body of 1 MiB there and back.
    Echo,
}

impl Plan {
    /// From the command line: `--quick`, `turns=3`, `ms=100`, `attempts=1`, `scenarios=single,pipelined`, `only=hyper,uring`.
    pub(super) fn from_arguments(program: &Path, arguments: &[&str]) -> io::Result<Self> {
        let own = |peer: Peer| Contender { key: peer.key().into(), peer, program: program.to_owned() };
        let mut plan = Self {
            turns: 21,
            time: Duration::from_millis(150),
            attempts: 3,
            scenarios: Scenario::ALL.to_vec(),
            contenders: Peer::ALL.map(own).to_vec(),
        };
        for argument in arguments {
            let unknown = || {
                let text = format!(
                    "{argument:?} is not known: --quick, turns=3, ms=100, attempts=1, scenarios={}, only={} are, and \
                     only=uring,uring@PATH where PATH is another build of `peers`",
                    Scenario::ALL.map(Scenario::key).join(","),
                    Peer::ALL.map(Peer::key).join(","),
                );
                io::Error::new(io::ErrorKind::InvalidInput, text)
            };
            match argument.split_once('=') {
                None if *argument == "--quick" => {
                    (plan.turns, plan.attempts) = (5, 1);
                    plan.time = Duration::from_millis(100);
                }
                Some(("turns", turns)) => plan.turns = turns.parse().map_err(|_| unknown())?,
                Some(("attempts", attempts)) => plan.attempts = attempts.parse().map_err(|_| unknown())?,
                Some(("ms", time)) => plan.time = Duration::from_millis(time.parse().map_err(|_| unknown())?),
                Some(("scenarios", keys)) => {
                    let scenarios = keys.split(',').map(|key| Scenario::from_key(key).ok_or_else(unknown));
                    plan.scenarios = scenarios.collect::<io::Result<_>>()?;
                }
                Some(("only", keys)) => {
                    let contenders = keys.split(',').map(|key| {
                        let (name, other) = key.split_once('@').map_or((key, None), |(k, p)| (k, Some(p)));
                        let program = other.map_or(program, Path::new).to_owned();
                        let peer = Peer::from_key(name).ok_or_else(unknown)?;
                        Ok(Contender { key: key.into(), peer, program })
                    });
                    plan.contenders = contenders.collect::<io::Result<_>>()?;
                }
                _ => return Err(unknown()),
            }
        }
        Ok(plan)
    }
}

impl Scenario {
    /// All, in the order of the tables.
    pub(super) const ALL: [Self; 4] = [Self::Single, Self::Pipelined, Self::Thousand, Self::Echo];

    /// For the command line.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Pipelined => "pipelined",
            Self::Thousand => "thousand",
            Self::Echo => "echo",
        }
    }

    fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.key() == key)
    }

    pub(super) fn connections(self) -> usize {
        match self {
            Self::Thousand => 1000,
            Self::Echo => 8,
            _ => CONNECTIONS,
        }
    }

    pub(super) fn depth(self) -> usize {
        if self == Self::Pipelined { 16 } else { 1 }
    }

    pub(super) fn work(self) -> Work {
        match self {
            Self::Echo => Work::Echo,
            _ => Work::Hello,
        }
    }

    pub(super) fn request(self) -> Vec<u8> {
        const HEAD: &str = "HTTP/1.1\r\nhost: localhost\r\nuser-agent: bench/1.0\r\naccept: */*\r\naccept-encoding: identity\r\n";
        match self {
            Self::Echo => {
                let mut request = format!("POST / {HEAD}content-length: {ECHO}\r\n\r\n").into_bytes();
                request.resize(request.len() + ECHO, b'x');
                request
            }
            _ => format!("GET / {HEAD}\r\n").into_bytes(),
        }
    }
}

/// Bytes of the body of an echo.
const ECHO: usize = 1 << 20;
