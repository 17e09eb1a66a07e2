//! What a request on a connection that goes on allocates: counted by the allocator of the process, so these tests have it for
//! themselves.

mod support;

use std::alloc::System;
use std::io::{Read, Write};
use std::sync::Arc;

use bivalve_core::{Context, Flow, Module, Notification, Outcome, Pipeline, Registration, Result, Sending};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::{DRIVERS, connect, start};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn counted() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// Acts before and after the handler, and when the response leaves.
struct Acts;

impl Module for Acts {
    fn registration(&self) -> Registration {
        let registration = Registration::new().on(Notification::BeginRequest).on(Notification::LogRequest);
        registration.on(Notification::SendResponse)
    }

    fn on_begin_request<'a>(&'a self, _cx: &'a mut Context) -> Outcome<'a> {
        Outcome::Ready(Ok(Flow::Continue))
    }

    fn on_log_request<'a>(&'a self, _cx: &'a mut Context) -> Outcome<'a> {
        Outcome::Ready(Ok(Flow::Continue))
    }

    fn on_send_response<'a>(&'a self, _cx: &'a mut Context, _sending: &'a mut Sending) -> Outcome<'a> {
        Outcome::Ready(Ok(Flow::Continue))
    }
}

/// Is woken before it goes on.
struct Waits;

impl Module for Waits {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::BeginRequest)
    }

    fn on_begin_request<'a>(&'a self, _cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(async {
            tokio::task::yield_now().await;
            Ok(Flow::Continue)
        })
    }
}

fn hello(cx: &mut Context) -> Result<Flow> {
    cx.response_mut().write("Hello World!")?;
    Ok(Flow::Continue)
}

/// So many of each kind.
fn pipeline(acting: usize, waiting: usize) -> Arc<Pipeline> {
    let mut builder = Pipeline::builder();
    for index in 0..acting {
        builder = builder.module(format!("acts{index}"), Acts);
    }
    for index in 0..waiting {
        builder = builder.module(format!("waits{index}"), Waits);
    }
    builder.handler(hello).build().expect("it builds")
}

const REQUESTS: usize = 200;

/// Allocations of the process during [`REQUESTS`] requests: the least of several rounds, because buffers grow and timers fire in
/// some of them, and what belongs to a request is in each.
fn allocations(driver: &str, pipeline: &Arc<Pipeline>) -> usize {
    let server = start(driver, pipeline);
    let mut stream = connect(server.addresses()[0]);
    let mut buffer = [0; 1024];
    let mut round = || {
        let before = counted();
        for _ in 0..REQUESTS {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n").expect("it is read");
            let mut filled = 0;
            while !buffer[..filled].ends_with(b"Hello World!") {
                let read = stream.read(&mut buffer[filled..]).expect("it answers");
                assert_ne!(read, 0, "{driver}: it has hung up");
                filled += read;
            }
        }
        counted() - before
    };
    (0..8).map(|_| round()).min().unwrap_or(usize::MAX)
}

#[test]
fn a_request_allocates_nothing_for_synchronous_modules_and_at_most_once_for_one_that_waits() {
    for driver in DRIVERS {
        for modules in [0, 1, 10, 40] {
            assert_eq!(allocations(driver, &pipeline(modules, 0)), 0, "{driver}, {modules} modules");
        }
        for (acting, waiting) in [(0, 1), (10, 1), (0, 10)] {
            let allocated = allocations(driver, &pipeline(acting, waiting));
            assert!(allocated <= waiting * REQUESTS, "{driver}, {waiting} modules that wait: {allocated}");
        }
    }
}
