//! WebSocket through axum's own extractor, on every driver.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::routing::get;
use bivalve_core::Pipeline;
use bivalve_tower::ServiceHandler;
use support::{DRIVERS, connect, exchange, read_to_end, server, start};

fn pipeline() -> Arc<Pipeline> {
    async fn echo(mut socket: WebSocket) {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    }
    let router = Router::new()
        .route("/ws", get(|upgrade: WebSocketUpgrade| async { upgrade.on_upgrade(echo) }))
        .route("/", get(|| async { "Hello World!" }));
    Pipeline::builder().handler(ServiceHandler::new(router)).build().expect("it builds")
}

const HANDSHAKE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// RFC 6455 section 5.7: a masked "Hello", and the same from a server.
const HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
const HELLO_BACK: &[u8] = b"\x81\x05Hello";

#[test]
fn a_websocket_echoes_also_when_its_first_frame_comes_with_the_handshake() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        for together in [true, false] {
            let mut stream = connect(server.addresses()[0]);
            // A plain request before it leaves nothing behind.
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is read");
            let mut octets = HANDSHAKE.to_vec();
            if together {
                octets.extend_from_slice(HELLO);
            }
            stream.write_all(&octets).expect("it is read");
            let mut answer = Vec::new();
            while !answer.windows(4).any(|end| end == b"\r\n\r\n")
                || !String::from_utf8_lossy(&answer).contains("101 Switching")
            {
                let mut octet = [0];
                stream.read_exact(&mut octet).expect("an answer");
                answer.extend_from_slice(&octet);
            }
            while !answer.ends_with(b"\r\n\r\n") {
                let mut octet = [0];
                stream.read_exact(&mut octet).expect("an answer");
                answer.extend_from_slice(&octet);
            }
            let text = String::from_utf8_lossy(&answer);
            assert!(
                text.contains("Hello World!") && text.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
                "{driver}: {text}"
            );
            if !together {
                stream.write_all(HELLO).expect("it is read");
            }
            let mut frame = [0; HELLO_BACK.len()];
            stream.read_exact(&mut frame).expect("a frame");
            assert_eq!(frame, HELLO_BACK, "{driver}");
        }
    }
}

#[test]
fn an_upgrade_that_the_handler_does_not_want_ends_the_connection() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\nGET /ws HTTP/1.1\r\nHost: a\r\n\r\n";
        let answer = exchange(server.addresses()[0], request);
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{driver}: {answer}");
        assert!(answer.contains("Hello World!"), "{driver}: {answer}");
    }
}

#[test]
fn an_axum_router_is_served_with_its_errors() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let mut stream = connect(server.addresses()[0]);
        stream
            .write_all(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            .expect("it is read");
        let answer = read_to_end(stream);
        assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("HTTP/1.1 405"), "{driver}: {answer}");
    }
}

/// A connection that speaks WebSocket by now.
fn upgraded(address: SocketAddr) -> TcpStream {
    let mut stream = connect(address);
    stream.write_all(&[HANDSHAKE, HELLO].concat()).expect("it is read");
    let mut answer = Vec::new();
    while !answer.ends_with(HELLO_BACK) {
        let mut octet = [0];
        stream.read_exact(&mut octet).expect("an answer");
        answer.extend_from_slice(&octet);
    }
    stream
}

#[test]
fn a_websocket_keeps_its_place_until_it_ends() {
    for driver in DRIVERS {
        let server = server(driver, &pipeline()).connections(1).start().expect("it starts");
        let socket = upgraded(server.addresses()[0]);
        let mut other = connect(server.addresses()[0]);
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        other.write_all(request).expect("the system takes it");
        other.set_read_timeout(Some(Duration::from_millis(300))).expect("a socket");
        assert!(other.read(&mut [0]).is_err(), "{driver}: two connections where one has room");
        drop(socket);
        other.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        assert!(read_to_end(other).ends_with("Hello World!"), "{driver}");
    }
}

#[tokio::test]
async fn a_websocket_that_a_stop_cuts_is_counted() {
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let mut socket = upgraded(server.addresses()[0]);
        let stopping = tokio::spawn(server.stop(Duration::from_millis(1500)));
        // Until then it goes on.
        socket.write_all(HELLO).expect("it is read");
        let frame = tokio::task::spawn_blocking(move || {
            let mut frame = [0; HELLO_BACK.len()];
            socket.read_exact(&mut frame).map(|()| (frame, socket))
        });
        let (frame, socket) = frame.await.expect("no panic").expect("a frame");
        assert_eq!(frame, HELLO_BACK, "{driver}");
        let stopped = stopping.await.expect("no panic");
        assert_eq!((stopped.connections, stopped.requests), (1, 0), "{driver}");
        drop(socket);
    }
}
