//! From an address to the end, whichever server it is.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;

use axum::Router;
use bivalve::PipelineBuilder;
use bivalve::backend::{Choice, SelectError, Selection};
use bivalve::server::Tls;
use bivalve::tower::ServiceHandler;
use tokio::sync::{mpsc, watch};

use super::hyper::Hyper;
use super::native::{self, Native};
use super::{Backend, ServerConfig, Stopped, hyper};

/// A server that listens already.
#[derive(Debug)]
pub(crate) enum Bound {
    Bivalve(Native, Selection),
    Hyper(hyper::Server),
}

/// One that knows what carries it.
#[derive(Debug)]
pub(crate) enum Chosen {
    Bivalve(Native, Choice),
    Hyper(hyper::Server),
}

/// One that serves its modules and its application.
#[derive(Debug)]
pub(crate) enum Serving {
    Bivalve(native::Started),
    Hyper(Hyper),
}

impl Bound {
    pub(crate) async fn at(
        addr: SocketAddr,
        backend: Backend,
        config: &ServerConfig,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(match backend {
            Backend::Bivalve(selection) => Self::Bivalve(Native::bind(addr, config)?, selection),
            Backend::Hyper => Self::Hyper(hyper::Server::bind(addr, config).await?),
        })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        match self {
            Self::Bivalve(native, _) => native.addr(),
            Self::Hyper(server) => server.addr(),
        }
    }

    pub(crate) fn choose(self) -> Result<Chosen, SelectError> {
        Ok(match self {
            Self::Bivalve(native, selection) => Chosen::Bivalve(native, selection.choose()?),
            Self::Hyper(server) => Chosen::Hyper(server),
        })
    }
}

impl Chosen {
    /// The driver for modules that ask for one.
    pub(crate) fn for_modules(&self) -> Selection {
        match self {
            Self::Bivalve(_, choice) => Selection::only(choice.backend()),
            Self::Hyper(_) => Selection::automatic(),
        }
    }

    /// The application answers child requests as well.
    pub(crate) fn start(
        self,
        pipeline: PipelineBuilder,
        router: Router,
        config: &ServerConfig,
    ) -> Result<Serving, Box<dyn Error + Send + Sync>> {
        let pipeline = pipeline.handler(ServiceHandler::new(router.clone())).build()?;
        Ok(match self {
            Self::Bivalve(native, choice) => Serving::Bivalve(native.start(&choice, pipeline, config)?),
            Self::Hyper(server) => Serving::Hyper(Hyper::new(server, pipeline, router)),
        })
    }
}

/// As the banner and the trace tell it.
impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bivalve(_, choice) => {
                write!(f, "Bivalve's server on {}, because {}", choice.found(), choice.why())
            }
            Self::Hyper(_) => f.write_str("hyper on Tokio, because it was demanded"),
        }
    }
}

impl Serving {
    /// What it encrypts with.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Bivalve(started) => started.tls(),
            Self::Hyper(_) => None,
        }
    }

    /// Serves until the first order comes, or nobody is left to give one. Then it stops listening, sets `stopping`, and
    /// waits for requests to end, for as long as is configured or until the second order. The modules have logged them all
    /// when it is over, unless they take too long.
    pub(crate) async fn run(self, stopping: &watch::Sender<bool>, orders: mpsc::Receiver<()>) -> Stopped {
        match self {
            Self::Bivalve(started) => started.run(stopping, orders).await,
            Self::Hyper(hyper) => hyper.run(stopping, orders).await,
        }
    }
}
