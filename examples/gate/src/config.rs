//! Everything that can be set, in one file.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::app::AppConfig;
use crate::modules::access_log::AccessLogConfig;
use crate::modules::authentication::AuthenticationConfig;
use crate::modules::request_id::RequestIdConfig;
use crate::modules::security_headers::SecurityHeadersConfig;
use crate::modules::server_timing::ServerTimingConfig;
use crate::server::ServerConfig;

/// The whole configuration: what is not said is at its default, what is unknown is an error.
///
/// Paths in it are relative to the folder in which the server was started, like those of the command line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address to listen at; port 0 takes any that is free. Default: `127.0.0.1:8080`.
    pub listen: SocketAddr,
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
        let wrong = |text: String| ConfigError { file: path.to_owned(), text };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
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

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    text: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "configuration {}: {}", self.file.display(), self.text)
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
        assert!(all.authentication.users.is_some() && all.app.files.is_some());
        assert_eq!(all.authentication.tokens.len(), 1);
    }

    #[test]
    fn mistakes_name_file_line_and_key() {
        for (text, line, said) in [
            ("lissten = \"x\"\n", 1, "unknown field `lissten`, expected one of `listen`"),
            ("\nlisten = \"everywhere\"\n", 2, "listen = \"everywhere\""),
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
            ("[app\n", 1, "expected"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.starts_with("configuration FILE: "), "{error}");
            assert!(error.contains(&format!("line {line}, ")), "{text}: {error}");
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Config::read(Path::new("no/such.toml")).expect_err("missing").to_string();
        assert!(error.starts_with("configuration no/such.toml: "), "{error}");
    }
}
