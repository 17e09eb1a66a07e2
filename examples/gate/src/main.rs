//! `gate`: the server.

#![forbid(unsafe_code)]

mod banner;
mod cli;
mod signals;

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use gate::Gate;
use gate::config::Config;
use gate::server::Stopped;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Token { ref name }) => cli::token(name),
        Some(Command::User { ref name }) => cli::user(name),
        None if cli.version => cli::version(cli.verbose),
        None => cli.config().map_err(Into::into).and_then(serve),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be reading; then the exit code says it.
            let _ = writeln!(io::stderr(), "gate: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Standard error, when it is there. Without this a full disk behind it would end whatever thread tells the trace about
/// that disk: `tracing_subscriber` falls back to `eprintln!`, which panics.
struct Quiet<W>(W);

impl<W: Write> Write for Quiet<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

fn serve(config: Config) -> Result<(), Box<dyn Error + Send + Sync>> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .with_writer(|| Quiet(io::stderr()))
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal())
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let stopped = runtime.block_on(async {
        // Before anything is printed: who reads the address may send a signal at once.
        let orders = signals::orders()?;
        let (logs, proxies) =
            (config.access_log.directory.clone(), config.server.proxy_protocol_from.clone());
        let gate = Gate::start(config).await?;
        if let Some(tls) = gate.tls() {
            signals::renew(tls.clone())?;
        }
        banner::print(&gate, &logs, &proxies);
        Ok::<_, Box<dyn Error + Send + Sync>>(gate.run(orders).await)
    });
    // A verification of a password that nobody waits for any more is not waited for either.
    runtime.shutdown_background();
    match stopped? {
        Stopped { connections: 0, .. } => tracing::info!("stopped; every request was answered"),
        Stopped { connections, requests } => {
            tracing::warn!(connections, requests, "stopped; what had not ended in time was cut");
        }
    }
    Ok(())
}
