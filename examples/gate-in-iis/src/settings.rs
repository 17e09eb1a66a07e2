//! The settings, read once for all modules of the DLL, from the file beside it.

use std::error::Error;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use gate::config::Config;
use gate::modules::access_log::{LogSender, LogWriter};
use gate::modules::authentication::Passwords;

/// What the file says.
///
/// # Panics
///
/// When it is not there, or says something that makes no sense: the module is not registered then. It is read again for the
/// next one.
pub(crate) fn config() -> &'static Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    CONFIG.get_or_init(|| {
        let file = bivalve_iis::library_path().map(|library| library.with_extension("toml"));
        let file = file.unwrap_or_else(|error| refuse(&error));
        read(&file).unwrap_or_else(|error| refuse(&*error))
    })
}

/// Where lines of the log go. The thread that writes them stays as long as the process, like the DLL.
///
/// # Panics
///
/// When the folder cannot be written.
pub(crate) fn log() -> LogSender {
    static LOG: OnceLock<LogSender> = OnceLock::new();
    let config = &config().access_log;
    let folder = config.directory.display();
    LOG.get_or_init(|| match LogWriter::start(config) {
        Ok(writer) => writer.sender(),
        Err(error) => refuse(&format!("the access log in {folder} cannot be written: {error}")),
    })
    .clone()
}

/// Who has a password.
///
/// # Panics
///
/// When the file cannot be read or is malformed.
pub(crate) fn users() -> Passwords {
    let users = match &config().authentication.users {
        Some(file) => Passwords::read(file),
        None => Passwords::parse(""),
    };
    users.unwrap_or_else(|error| refuse(&error))
}

/// The module is not registered: `RegisterModule` catches this, and traces it.
#[expect(clippy::panic, reason = "so a module's expression says that there will be none")]
pub(crate) fn refuse(why: &(impl Display + ?Sized)) -> ! {
    panic!("gate cannot run here: {why}")
}

fn read(file: &Path) -> Result<Config, Box<dyn Error + Send + Sync>> {
    let mut config = Config::read(file)?;
    // IIS's own folder is nobody's place for files.
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let from_there = |path: &mut PathBuf| *path = folder.join(&*path);
    from_there(&mut config.access_log.directory);
    config.authentication.users.as_mut().map(from_there);
    config.app.files = None;
    config.check()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("gate_in_iis.toml");
        std::fs::write(&file, "[access_log]\ndirectory = \"logs\"\n[authentication]\nusers = \"users\"\n")
            .expect("written");
        let config = read(&file).expect("it makes sense");
        assert_eq!(config.access_log.directory, folder.path().join("logs"));
        assert_eq!(config.authentication.users, Some(folder.path().join("users")));
    }

    #[test]
    fn a_mistake_is_told_with_its_file_and_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("gate_in_iis.toml");
        let missing = read(&file).expect_err("nobody wrote it").to_string();
        assert!(missing.contains("gate_in_iis.toml"), "{missing}");
        std::fs::write(&file, "[access_log]\nkeep_files = 0\n").expect("written");
        let wrong = read(&file).expect_err("it keeps nothing").to_string();
        assert!(wrong.contains("access_log.keep_files"), "{wrong}");
    }
}
