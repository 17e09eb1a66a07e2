//! Writes the access log in the W3C extended format, as IIS does.
//!
//! Runs at [`LogRequest`](bivalve::Notification::LogRequest), which every request reaches. A line is made there and
//! handed to a [`LogWriter`], a thread of its own behind a bounded queue: neither a slow nor a full disk makes a
//! request wait. What cannot be written is counted, and the number goes to the trace and into the log.
//!
//! # What ours means where IIS's differs
//!
//! | field | here | IIS |
//! |---|---|---|
//! | `date`, `time` | when the request was logged, in UTC | the same |
//! | `cs-uri-stem` | the path as the client sent it, still encoded | decoded |
//! | `sc-bytes` | entity body only: what has left, and what will leave after LogRequest because it is buffered; 0 for `HEAD` | headers as well, after the last byte |
//! | `cs-bytes` | entity body only, as far as it was read | headers as well |
//! | `sc-win32-status` | 1326 for 401.1, 5 for 401.2, 2 for 404, 64 when the client has gone, else 0 | what the module or the kernel reported |
//! | `time-taken` | from BeginRequest to LogRequest, in milliseconds | includes the network |
//! | `x-request-id` | the id that [`RequestIds`](super::request_id::RequestIds) gave | no such field |
//!
//! What is no HTTP never becomes a request: the server answers it with 400 or 431 by itself, and it is not logged here.
//!
//! A value has its spaces replaced by `+`, as in IIS; control characters, whatever is not ASCII and a `#` at the start of
//! a line are percent-encoded, so that no client can forge a line, a field or a directive.
//!
//! # Bounds
//!
//! Of a value 1,024 bytes are logged, and of a line 8 KiB; what is left out becomes `...`. 8 MiB of lines, or
//! `queue_lines` of them, wait for the disk; further ones are dropped and counted. On the disk are at most about
//! `keep_files` × `max_bytes`: whoever may send requests can send enough of them to make the oldest files go. Evidence
//! that must stay belongs on another machine: ship the files there as they grow.
//!
//! A disk that becomes full can leave the beginning of a line, which counts as missing; what follows begins on a line of its own.
//!
//! # Same on both hosts
//!
//! IIS: replaces the log of http.sys. Differences: none.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use bivalve::testing::{TestHost, block_on};
//! use gate::modules::access_log::{AccessLog, AccessLogConfig, LogWriter};
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path().join("logs");
//! let config = AccessLogConfig { directory: folder.clone(), ..AccessLogConfig::default() };
//! let log = LogWriter::start(&config)?;
//! let host = TestHost::new().mount(AccessLog::new(&config, log.sender()));
//! block_on(host.get("/a?b=c").finish());
//! assert!(log.close(Duration::from_secs(5)));
//! # let text = std::fs::read_to_string(std::fs::read_dir(folder)?.next().expect("a file")?.path())?;
//! # assert!(text.contains(" 127.0.0.1 GET /a b=c 80 - 127.0.0.1 - - 404 0 2 "), "{text}");
//! # Ok::<(), std::io::Error>(())
//! ```

mod config;
mod field;
mod file;
mod module;
mod received;
#[cfg(test)]
mod tests;
mod writer;

pub use self::config::{AccessLogConfig, Rotation};
pub use self::field::{Field, UnknownField};
pub use self::file::{LogFile, RotatingFile};
pub use self::module::AccessLog;
pub use self::received::ReceivedBytes;
pub use self::writer::{LogSender, LogWriter};
