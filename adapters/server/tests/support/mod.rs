//! A server on every driver, and a client that speaks octets.

#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod certificates;
pub(crate) mod child;

pub(crate) mod says;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bivalve_core::{Driver, Pipeline};
use bivalve_server::{Listener, Running, Server, WorkerRuntime};

/// A Tokio runtime, and the driver on top of it.
struct OnTokio {
    runtime: tokio::runtime::Runtime,
    driver: Arc<dyn Driver>,
}

impl WorkerRuntime for OnTokio {
    fn driver(&self) -> Arc<dyn Driver> {
        Arc::clone(&self.driver)
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        self.runtime.block_on(future);
    }
}

#[cfg(target_os = "linux")]
struct OnUring(bivalve_uring::Runtime);

#[cfg(target_os = "linux")]
impl WorkerRuntime for OnUring {
    fn driver(&self) -> Arc<dyn Driver> {
        self.0.driver()
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        self.0.block_on(future);
    }
}

pub(crate) const DRIVERS: &[&str] = if cfg!(target_os = "linux") {
    &["uring", "tokio"]
} else if cfg!(windows) {
    &["tokio", "iocp"]
} else {
    &["tokio"]
};

/// Whether a reset arrives as one. Wine shuts a socket down before it closes it, so that its peer may see an end there.
pub(crate) fn resets_arrive() -> bool {
    std::env::var_os("WINEPREFIX").is_none()
}

/// A server of this pipeline, not yet started.
pub(crate) fn server(driver: &str, pipeline: &Arc<Pipeline>) -> Server {
    let pipeline = Arc::clone(pipeline);
    let server = match driver {
        #[cfg(target_os = "linux")]
        "uring" => Server::new(pipeline, || {
            // As `bivalve::serve` makes it.
            let config = bivalve_uring::Config::default().direct_descriptors(true);
            bivalve_uring::Runtime::new(&config).map(OnUring).map_err(io::Error::other)
        }),
        #[cfg(windows)]
        "iocp" => Server::new(pipeline, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let driver = bivalve_iocp::IocpDriver::builder().threads(std::num::NonZeroUsize::MIN).build()?;
            Ok(OnTokio { runtime, driver: Arc::new(driver) })
        }),
        _ => Server::new(pipeline, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let driver: Arc<dyn Driver> = bivalve_tokio::TokioDriver::start()?;
            Ok(OnTokio { runtime, driver })
        }),
    };
    server.listen(Listener::tcp("127.0.0.1:0").expect("a port")).workers(1)
}

pub(crate) fn start(driver: &str, pipeline: &Arc<Pipeline>) -> Running {
    server(driver, pipeline).start().expect("it starts")
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// Sends, and reads until the server closes.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(address);
    // A server that has refused may have closed before it took all.
    let _ = stream.write_all(request);
    read_to_end(stream)
}

pub(crate) fn read_to_end(mut stream: TcpStream) -> String {
    let mut response = Vec::new();
    match stream.read_to_end(&mut response) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
            response.extend_from_slice(b"<reset>");
        }
        Err(error) => response.extend_from_slice(format!("<{error}>").as_bytes()),
    }
    String::from_utf8_lossy(&response).into_owned()
}
