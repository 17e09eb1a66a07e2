//! Real sockets, on every driver of the system.

use std::future::poll_fn;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bivalve_core::{Connection, Context, Driver, Flow, Handler, Outcome, Pipeline};

use super::super::large::in_use;
use super::*;
use crate::Limits;
use crate::connection::{Serving, Timeouts, serve};
use crate::limits::LARGE_PLACES;
use crate::server::OpenConnections;
use crate::transport::Driven;

/// Runs a test on a thread of its own for each driver, so that it has the thread's buffers for itself.
fn on_each_driver<F: Future<Output = ()>>(test: fn(Arc<dyn Driver>) -> F) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let driver: Arc<dyn Driver> = bivalve_tokio::TokioDriver::start().expect("it starts");
            runtime.expect("a runtime").block_on(test(driver));
        });
        #[cfg(target_os = "linux")]
        scope.spawn(move || {
            let runtime = bivalve_uring::Runtime::new(&bivalve_uring::Config::default()).expect("a ring");
            runtime.block_on(test(runtime.driver()));
        });
        #[cfg(windows)]
        scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let driver = bivalve_iocp::IocpDriver::builder().threads(std::num::NonZeroUsize::MIN).build();
            runtime.expect("a runtime").block_on(test(Arc::new(driver.expect("a port"))));
        });
    });
}

/// A stream of the driver's, and its client.
fn pair(driver: &Arc<dyn Driver>) -> (OwnedHandle, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("it listens");
    client.set_nodelay(true).expect("a socket");
    (driver.attach(listener.accept().expect("a client").0).expect("the driver takes it"), client)
}

