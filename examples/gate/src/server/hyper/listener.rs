//! Listens, and accepts connections whatever happens.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::server::BindError;

pub(super) async fn bind(addr: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(addr).await.map_err(|error| BindError { addr, error })
}

/// The next connection. An error of one connection is that connection's; one of the machine, such as no file
/// descriptor being left, is waited out: the connection is still in the queue, and trying at once would spin.
pub(super) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_one_connection(&error) => {
                tracing::debug!(%error, "a connection was gone before it was accepted");
            }
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted; trying again in {PAUSE:?}");
                sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}

const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_in_use_is_named_with_what_to_do() {
        let first = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
        let addr = first.local_addr().expect("an address");
        let error = bind(addr).await.expect_err("in use").to_string();
        assert!(error.starts_with(&format!("cannot listen at {addr}: ")), "{error}");
        assert!(error.ends_with("choose another address with --listen"), "{error}");
    }
}
