//! The other end of a connection: blocking code on a thread, which knows nothing of the driver.

use std::panic;
use std::thread::{self, JoinHandle};

use super::until;

/// A thread that a case can await.
pub(crate) struct Peer<T>(JoinHandle<T>);

/// Starts one.
pub(crate) fn peer<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Peer<T> {
    Peer(thread::spawn(work))
}

impl<T> Peer<T> {
    /// Its result; its panic is the case's.
    pub(crate) async fn join(self) -> T {
        until("the peer to end", || self.0.is_finished()).await;
        match self.0.join() {
            Ok(result) => result,
            Err(payload) => panic::resume_unwind(payload),
        }
    }
}
