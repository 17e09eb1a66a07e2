//! Who is measured, at what, and for how long.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bivalve_peers::{Peer, Work};

use super::process::Nginx;
use crate::load::CONNECTIONS;

/// One run.
#[derive(Debug)]
pub(super) struct Plan {
    /// Turns of each, after one that warms up.
    pub(super) turns: usize,
    /// One turn.
    pub(super) time: Duration,
    /// How often a turn is repeated while something else has the cores.
    pub(super) attempts: usize,
    /// How often system calls are counted; perhaps never.
    pub(super) counts: usize,
    /// Connections that are idle at the same time; perhaps none.
    pub(super) idle: usize,
    pub(super) scenarios: Vec<Scenario>,
    pub(super) contenders: Vec<Contender>,
    /// The peers with their allocations counted.
    pub(super) counting: Option<PathBuf>,
    /// Where the files are.
    pub(super) files: Files,
}

/// A server that takes part. Two programs can be compared: `uring@PATH` is the peer `uring` of another build of
/// `peers`.
#[derive(Clone, Debug)]
pub(super) struct Contender {
    pub(super) key: String,
    pub(super) who: Who,
    pub(super) program: PathBuf,
}

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// nginx, with a cache of open files or without.
    Nginx {
        cache: bool,
    },
    Peer(Peer),
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
    /// A file of 64 KiB.
    File,
    /// A file of 10 MiB.
    LargeFile,
}

impl Plan {
    /// From the command line: `--quick` or `turns=3`, `ms=100`, `attempts=1`, `counts=1`, `idle=1000`,
    /// `scenarios=single,pipelined`, `only=hyper,uring`.
    pub(super) fn from_arguments(
        program: &Path,
        counting: Option<&Path>,
        arguments: &[&str],
    ) -> io::Result<Self> {
        let own = |who: Who| Contender { key: who.key().into(), who, program: program.to_owned() };
        let mut contenders: Vec<_> = Who::all().map(own).collect();
        if !Nginx::is_installed() {
            eprintln!("nginx is not installed: it is left out");
            contenders.retain(|contender| matches!(contender.who, Who::Peer(_)));
        }
        let mut plan = Self {
            turns: 11,
            time: Duration::from_millis(150),
            attempts: 3,
            counts: 3,
            idle: 10_000,
            scenarios: Scenario::ALL.to_vec(),
            contenders,
            counting: counting.map(Path::to_owned),
            files: Files::new()?,
        };
        for argument in arguments {
            plan.apply(program, argument)?;
        }
        Ok(plan)
    }

