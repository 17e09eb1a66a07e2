//! Clients that take or give little, on every driver: those that go on are served to the end, those that do not are cut.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bivalve_core::{
    Context, Flow, Handler, Module, Notification, OnDisconnect, Outcome, Pipeline, Registration,
};
use bivalve_server::{Listener, Server};
use bytes::Bytes;
use support::{DRIVERS, connect, exchange, read_to_end, resets_arrive, server, start};

/// More than the system holds between a server and a client that does not read.
const LARGE: usize = 16 << 20;

/// Less than is sent before the next request is looked at.
const MEDIUM: usize = 60 << 10;

/// Answers with much, or with what was sent, or begins and never ends.
struct Answers(Bytes);

impl Handler for Answers {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        match cx.request().url().path() {
            "/large" => Outcome::Ready(cx.response_mut().write(self.0.clone()).map(|()| Flow::Continue)),
            "/medium" => {
                let part = self.0.slice(..MEDIUM);
                Outcome::Ready(cx.response_mut().write(part).map(|()| Flow::Continue))
            }
            "/endless" => Outcome::pending(async move {
                cx.write("begun").await?;
                cx.flush().await?;
                std::future::pending().await
            }),
            _ => Outcome::Ready(cx.response_mut().write("Hello World!").map(|()| Flow::Continue)),
        }
    }
}

/// Reads the body whatever becomes of the client: a disconnect does not cancel it.
struct Reads;

impl Module for Reads {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::BeginRequest).on_disconnect(OnDisconnect::Finish)
    }

    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        if cx.request().url().path() != "/read" {
            return Outcome::CONTINUE;
        }
        Outcome::pending(async move {
            while !cx.read_entity(usize::MAX).await?.is_empty() {}
            Ok(Flow::Continue)
        })
    }
}

fn pipeline() -> Arc<Pipeline> {
    let handler = Answers(Bytes::from(vec![b'x'; LARGE]));
    Pipeline::builder().module("reads", Reads).handler(handler).build().expect("it builds")
}

/// A connection whose own system holds little of what it has not read.
fn connect_narrow(address: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(32 << 10).expect("a socket");
    socket.connect(&address.into()).expect("it listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    stream
}

/// Bytes that came until the server closed; `None` where it reset.
fn read_slowly(mut stream: TcpStream, pause: Duration) -> Option<usize> {
    let (mut part, mut total) = (vec![0; 1 << 20], 0);
    loop {
        std::thread::sleep(pause);
        let mut filled = 0;
        while filled < part.len() {
            match stream.read(&mut part[filled..]) {
                Ok(0) => return Some(total + filled),
                Ok(length) => filled += length,
                Err(_) => return None,
            }
        }
        total += filled;
    }
}

/// Whether another client is served, where there is room for one connection only: the first one has then been let go.
fn there_is_room_again(address: SocketAddr) -> bool {
    exchange(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").contains("Hello World!")
}

/// A server with one place, which waits half a second for a client, whatever its octets would earn.
fn impatient(driver: &str) -> Server {
    let server = server(driver, &pipeline()).connections(1);
    server.stall_timeout(Duration::from_millis(500)).minimum_rate(u64::MAX)
}

#[test]
fn a_download_that_goes_on_outlasts_the_timeouts() {
    for driver in DRIVERS {
        let patience = Duration::from_secs(1);
        let server = server(driver, &pipeline()).stall_timeout(patience).idle_timeout(patience);
        let server = server.start().expect("it starts");
        for close in ["Connection: close\r\n", ""] {
            let mut stream = connect_narrow(server.addresses()[0]);
            write!(stream, "GET /large HTTP/1.1\r\nHost: a\r\n{close}\r\n").expect("it is read");
            let came = read_slowly(stream, Duration::from_millis(250));
            assert!(came.is_some_and(|came| came > LARGE), "{driver} {close:?}: {came:?}");
        }
    }
}

#[test]
fn a_client_that_finishes_its_side_during_a_download_gets_all_of_it() {
    for driver in DRIVERS {
        // Under Wine the download ends early, and nobody has found out whether that is Wine: the crate's documentation says so.
        if *driver == "iocp" && !resets_arrive() {
            continue;
        }
        let server = start(driver, &pipeline());
        let mut stream = connect_narrow(server.addresses()[0]);
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is read");
        // Long enough for the connection to count as idle.
        std::thread::sleep(Duration::from_millis(2500));
        stream.shutdown(Shutdown::Write).expect("a socket");
        let came = read_slowly(stream, Duration::ZERO);
        assert!(came.is_some_and(|came| came > LARGE), "{driver}: {came:?}");
    }
}

#[test]
fn a_client_that_finishes_its_side_while_a_handler_waits_counts_as_gone() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let mut stream = connect(server.addresses()[0]);
        stream.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is read");
        stream.shutdown(Shutdown::Write).expect("a socket");
        let end = read_to_end(stream);
        assert!(!end.ends_with("0\r\n\r\n"), "{driver}: {end}");
        assert!(end.ends_with("<reset>") || !resets_arrive(), "{driver}: {end}");
    }
}

