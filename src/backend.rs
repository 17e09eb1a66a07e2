//! Which completion driver, and why: chosen by what the system has, or demanded.
//!
//! ```
//! use bivalve::DriverExt;
//! use bivalve::backend::Selection;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let driver = Selection::automatic().start()?; // Arc<dyn Driver>
//! let server = bivalve::Server::new().with_driver(driver.clone());
//! # drop(server);
//! let done = bivalve::testing::block_on(driver.post(7));
//! assert_eq!(done.completion.bytes(), 7);
//! # driver.shut_down();
//! # Ok(())
//! # }
//! ```
//!
//! | system | automatic | can be demanded |
//! |---|---|---|
//! | Linux | io_uring; Tokio where there is none | `uring`, `tokio` |
//! | Windows | completion ports | `iocp`, `tokio` |
//! | others | Tokio | `tokio` |
//!
//! Only a system without io_uring is passed over: an old kernel, a seccomp profile, a setting (`ENOSYS`, `EPERM`,
//! `EINVAL`). One that has run out of memory or descriptors is an error which names the limit to raise. What was chosen
//! and why is one line of tracing, at level INFO, target `bivalve::backend`.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bivalve_core::Driver;

#[cfg_attr(target_os = "linux", path = "backend/linux.rs")]
#[cfg_attr(windows, path = "backend/windows.rs")]
#[cfg_attr(not(any(target_os = "linux", windows)), path = "backend/portable.rs")]
pub(crate) mod system;

/// What can be underneath a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// Completion ports, on Windows.
    Iocp,
    /// Tokio: readiness, and files on its blocking pool. Everywhere.
    Tokio,
    /// io_uring, on Linux 5.19 and later.
    Uring,
}

/// Which driver to start.
///
/// From a string, as a command line has it: `auto`, `uring`, `iocp` or `tokio`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    only: Option<Backend>,
}

impl Selection {
    /// The best that the system has.
    #[must_use]
    pub fn automatic() -> Self {
        Self::default()
    }

    /// This one or none: it fails instead of falling back.
    #[must_use]
    pub fn only(backend: Backend) -> Self {
        Self { only: Some(backend) }
    }

    /// Starts the driver on threads of its own; they end when it has been shut down, or dropped by everybody.
    ///
    /// For a server that runs a ring on each core, see `bivalve_uring::Runtime`.
    ///
    /// # Errors
    ///
    /// [`SelectError`]: the demanded one cannot be had, or the system has run out of something.
    pub fn start(self) -> Result<Arc<dyn Driver>, SelectError> {
        let (driver, why) = match self.only {
            Some(backend) => {
                let driver = system::start(backend).map_err(|unavailable| unavailable.error)?;
                (driver, String::from("it was demanded"))
            }
            None => automatic()?,
        };
        tracing::info!(target: "bivalve::backend", driver = driver.name(), why, "completion driver chosen");
        Ok(driver)
    }
}

impl Selection {
    /// Which backend it comes to, and why, without starting it: one line of tracing says so.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn choose(self) -> Result<Choice, SelectError> {
        let mut passed_over = Vec::new();
        let candidates = self.only.as_ref().map_or(system::PREFERENCE, std::slice::from_ref);
        for backend in candidates {
            match system::available(*backend) {
                Ok(found) => {
                    let why = match (self.only, passed_over.is_empty()) {
                        (Some(_), _) => "it was demanded".into(),
                        (None, true) => "the system has it".into(),
                        (None, false) => passed_over.join("; "),
                    };
                    tracing::info!(target: "bivalve::backend", driver = %backend, found, why, "completion driver chosen");
                    return Ok(Choice { backend: *backend, found, why });
                }
                Err(Unavailable { error, fall_back: true }) if self.only.is_none() => {
                    passed_over.push(error.to_string());
                }
                Err(Unavailable { error, .. }) => return Err(error),
            }
        }
        Err(SelectError { backend: Backend::Tokio, source: passed_over.join("; ").into() })
    }
}

/// Which backend a [`Selection`] comes to, and why.
#[derive(Clone, Debug)]
pub struct Choice {
    backend: Backend,
    found: String,
    why: String,
}

impl Choice {
    /// The backend.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// In words, with what was found of it: `io_uring (Linux 6.18)`.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }

