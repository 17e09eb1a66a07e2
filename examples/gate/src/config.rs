//! Everything that can be set, in one file.

use std::collections::HashSet;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

use crate::app::AppConfig;
use crate::modules::access_log::AccessLogConfig;
use crate::modules::authentication::{AuthenticationConfig, check_name};
use crate::modules::request_id::RequestIdConfig;
use crate::modules::security_headers::SecurityHeadersConfig;
use crate::modules::server_timing::ServerTimingConfig;
use crate::server::{Backend, ServerConfig};

/// The whole configuration: what is not said is at its default, what is unknown is an error.
///
/// Paths in it are relative to the folder in which the server was started, like those of the command line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address to listen at; port 0 takes any that is free. Default: `127.0.0.1:8080`.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// What carries HTTP, and which completion driver modules have: `auto`, `uring`, `iocp` or `tokio` with Bivalve's own
    /// server, or `hyper`. Any but `auto` is taken or nothing. Default: `auto`.
    #[serde(deserialize_with = "backend")]
    pub backend: Backend,
    /// Connections and their end.
    pub server: ServerConfig,
    /// The application.
    pub app: AppConfig,
    /// The module `RequestIds`.
    pub request_id: RequestIdConfig,
    /// The module `Authentication`.
    pub authentication: AuthenticationConfig,
    /// The module `AccessLog`.
    pub access_log: AccessLogConfig,
    /// The module `SecurityHeaders`.
    pub security_headers: SecurityHeadersConfig,
    /// The module `ServerTiming`.
    pub server_timing: ServerTimingConfig,
}

impl Config {
    /// Reads a TOML file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or something in it is unknown or malformed: file, line and key are named.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let wrong = |text: String| ConfigError { file: Some(path.to_owned()), text };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))
    }

    /// Whether the values make sense. [`Gate::start`](crate::Gate::start) asks as well.
    ///
    /// # Errors
    ///
    /// The first value that makes none, and which ones would.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |text: String| Err(ConfigError { file: None, text });
        let Self { server, app, authentication, access_log, .. } = self;
        for (key, secs, least) in [
            ("server.header_timeout_secs", server.header_timeout_secs, 1),
            ("server.idle_timeout_secs", server.idle_timeout_secs, 1),
            ("server.stall_timeout_secs", server.stall_timeout_secs, 1),
            ("server.shutdown_secs", server.shutdown_secs, 0),
            ("authentication.cache_secs", authentication.cache_secs, 0),
            ("authentication.verification_wait_secs", authentication.verification_wait_secs, 1),
        ] {
            if !(least..=DAY).contains(&secs) {
                return wrong(format!("{key} = {secs}: from {least} to {DAY} seconds, which is a day"));
            }
        }
        for (key, zero) in [
            ("server.max_connections", server.max_connections == 0),
            ("server.max_connections_per_address", server.max_connections_per_address == 0),
            ("server.min_bytes_per_second", server.min_bytes_per_second == 0),
            ("authentication.verifications_per_address", authentication.verifications_per_address == 0),
            ("access_log.max_bytes", access_log.max_bytes == 0),
            ("access_log.keep_files", access_log.keep_files == 0),
            ("access_log.queue_lines", access_log.queue_lines == 0),
        ] {
            if zero {
                return wrong(format!("{key} = 0: it is 1 at least"));
            }
        }
        if server.tls_certificate.is_some() != server.tls_key.is_some() {
            return wrong(
                "server.tls_certificate and server.tls_key: one is of no use without the other".into(),
            );
        }
        if server.is_secure() && self.backend == Backend::Hyper {
            return wrong("server.tls_certificate: the backend hyper encrypts nothing; choose auto".into());
        }
        if !server.proxy_protocol_from.is_empty() && self.backend == Backend::Hyper {
            return wrong(
                "server.proxy_protocol_from: the backend hyper reads no such header; choose auto".into(),
            );
        }
        let mut fields = HashSet::new();
        if let Some(twice) = access_log.fields.iter().find(|field| !fields.insert(**field)) {
            return wrong(format!("access_log.fields: {twice} is there twice"));
        }
        if fields.is_empty() {
            return wrong("access_log.fields: a line tells something".into());
        }
        if let Some(path) = authentication.open_paths.iter().find(|path| !path.starts_with('/')) {
            return wrong(format!("authentication.open_paths: {path:?} does not begin with /"));
        }
        let mut names = HashSet::new();
        for token in &authentication.tokens {
            check_name(&token.name).map_err(|text| ConfigError {
                file: None,
                text: format!("authentication.tokens: the name {:?}: {text}", token.name),
            })?;
            if !names.insert(&token.name) {
                return wrong(format!("authentication.tokens: the name {:?} is there twice", token.name));
            }
        }
        match &app.files {
            Some(folder) if !folder.is_dir() => {
                wrong(format!("app.files: there is no folder {}", folder.display()))
            }
            _ => Ok(()),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            backend: Backend::default(),
            server: ServerConfig::default(),
            app: AppConfig::default(),
            request_id: RequestIdConfig::default(),
            authentication: AuthenticationConfig::default(),
            access_log: AccessLogConfig::default(),
            security_headers: SecurityHeadersConfig::default(),
            server_timing: ServerTimingConfig::default(),
        }
    }
}

/// An address and a port; a name in place of the address is looked up.
///
/// # Errors
///
/// When it is none, with an example of one.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| format!("no address and port, as in 127.0.0.1:8080 or localhost:8080: {text:?}"))
}

