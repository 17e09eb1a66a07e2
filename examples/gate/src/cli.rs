//! The command line.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use bivalve::backend::survey;
use clap::{Parser, Subcommand};
use gate::config::{Config, ConfigError, listen_address};
use gate::modules::authentication::{Passwords, TokenHash};
use gate::server::Backend;

/// An axum application behind Bivalve modules: request id, authentication, W3C access log, security headers
///
/// Without any option it listens at 127.0.0.1:8080 and prints a user and a token that are good until it ends.
/// RUST_LOG=debug tells more about what it does.
#[derive(Debug, Parser)]
#[command(version, disable_version_flag = true, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    /// What carries HTTP: Bivalve's own server on the best driver or on one of them (auto, uring, iocp, tokio), or hyper; any
    /// but auto is taken or nothing [default: auto]
    #[arg(long, value_name = "BACKEND")]
    backend: Option<Backend>,

    /// Where to listen; port 0 takes any that is free [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen_address)]
    listen: Option<SocketAddr>,

    /// A TOML file; what is said on this command line wins over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The folder for the access log [default: gate-logs]
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,

    /// The password file: one line for each user, made by `gate user NAME`
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,

    /// The certificate in PEM, with its chain: then gate speaks HTTPS, and HTTP/2 with clients that want it; SIGHUP has it read
    /// again
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,

    /// Its private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,

    /// Print the version; with -v also what this system has
    #[arg(short = 'V', long)]
    pub(crate) version: bool,

    /// Say more
    #[arg(short, long, requires = "version")]
    pub(crate) verbose: bool,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a bearer token, and its entry for the configuration
    Token {
        /// The user that it stands for
        name: String,
    },
    /// Read a password from standard input, and print a line for the password file
    User {
        /// The user's name
        name: String,
    },
}

impl Cli {
    /// The configuration: defaults, then the file, then the options.
    pub(crate) fn config(self) -> Result<Config, ConfigError> {
        let mut config = self.config.as_deref().map_or_else(|| Ok(Config::default()), Config::read)?;
        config.backend = self.backend.unwrap_or(config.backend);
        config.listen = self.listen.unwrap_or(config.listen);
        if let Some(folder) = self.log_dir {
            config.access_log.directory = folder;
        }
        if self.tls_certificate.is_some() {
            config.server.tls_certificate = self.tls_certificate;
            config.server.tls_key = self.tls_key;
        }
        if self.users.is_some() {
            config.authentication.users = self.users;
        }
        Ok(config)
    }
}

/// `gate --version`, and `gate --version -v`
pub(crate) fn version(verbose: bool) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut out = io::stdout().lock();
    writeln!(out, "gate {}", env!("CARGO_PKG_VERSION"))?;
    if verbose {
        writeln!(out, "\nCompletion drivers, the best first:")?;
        for (backend, found) in survey() {
            match found {
                Ok(found) => writeln!(out, "  {backend:<6} yes  {found}")?,
                Err(error) => writeln!(out, "  {backend:<6} no   {error}")?,
            }
        }
    }
    Ok(())
}

/// `gate token NAME`
pub(crate) fn token(name: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let token = gate::token()?;
    let sha256 = TokenHash::of(&token);
    let name = toml_string(name);
    writeln!(
        io::stdout(),
        "# For the client, and nowhere else: {token}\n[[authentication.tokens]]\nname = {name}\nsha256 = \"{sha256}\""
    )?;
    Ok(())
}

/// `gate user NAME`
pub(crate) fn user(name: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut password = String::new();
    io::stdin().lock().read_line(&mut password)?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err("no password came from standard input".into());
    }
    writeln!(io::stdout(), "{}", Passwords::line(name, password)?)?;
    Ok(())
}

/// A basic string of TOML.
fn toml_string(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_win_over_the_file() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let text =
            "listen = \"127.0.0.1:1\"\n[access_log]\ndirectory = \"a\"\n[authentication]\nrealm = \"r\"\n";
        std::fs::write(file.path(), text).expect("written");
        let path = file.path().to_str().expect("UTF-8");
        let config = |more: &[&str]| {
            let args = ["gate", "--config", path].into_iter().chain(more.iter().copied());
            Cli::try_parse_from(args).expect("parsed").config().expect("read")
        };
        let plain = config(&[]);
        assert_eq!((plain.listen.port(), plain.access_log.directory), (1, "a".into()));
        let changed = config(&["--listen", "[::1]:2", "--log-dir", "b", "--users", "u"]);
        assert_eq!((changed.listen.port(), changed.access_log.directory), (2, "b".into()));
        assert_eq!(changed.authentication.users, Some("u".into()));
        assert_eq!(changed.authentication.realm, plain.authentication.realm);
        assert_eq!((plain.backend, plain.server.tls_key), (Backend::default(), None));
        let changed = config(&["--backend", "hyper", "--tls-certificate", "c", "--tls-key", "k"]);
        assert_eq!((changed.backend, changed.server.tls_key), (Backend::Hyper, Some("k".into())));
        assert_eq!(changed.server.tls_certificate, Some("c".into()));
        assert!(Cli::try_parse_from(["gate", "--tls-key", "k"]).is_err(), "a key without a certificate");
    }

    #[test]
    fn a_name_is_quoted_for_toml() {
        assert_eq!(toml_string("a\"b\\c\nd"), r#""a\"b\\c\u000Ad""#);
    }
}