    fn apply(&mut self, program: &Path, argument: &str) -> io::Result<()> {
        let unknown = || {
            let peers: Vec<_> = Who::all().map(Who::key).collect();
            let text = format!(
                "{argument:?} is not known: --quick, turns=3, ms=100, attempts=1, counts=1, idle=1000, scenarios={}, \
                 only={} are, only=uring,uring@PATH where PATH is another build of `peers`, and as the first one peers=PATH",
                Scenario::ALL.map(Scenario::key).join(","),
                peers.join(","),
            );
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        let Some((key, value)) = argument.split_once('=') else {
            if argument != "--quick" {
                return Err(unknown());
            }
            (self.turns, self.attempts, self.counts, self.idle) = (3, 1, 0, 1000);
            self.time = Duration::from_millis(80);
            return Ok(());
        };
        let number = value.parse::<usize>().map_err(|_| unknown());
        match key {
            "turns" => self.turns = number?.max(1),
            "attempts" => self.attempts = number?,
            "counts" => self.counts = number?,
            "idle" => self.idle = number?,
            "ms" => self.time = Duration::from_millis(number? as u64),
            "scenarios" => {
                let scenarios = value.split(',').map(|key| Scenario::from_key(key).ok_or_else(unknown));
                self.scenarios = scenarios.collect::<io::Result<_>>()?;
            }
            "only" => {
                let contenders = value.split(',').map(|key| {
                    let (name, other) = key.split_once('@').map_or((key, None), |(k, p)| (k, Some(p)));
                    let who = Who::from_key(name).ok_or_else(unknown)?;
                    let program = other.map_or(program, Path::new).to_owned();
                    Ok(Contender { key: key.into(), who, program })
                });
                self.contenders = contenders.collect::<io::Result<_>>()?;
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }
}

impl Contender {
    /// For the tables.
    pub(super) fn name(&self) -> String {
        let name = match self.who {
            Who::Nginx { cache: false } => "nginx",
            Who::Nginx { cache: true } => "nginx, open_file_cache",
            Who::Peer(Peer::Axum) => "axum",
            Who::Peer(peer) => peer.name(),
        };
        match self.key.split_once('@') {
            Some((_, program)) => format!("{name} ({program})"),
            None => name.into(),
        }
    }

    /// Whether it takes part.
    pub(super) fn does(&self, scenario: Scenario) -> bool {
        match self.who {
            Who::Nginx { cache } => match scenario {
                Scenario::Echo => false,
                Scenario::File | Scenario::LargeFile => true,
                _ => !cache,
            },
            // What waiting costs is seen in one of them.
            Who::Peer(Peer::Uring10Wait) => scenario == Scenario::Single,
            Who::Peer(peer) => peer.does(&scenario.work(Path::new(""))),
        }
    }
}

impl Who {
    fn all() -> impl Iterator<Item = Self> {
        let nginx = [false, true].map(|cache| Self::Nginx { cache });
        Peer::ALL.into_iter().map(Self::Peer).chain(nginx)
    }

    fn key(self) -> &'static str {
        match self {
            Self::Nginx { cache: false } => "nginx",
            Self::Nginx { cache: true } => "nginx-cache",
            Self::Peer(peer) => peer.key(),
        }
    }

    fn from_key(key: &str) -> Option<Self> {
        Self::all().find(|who| who.key() == key)
    }
}

impl Scenario {
    /// All, in the order of the tables.
    pub(super) const ALL: [Self; 6] =
        [Self::Single, Self::Pipelined, Self::Thousand, Self::Echo, Self::File, Self::LargeFile];

    /// For the command line.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Pipelined => "pipelined",
            Self::Thousand => "thousand",
            Self::Echo => "echo",
            Self::File => "file",
            Self::LargeFile => "large-file",
        }
    }

    fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.key() == key)
    }

    pub(super) fn connections(self) -> usize {
        match self {
            Self::Thousand => 1000,
            Self::Echo | Self::LargeFile => 8,
            Self::File => 16,
            Self::Single | Self::Pipelined => CONNECTIONS,
        }
    }

    pub(super) fn depth(self) -> usize {
        if self == Self::Pipelined { 16 } else { 1 }
    }

    pub(super) fn work(self, files: &Path) -> Work {
        match self {
            Self::Echo => Work::Echo,
            Self::File | Self::LargeFile => Work::Files(files.to_owned()),
            Self::Single | Self::Pipelined | Self::Thousand => Work::Hello,
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
            Self::File => format!("GET /64k.txt {HEAD}\r\n").into_bytes(),
            Self::LargeFile => format!("GET /10m.txt {HEAD}\r\n").into_bytes(),
            Self::Single | Self::Pipelined | Self::Thousand => format!("GET / {HEAD}\r\n").into_bytes(),
        }
    }
}

/// Bytes of the body of an echo.
const ECHO: usize = 1 << 20;

/// The files that are served; removed when dropped.
#[derive(Debug)]
pub(super) struct Files(PathBuf);

impl Files {
    fn new() -> io::Result<Self> {
        let files = Self(std::env::temp_dir().join(format!("bivalve-files-{}", std::process::id())));
        fs::create_dir_all(&files.0)?;
        for (name, bytes) in [("64k.txt", 64 << 10), ("10m.txt", 10 << 20)] {
            // Not zeroes, which some file systems do not store.
            fs::write(files.0.join(name), vec![b'b'; bytes])?;
        }
        // A file that has just been written has a weak tag (RFC 9110 section 8.8.2.2), and two octets fewer in its answers
        // later: a client that knows how long an answer is would wait for them.
        std::thread::sleep(Duration::from_secs(3));
        Ok(files)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
