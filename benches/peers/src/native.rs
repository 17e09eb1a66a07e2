//! `bivalve-server`, as a user starts it.

use std::hint::black_box;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use bivalve::tower::ServiceHandler;
use bivalve::{Context, Flow, Handler, Outcome, Pipeline, Result};
use bivalve_static_files::StaticFiles;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;

use crate::modules::{Modules, mount};
use crate::{HELLO, Work};

/// More than are ever opened here: nothing is measured at a limit.
const CONNECTIONS: usize = 30_000;

pub(crate) fn serve(driver: &str, listener: TcpListener, work: &Work, modules: Modules) -> io::Result<()> {
    let builder = mount(modules);
    let builder = match work {
        Work::Hello => builder.handler(hello),
        Work::Echo => builder.handler(Echo),
        Work::Files(root) => builder.mount(StaticFiles::builder(root).build().map_err(io::Error::other)?),
    };
    start(driver, listener, builder.build().map_err(io::Error::other)?)
}

pub(crate) fn serve_router(driver: &str, listener: TcpListener, work: &Work) -> io::Result<()> {
    let handler = ServiceHandler::new(crate::hyper::router(work));
    start(driver, listener, Pipeline::builder().handler(handler).build().map_err(io::Error::other)?)
}

fn start(driver: &str, listener: TcpListener, pipeline: Arc<Pipeline>) -> io::Result<()> {
    let selection = driver.parse().map_err(io::Error::other)?;
    let running = bivalve::serve_on(pipeline, selection)
        .map_err(io::Error::other)?
        .workers(1)
        .connections(CONNECTIONS)
        .connections_per_address(CONNECTIONS)
        .listen(listener)
        .start()
        .map_err(io::Error::other)?;
    // Until the process ends.
    loop {
        thread::park();
        black_box(&running);
    }
}

fn hello(cx: &mut Context) -> Result<Flow> {
    cx.response_mut().write(Bytes::from_static(HELLO.as_bytes()))?;
    Ok(Flow::Continue)
}

/// Sends the body back when all of it has come: a head that leaves before that ends the connection.
struct Echo;

impl Handler for Echo {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(async move {
            // As hyper's echo: the length of what comes is that of what goes.
            if let Some(length) = cx.request().headers().get(CONTENT_LENGTH).cloned() {
                cx.response_mut().headers_mut().insert(CONTENT_LENGTH, length);
                // With a part of the body, the head would not be sure of it: a module may have written before.
                cx.flush().await?;
            }
            loop {
                let part = cx.read_entity(usize::MAX).await?;
                if part.is_empty() {
                    return Ok(Flow::Continue);
                }
                cx.write(part).await?;
                if cx.response().entity_len() >= PIECE {
                    cx.flush().await?;
                }
            }
        })
    }
}

/// Octets that an echo sends at once.
const PIECE: u64 = 64 * 1024;
