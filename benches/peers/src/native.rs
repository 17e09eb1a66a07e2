//! `bivalve-server`, as a user starts it.

use std::hint::black_box;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use bivalve::tower::ServiceHandler;
use bivalve::{Context, Flow, Handler, Module, Outcome, Pipeline, PipelineBuilder, Result, Sending};
use bivalve_static_files::StaticFiles;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;

use crate::{HELLO, UNITS, Work};

/// More than are ever opened here: nothing is measured at a limit.
const CONNECTIONS: usize = 30_000;

/// Which modules a pipeline has.
#[derive(Clone, Copy)]
pub(crate) enum Modules {
    None,
    /// Ten that act before the handler.
    Before,
    /// Ten, half of which act after the handler and when the response leaves.
    All,
    /// Ten that each wait once.
    Waiting,
}

pub(crate) fn serve(driver: &str, listener: TcpListener, work: &Work, modules: Modules) -> io::Result<()> {
    let builder = mount(modules);
    let builder = match work {
        Work::Hello => builder.handler(hello),
        Work::Echo => builder.handler(Echo),
        Work::Files(root) => builder.mount(StaticFiles::builder(root).build().map_err(io::Error::other)?),
    };
    start(driver, listener, builder.build().map_err(io::Error::other)?)
}

/// A pipeline that has these modules so far.
pub(crate) fn mount(modules: Modules) -> PipelineBuilder {
    let mut builder = Pipeline::builder();
    let count = if matches!(modules, Modules::None) { 0 } else { UNITS };
    for index in 0..count {
        builder = match modules {
            Modules::All if index % 2 == 0 => builder.module(format!("after{index}"), After::default()),
            Modules::Waiting => builder.module(format!("waits{index}"), Waits),
            _ => builder.module(format!("before{index}"), Before::default()),
        };
    }
    builder
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

/// Acts at two events before the handler.
#[derive(Debug, Default)]
struct Before(u64);

#[bivalve::module]
impl Module for Before {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        black_box((&self.0, cx.request().headers().len()));
        Ok(Flow::Continue)
    }
    fn on_authorize_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

/// Acts before and after the handler, and when the response leaves.
#[derive(Debug, Default)]
struct After(u64);

#[bivalve::module]
impl Module for After {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        black_box((&self.0, cx.request().headers().len()));
        Ok(Flow::Continue)
    }
    fn on_log_request(&self, cx: &mut Context) -> Result<Flow> {
        black_box((&self.0, cx.response().status()));
        Ok(Flow::Continue)
    }
    fn on_send_response(&self, cx: &mut Context, sending: &mut Sending) -> Result<Flow> {
        if sending.headers_being_sent() {
            black_box((&self.0, cx.response().entity_len()));
        }
        Ok(Flow::Continue)
    }
}

/// Is woken before it goes on.
struct Waits;

#[bivalve::module]
impl Module for Waits {
    async fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        tokio::task::yield_now().await;
        Ok(Flow::Continue)
    }
}
