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