    /// Why it is this one: the system has it, it was demanded, or why a better one cannot be had.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// A server of this pipeline on it.
    #[cfg(feature = "server")]
    pub fn server(&self, pipeline: Arc<bivalve_core::Pipeline>) -> bivalve_server::Server {
        let backend = self.backend;
        bivalve_server::Server::new(pipeline, move || system::worker(backend))
    }
}

/// The first of the system's backends that can be had, and why it is that one.
fn automatic() -> Result<(Arc<dyn Driver>, String), SelectError> {
    let mut passed_over = Vec::new();
    for backend in system::PREFERENCE {
        match system::start(*backend) {
            Ok(driver) if passed_over.is_empty() => return Ok((driver, "the system has it".into())),
            Ok(driver) => return Ok((driver, passed_over.join("; "))),
            Err(Unavailable { error, fall_back: true }) => passed_over.push(error.to_string()),
            Err(Unavailable { error, .. }) => return Err(error),
        }
    }
    Err(SelectError { backend: Backend::Tokio, source: passed_over.join("; ").into() })
}

/// What each backend of this system has to say: what was found, or why it cannot be had. For a `doctor` command.
#[must_use]
pub fn survey() -> Vec<(Backend, Result<String, SelectError>)> {
    system::PREFERENCE.iter().map(|backend| (*backend, system::survey(*backend))).collect()
}

/// Why there is no driver.
#[derive(Debug)]
pub struct SelectError {
    backend: Backend,
    source: Box<dyn Error + Send + Sync>,
}

impl SelectError {
    /// The backend that cannot be had.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }
}

/// A backend that could not be started.
struct Unavailable {
    error: SelectError,
    /// The system does not have it; another may take its place.
    fall_back: bool,
}

impl Unavailable {
    fn new(backend: Backend, source: impl Into<Box<dyn Error + Send + Sync>>, fall_back: bool) -> Self {
        Self { error: SelectError { backend, source: source.into() }, fall_back }
    }

    fn not_here(backend: Backend) -> Self {
        Self::new(backend, format!("there is none on {}", std::env::consts::OS), true)
    }
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the driver {} cannot be had: {}", self.backend, self.source)
    }
}

impl Error for SelectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Iocp => "iocp",
            Self::Tokio => "tokio",
            Self::Uring => "uring",
        })
    }
}

/// A word that names no driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownBackend {
    word: String,
}

impl FromStr for Selection {
    type Err = UnknownBackend;

    fn from_str(word: &str) -> Result<Self, UnknownBackend> {
        Ok(match word {
            "auto" => Self::automatic(),
            "iocp" => Self::only(Backend::Iocp),
            "tokio" => Self::only(Backend::Tokio),
            "uring" => Self::only(Backend::Uring),
            _ => return Err(UnknownBackend { word: word.into() }),
        })
    }
}

impl fmt::Display for UnknownBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no driver: auto, uring, iocp or tokio", self.word)
    }
}

impl Error for UnknownBackend {}

/// A runtime for one worker of a server, with Tokio's own driver.
#[cfg(feature = "server")]
fn tokio_worker() -> std::io::Result<crate::serve::OnTokio> {
    crate::serve::OnTokio::new(|| bivalve_tokio::TokioDriver::new().map(|driver| driver as Arc<dyn Driver>))
}

fn start_tokio() -> Result<Arc<dyn Driver>, Unavailable> {
    match bivalve_tokio::TokioDriver::start() {
        Ok(driver) => Ok(driver),
        Err(error) => Err(Unavailable::new(Backend::Tokio, error, false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_says_what_was_found_and_why() {
        let choice = Selection::only(Backend::Tokio).choose().expect("everywhere");
        assert_eq!((choice.backend(), choice.why()), (Backend::Tokio, "it was demanded"));
        assert!(choice.found().starts_with("Tokio ("), "{}", choice.found());
        let absent = if cfg!(windows) { Backend::Uring } else { Backend::Iocp };
        assert_eq!(Selection::only(absent).choose().unwrap_err().backend(), absent);
    }

    #[test]
    fn words_are_selections() {
        assert_eq!("auto".parse(), Ok(Selection::automatic()));
        assert_eq!("tokio".parse(), Ok(Selection::only(Backend::Tokio)));
        let error = "epoll".parse::<Selection>().unwrap_err();
        assert_eq!(error.to_string(), "\"epoll\" is no driver: auto, uring, iocp or tokio");
    }
}
