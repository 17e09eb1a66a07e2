//! A connection that a proxy hands on: it says whose it is, and then it is served as any other.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bivalve_core::driver::LeasePool;
use bivalve_core::{ConnectionBuilder, Driver};

use super::admission::Admission;
use super::open::Entered;
use super::worker::not_taken;
use crate::Tls;
use crate::connection::{Serving, Stopping, serve, serve_encrypted};
use crate::proxy;
use crate::transport::{Driven, Socket};

/// A connection that begins with the header of a proxy.
pub(super) struct Introduced {
    pub(super) socket: Socket,
    pub(super) tls: Option<Tls>,
    pub(super) connection: ConnectionBuilder,
    pub(super) stay: Entered<Admission>,
}

impl Introduced {
    /// Serves it as what it is, once that is known.
    pub(super) async fn serve(
        mut self,
        driver: Arc<dyn Driver>,
        leases: Arc<LeasePool>,
        serving: Arc<Serving>,
    ) {
        let Some(said) = Box::pin(heard(&mut self.socket, &serving)).await else { return };
        // First, and so dropped last.
        let Self { mut stay, socket, tls, mut connection } = self;
        if let Some(said) = said {
            let address = said.client.ip();
            if !stay.held.belongs_to(address) {
                tracing::debug!(target: "bivalve::server", %address, "too many connections of one address");
                return;
            }
            connection = connection.remote_addr(said.client).local_addr(said.server);
        }
        match tls {
            Some(tls) => Box::pin(serve_encrypted(stay, socket, tls, connection, leases, serving)).await,
            None => match socket.into_resource().and_then(|stream| Driven::new(&driver, stream)) {
                Ok(transport) => serve(transport, Arc::new(connection.build()), serving, stay),
                Err(error) => not_taken(&error),
            },
        }
    }
}

/// What the proxy says. `None`: nothing that counts, in the time that it has, or the server stops.
async fn heard(socket: &mut Socket, serving: &Serving) -> Option<Option<proxy::Said>> {
    let mut reading = pin!(tokio::time::timeout(serving.timeouts.head, proxy::read(socket)));
    let stopping = pin!(serving.stopping());
    let mut stopping = Stopping::new(stopping);
    let heard = poll_fn(|task| match reading.as_mut().poll(task) {
        Poll::Pending if serving.is_stopping(&mut stopping, task) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
        Poll::Ready(read) => Poll::Ready(Some(read)),
    });
    match heard.await? {
        Ok(Ok(said)) => Some(said),
        Ok(Err(error)) => {
            tracing::debug!(target: "bivalve::server", %error, "no header of the PROXY protocol");
            None
        }
        Err(_) => {
            tracing::debug!(target: "bivalve::server", "the header of the PROXY protocol has not come in time");
            None
        }
    }
}
