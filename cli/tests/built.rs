//! Libraries that cargo has built of modules, as `bivalve iis doctor` and `bivalve iis package` see them.

mod common;

use std::path::PathBuf;
use std::process::Command;

use bivalve_cli::doctor::{Report, Severity, Wanted};
use bivalve_cli::image::{ENTRY, ExportKind, Manifest};
use bivalve_cli::package::Package;
use common::{Dll, Export, bivalve, text};

/// Builds a package of this workspace with the profile of this test; where its library is.
fn library(package: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.ancestors().nth(2).expect("target/debug/deps");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", package, "--target-dir"]);
    command.arg(profile.parent().expect("a target directory"));
    if profile.ends_with("release") {
        command.arg("--release");
    }
    assert!(command.status().expect("cargo runs").success(), "{package} does not build");
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    profile.join(format!("{prefix}{}{suffix}", package.replace('-', "_")))
}

#[test]
fn a_library_of_modules_says_their_names() {
    let path = library("same-on-both-module");
    let report = Report::of_file(&path, Wanted::default());
    let image = report.image().expect("read");
    assert_eq!(image.export(ENTRY), Some(ExportKind::Code), "{report}");
    let modules = image.manifest.as_ref().map(Manifest::modules).unwrap_or_default();
    let names: Vec<_> = modules.iter().map(|module| module.name.as_str()).collect();
    assert!(names.starts_with(&["HelloWorld", "AsyncHello"]) && names.contains(&"Answers"), "{report}");
    let output = bivalve(&["iis", "doctor", path.to_str().expect("UTF-8")]);
    let out = text(&output.stdout);
    assert!(out.contains("registers   HelloWorld\n"), "{out}");
    assert!(!out.contains("there is no BIVALVE_MODULES"), "{out}");
}

#[test]
fn a_library_of_a_service_says_that_any_name_will_do() {
    let report = Report::of_file(&library("axum-in-iis"), Wanted::default());
    let image = report.image().expect("read");
    let modules = image.manifest.as_ref().map(Manifest::modules).unwrap_or_default();
    assert!(modules.len() == 1 && modules[0].is_any(), "{modules:?}");
    assert_eq!(modules[0].events, ["execute_request_handler"]);
    let shown = report.to_string();
    assert!(shown.contains("whatever name it is given: execute_request_handler"), "{shown}");
}

/// One byte of the names changed in a real library, each in turn: none is guessed at, and the file stays a module.
#[test]
fn a_damaged_text_in_a_library_is_said_to_be_unknown() {
    let bytes = std::fs::read(library("axum-in-iis")).expect("read");
    let mark = b"bivalve-modules/1; *:";
    let at = bytes.windows(mark.len()).position(|part| part == mark).expect("the text is in the file");
    for (offset, byte) in [(0, b'x'), (16, b'7'), (19, 0x1b), (20, b'"')] {
        let mut damaged = bytes.clone();
        damaged[at + offset] = byte;
        let report = Report::of_bytes("module", &damaged, Wanted::default());
        let manifest = report.image().expect("read").manifest.clone();
        let any = |modules: &[_]| modules.iter().any(bivalve_cli::image::Declared::is_any);
        assert!(!manifest.as_ref().is_some_and(|manifest| any(manifest.modules())), "{offset}: {report}");
        assert!(!report.keeps_iis_from_loading(), "{report}");
        assert!(!report.to_string().contains('\u{1b}'), "{report}");
    }
}

#[test]
fn a_package_without_names_has_those_of_the_dll() {
    let report = Report::of_bytes("gate.dll", &Dll::good().bytes(), Wanted::default());
    let files = Package::default().files("gate.dll".as_ref(), &report).expect("packed");
    let install = files.iter().find(|(name, _)| *name == "install.ps1").expect("there").1.to_vec();
    assert!(text(&install).contains("$modules = @('Gate', 'Audit')"));
}

#[test]
fn a_package_without_names_of_a_dll_without_names_is_refused() {
    for (manifest, part) in [
        (&b"bivalve-modules/1; *: execute_request_handler;"[..], "add --name"),
        (b"bivalve-modules/9; \"Gate\";", "add --name"),
        (b"bivalve-modules/1; \"a'b\";", "apostrophe"),
    ] {
        let exports = vec![("BIVALVE_MODULES", Export::Data(manifest)), ("RegisterModule", Export::Code)];
        let report = Report::of_bytes("gate.dll", &Dll { exports, ..Dll::good() }.bytes(), Wanted::default());
        let error = Package::default().files("gate.dll".as_ref(), &report).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_dll_that_takes_any_name_is_packed_under_the_one_that_is_given() {
    let exports = vec![
        ("BIVALVE_MODULES", Export::Data(b"bivalve-modules/1; *: execute_request_handler;")),
        ("RegisterModule", Export::Code),
    ];
    let report = Report::of_bytes("app.dll", &Dll { exports, ..Dll::good() }.bytes(), Wanted::default());
    assert!(report.findings().all(|finding| finding.severity() != Severity::Stops));
    let package = Package { names: vec!["App".parse().expect("a name")], ..Package::default() };
    assert!(package.files("app.dll".as_ref(), &report).is_ok());
}
