//! What builds for Windows and runs it: Rust with the standard library for the target, mingw's linker, and Wine.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::command::Command;

/// What runs here. Its linker comes with the packages, Microsoft's does not.
pub(crate) const TARGET: &str = "x86_64-pc-windows-gnu";
/// Mingw's compiler: also what rustc calls as the linker.
pub(crate) const MINGW: &str = "x86_64-w64-mingw32-gcc";

/// The packages of Debian 12 that bring all of it. `rustc-web` is a current Rust; it leaves what rustup installed
/// alone.
pub(crate) const PACKAGES: &str = "rustc-web cargo-web rust-web-src gcc-mingw-w64-x86-64 wine64";

/// Where Debian's packages have their programs, whatever is on the path before them.
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_RUSTDOC: &str = "/usr/bin/rustdoc";
const DEBIAN_WINE: &str = "/usr/lib/wine";

/// Which cargo builds for a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// Debian's, which has no standard library for any target but its own, and builds it from its sources.
    Debian,
    /// The one that runs the other steps: rustup has installed the target.
    Rustup,
}

/// Wine's two programs: they have to be of one installation.
#[derive(Debug)]
pub(crate) struct Wine {
    pub(super) loader: PathBuf,
    pub(super) server: PathBuf,
}

impl Toolchain {
    pub(crate) fn of(target: &str) -> Result<Self> {
        if sysroot("rustc").is_some_and(|root| root.join("lib/rustlib").join(target).join("lib").is_dir()) {
            Ok(Self::Rustup)
        } else if debian_has_sources() {
            Ok(Self::Debian)
        } else {
            Err(format!("no Rust for {target} is installed; run `rustup target add {target}`").into())
        }
    }

    /// `cargo LINE` with this toolchain, and with everything that it makes below `directory`.
    pub(crate) fn cargo(self, line: &str, directory: &Path) -> Command {
        let command = match self {
            Self::Rustup => Command::new("cargo"),
            // A stable compiler builds a standard library only when it is told that it is that of a Rust project.
            Self::Debian => Command::new(DEBIAN_CARGO)
                .env("RUSTC", DEBIAN_RUSTC)
                .env("RUSTDOC", DEBIAN_RUSTDOC)
                .env("RUSTC_BOOTSTRAP", "1"),
        };
        // The flags are the same for all commands: with others, everything would be built again. Nobody debugs
        // these programs, and without debug information they are built and linked in half the time.
        let command = command
            .env("RUSTFLAGS", "-Dwarnings")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .args(line.split_whitespace().map(String::from))
            .arg("--target-dir")
            .arg(directory.join("cargo").display().to_string());
        match self {
            Self::Rustup => command,
            Self::Debian => command.arg("-Zbuild-std"),
        }
    }
}

/// The targets, divided by who builds for them.
pub(super) fn by_toolchain<'a>(targets: &[&'a str]) -> Result<Vec<(Toolchain, Vec<&'a str>)>> {
    let mut divided: Vec<(Toolchain, Vec<&str>)> = Vec::new();
    for target in targets {
        let toolchain = Toolchain::of(target)?;
        match divided.iter_mut().find(|(known, _)| *known == toolchain) {
            Some((_, targets)) => targets.push(target),
            None => divided.push((toolchain, vec![target])),
        }
    }
    Ok(divided)
}

/// What the step needs and this machine does not have.
pub(crate) fn missing() -> Vec<&'static str> {
    let targets = super::CHECKED.iter().flat_map(|checked| checked.targets).chain([&TARGET]);
    let mut missing = Vec::new();
    if targets.into_iter().any(|target| Toolchain::of(target).is_err()) {
        missing.push("Rust for the Windows targets");
    }
    if on_path(MINGW).is_none() {
        missing.push(MINGW);
    }
    if Wine::find().is_err() {
        missing.push("wine64");
    }
    missing
}

impl Wine {
    pub(crate) fn find() -> Result<Self> {
        let debian = Path::new(DEBIAN_WINE);
        // Debian's package without its wrappers has nothing on the path; newer versions have one program for all.
        let loader = on_path("wine64").or_else(|| file(debian, "wine64")).or_else(|| on_path("wine"));
        let loader = loader.ok_or("there is no wine64; run `sudo apt-get install wine64`")?;
        let beside = std::fs::canonicalize(&loader)?.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let server = ["wineserver64", "wineserver"].iter().find_map(|name| file(&beside, name));
        let server = server.or_else(|| on_path("wineserver")).or_else(|| file(debian, "wineserver64"));
        let server = server.ok_or_else(|| format!("there is no wineserver beside {}", loader.display()))?;
        Ok(Self { loader, server })
    }
}

/// Whether Debian's Rust is here, is new enough for us, and has the sources of its standard library.
fn debian_has_sources() -> bool {
    let version = Command::new(DEBIAN_RUSTC).arg("--version").captured();
    let new_enough = version.is_ok_and(|output| {
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        minor_version(&told) >= minor_version(concat!("rustc ", env!("CARGO_PKG_RUST_VERSION")))
    });
    let sources = "lib/rustlib/src/rust/library/std/Cargo.toml";
    new_enough
        && Path::new(DEBIAN_CARGO).is_file()
        && sysroot(DEBIAN_RUSTC).is_some_and(|root| root.join(sources).is_file())
}

/// 96 of `rustc 1.96.0 (...)`.
fn minor_version(told: &str) -> Option<u32> {
    told.strip_prefix("rustc 1.")?.split('.').next()?.trim().parse().ok()
}

fn sysroot(rustc: &str) -> Option<PathBuf> {
    let output = Command::new(rustc).arg("--print").arg("sysroot").captured().ok()?;
    output.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).find_map(|directory| file(&directory, name))
}

fn file(directory: &Path, name: &str) -> Option<PathBuf> {
    Some(directory.join(name)).filter(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_what_rustc_tells() {
        assert_eq!(minor_version("rustc 1.96.0 (ac68faa20 2026-05-25)\n"), Some(96));
        assert_eq!(minor_version("rustc 1.90"), Some(90));
        assert_eq!(minor_version("error: no default toolchain"), None);
    }

    #[test]
    fn the_flags_are_those_of_every_command() {
        let test = Toolchain::Debian.cargo("test --no-run", Path::new("/t")).to_string();
        let check = Toolchain::Debian.cargo("check", Path::new("/t")).to_string();
        assert_eq!(test.split("test").next(), check.split("check").next());
        assert!(check.ends_with(" -Zbuild-std"), "{check}");
        let rustup = Toolchain::Rustup.cargo("check", Path::new("/t")).to_string();
        assert!(!rustup.contains("-Zbuild-std") && !rustup.contains("RUSTC_BOOTSTRAP"), "{rustup}");
    }
}
