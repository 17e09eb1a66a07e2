//! A handler that panics: its client is told, or cut off, and the others on the same thread notice nothing.

#![allow(clippy::panic, reason = "what this is about")]

mod support;

use std::io::{Read, Write};
use std::sync::Arc;

use bivalve_core::{Context, Flow, Handler, Outcome, Pipeline, Result};
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

/// Octets whose destructor panics, as that of a module's own memory may.
struct Bomb;

impl AsRef<[u8]> for Bomb {
    fn as_ref(&self) -> &[u8] {
        b"Hello"
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a secret");
    }
}

#[test]
fn half_a_response_is_not_completed_by_the_next_one() {
    let half = |cx: &mut Context| -> Result<Flow> {
        cx.response_mut().write(Bytes::from_owner(Bomb))?;
        cx.response_mut().write("World")?;
        Ok(Flow::Continue)
    };
    let pipeline = Pipeline::builder().handler(half).build().expect("it builds");
    for driver in DRIVERS {
        let server = start(driver, &pipeline);
        let answer = exchange(server.addresses()[0], &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2));
        assert!(answer.matches("HTTP/1.1").count() <= 1, "{driver}: {answer}");
        assert!(!answer.contains("World") && !answer.contains("secret"), "{driver}: {answer}");
        assert!(answer.ends_with("<reset>") || !support::resets_arrive(), "{driver}: {answer}");
    }
}
