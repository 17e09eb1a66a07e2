//! A handler that panics: its client is told, or cut off, and the others on the same thread notice nothing.

#![allow(clippy::panic, reason = "what this is about")]

mod support;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bivalve_core::{Context, Flow, Handler, Module, Notification, Outcome, Pipeline, Registration, Result};
use bytes::Bytes;
use support::{DRIVERS, connect, exchange, start};

struct Panics;

impl Handler for Panics {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        match cx.request().url().path() {
            "/at-once" => panic!("a secret"),
            "/later" => Outcome::pending(async move {
                let _ = cx.read_entity(usize::MAX).await?;
                panic!("a secret")
            }),
            "/in-the-middle" => Outcome::pending(async move {
                cx.write("begun").await?;
                cx.flush().await?;
                panic!("a secret")
            }),
            _ => Outcome::pending(async move {
                // A part for each part that comes.
                loop {
                    let part = cx.read_entity(usize::MAX).await?;
                    if part.is_empty() {
                        return Ok(Flow::Continue);
                    }
                    cx.write(part).await?;
                    cx.flush().await?;
                }
            }),
        }
    }
}

fn pipeline() -> Arc<Pipeline> {
    Pipeline::builder().handler(Panics).build().expect("it builds")
}

#[test]
fn a_panic_ends_its_request_and_no_other_on_the_same_thread() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let address = server.addresses()[0];
        // One that is in the middle of both, all the time.
        let mut echo = connect(address);
        let head =
            b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        echo.write_all(head).expect("it is read");
        for round in 0..20 {
            for path in ["/at-once", "/later"] {
                let request = format!(
                    "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\na"
                );
                let answer = exchange(address, request.as_bytes());
                assert!(answer.starts_with("HTTP/1.1 500 "), "{driver} {path}: {answer}");
                assert!(!answer.contains("secret"), "{driver} {path}: {answer}");
            }
            let answer = exchange(address, b"GET /in-the-middle HTTP/1.1\r\nHost: a\r\n\r\n");
            assert!(!answer.ends_with("0\r\n\r\n") && !answer.contains("secret"), "{driver}: {answer}");
            assert!(answer.ends_with("<reset>") || !support::resets_arrive(), "{driver}: {answer}");
            echo.write_all(format!("8\r\nround {round:02}\r\n").as_bytes()).expect("it is read");
            let mut came = Vec::new();
            while !came.ends_with(format!("8\r\nround {round:02}\r\n").as_bytes()) {
                let mut octet = [0];
                echo.read_exact(&mut octet).expect("it goes on");
                came.push(octet[0]);
            }
        }
        echo.write_all(b"0\r\n\r\n").expect("it is read");
        assert_eq!(support::read_to_end(echo), "0\r\n\r\n", "{driver}");
    }
}

#[test]
fn a_connection_goes_on_behind_a_panic_that_was_answered() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let requests = b"GET /at-once HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
        let answer = exchange(server.addresses()[0], requests);
        assert!(
            answer.starts_with("HTTP/1.1 500 ") && answer.contains("HTTP/1.1 200 "),
            "{driver}: {answer}"
        );
    }
}

/// Octets whose destructor panics, as that of a module's own memory may. Two that unwind together end the process.
struct Bomb(Vec<u8>);

impl AsRef<[u8]> for Bomb {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a secret");
    }
}

#[test]
fn a_destructor_that_panics_breaks_neither_its_response_nor_the_next() {
    // Few octets are copied, many are sent from where they are.
    for octets in [5, 50_000] {
        let answer = move |cx: &mut Context| -> Result<Flow> {
            for _ in 0..2 {
                cx.response_mut().write(Bytes::from_owner(Bomb(vec![b'o'; octets])))?;
            }
            cx.response_mut().write("World")?;
            Ok(Flow::Continue)
        };
        let logged = Arc::new(AtomicUsize::new(0));
        let pipeline = Pipeline::builder().module("log", Log(Arc::clone(&logged))).handler(answer);
        let pipeline = pipeline.build().expect("it builds");
        for driver in DRIVERS {
            let server = start(driver, &pipeline);
            let mut requests = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
            requests.extend_from_slice(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let before = logged.load(Ordering::SeqCst);
            let answers = exchange(server.addresses()[0], &requests);
            let body = format!("\r\n\r\n{}World", "o".repeat(2 * octets));
            assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 3, "{driver} {octets}");
            assert_eq!(answers.matches(&body).count(), 3, "{driver} {octets}");
            assert!(answers.ends_with("World") && !answers.contains("secret"), "{driver} {octets}");
            assert_eq!(logged.load(Ordering::SeqCst) - before, 3, "{driver} {octets}");
        }
    }
}

/// Waits at LogRequest, so that the response before has left meanwhile.
struct Log(Arc<AtomicUsize>);

impl Module for Log {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::LogRequest)
    }

    fn on_log_request<'a>(&'a self, _cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(Flow::Continue)
        })
    }
}
