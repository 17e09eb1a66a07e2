//! Sockets of the loopback interface.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use bivalve_core::{Driver, DriverExt, OwnedHandle};
use socket2::SockRef;

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
#[track_caller]
pub(crate) fn small_buffers(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    socket.set_send_buffer_size(4096).expect("the size can be set");
    socket.set_recv_buffer_size(4096).expect("the size can be set");
}

/// Ends a connection with a reset instead of a finish.
#[track_caller]
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).expect("lingering can be set");
    drop(stream);
}
