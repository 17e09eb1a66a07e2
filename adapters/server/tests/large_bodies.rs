//! Large bodies, which are received in other buffers than heads are: what stands before and behind them, on every driver.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use bivalve_core::{Context, Flow, Handler, Outcome, Pipeline};
use support::{DRIVERS, connect, start};

/// Sends the body back, as it comes or when all of it is here.
struct Echo;

impl Handler for Echo {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let gather = cx.request().url().path() == "/gather";
        Outcome::pending(async move {
            let mut parts = Vec::new();
            loop {
                let part = cx.read_entity(usize::MAX).await?;
                if part.is_empty() {
                    break;
                } else if gather {
                    parts.push(part);
                } else {
                    cx.write(part).await?;
                    cx.flush().await?;
                }
            }
            for part in parts {
                cx.write(part).await?;
            }
            Ok(Flow::Continue)
        })
    }
}

fn pipeline() -> Arc<Pipeline> {
    Pipeline::builder().handler(Echo).build().expect("it builds")
}

/// So many octets, each of which tells its place.
fn octets(len: usize) -> Vec<u8> {
    (0_u32..).take(len).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// Sends on a thread of its own, in parts, and reads until the server closes.
fn exchanged(address: SocketAddr, parts: Vec<Vec<u8>>) -> Vec<u8> {
    let mut stream = connect(address);
    let mut sending = stream.try_clone().expect("a socket");
    let sender = std::thread::spawn(move || {
        for part in parts {
            sending.write_all(&part).expect("it is read");
        }
    });
    let answer = read_all(&mut stream);
    sender.join().expect("no panic");
    answer
}

fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it is answered");
    answer
}

/// The bodies of chunked responses and of those with a length, one after the other.
fn bodies(mut answers: &[u8]) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    while let Some(end) = answers.windows(4).position(|octets| octets == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&answers[..end]).to_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        answers = &answers[end + 4..];
        let mut body = Vec::new();
        if let Some((_, length)) = head.split_once("content-length: ") {
            let length = length.lines().next().and_then(|line| line.parse().ok()).expect("a length");
            body.extend_from_slice(&answers[..length]);
            answers = &answers[length..];
        } else {
            loop {
                let line = answers.windows(2).position(|octets| octets == b"\r\n").expect("a size");
                let size = std::str::from_utf8(&answers[..line]).expect("text");
                let size = usize::from_str_radix(size, 16).expect("a size");
                body.extend_from_slice(&answers[line + 2..line + 2 + size]);
                answers = &answers[line + 2 + size + 2..];
                if size == 0 {
                    break;
                }
            }
        }
        bodies.push(body);
    }
    bodies
}

const LAST: &[u8] = b"POST /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast";

fn sized(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn chunked(path: &str, body: &[u8], size: usize) -> Vec<u8> {
    let mut request =
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.chunks(size) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

#[test]
fn requests_behind_a_large_body_in_the_same_segment_are_served_in_order() {
    let body = octets(3 << 20);
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        for path in ["/", "/gather"] {
            let first = sized(path, &body);
            let short = sized(path, b"short");
            let all = [&first[..], &short, &first, &short, &short, LAST].concat();
            let answers = bodies(&exchanged(server.addresses()[0], vec![all]));
            let wanted = [&body[..], b"short", &body, b"short", b"short", b"last"];
            assert!(answers == wanted, "{driver} {path}: {} answers", answers.len());
        }
    }
}

#[test]
fn a_body_that_ends_where_a_buffer_does_is_followed_by_the_next_request() {
    const BUFFER: usize = 256 << 10;
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        for buffers in [1, 2, 3, 8] {
            for around in [-1, 0, 1] {
                let body = octets((buffers * BUFFER).saturating_add_signed(around));
                let request = sized("/gather", &body);
                let head = request.len() - body.len();
                // The body in parts of a buffer's size, from its own beginning, and what follows in a part of its own or with the last.
                let mut parts: Vec<_> = [&request[..head], &request[head..]]
                    .iter()
                    .flat_map(|part| part.chunks(BUFFER))
                    .map(<[u8]>::to_vec)
                    .collect();
                parts.push(LAST.to_vec());
                let wanted = [&body[..], b"last"];
                assert!(
                    bodies(&exchanged(server.addresses()[0], parts)) == wanted,
                    "{driver} {buffers} {around}"
                );
                let together = [&request[..], LAST].concat();
                let answers = bodies(&exchanged(server.addresses()[0], vec![together]));
                assert!(answers == wanted, "{driver} {buffers} {around}, together");
            }
        }
    }
}

#[test]
fn a_large_chunked_body_is_the_same_however_large_its_chunks_are() {
    let body = octets(2 << 20);
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        for size in [500, 5_000, 65_536, 100_000, 2 << 20] {
            for path in ["/", "/gather"] {
                let request = chunked(path, &body, size);
                let all = [&request[..], &request, LAST].concat();
                let answers = bodies(&exchanged(server.addresses()[0], vec![all]));
                assert!(answers == [&body[..], &body, b"last"], "{driver} {path} {size}");
            }
        }
    }
}

#[test]
fn a_large_body_that_stops_for_a_while_goes_on() {
    let body = octets(1 << 20);
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let mut stream = connect(server.addresses()[0]);
        let request = sized("/gather", &body);
        let mut rest = &request[..];
        // A flood, a trickle, and a flood again.
        for part in [300_000, 1, 2, 3, 4_000, 1, 200_000, 10] {
            let (now, later) = rest.split_at(part);
            stream.write_all(now).expect("it is read");
            std::thread::sleep(std::time::Duration::from_millis(20));
            rest = later;
        }
        stream.write_all(rest).expect("it is read");
        stream.write_all(LAST).expect("it is read");
        assert!(bodies(&read_all(&mut stream)) == [&body[..], b"last"], "{driver}");
    }
}
