//! Elsewhere: Ctrl-C.

use std::io;

pub(super) struct Signals;

impl Signals {
    #[allow(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            // There is no such signal here; the server runs until it is killed.
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}

/// There are none.
pub(super) struct Hangups;

impl Hangups {
    #[allow(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    #[allow(clippy::unused_self, reason = "on Unix it is a signal")]
    pub(super) async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}
