//! Everything put together.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bivalve::backend::Selection;
use bivalve::server::Tls;
use bivalve::{Pipeline, PipelineBuilder};
use bivalve_static_files::StaticFiles;
use tokio::sync::{mpsc, watch};

use crate::app;
use crate::config::Config;
use crate::modules::access_log::{AccessLog, AccessLogConfig, Field, LogSender, LogWriter, ReceivedBytes};
use crate::modules::authentication::{Authentication, Passwords, TokenConfig, TokenHash};
use crate::modules::request_id::RequestIds;
use crate::modules::security_headers::SecurityHeaders;
use crate::modules::server_timing::{Audience, ServerTiming};
use crate::private;
use crate::server::{Bound, Serving, Stopped};

/// A server that listens, with its modules and its application.
pub struct Gate {
    serving: Serving,
    addr: SocketAddr,
    carrier: String,
    secure: bool,
    stopping: watch::Sender<bool>,
    log: LogWriter,
    guest: Option<Guest>,
}

/// Who may log in when nobody was configured: made at each start, and shown to whoever started the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Guest {
    /// The password of the user `guest`.
    pub password: String,
    /// A bearer token of the same user.
    pub token: String,
}

impl Gate {
    /// Reads the users, opens the log, builds the pipeline, and listens.
    ///
    /// # Errors
    ///
    /// With a text that says what is wrong, and where.
    pub async fn start(mut config: Config) -> Result<Self, Box<dyn Error + Send + Sync>> {
        config.check()?;
        let (passwords, guest) = who_may_enter(&mut config)?;
        let bound = Bound::at(config.listen, config.backend, &config.server).await?;
        let addr = bound.addr();
        // After the address is ours: a second server that is started by mistake leaves the log alone.
        let log = LogWriter::start(&config.access_log).map_err(|error| {
            let folder = config.access_log.directory.display();
            format!("cannot write the access log in {folder}: {error}. Choose another folder with --log-dir")
        })?;
        let chosen = bound.choose()?;
        let carrier = chosen.to_string();
        let pipeline = pipeline(&config, passwords, log.sender(), chosen.for_modules())?;
        let (stopping, stops) = watch::channel(false);
        let serving = chosen.start(pipeline, app::router(&config.app, stops), &config.server)?;
        tracing::info!(%addr, carrier, "gate listens");
        Ok(Self { serving, addr, carrier, secure: config.server.is_secure(), stopping, log, guest })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What carries HTTP, and why it is that.
    #[must_use]
    pub fn carrier(&self) -> &str {
        &self.carrier
    }

    /// Whether it speaks HTTPS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// What it encrypts with; [`Tls::reload`] reads a renewed certificate.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        self.serving.tls()
    }

    /// Who may log in, when nobody was configured.
    #[must_use]
    pub fn guest(&self) -> Option<&Guest> {
        self.guest.as_ref()
    }

    /// Serves until the first order; the second one ends the waiting for requests. Writes the log to its end.
    pub async fn run(self, orders: mpsc::Receiver<()>) -> Stopped {
        let stopped = self.serving.run(&self.stopping, orders).await;
        let lost = self.log.sender();
        // The thread may wait for a disk; the runtime must not.
        let closed = tokio::task::spawn_blocking(move || self.log.close(LOG_DEADLINE)).await;
        if !closed.unwrap_or_default() {
            tracing::error!("the access log was not written to its end within {LOG_DEADLINE:?}");
        }
        if lost.lost() > 0 {
            tracing::error!(lines = lost.lost(), "lines are missing in the access log");
        }
        stopped
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("serving", &self.serving).finish_non_exhaustive()
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guest(..)")
    }
}

/// The modules, in the order in which they see a request; an application is still to be put behind them.
///
/// # Errors
///
/// When nobody could log in, or the system has no random bytes.
pub fn pipeline(
    config: &Config,
    passwords: Passwords,
    log: LogSender,
    drivers: Selection,
) -> Result<PipelineBuilder, Box<dyn Error + Send + Sync>> {
    let software = concat!("Bivalve gate/", env!("CARGO_PKG_VERSION"));
    let driver = move || drivers.start().map_err(std::io::Error::other);
    let mut pipeline = Pipeline::builder()
        .server(bivalve::Server::new().software(software).with_driver_on_demand(driver))
        .module("ServerTiming", ServerTiming::new(&config.server_timing))
        .module("RequestId", RequestIds::new(&config.request_id))
        .module("AccessLog", AccessLog::new(&config.access_log, log))
        .module("SecurityHeaders", SecurityHeaders::new(&config.security_headers))
        .module("Authentication", Authentication::new(&config.authentication, passwords)?);
    if let Some(folder) = &config.app.files {
        let files = StaticFiles::builder(folder).at("/files").build()?;
        pipeline = pipeline.module("StaticFiles", files);
    }
    if counts_received(&config.access_log) {
        pipeline = pipeline.module("ReceivedBytes", ReceivedBytes);
    }
    if config.server_timing.audience != Audience::Nobody {
        let start = Instant::now();
        pipeline = pipeline.measure(move || start.elapsed());
    }
    Ok(pipeline)
}

fn counts_received(config: &AccessLogConfig) -> bool {
    config.fields.contains(&Field::BytesReceived)
}

/// The configured users; a guest when there is neither a password file nor a token.
fn who_may_enter(config: &mut Config) -> Result<(Passwords, Option<Guest>), Box<dyn Error + Send + Sync>> {
    let authentication = &mut config.authentication;
    if let Some(file) = &authentication.users {
        if private::is_open_to_all(file) {
            let file = file.display();
            tracing::warn!(%file, "everybody on this machine can read or write the password file; `chmod 600` it");
        }
        return Ok((Passwords::read(file)?, None));
    }
    if !authentication.tokens.is_empty() {
        return Ok((Passwords::parse("")?, None));
    }
    let guest = Guest { password: random::<12>()?, token: token()? };
    let passwords = Passwords::parse(&Passwords::line(GUEST, &guest.password)?)?;
    authentication.tokens.push(TokenConfig { name: GUEST.into(), sha256: TokenHash::of(&guest.token) });
    Ok((passwords, Some(guest)))
}

/// A fresh bearer token: 256 random bits.
///
/// # Errors
///
/// When the system has no random bytes.
pub fn token() -> Result<String, getrandom::Error> {
    random::<32>()
}

/// Random letters, digits, `-` and `_`.
fn random<const BYTES: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The user that is made when nobody was configured.
pub const GUEST: &str = "guest";

/// For the last lines of the log.
const LOG_DEADLINE: Duration = Duration::from_secs(5);
