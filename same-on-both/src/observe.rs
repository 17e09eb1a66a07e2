//! One request to one server, and what came of it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bivalve::backend::Selection;
use bivalve::server::Running;
use bivalve::tower::ServiceHandler;
use bivalve::{Pipeline, PipelineBuilder};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Bytes;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower::{Service, service_fn};

use crate::{Case, HANDLER, Seen, Witness};

/// A server that runs.
pub(crate) enum Served {
    Hyper(JoinHandle<()>),
    Native(Running),
}

impl Served {
    pub(crate) async fn end(self) {
        match self {
            Self::Hyper(task) => task.abort(),
            Self::Native(running) => drop(running.stop(Duration::ZERO).await),
        }
    }
}

/// Whoever is behind the modules, for clients and for child requests.
pub(crate) fn handler()
-> impl Service<Request<bivalve::tower::Body>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    service_fn(async |_request: Request<bivalve::tower::Body>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::new(HANDLER)))
    })
}

/// Sends the case's request to who serves its modules.
pub(crate) async fn observe(
    case: &Case,
    builder: PipelineBuilder,
    serve: impl AsyncFnOnce(Arc<Pipeline>) -> (SocketAddr, Served),
) -> Seen {
    // What is left behind is one thing for all tests of a process.
    static ALONE: Mutex<()> = Mutex::const_new(());
    let _alone = if case.left.is_some() { Some(ALONE.lock().await) } else { None };
    let witness = Witness::default();
    let driver = || Selection::automatic().start().map_err(std::io::Error::other);
    let builder = builder
        .server(bivalve::Server::new().with_driver_on_demand(driver))
        .handler(ServiceHandler::new(handler()))
        .shared_module(case.name, Arc::clone(&case.module));
    let others = case.others.iter();
    let pipeline = others
        .fold(builder, |builder, (name, module)| builder.shared_module(*name, Arc::clone(module)))
        .module("Witness", witness.clone())
        .build()
        .expect("modules with names of their own");
    let (address, server) = serve(pipeline).await;
    let answer = case.ask.send(address).await;
    // A client that asks for the head only has its answer earlier.
    let end = async {
        while !witness.has_seen_the_end() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let ended = timeout(Duration::from_secs(30), end).await;
    assert!(ended.is_ok(), "every request ends: {answer:?} {:?}", witness.take());
    server.end().await;
    let left = case.left.clone();
    // It may wait for a thread that writes.
    let left = tokio::task::spawn_blocking(move || left.map(|left| left())).await;
    Seen { answer, events: witness.take(), left: left.expect("what is left can be told") }
}
