//! Requests and responses over real sockets, on every driver.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bivalve_core::{Context, Flow, Handler, Outcome, Pipeline, Result};
use support::{DRIVERS, connect, exchange, read_to_end, server, start};

/// Answers by path.
struct Answers;

impl Handler for Answers {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        match cx.request().url().path() {
            "/echo" => Outcome::pending(async move {
                loop {
                    let part = cx.read_entity(usize::MAX).await?;
                    if part.is_empty() {
                        return Ok(Flow::Continue);
                    }
                    cx.response_mut().write(part)?;
                }
            }),
            "/echo/streamed" => Outcome::pending(async move {
                loop {
                    let part = cx.read_entity(usize::MAX).await?;
                    if part.is_empty() {
                        return Ok(Flow::Continue);
                    }
                    cx.write(part).await?;
                    cx.flush().await?;
                }
            }),
            "/stream" => Outcome::pending(async move {
                for part in ["one", "two", "three"] {
                    cx.write(part).await?;
                    cx.flush().await?;
                }
                Ok(Flow::Continue)
            }),
            "/reset" => {
                cx.reset_connection();
                Outcome::Ready(Ok(Flow::Finish))
            }
            _ => Outcome::Ready(hello(cx)),
        }
    }
}

fn hello(cx: &mut Context) -> Result<Flow> {
    cx.response_mut().set_header("date", "now")?;
    cx.response_mut().write("Hello World!")?;
    Ok(Flow::Continue)
}

fn pipeline() -> Arc<Pipeline> {
    Pipeline::builder().handler(Answers).build().expect("it builds")
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 12\r\n\r\nHello World!";

#[test]
fn a_request_is_answered() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let answer =
            exchange(server.addresses()[0], b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(answer, HELLO.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"), "{driver}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_however_they_are_cut() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let upload = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let all = [&request[..], upload, request, last].concat();
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        for size in [1, 2, 3, 7, 50, all.len()] {
            let mut stream = connect(server.addresses()[0]);
            for piece in all.chunks(size) {
                stream.write_all(piece).expect("it is read");
            }
            let answer = read_to_end(stream);
            assert_eq!(answer.matches("200 OK").count(), 4, "{driver} {size}: {answer}");
            assert!(answer.contains("\r\n\r\nabcHTTP/1.1 200 OK"), "{driver} {size}: {answer}");
            assert!(answer.ends_with("connection: close\r\n\r\nHello World!"), "{driver} {size}: {answer}");
        }
    }
}

#[test]
fn a_stream_leaves_part_by_part() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let answer =
            exchange(server.addresses()[0], b"GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(
            answer.ends_with("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"),
            "{driver}: {answer}"
        );
        let old = exchange(server.addresses()[0], b"GET /stream HTTP/1.0\r\n\r\n");
        assert!(old.ends_with("\r\n\r\nonetwothree") && !old.contains("chunked"), "{driver}: {old}");
    }
}

#[test]
fn a_large_body_goes_there_and_back() {
    let body = vec![b'x'; 3 << 20];
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let mut stream = connect(server.addresses()[0]);
        let mut back = stream.try_clone().expect("a socket");
        let reader = std::thread::spawn(move || {
            let mut answer = Vec::new();
            back.read_to_end(&mut answer).map(|_| answer)
        });
        write!(
            stream,
            "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .expect("it is read");
        stream.write_all(&body).expect("it is read");
        let answer = reader.join().expect("no panic").expect("an answer");
        assert!(answer.ends_with(&body) && answer.len() < body.len() + 200, "{driver}: {}", answer.len());
    }
}

#[test]
fn a_body_that_is_answered_while_it_comes_keeps_the_connection() {
    let body = vec![b'x'; 3 << 20];
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let mut stream = connect(server.addresses()[0]);
        let mut back = stream.try_clone().expect("a socket");
        let reader = std::thread::spawn(move || {
            let mut answer = Vec::new();
            back.read_to_end(&mut answer).map(|_| answer)
        });
        let length = body.len();
        write!(stream, "POST /echo/streamed HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
            .expect("it is read");
        stream.write_all(&body).expect("it is read");
        write!(stream, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("it is read");
        let answer = reader.join().expect("no panic").expect("an answer");
        let end = String::from_utf8_lossy(&answer[answer.len() - 100..]).into_owned();
        assert!(
            answer.len() > body.len() && end.ends_with("Hello World!"),
            "{driver}: {} {end}",
            answer.len()
        );
    }
}

#[test]
fn a_client_that_waits_for_100_gets_it_once() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let mut stream = connect(server.addresses()[0]);
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("it is read");
        let mut word = [0; 25];
        stream.read_exact(&mut word).expect("it is said");
        assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"abc").expect("it is read");
        let answer = read_to_end(stream);
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("abc"), "{driver}: {answer}");
    }
}

