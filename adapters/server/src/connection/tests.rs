//! A client that takes nothing at all, which no socket can be made to be: the system always takes some for it.

use std::io;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use bivalve_core::driver::LeasePool;
use bivalve_core::{CompletionStatus, Connection, Context, EntityChunk, Flow, Pipeline, Result};
use bytes::BytesMut;
use tokio::time::Interval;

use super::{Serving, Timeouts, serve};
use crate::Limits;
use crate::server::OpenConnections;
use crate::transport::{BoxStream, Piece, Transport};

/// Asks, so many times and at every tick, and takes no answer.
struct Taker {
    leases: Arc<LeasePool>,
    asks: u32,
    ticks: Interval,
}

impl Transport for Taker {
    const EAGER: bool = true;
    const ENCRYPTED: bool = false;

    type Folded = Self;

    fn fold(self) -> Self {
        self
    }

    fn unfold(folded: Self) -> Self {
        folded
    }

    fn poll_receive(&mut self, task: &mut Task<'_>) -> Poll<Option<io::Result<Piece>>> {
        if self.asks == 0 || self.ticks.poll_tick(task).is_pending() {
            return Poll::Pending;
        }
        self.asks -= 1;
        let mut buffer = self.leases.take();
        buffer.extend_from_slice(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        Poll::Ready(Some(Ok(self.leases.lease(buffer).into())))
    }

    fn start_send(&mut self, _chunks: Vec<EntityChunk>) {}

    fn poll_send(&mut self, _task: &mut Task<'_>) -> Poll<(CompletionStatus, Vec<EntityChunk>)> {
        Poll::Pending
    }

    fn poll_shutdown(&mut self, _task: &mut Task<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn reset(&mut self) {}

    fn poll_quiet(&mut self, _rest: &mut BytesMut, _task: &mut Task<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn into_stream(self) -> io::Result<BoxStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Whether a client that asks so many times is let go, long before it would be for its idleness.
async fn is_let_go(asks: u32) -> bool {
    fn hello(cx: &mut Context) -> Result<Flow> {
        cx.response_mut().write("Hello World!")?;
        Ok(Flow::Continue)
    }
    let pipeline = Pipeline::builder().handler(hello).build().expect("it builds");
    let timeouts = Timeouts {
        head: Duration::from_secs(3600),
        idle: Duration::from_secs(3600),
        stall: Duration::from_millis(200),
        octets_per_second: u64::MAX,
    };
    let serving = Arc::new(Serving::new(pipeline, Limits::default(), timeouts));
    let ticks = tokio::time::interval(Duration::from_millis(100));
    let taker = Taker { leases: LeasePool::new(4096, 4), asks, ticks };
    let connection = Arc::new(Connection::builder().build());
    let open = OpenConnections::new(timeouts.idle);
    serve(taker, connection, serving, open.enter(()));
    tokio::select! {
        () = open.all_ended() => true,
        () = tokio::time::sleep(Duration::from_secs(20)) => false,
    }
}

#[tokio::test]
async fn a_client_that_takes_no_answer_is_let_go_although_it_asks_on() {
    assert!(is_let_go(u32::MAX).await);
}

#[tokio::test]
async fn a_client_that_takes_no_answer_does_not_count_as_idle() {
    assert!(is_let_go(1).await);
}