/// So many octets, each of which tells its place.
fn octets(len: usize) -> Vec<u8> {
    (0_u32..).take(len).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// Receives so many octets; what came, and how many of them in large buffers.
async fn receive(receiving: &mut Receiving, handle: &OwnedHandle, len: usize) -> (Vec<u8>, usize) {
    let (mut came, mut large) = (Vec::new(), 0);
    while came.len() < len {
        let piece = poll_fn(|task| receiving.poll(handle, task)).await;
        let piece = piece.expect("there is more").expect("it is received");
        large += if matches!(piece, Piece::Kept(_)) { piece.len() } else { 0 };
        came.extend_from_slice(&piece);
    }
    (came, large)
}

const BODY: usize = 4 << 20;

#[test]
fn nothing_is_lost_or_changes_its_place_where_the_buffers_change() {
    on_each_driver(|driver| async move {
        let (handle, mut client) = pair(&driver);
        let sent = octets(3 * BODY);
        let sender = std::thread::spawn(move || client.write_all(&sent).map(|()| (client, sent)));
        let mut receiving = Receiving::new(&handle);
        let mut came = Vec::new();
        let mut all_large = 0;
        // To large buffers and back, wherever the client happens to be.
        while came.len() < 3 * BODY {
            receiving.expect((3 * BODY - came.len()).min(700_000) as u64);
            let (part, large) = receive(&mut receiving, &handle, 500_000.min(3 * BODY - came.len())).await;
            came.extend_from_slice(&part);
            all_large += large;
            receiving.rest();
            let (part, _) = receive(&mut receiving, &handle, 10_000.min(3 * BODY - came.len())).await;
            came.extend_from_slice(&part);
        }
        let (client, sent) = sender.join().expect("no panic").expect("it is sent");
        assert!(came == sent, "{}", driver.name());
        assert!(all_large > 0, "{}: {all_large} octets in large buffers", driver.name());
        drop(client);
        assert!(poll_fn(|task| receiving.poll(&handle, task)).await.is_none(), "{}", driver.name());
        assert!(poll_fn(|task| receiving.poll(&handle, task)).await.is_none(), "it says so again");
    });
}

#[test]
fn a_client_that_has_become_slow_and_one_that_rests_give_the_place_back() {
    on_each_driver(|driver| async move {
        let (handle, mut client) = pair(&driver);
        let mut receiving = Receiving::new(&handle);
        for slow in [true, false] {
            let mut sending = client.try_clone().expect("a socket");
            let sender = std::thread::spawn(move || sending.write_all(&octets(BODY)));
            receiving.expect(2 * BODY as u64);
            let (_, large) = receive(&mut receiving, &handle, BODY).await;
            assert!(large > 0 && in_use() == (1, 0), "{}: {large}, {:?}", driver.name(), in_use());
            sender.join().expect("no panic").expect("it is sent");
            // Now it waits in a large buffer.
            assert!(poll_once(&mut receiving, &handle).await.is_pending());
            if slow {
                client.write_all(b"few").expect("it is sent");
                assert_eq!(receive(&mut receiving, &handle, 3).await.0, b"few", "{}", driver.name());
            } else {
                receiving.rest();
            }
            assert!(poll_once(&mut receiving, &handle).await.is_pending());
            while in_use() != (0, 0) {
                // The cancellation is on its way.
                tokio::time::sleep(Duration::from_millis(5)).await;
                assert!(poll_once(&mut receiving, &handle).await.is_pending());
            }
            client.write_all(b"next").expect("it is sent");
            assert_eq!(receive(&mut receiving, &handle, 4).await, (b"next".to_vec(), 0), "{}", driver.name());
        }
    });
}

async fn poll_once(receiving: &mut Receiving, handle: &OwnedHandle) -> Poll<()> {
    poll_fn(|task| Poll::Ready(receiving.poll(handle, task).map(drop))).await
}

#[test]
fn what_came_before_a_stop_is_kept_also_in_a_large_buffer() {
    on_each_driver(|driver| async move {
        let (handle, mut client) = pair(&driver);
        let mut receiving = Receiving::new(&handle);
        let sender = std::thread::spawn(move || client.write_all(&octets(BODY)).map(|()| client));
        receiving.expect(2 * BODY as u64);
        let (mut came, _) = receive(&mut receiving, &handle, BODY / 2).await;
        let mut rest = BytesMut::new();
        while came.len() < BODY {
            poll_fn(|task| receiving.poll_stop(&mut rest, task)).await;
            came.extend_from_slice(&rest.split());
            receiving = Receiving::new(&handle);
            receiving.expect(2 * BODY as u64);
            let few = (BODY - came.len()).min(100_000);
            came.extend_from_slice(&receive(&mut receiving, &handle, few).await.0);
        }
        assert!(came == octets(BODY), "{}", driver.name());
        drop(sender.join().expect("no panic").expect("it is sent"));
        drop(receiving);
        assert_eq!(in_use(), (0, 0), "{}", driver.name());
    });
}

#[test]
fn a_body_comes_in_small_buffers_where_no_place_is_left() {
    on_each_driver(|driver| async move {
        let places: Vec<_> = (0..LARGE_PLACES).map_while(|_| Place::take()).collect();
        assert_eq!((places.len(), Place::take().is_none()), (LARGE_PLACES, true));
        let (handle, mut client) = pair(&driver);
        let sender = std::thread::spawn(move || client.write_all(&octets(BODY)).map(|()| client));
        let mut receiving = Receiving::new(&handle);
        receiving.expect(2 * BODY as u64);
        let (came, large) = receive(&mut receiving, &handle, BODY).await;
        assert!(came == octets(BODY) && large == 0, "{}: {large}", driver.name());
        drop((sender.join().expect("no panic").expect("it is sent"), places));
        assert_eq!(in_use(), (0, 0));
    });
}

/// Reads a body to its end, and keeps what it has read as long as it reads.
struct Keeps;

impl Handler for Keeps {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(async move {
            let mut kept = Vec::new();
            loop {
                let part = cx.read_entity(usize::MAX).await?;
                if part.is_empty() {
                    return Ok(Flow::Continue);
                }
                kept.push(part);
            }
        })
    }
}

#[test]
fn a_client_that_stops_in_a_large_body_is_let_go_and_its_buffers_come_home() {
    on_each_driver(|driver| async move {
        let timeouts = Timeouts {
            head: Duration::from_secs(3600),
            idle: Duration::from_secs(3600),
            stall: Duration::from_secs(1),
            octets_per_second: 1 << 20,
        };
        let pipeline = Pipeline::builder().handler(Keeps).build().expect("it builds");
        let serving = Arc::new(Serving::new(pipeline, Limits::default(), timeouts));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut client = TcpStream::connect(listener.local_addr().expect("an address")).expect("it listens");
        let transport = Driven::new(&driver, listener.accept().expect("a client").0).expect("it is taken");
        let mut request =
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 2 * BODY).into_bytes();
        request.extend_from_slice(&octets(BODY));
        let sender = std::thread::spawn(move || client.write_all(&request).map(|()| client));
        let connection = Arc::new(Connection::builder().build());
        let open = OpenConnections::new(timeouts.idle);
        serve(transport, connection, serving, open.enter(()));
        let mut most = (0, 0);
        while !open.is_empty() {
            most = most.max(in_use());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        while !sender.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(sender.join().expect("no panic").expect("it is sent"));
        assert!(most.0 == 1 && most.1 > 0, "{}: {most:?} were in use", driver.name());
        assert_eq!(in_use(), (0, 0), "{}", driver.name());
        // The kernel had the last one.
        while driver.usage().operations > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}
