//! No descriptor is left: nobody new gets in for a while, and that is all.

#![cfg(target_os = "linux")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bivalve_core::{Context, Flow, Pipeline, Result};
use support::child::{self, Process};
use support::{DRIVERS, connect, exchange, server};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
#[ignore = "what the other test starts"]
fn serves() {
    fn hello(cx: &mut Context) -> Result<Flow> {
        cx.response_mut().write("Hello World!")?;
        Ok(Flow::Continue)
    }
    child::serve(|driver| server(driver, &Pipeline::builder().handler(hello).build().expect("it builds")));
}

/// Asks on a connection that stays.
fn ask(stream: &mut TcpStream) {
    stream.write_all(GET).expect("it is read");
    let mut answer = Vec::new();
    while !answer.ends_with(b"Hello World!") {
        let mut part = [0; 512];
        let length = stream.read(&mut part).expect("it answers");
        assert!(length > 0, "it has closed: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&part[..length]);
    }
}

#[test]
fn without_descriptors_accepting_pauses_and_goes_on_later_and_those_that_are_in_are_served() {
    for driver in DRIVERS {
        let process = Process::start(driver, 64);
        let mut old: Vec<_> = (0..10).map(|_| connect(process.address)).collect();
        old.iter_mut().for_each(ask);
        // The system takes them, and the server cannot.
        let crowd: Vec<_> = (0..100).map(|_| connect(process.address)).collect();
        let mut late: Vec<_> = (0..20).map(|_| connect(process.address)).collect();
        late.iter_mut().for_each(|stream| stream.write_all(GET).expect("the system takes it"));
        let begin = Instant::now();
        while process.traced("cannot accept").is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(20), "{driver}: it has descriptors enough");
            std::thread::sleep(Duration::from_millis(10));
        }
        let (begin, cpu) = (Instant::now(), process.cpu());
        let mut asked = 0_u32;
        while begin.elapsed() < Duration::from_secs(3) {
            old.iter_mut().for_each(ask);
            asked += 10;
            std::thread::sleep(Duration::from_millis(50));
        }
        // Both rates are of what it does in vain: three seconds of spinning are three seconds of processor time, and a pause a
        // second is ten lines with the shorter ones before.
        let (cpu, lines) = (process.cpu() - cpu, process.traced("cannot accept").len());
        assert!(cpu < Duration::from_millis(1000), "{driver}: {cpu:?} for {asked} requests");
        assert!(lines <= 12, "{driver}: {lines} lines");
        drop(crowd);
        for stream in &mut late {
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).expect("who has waited is served");
            assert_eq!(&answer, b"HTTP/1.1 200");
        }
        old.iter_mut().for_each(ask);
        assert!(exchange(process.address, b"GET / HTTP/1.0\r\n\r\n").ends_with("Hello World!"), "{driver}");
    }
}
