//! What a driver costs: an echo over loopback and reads of a cached file, next to the raw system calls and to other
//! runtimes. Linux only: Wine, under which the driver of Windows is tested, says nothing about Windows.

mod child;
mod epoll;
mod measure;
mod ours;
mod post;
mod report;
mod ring;
mod runtimes;

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::Path;

use self::measure::Plan;

/// Bytes of a message of the echo.
const MESSAGE: usize = 64;

/// Bytes of a read.
const READ: usize = 4096;

/// Reads in flight.
const DEPTH: usize = 32;

/// Bytes of the file that is read: it stays in the page cache.
const FILE: usize = 64 << 20;

/// Reads a file so many times, [`DEPTH`] at a time.
type Reader = Box<dyn FnMut(u32) -> io::Result<()>>;

/// Starts the process that is measured: `echo` and the peer's key, or `read`, the key and a path.
///
/// # Errors
///
/// When it is not known or cannot start.
pub fn serve(arguments: &[&str], counted: fn() -> usize) -> io::Result<()> {
    let unknown = |key: &str| io::Error::other(format!("no driver is called {key:?}"));
    match arguments {
        ["echo", key] => child::serve_echo(Peer::from_key(key).ok_or_else(|| unknown(key))?, counted),
        ["read", key, path] => {
            child::serve_reads(Peer::from_key(key).ok_or_else(|| unknown(key))?, Path::new(path), counted)
        }
        _ => Err(io::Error::other("started by bivalve-benches only")),
    }
}

/// Measures, and tells the results as Markdown. Arguments such as `turns=3`, `ms=100` or `only=uring,raw-ring` make it
/// a short look.
///
/// # Errors
///
/// When a process cannot be started or breaks off, or an argument is not known.
pub fn section(program: &Path, counting: &Path, arguments: &[&str]) -> io::Result<Option<String>> {
    // Asked before this process is pinned to one core.
    let machine = crate::server::processor();
    let results = measure::compare(program, counting, &Plan::from_arguments(arguments)?)?;
    Ok(Some(report::markdown(&machine, &results)))
}

/// Who is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// A loop over the `io-uring` crate: the limit.
    RawRing,
    /// A loop over epoll, or of plain `pread`.
    RawEpoll,
    /// `bivalve-uring`, its type known to the compiler.
    Uring,
    /// The same behind `dyn Driver`.
    UringDyn,
    /// The same, its sockets in the ring's own table as those of the raw loop are.
    UringDirect,
    /// compio as it comes: single operations.
    Compio,
    /// compio at its best: receives that go on, deferred task work.
    CompioTuned,
    /// tokio-uring with cooperative task work.
    TokioUring,
    /// Tokio without a driver.
    Tokio,
    /// `bivalve-tokio` with receives that go on.
    TokioDriver,
    /// `bivalve-tokio` with single receives.
    TokioDriverSingle,
}

impl Peer {
    /// All, in the order of the table.
    const ALL: [Self; 11] = [
        Self::RawRing,
        Self::RawEpoll,
        Self::Uring,
        Self::UringDyn,
        Self::UringDirect,
        Self::Compio,
        Self::CompioTuned,
        Self::TokioUring,
        Self::Tokio,
        Self::TokioDriver,
        Self::TokioDriverSingle,
    ];

    /// For the command line.
    fn key(self) -> &'static str {
        match self {
            Self::RawRing => "raw-ring",
            Self::RawEpoll => "raw-epoll",
            Self::Uring => "uring",
            Self::UringDyn => "uring-dyn",
            Self::UringDirect => "uring-direct",
            Self::Compio => "compio",
            Self::CompioTuned => "compio-tuned",
            Self::TokioUring => "tokio-uring",
            Self::Tokio => "tokio",
            Self::TokioDriver => "tokio-driver",
            Self::TokioDriverSingle => "tokio-driver-single",
        }
    }

    /// For the tables.
    fn name(self) -> &'static str {
        match self {
            Self::RawRing => "raw io_uring loop",
            Self::RawEpoll => "raw epoll loop",
            Self::Uring => "bivalve-uring",
            Self::UringDyn => "bivalve-uring behind dyn",
            Self::UringDirect => "bivalve-uring, direct descriptors",
            Self::Compio => "compio, default",
            Self::CompioTuned => "compio, multishot and DEFER_TASKRUN",
            Self::TokioUring => "tokio-uring, COOP_TASKRUN",
            Self::Tokio => "Tokio",
            Self::TokioDriver => "bivalve-tokio, receive_many",
            Self::TokioDriverSingle => "bivalve-tokio, receive",
        }
    }

    /// From the command line.
    fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.key() == key)
    }

    /// Whether it reads files in a way of its own.
    fn reads_files(self) -> bool {
        !matches!(self, Self::TokioDriverSingle | Self::UringDirect)
    }

    /// For the table of reads, where some differ less, or otherwise, than with sockets.
    fn reader_name(self) -> &'static str {
        match self {
            Self::RawEpoll => "pread, one after the other",
            Self::CompioTuned => "compio, DEFER_TASKRUN",
            Self::Tokio => "Tokio, pread by spawn_blocking",
            Self::TokioDriver => "bivalve-tokio",
            _ => self.name(),
        }
    }

    /// Echoes until the process ends.
    fn echo(self, listener: TcpListener) -> io::Result<()> {
        match self {
            Self::RawRing => ring::echo(&listener),
            Self::RawEpoll => epoll::echo(&listener),
            Self::Uring => ours::echo_uring(listener, false, |driver| driver),
            Self::UringDyn => ours::echo_uring(listener, false, |driver| driver as ours::Dyn),
            Self::UringDirect => ours::echo_uring(listener, true, |driver| driver),
            Self::Compio => runtimes::echo_compio(listener, false),
            Self::CompioTuned => runtimes::echo_compio(listener, true),
            Self::TokioUring => runtimes::echo_tokio_uring(listener),
            Self::Tokio => runtimes::echo_tokio(listener),
            Self::TokioDriver => ours::echo_tokio(listener, true),
            Self::TokioDriverSingle => ours::echo_tokio(listener, false),
        }
    }

    fn reader(self, path: &Path) -> io::Result<Reader> {
        match self {
            Self::RawRing => ring::reader(File::open(path)?),
            Self::RawEpoll => Ok(epoll::reader(File::open(path)?)),
            Self::Uring | Self::UringDirect => ours::reader_uring(File::open(path)?, |driver| driver),
            Self::UringDyn => ours::reader_uring(File::open(path)?, |driver| driver as ours::Dyn),
            Self::Compio => runtimes::reader_compio(path, false),
            Self::CompioTuned => runtimes::reader_compio(path, true),
            Self::TokioUring => runtimes::reader_tokio_uring(File::open(path)?),
            Self::Tokio => runtimes::reader_tokio(File::open(path)?),
            Self::TokioDriver | Self::TokioDriverSingle => ours::reader_tokio(File::open(path)?),
        }
    }
}

/// Where the n-th read begins: all over the file, the same for everybody.
fn offset(read: u32) -> u64 {
    let pages = u32::try_from(FILE / READ).unwrap_or(u32::MAX);
    u64::from(read.wrapping_mul(0x9E37_79B1) % pages) * READ as u64
}

/// What everybody's read must bring: the file has no holes and no end within reach.
fn whole(bytes: usize) -> io::Result<()> {
    if bytes == READ { Ok(()) } else { Err(io::Error::other(format!("a read brought {bytes} bytes"))) }
}
