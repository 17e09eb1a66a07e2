//! Sockets of the loopback interface.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use bivalve_core::{Driver, DriverExt, OwnedHandle};
use socket2::SockRef;

use super::{Content, Peer, peer};

/// A connection: the driver's end, and the end of a peer who knows nothing of the driver.
#[track_caller]
pub(crate) fn pair(driver: &Arc<dyn Driver>) -> (OwnedHandle, TcpStream) {
    let (ours, theirs) = std_pair();
    (driver.attach(ours).expect("a stream can be associated"), theirs)
}

/// A connection without a driver.
#[track_caller]
pub(crate) fn std_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback interface is there");
    let theirs = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
    let (ours, _) = listener.accept().expect("a connection waits");
    (ours, theirs)
}

/// A listener of the driver's, and where it listens.
#[track_caller]
pub(crate) fn listener(driver: &Arc<dyn Driver>) -> (OwnedHandle, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback interface is there");
    let address = listener.local_addr().expect("it is bound");
    (driver.attach(listener).expect("a listener can be associated"), address)
}

/// Makes the buffers of a socket small, so that sends and receives are short.
///
/// Not smaller than a segment of the loopback interface: a window that takes none opens by a timer only.
#[track_caller]
pub(crate) fn small_buffers(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    socket.set_send_buffer_size(64 << 10).expect("the size can be set");
    socket.set_recv_buffer_size(128 << 10).expect("the size can be set");
}

/// Ends a connection with a reset instead of a finish.
#[track_caller]
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).expect("lingering can be set");
    drop(stream);
}

/// Where nobody listens: a port that was free a moment ago.
pub(crate) fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it is bound")
}

/// A peer that compares everything that comes with the stream of content, to its end; how much it was.
pub(crate) fn reads_to_the_end(mut stream: TcpStream) -> Peer<u64> {
    peer(move || {
        let (mut all, mut buffer) = (Content::default(), vec![0; 100_003]);
        loop {
            match stream.read(&mut buffer).expect("the connection ends with a finish") {
                0 => return all.len(),
                bytes => all.feed(&buffer[..bytes]),
            }
        }
    })
}
