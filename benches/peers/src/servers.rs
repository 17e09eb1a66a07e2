//! Which servers there are, and the process that is one.

use std::io::{self, BufRead as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use crate::modules::Modules;
use crate::work::Work;
use crate::{compio, hyper, native, ring};

/// One server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// hyper and a function, with `pipeline_flush`.
    Hyper,
    /// The same in a pipeline of ten modules, as a Tower layer.
    Hyper10,
    /// axum with one route.
    Axum,
    /// The same with five `from_fn`.
    Axum5,
    /// The same with ten `from_fn`.
    Axum10,
    /// A loop of ours over compio at its best: receives that go on, deferred task work.
    Compio,
    /// A bare loop over io_uring: the limit.
    Ring,
    /// `bivalve-server` on io_uring, a pipeline without modules.
    Uring,
    /// The same with ten modules before the handler.
    Uring10,
    /// The same with ten modules, half of which act after the handler as well.
    Uring10All,
    /// The same with ten modules that each wait once.
    Uring10Wait,
    /// `bivalve-server` on io_uring, an axum `Router` as the handler.
    UringAxum,
    /// `bivalve-server` on Tokio, a pipeline without modules.
    Tokio,
    /// The same with ten modules before the handler.
    Tokio10,
}

impl Peer {
    /// All, in the order of the tables.
    pub const ALL: [Self; 14] = [
        Self::Hyper,
        Self::Hyper10,
        Self::Axum,
        Self::Axum5,
        Self::Axum10,
        Self::Compio,
        Self::Ring,
        Self::Uring,
        Self::Uring10,
        Self::Uring10All,
        Self::Uring10Wait,
        Self::UringAxum,
        Self::Tokio,
        Self::Tokio10,
    ];

    /// For the command line.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Hyper => "hyper",
            Self::Hyper10 => "hyper-10",
            Self::Axum => "axum",
            Self::Axum5 => "axum-5",
            Self::Axum10 => "axum-10",
            Self::Compio => "compio",
            Self::Ring => "ring",
            Self::Uring => "uring",
            Self::Uring10 => "uring-10",
            Self::Uring10All => "uring-10-all",
            Self::Uring10Wait => "uring-10-wait",
            Self::UringAxum => "uring-axum",
            Self::Tokio => "tokio",
            Self::Tokio10 => "tokio-10",
        }
    }

    /// For the tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hyper => "hyper",
            Self::Hyper10 => "hyper + 10 bivalve modules as a layer",
            Self::Axum => "axum",
            Self::Axum5 => "axum + 5 from_fn",
            Self::Axum10 => "axum + 10 from_fn",
            Self::Compio => "compio, own HTTP/1 loop",
            Self::Ring => "raw io_uring loop",
            Self::Uring => "bivalve-server, io_uring",
            Self::Uring10 => "bivalve-server, io_uring, 10 modules before the handler",
            Self::Uring10All => "bivalve-server, io_uring, 10 modules, 5 of them also after the handler",
            Self::Uring10Wait => "bivalve-server, io_uring, 10 modules that wait",
            Self::UringAxum => "bivalve-server, io_uring, axum Router as the handler",
            Self::Tokio => "bivalve-server, Tokio",
            Self::Tokio10 => "bivalve-server, Tokio, 10 modules before the handler",
        }
    }

    /// From the command line.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.key() == key)
    }

    /// Whether it can do this work.
    #[must_use]
    pub fn does(self, work: &Work) -> bool {
        match work {
            Work::Hello => true,
            Work::Echo => matches!(self, Self::Hyper | Self::Axum | Self::Uring | Self::Tokio),
            Work::Files(_) => matches!(self, Self::Axum | Self::Uring | Self::Tokio),
        }
    }

    fn run(self, listener: TcpListener, work: &Work) -> io::Result<()> {
        match self {
            Self::Hyper => hyper::serve(listener, work),
            Self::Hyper10 => hyper::serve_modules(listener),
            Self::Axum => hyper::serve_axum(listener, work, 0),
            Self::Axum5 => hyper::serve_axum(listener, work, 5),
            Self::Axum10 => hyper::serve_axum(listener, work, 10),
            Self::Compio => compio::serve(listener),
            Self::Ring => ring::serve(&listener),
            Self::Uring => native::serve("uring", listener, work, Modules::None),
            Self::Uring10 => native::serve("uring", listener, work, Modules::Before),
            Self::Uring10All => native::serve("uring", listener, work, Modules::All),
            Self::Uring10Wait => native::serve("uring", listener, work, Modules::Waiting),
            Self::UringAxum => native::serve_router("uring", listener, work),
            Self::Tokio => native::serve("tokio", listener, work, Modules::None),
            Self::Tokio10 => native::serve("tokio", listener, work, Modules::Before),
        }
    }
}

/// Serves until its input ends, as it does with whoever started it: a peer's key, its work (`hello`, `echo` or `files`
/// and a directory), and a port if it matters. Prints the port first, and `counted()` for every line that comes.
///
/// # Errors
///
/// When an argument is not known, or there is no port.
pub fn serve(arguments: &[&str], counted: fn() -> usize) -> io::Result<()> {
    let (arguments, port) = match arguments {
        [rest @ .., "--port", port] => (rest, port.parse().map_err(io::Error::other)?),
        all => (all, 0),
    };
    let unknown =
        || io::Error::new(io::ErrorKind::InvalidInput, format!("{arguments:?} is no peer and its work"));
    let (key, work) = arguments.split_first().ok_or_else(unknown)?;
    let peer = Peer::from_key(key).ok_or_else(unknown)?;
    let work = Work::from_arguments(work).filter(|work| peer.does(work)).ok_or_else(unknown)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    println!("{}", listener.local_addr()?.port());
    thread::spawn(move || {
        if let Err(error) = peer.run(listener, &work) {
            eprintln!("{}: {error}", peer.key());
        }
    });
    // Asleep on its input while the other thread is measured.
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        line?;
        writeln!(output, "{}", counted())?;
    }
    Ok(())
}
