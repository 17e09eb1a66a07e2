//! Modules as shared objects.

use std::path::PathBuf;
use std::process::Command;

/// Builds a package with the profile, the target and the flags of this test; where it is.
pub(crate) fn library(package: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.ancestors().nth(2).expect("target/debug/deps").to_path_buf();
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let name = format!("{prefix}{}{suffix}", package.replace('-', "_"));
    let library = profile.join(name);
    if std::env::var_os("WINEPREFIX").is_some() {
        // Cargo does not run under Wine: whoever started this has built the module.
        return library;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let above = profile.parent().expect("a target directory");
    // With `--target` there is one more directory.
    let is_target = |name: &str| name.split('-').count() >= 3;
    let target = above.file_name().and_then(|name| name.to_str()).filter(|name| is_target(name));
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", package]);
    match target {
        Some(target) => {
            command.args(["--target", target, "--target-dir"]);
            command.arg(above.parent().expect("a target directory"));
        }
        None => {
            command.arg("--target-dir").arg(above);
        }
    }
    if profile.ends_with("release") {
        command.arg("--release");
    }
    assert!(command.status().expect("cargo runs").success(), "the module does not build");
    library
}
