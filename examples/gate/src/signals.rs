//! Ctrl-C and SIGTERM, and SIGHUP where there is a certificate.

use std::io;

use bivalve::server::Tls;
use tokio::sync::mpsc;

/// One order for each signal: the first stops the server, the second ends its patience.
pub(crate) fn orders() -> io::Result<mpsc::Receiver<()>> {
    let (give, orders) = mpsc::channel(2);
    let mut signals = platform::Signals::new()?;
    tokio::spawn(async move {
        loop {
            let name = signals.next().await;
            tracing::info!(signal = name, "stopping; once more to stop without waiting for requests");
            if give.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(orders)
}

/// Reads a renewed certificate at each SIGHUP, on systems that have it. One that cannot be used changes nothing.
pub(crate) fn renew(tls: Tls) -> io::Result<()> {
    let mut hangups = platform::Hangups::new()?;
    tokio::spawn(async move {
        loop {
            hangups.next().await;
            let tls = tls.clone();
            // Files may be slow.
            match tokio::task::spawn_blocking(move || tls.reload()).await {
                Ok(Ok(())) => tracing::info!("SIGHUP: the certificate was read again"),
                Ok(Err(error)) => tracing::error!(%error, "SIGHUP: the certificate stays as it was"),
                Err(error) => tracing::error!(%error, "SIGHUP: the certificate was not read"),
            }
        }
    });
    Ok(())
}

#[cfg(unix)]
#[path = "signals/unix.rs"]
mod platform;

#[cfg(not(unix))]
#[path = "signals/other.rs"]
mod platform;