#[tokio::test]
async fn a_server_that_stops_finishes_a_download() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let mut stream = connect_narrow(server.addresses()[0]);
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is read");
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let stopping = tokio::spawn(server.stop(Duration::from_secs(20)));
        let reading = tokio::task::spawn_blocking(|| read_slowly(stream, Duration::from_millis(20)));
        let came = reading.await.expect("no panic");
        assert!(came.is_some_and(|came| came > LARGE), "{driver}: {came:?}");
        assert_eq!(stopping.await.expect("no panic").connections, 0, "{driver}");
    }
}

#[test]
fn a_client_that_asks_again_and_again_and_never_reads_is_cut() {
    for driver in DRIVERS {
        let server = impatient(driver).start().expect("it starts");
        let mut stream = connect_narrow(server.addresses()[0]);
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is read");
        let asking = std::thread::spawn(move || {
            (0..100).any(|_| {
                std::thread::sleep(Duration::from_millis(100));
                stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_err()
            })
        });
        assert!(asking.join().expect("no panic"), "{driver}: it was not cut in ten seconds");
    }
}

#[test]
fn a_client_that_neither_reads_nor_sends_its_body_is_cut() {
    for driver in DRIVERS {
        let server = impatient(driver).start().expect("it starts");
        let mut stream = connect_narrow(server.addresses()[0]);
        let requests = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\nPOST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
        stream.write_all(requests).expect("it is read");
        assert!(there_is_room_again(server.addresses()[0]), "{driver}");
        drop(stream);
    }
}

/// The response that the system has no room for any more is stuck while the body of the next request is waited for.
#[test]
fn a_client_that_sends_its_bodies_in_halves_and_never_reads_is_cut() {
    for driver in DRIVERS {
        let server = impatient(driver).start().expect("it starts");
        let mut stream = connect_narrow(server.addresses()[0]);
        let ask = b"GET /medium HTTP/1.1\r\nHost: a\r\n\r\nPOST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1";
        let asking = std::thread::spawn(move || {
            for _ in 0..LARGE / MEDIUM {
                if stream.write_all(ask).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
                if stream.write_all(b"2").is_err() {
                    break;
                }
            }
            stream
        });
        let stream = asking.join().expect("no panic");
        assert!(there_is_room_again(server.addresses()[0]), "{driver}");
        drop(stream);
    }
}

#[test]
fn a_client_that_never_reads_is_cut_also_where_it_asks_for_another_protocol() {
    let upgrade = "Connection: upgrade\r\nUpgrade: other\r\n\r\n";
    for driver in DRIVERS {
        for before in ["", "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let server = impatient(driver).start().expect("it starts");
            let mut stream = connect_narrow(server.addresses()[0]);
            write!(stream, "{before}GET /large HTTP/1.1\r\nHost: a\r\n{upgrade}").expect("it is read");
            assert!(there_is_room_again(server.addresses()[0]), "{driver} {before:?}");
            drop(stream);
        }
    }
}

#[test]
fn listeners_share_the_places_and_none_keeps_one_for_itself() {
    for driver in DRIVERS {
        let second = Listener::tcp("127.0.0.1:0").expect("a port");
        let server = server(driver, &pipeline()).listen(second).connections(1);
        let server = server.start().expect("it starts");
        for address in [1, 0, 1, 1, 0, 0].map(|index| server.addresses()[index]) {
            assert!(there_is_room_again(address), "{driver}");
        }
    }
}

#[tokio::test]
async fn a_body_that_only_the_end_of_the_connection_ends_is_reset_where_it_is_cut() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let mut stream = connect(server.addresses()[0]);
        stream.write_all(b"GET /endless HTTP/1.0\r\n\r\n").expect("it is read");
        let mut answer = Vec::new();
        while !answer.ends_with(b"begun") {
            let mut octet = [0];
            stream.read_exact(&mut octet).expect("it is sent");
            answer.push(octet[0]);
        }
        let stopped = server.stop(Duration::from_millis(50)).await;
        assert_eq!(stopped.requests, 1, "{driver}");
        let end = read_to_end(stream);
        assert!(end == "<reset>" || !resets_arrive(), "{driver}: the client would take it for whole: {end}");
    }
}
