//! Clients that go away in the middle of something, by a reset or by finishing their side: each request comes to its end in the
//! pipeline, the place is free again, and the others notice nothing.

// Windows: under Wine no reset arrives as one, see `support::resets_arrive`.
#![cfg(unix)]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bivalve_core::{Context, Flow, Handler, Module, Notification, Outcome, Pipeline, Registration};
use bytes::Bytes;
use support::{DRIVERS, connect, read_to_end, server};

/// Counts what begins and what ends.
#[derive(Clone, Default)]
struct Counted(Arc<[AtomicUsize; 2]>);

impl Counted {
    /// Waits until all that has begun has ended; how much that was.
    fn all_ended(&self) -> usize {
        let begin = Instant::now();
        loop {
            let [began, ended] = [0, 1].map(|index| self.0[index].load(Ordering::SeqCst));
            if began == ended {
                return began;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "{began} requests began, {ended} ended");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Module for Counted {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::BeginRequest).on(Notification::EndRequest)
    }

    fn on_begin_request<'a>(&'a self, _cx: &'a mut Context) -> Outcome<'a> {
        self.0[0].fetch_add(1, Ordering::SeqCst);
        Outcome::CONTINUE
    }

    fn on_end_request<'a>(&'a self, _cx: &'a mut Context) -> Outcome<'a> {
        self.0[1].fetch_add(1, Ordering::SeqCst);
        Outcome::CONTINUE
    }
}

/// Much, or what was sent.
struct Answers(Bytes);

impl Handler for Answers {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(async move {
            if cx.request().url().path() == "/large" {
                for _ in 0..16 {
                    cx.write(self.0.clone()).await?;
                    cx.flush().await?;
                }
                return Ok(Flow::Continue);
            }
            let mut octets = 0;
            loop {
                let part = cx.read_entity(usize::MAX).await?;
                if part.is_empty() {
                    break;
                }
                octets += part.len();
            }
            cx.response_mut().write(format!("{octets} octets"))?;
            Ok(Flow::Continue)
        })
    }
}

fn pipeline(counted: &Counted) -> Arc<Pipeline> {
    let answers = Answers(Bytes::from(vec![b'x'; 1 << 20]));
    Pipeline::builder().module("counted", counted.clone()).handler(answers).build().expect("it builds")
}

/// Asks on one connection until it is told to stop, and counts the answers.
fn bystander(address: SocketAddr, over: &AtomicBool) -> usize {
    let (mut stream, mut answers) = (connect(address), 0);
    while !over.load(Ordering::Relaxed) {
        stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").expect("it is read");
        let mut answer = Vec::new();
        while !answer.ends_with(b"3 octets") {
            let mut octet = [0];
            stream.read_exact(&mut octet).expect("it answers");
            answer.push(octet[0]);
        }
        answers += 1;
    }
    answers
}

fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
    drop(stream);
}

/// Does it fifty times, on a server of four places, while somebody else asks on.
fn fifty_times(what: &str, goes: impl Fn(SocketAddr)) {
    for driver in DRIVERS {
        let counted = Counted::default();
        let server = server(driver, &pipeline(&counted)).connections(4).start().expect("it starts");
        let (address, over) = (server.addresses()[0], AtomicBool::new(false));
        let answers = std::thread::scope(|scope| {
            let bystander = scope.spawn(|| bystander(address, &over));
            (0..50).for_each(|_| goes(address));
            // A place that was lost is missed here: this waits for one each time.
            for _ in 0..4 {
                let stream = connect(address);
                (&stream).write_all(b"GET / HTTP/1.0\r\n\r\n").expect("it is read");
                assert!(read_to_end(stream).ends_with("0 octets"), "{driver}: {what}");
            }
            over.store(true, Ordering::Relaxed);
            bystander.join().expect("it was served all the time")
        });
        assert!(answers > 0, "{driver}: {what}");
        assert!(counted.all_ended() >= answers + 4, "{driver}: {what}");
    }
}

#[test]
fn resets_in_the_middle_of_a_head_cost_the_others_nothing() {
    fifty_times("a head", |address| {
        let mut stream = connect(address);
        stream.write_all(b"GET / HTTP/1.1\r\nHo").expect("it is read");
        reset(stream);
    });
}

#[test]
fn resets_in_the_middle_of_a_body_cost_the_others_nothing() {
    for body in ["Content-Length: 10\r\n\r\n123", "Transfer-Encoding: chunked\r\n\r\n5\r\n123"] {
        fifty_times("a body", |address| {
            let mut stream = connect(address);
            write!(stream, "POST / HTTP/1.1\r\nHost: a\r\n{body}").expect("it is read");
            reset(stream);
        });
    }
}

#[test]
fn resets_in_the_middle_of_a_response_cost_the_others_nothing() {
    fifty_times("a response", |address| {
        let mut stream = connect(address);
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is read");
        stream.read_exact(&mut [0; 1000]).expect("it begins");
        reset(stream);
    });
}

#[test]
fn resets_behind_many_requests_cost_the_others_nothing() {
    fifty_times("a pipeline", |address| {
        let mut stream = connect(address);
        stream.write_all(&b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20)).expect("it is read");
        reset(stream);
    });
}

#[test]
fn who_finishes_its_side_gets_what_it_asked_for_completely_and_nothing_else() {
    for driver in DRIVERS {
        let counted = Counted::default();
        let server = server(driver, &pipeline(&counted)).connections(2).start().expect("it starts");
        for (sent, statuses, ends) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &["200"][..], "0 octets"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", &["200"], "3 octets"),
            (
                "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET",
                &["200", "200"],
                "0 octets",
            ),
            ("GET / HTTP/1.1\r\nHo", &[], ""),
            ("", &[], ""),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", &["400"], "Bad Request"),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
                &["400"],
                "Bad Request",
            ),
        ] {
            let mut stream = connect(server.addresses()[0]);
            stream.write_all(sent.as_bytes()).expect("it is read");
            stream.shutdown(Shutdown::Write).expect("a socket");
            let answer = read_to_end(stream);
            let found: Vec<_> =
                answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
            assert_eq!((&found[..], answer.ends_with(ends)), (statuses, true), "{driver} {sent:?}: {answer}");
        }
        assert_eq!(counted.all_ended(), 6, "{driver}");
    }
}
