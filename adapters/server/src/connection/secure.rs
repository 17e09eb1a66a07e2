//! The handshake of TLS, and what is spoken behind it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bivalve_core::ConnectionBuilder;
use bivalve_core::driver::LeasePool;
use bytes::Bytes;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::http2;
use super::idle::Stay;
use super::pool::{Serving, Stopping};
use crate::tls::{self, Tls};
use crate::transport::{Prefixed, Socket, Streamed};

/// Serves a client that encrypts, once it has shaken hands.
pub(crate) async fn serve<S: Stay>(
    stay: S,
    socket: Socket,
    tls: Tls,
    connection: ConnectionBuilder,
    leases: Arc<LeasePool>,
    serving: Arc<Serving>,
) {
    let Some(stream) = Box::pin(shake_hands(socket, &tls, &serving)).await else { return };
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(<[_]>::first);
    let connection = match certificate {
        Some(certificate) => connection.client_certificate(tls::client_certificate(certificate)),
        None => connection,
    };
    let connection = Arc::new(connection.secure(true).build());
    if session.alpn_protocol() == Some(tls::H2) {
        let (stream, _) = Prefixed::new(Bytes::new(), Box::new(stream), serving.timeouts);
        return Box::pin(serving.until_cut(http2::serve(stream, connection, &serving))).await;
    }
    // In a task of its own, which has no room for a handshake.
    super::serve(Streamed::new(stream, leases), connection, serving, stay);
}

/// `None`: it has failed, came to no end in time, or the server stops.
async fn shake_hands(socket: Socket, tls: &Tls, serving: &Serving) -> Option<TlsStream<Socket>> {
    let accept = TlsAcceptor::from(tls.config()).accept(socket);
    let mut accept = pin!(tokio::time::timeout(tls.handshake_timeout(), accept));
    let stopping = pin!(serving.stopping());
    let mut stopping = Stopping::new(stopping);
    let shaken = poll_fn(|task| match accept.as_mut().poll(task) {
        Poll::Pending if serving.is_stopping(&mut stopping, task) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
        Poll::Ready(shaken) => Poll::Ready(Some(shaken)),
    });
    match shaken.await? {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(target: "bivalve::server", %error, "the TLS handshake has failed");
            None
        }
        Err(_) => {
            tracing::debug!(target: "bivalve::server", "the TLS handshake has not come to its end in time");
            None
        }
    }
}
