//! Ctrl-C and SIGTERM.

use std::io;

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

#[cfg(unix)]
#[path = "signals/unix.rs"]
mod platform;

#[cfg(not(unix))]
#[path = "signals/other.rs"]
mod platform;
