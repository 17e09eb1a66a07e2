//! Many clients that send slowly: what they cost is bounded, and the others notice nothing.

#![cfg(target_os = "linux")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bivalve_core::{Context, Flow, Handler, Outcome, Pipeline};
use support::child::{self, Process};
use support::{DRIVERS, connect, exchange, server};

const CONNECTIONS: usize = 10_000;

/// What one of them may cost. It has sent less than a hundred bytes; the rest is the connection's own memory, and, where it is
/// in the middle of a body, the request's.
const HEAD: usize = 8 * 1024;
const BODY: usize = 12 * 1024;

/// What one may cost that has had an answer and asks no more, in a build without optimisation.
const IDLE: usize = 2 * 1024;

/// A thread has 64 large buffers that wait for clients, of 256 KiB, and as many that somebody reads: a share of them.
const LARGE: usize = 2 * 64 * 256 * 1024 / CONNECTIONS;

/// And the driver's list of what has come, whose memory it keeps.
const ITEMS: usize = 8 * 1024;

/// Says how long the body was.
struct Counts;

impl Handler for Counts {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(async move {
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

#[test]
#[ignore = "what the others start"]
fn serves() {
    child::serve(|driver| {
        let pipeline = Pipeline::builder().handler(Counts).build().expect("it builds");
        let patience = Duration::from_secs(600);
        let server = server(driver, &pipeline).connections(CONNECTIONS + 100);
        server.connections_per_address(CONNECTIONS + 100).head_timeout(patience).stall_timeout(patience)
    });
}

fn is_served(process: &Process) {
    let answer = exchange(process.address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.ends_with("0 octets"), "{answer}");
}

/// Sends a part of a request on each of so many connections, looks at the bound, and then finishes them.
fn bounded(begins: &[u8], ends: &[u8], answer: &str, bound: usize) {
    for driver in DRIVERS {
        let process = Process::start(driver, CONNECTIONS + 1000);
        (0..100).for_each(|_| is_served(&process));
        let before = process.memory();
        let mut slow: Vec<TcpStream> = (0..CONNECTIONS)
            .map(|index| {
                let mut stream = connect(process.address);
                stream.write_all(begins).expect("it is read");
                if index % 1000 == 0 {
                    is_served(&process);
                }
                stream
            })
            .collect();
        let each = settled(&process).saturating_sub(before) / CONNECTIONS;
        println!("{driver}: {each} bytes for each");
        assert!(each < bound, "{driver}: {each} bytes for each");
        (0..100).for_each(|_| is_served(&process));
        // None of them was forgotten.
        for stream in slow.iter_mut().step_by(100) {
            stream.write_all(ends).expect("it is read");
            let mut answered = Vec::new();
            let _ = stream.read_to_end(&mut answered);
            assert!(String::from_utf8_lossy(&answered).ends_with(answer), "{driver}: {answered:?}");
        }
    }
}

/// The memory, once all that was sent has been looked at: it grows no more.
fn settled(process: &Process) -> usize {
    let begin = Instant::now();
    let (mut last, mut same) = (process.memory(), 0);
    while same < 5 && begin.elapsed() < Duration::from_secs(20) {
        is_served(process);
        std::thread::sleep(Duration::from_millis(50));
        let now = process.memory();
        same = if now <= last + 64 * 1024 { same + 1 } else { 0 };
        last = now;
    }
    last
}

#[test]
fn ten_thousand_slow_heads_cost_little_and_the_others_are_served() {
    let begins = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    bounded(begins, b"\r\n\r\n", "0 octets", HEAD);
}

#[test]
fn ten_thousand_slow_bodies_cost_little_and_the_others_are_served() {
    let begins = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 20\r\n\r\n0123456789";
    bounded(begins, b"0123456789", "20 octets", BODY);
}

#[test]
fn ten_thousand_large_bodies_that_stop_in_the_middle_cost_as_little() {
    // Each of them flows until it waits for the client in the middle, where the next buffer would be a large one.
    let (came, rest) = (160 << 10, 96 << 10);
    let mut begins =
        format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", came + rest)
            .into_bytes();
    begins.resize(begins.len() + came, b'x');
    let answer = format!("{} octets", came + rest);
    bounded(&begins, &vec![b'x'; rest], &answer, BODY + LARGE + ITEMS);
}

#[test]
fn ten_thousand_idle_connections_cost_next_to_nothing_and_are_served_on() {
    for driver in DRIVERS {
        let process = Process::start(driver, CONNECTIONS + 1000);
        (0..100).for_each(|_| is_served(&process));
        let before = process.memory();
        let mut idle: Vec<TcpStream> = (0..CONNECTIONS)
            .map(|_| {
                let mut stream = connect(process.address);
                answered(&mut stream);
                stream
            })
            .collect();
        let each = settled(&process).saturating_sub(before) / CONNECTIONS;
        println!("{driver}: {each} bytes for each");
        assert!(each < IDLE, "{driver}: {each} bytes for each");
        // All that sleep, and all that were warm, twice.
        for _ in 0..2 {
            idle.iter_mut().for_each(answered);
        }
    }
}

fn answered(stream: &mut TcpStream) {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is read");
    let (mut answer, mut part) = (Vec::new(), [0; 256]);
    while !answer.ends_with(b"0 octets") {
        let read = stream.read(&mut part).expect("an answer");
        assert_ne!(read, 0, "it has hung up");
        answer.extend_from_slice(&part[..read]);
    }
}