#[test]
fn a_body_that_nobody_was_told_to_send_closes_the_connection() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let answer = exchange(server.addresses()[0], head);
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{driver}: {answer}");
        assert!(answer.contains("connection: close"), "{driver}: {answer}");
    }
}

#[test]
fn an_empty_body_that_came_before_the_word_keeps_the_connection() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let asked = b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let answer = exchange(server.addresses()[0], asked);
        assert_eq!(answer.matches("200 OK").count(), 2, "{driver}: {answer}");
    }
}

#[test]
fn a_body_that_nobody_read_is_not_the_next_request() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let smuggled = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 28\r\n\r\nGET /reset HTTP/1.1\r\nHost: GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let answer = exchange(server.addresses()[0], smuggled);
        assert_eq!(answer.matches("200 OK").count(), 2, "{driver}: {answer}");
    }
}

#[test]
fn a_malformed_chunk_is_answered_with_400_and_nothing_behind_it_is_served() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let request = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let answer = exchange(server.addresses()[0], request);
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{driver}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{driver}: {answer}");
    }
}

#[test]
fn a_reset_is_seen_by_the_client() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let answer = exchange(server.addresses()[0], b"GET /reset HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(answer, "<reset>", "{driver}");
    }
}

#[test]
fn a_slow_head_is_answered_with_408() {
    for driver in DRIVERS {
        let server =
            server(driver, &pipeline()).head_timeout(Duration::from_millis(300)).start().expect("it starts");
        let mut stream = connect(server.addresses()[0]);
        stream.write_all(b"GET / HTTP/1.1\r\n").expect("it is read");
        let writer = stream.try_clone().expect("a socket");
        let drip = std::thread::spawn(move || {
            let mut writer = writer;
            for _ in 0..100 {
                std::thread::sleep(Duration::from_millis(50));
                if writer.write_all(b"a").is_err() {
                    return;
                }
            }
        });
        let answer = read_to_end(stream);
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout"), "{driver}: {answer}");
        drip.join().expect("no panic");
    }
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    for driver in DRIVERS {
        let server =
            server(driver, &pipeline()).idle_timeout(Duration::from_millis(200)).start().expect("it starts");
        assert_eq!(read_to_end(connect(server.addresses()[0])), "", "{driver}");
    }
}

/// A connection on which a request is under way: its handler waits for the body.
fn begun(address: SocketAddr) -> TcpStream {
    let mut busy = connect(address);
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    busy.write_all(head).expect("it is read");
    let mut word = [0; 25];
    busy.read_exact(&mut word).expect("it is said");
    busy.write_all(b"ab").expect("it is read");
    busy
}

#[tokio::test]
async fn a_server_that_stops_finishes_what_has_begun() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let address = server.addresses()[0];
        let idle = connect(address);
        let mut busy = begun(address);
        let stopping = tokio::spawn(server.stop(Duration::from_secs(10)));
        let (idle, busy) = tokio::task::spawn_blocking(move || {
            let idle = read_to_end(idle);
            busy.write_all(b"c").expect("it is read");
            (idle, read_to_end(busy))
        })
        .await
        .expect("no panic");
        assert_eq!(idle, "", "{driver}");
        assert!(busy.contains("connection: close") && busy.ends_with("\r\n\r\nabc"), "{driver}: {busy}");
        let stopped = stopping.await.expect("no panic");
        assert_eq!((stopped.connections, stopped.requests), (0, 0), "{driver}");
    }
}

#[tokio::test]
async fn what_has_not_ended_in_time_is_cut_and_counted() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let address = server.addresses()[0];
        let busy = begun(address);
        let stopped = server.stop(Duration::from_millis(100)).await;
        assert_eq!((stopped.connections, stopped.requests), (1, 1), "{driver}");
        assert!(!read_to_end(busy).contains("200"), "{driver}");
    }
}

#[test]
fn a_client_that_has_finished_sending_is_answered_all_the_same() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let mut stream = connect(server.addresses()[0]);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is read");
        stream.shutdown(Shutdown::Write).expect("a socket");
        assert_eq!(read_to_end(stream), HELLO, "{driver}");
    }
}