fn backend<'de, D: Deserializer<'de>>(from: D) -> Result<Backend, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    listen_address(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

/// Seconds.
const DAY: u64 = 24 * 60 * 60;

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: Option<PathBuf>,
    text: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "configuration {}: {}", file.display(), self.text),
            None => write!(f, "configuration: {}", self.text),
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        Config::read(file.path())
            .map_err(|error| error.to_string().replace(&*file.path().to_string_lossy(), "FILE"))
    }

    #[test]
    fn nothing_said_is_the_default() {
        assert_eq!(read(""), Ok(Config::default()));
    }

    #[test]
    fn the_documented_file_says_every_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("gate.toml");
        assert_eq!(Config::read(&path), Ok(Config::default()));
        // A line that is commented out shows a key that has no default; with them the file must be good as well.
        let text = std::fs::read_to_string(path).expect("the file");
        let all: String =
            text.lines().map(|line| format!("{}\n", line.strip_prefix("#: ").unwrap_or(line))).collect();
        let all = read(&all).expect("every key is known");
        assert!(all.authentication.users.is_some() && all.app.files.is_some() && all.server.is_secure());
        assert_eq!(all.authentication.tokens.len(), 1);
    }

    #[test]
    fn mistakes_name_file_line_and_key() {
        for (text, line, said) in [
            ("lissten = \"x\"\n", 1, "unknown field `lissten`, expected one of `listen`"),
            ("\nlisten = \"everywhere\"\n", 2, "listen = \"everywhere\""),
            ("backend = \"epoll\"\n", 1, "no backend: auto, uring, iocp, tokio or hyper"),
            ("[server]\n\nshutdown_sec = 3\n", 3, "unknown field `shutdown_sec`"),
            (
                "[access_log]\nfields = [\"date\", \"tme\"]\n",
                2,
                "there is no field \"tme\"; there are date time",
            ),
            (
                "[access_log]\nrotation = \"weekly\"\n",
                2,
                "unknown variant `weekly`, expected `day` or `size`",
            ),
            ("[authentication]\nrealm = \"a\\\"b\"\n", 2, "a realm is printable ASCII"),
            ("[[authentication.tokens]]\nname = \"ci\"\nsha256 = \"12\"\n", 3, "64 hexadecimal digits"),
            ("[security_headers]\nreferrer_policy = \"a\\nb\"\n", 2, "printable ASCII on one line"),
            ("[app]\nmax_upload_bytes = -1\n", 2, "max_upload_bytes = -1"),
            ("[server]\nproxy_protocol_from = [\"proxy\"]\n", 2, "invalid IP address"),
            ("[app\n", 1, "expected"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.starts_with("configuration FILE: "), "{error}");
            assert!(error.contains(&format!("line {line}, ")), "{text}: {error}");
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn values_without_sense_are_refused() {
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let named = |name: &str| format!("[[authentication.tokens]]\nsha256 = \"{hash}\"\nname = {name:?}\n");
        for (text, said) in [
            ("[server]\nheader_timeout_secs = 9223372036854775807\n".to_owned(), "server.header_timeout"),
            ("[server]\nidle_timeout_secs = 86401\n".into(), "from 1 to 86400 seconds"),
            ("[server]\nstall_timeout_secs = 0\n".into(), "server.stall_timeout_secs = 0"),
            ("[server]\nmax_connections = 0\n".into(), "server.max_connections = 0: it is 1 at least"),
            ("[authentication]\ncache_secs = 9223372036854775807\n".into(), "authentication.cache_secs"),
            ("[authentication]\nopen_paths = [\" /a\"]\n".into(), "\" /a\" does not begin with /"),
            ("[server]\nmin_bytes_per_second = 0\n".into(), "server.min_bytes_per_second = 0"),
            ("[server]\ntls_key = \"k\"\n".into(), "one is of no use without the other"),
            (
                "backend = \"hyper\"\n[server]\ntls_key = \"k\"\ntls_certificate = \"c\"\n".into(),
                "hyper encrypts nothing",
            ),
            (
                "backend = \"hyper\"\n[server]\nproxy_protocol_from = [\"::1\"]\n".into(),
                "hyper reads no such header",
            ),
            (named(""), "the name \"\": "),
            (named("a\tb"), "no control characters"),
            (named("a") + &named("a"), "the name \"a\" is there twice"),
            ("[access_log]\nfields = []\n".into(), "a line tells something"),
            ("[access_log]\nfields = [\"date\", \"date\"]\n".into(), "date is there twice"),
            ("[access_log]\nkeep_files = 0\n".into(), "access_log.keep_files = 0"),
            ("[app]\nfiles = \"no/such\"\n".into(), "there is no folder no/such"),
        ] {
            let error = read(&text).expect("well formed").check().expect_err(&text).to_string();
            assert!(error.starts_with("configuration: ") && error.contains(said), "{text}: {error}");
        }
        assert_eq!(Config::default().check(), Ok(()));
        assert_eq!(read("[server]\nshutdown_secs = 0\n").expect("well formed").check(), Ok(()));
    }

    #[test]
    fn a_name_is_looked_up() {
        assert!(listen_address("localhost:8080").expect("found").ip().is_loopback());
        assert!(listen_address("localhost").expect_err("no port").contains("127.0.0.1:8080"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Config::read(Path::new("no/such.toml")).expect_err("missing").to_string();
        assert!(error.starts_with("configuration no/such.toml: "), "{error}");
    }
}
