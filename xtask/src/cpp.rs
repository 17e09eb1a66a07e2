//! The second opinion in C++: clang's layouts of IIS's classes against our tables, and C++ modules in a C++ host.
//!
//! `adapters/iis-cpp` declares the interfaces in the order of the header and leaves the slots to the compiler. What
//! the Rust tables say is compared with what clang makes of that, for the three architectures of IIS; then each C++
//! module runs in the C++ host under Wine, and what it did is compared with a file. So do our DLLs in Rust. The
//! same C++ modules then run inside `bivalve-iis-host`, in each of its modes, and have to answer the same.

mod cases;
mod dump;
mod inside;
mod layout;
mod overloads;
mod rust;

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::command::Command;
use crate::windows::prefix::Prefix;
use crate::windows::toolchain::{MINGW, TARGET, Toolchain, Wine, on_path};
use crate::{Result, windows};

/// The packages of Debian 12 that bring all of it. Of mingw only the import libraries are used.
pub(crate) const PACKAGES: &str = "clang lld gcc-mingw-w64-x86-64 wine64";

const SOURCES: &str = "adapters/iis-cpp";
/// The one that runs here comes first.
const TARGETS: [&str; 3] = ["x86_64-pc-windows-msvc", "i686-pc-windows-msvc", "aarch64-pc-windows-msvc"];
const LINKER: &str = "lld-link";
/// What the step needs and this machine does not have.
pub(crate) fn missing() -> Vec<&'static str> {
    let mut missing: Vec<&str> =
        ["clang", LINKER, MINGW].into_iter().filter(|program| on_path(program).is_none()).collect();
    if Wine::find().is_err() {
        missing.push("wine64");
    }
    if Toolchain::of(TARGET).is_err() {
        missing.push("Rust for the Windows target");
    }
    missing
}

/// Compares the layouts, builds everything, runs the cases.
pub(crate) fn run(log: &mut String) -> Result<bool> {
    let directory = crate::scratch()?.join("cpp");
    std::fs::create_dir_all(&directory)?;
    // Two runs would end each other's Wine.
    let lock = File::create(directory.join("lock"))?;
    lock.lock().map_err(|error| format!("{}: {error}", directory.join("lock").display()))?;
    if !layout::check(log)? || !build(&directory, log)? {
        return Ok(false);
    }
    // Before Wine is started, whose server does not wait for a build; what the C++ modules do is told in any case.
    let windows = windows::directory()?;
    let rust = windows::programs::build(&windows, log)?.map(|_| windows::built(&windows));
    let prefix = Prefix::ensure(&directory)?;
    let cases = crate::root().join(SOURCES).join("cases");
    let abi = crate::root().join("adapters/iis-sys/abi.json");
    let good = overloads::check(&abi, [&cases, &cases.join("rust")], log)?;
    let good = cases::run(&cases, None, &prefix, &directory, log)? && good;
    let good = cases::run(&cases.join("broken"), None, &prefix, &directory, log)? && good;
    let Some(rust) = rust else { return Ok(false) };
    let good = inside::run(&rust, &cases, &prefix, &directory, log)? && good;
    Ok(cases::run(&cases.join("rust"), Some(&rust), &prefix, &directory, log)? && good)
}

/// The modules and the host, for the target that runs here; for the others it is enough that they compile.
fn build(directory: &Path, log: &mut String) -> Result<bool> {
    let library = import_library()?;
    let sources = crate::root().join(SOURCES);
    let modules = sources_in(&sources.join("modules"))?;
    let support = sources_in(&sources.join("support"))?;
    let host = sources_in(&sources.join("host"))?;
    for target in &TARGETS[1..] {
        let all = modules.iter().chain(&support).chain(&host).map(|source| source.display().to_string());
        if !passed(&compiler(target).arg("-fsyntax-only").args(all), log)? {
            return Ok(false);
        }
    }
    let mut shared = Vec::new();
    for source in &support {
        let Some(object) = object(source, directory, log)? else { return Ok(false) };
        shared.push(object);
    }
    for source in &modules {
        let Some(own) = object(source, directory, log)? else { return Ok(false) };
        let link = linker("/dll /entry:DllMain /export:RegisterModule", &own.with_extension("dll"), &library);
        if !passed(&link.arg(own.display().to_string()).args(shown(&shared)), log)? {
            return Ok(false);
        }
    }
    let mut objects = shared;
    for source in &host {
        let Some(object) = object(source, directory, log)? else { return Ok(false) };
        objects.push(object);
    }
    let link = linker("/subsystem:console /entry:start", &directory.join("host.exe"), &library);
    passed(&link.args(shown(&objects)), log)
}

/// Compiles one file; `None` when that failed, and the log says why.
fn object(source: &Path, directory: &Path, log: &mut String) -> Result<Option<PathBuf>> {
    let name = source.file_stem().ok_or("a source without a name")?;
    let place = source.parent().and_then(Path::file_name).ok_or("a source without a directory")?;
    let place = if place == "modules" { directory.to_path_buf() } else { directory.join(place) };
    std::fs::create_dir_all(&place)?;
    let object = place.join(name).with_extension("obj");
    let command = compiler(TARGETS[0])
        .args(["-O1", "-c", "-o"].map(String::from))
        .arg(object.display().to_string())
        .arg(source.display().to_string());
    Ok(passed(&command, log)?.then_some(object))
}

/// Everything but what to compile. There is no C runtime: neither its headers nor what it would call at run time.
fn compiler(target: &str) -> Command {
    let flags = "-std=c++17 -ffreestanding -fno-rtti -fno-exceptions -fno-threadsafe-statics -mno-stack-arg-probe \
                 -Wall -Wextra -Werror -Wno-overloaded-virtual -Wno-unused-command-line-argument";
    Command::new("clang").arg(format!("--target={target}")).args(flags.split_whitespace().map(String::from))
}

fn linker(line: &str, output: &Path, library: &Path) -> Command {
    Command::new(LINKER)
        .args(line.split(' ').map(String::from))
        .arg("/nodefaultlib")
        .arg(format!("/out:{}", output.display()))
        .arg(library.display().to_string())
}

/// Mingw's, of kernel32: nothing else is imported.
fn import_library() -> Result<PathBuf> {
    let asked = Command::new(MINGW).arg("-print-file-name=libkernel32.a").captured()?;
    let path = PathBuf::from(String::from_utf8(asked.stdout)?.trim());
    if path.is_absolute() { Ok(path) } else { Err(format!("{MINGW} has no libkernel32.a").into()) }
}

fn sources_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "cpp") {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}

fn shown(paths: &[PathBuf]) -> impl Iterator<Item = String> {
    paths.iter().map(|path| path.display().to_string())
}

/// Runs a command; what it printed is only kept where it failed.
fn passed(command: &Command, log: &mut String) -> Result<bool> {
    let output = command.captured()?;
    if !output.status.success() {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        log.push_str(&format!("FAILED: {command}\n{out}{err}\n"));
    }
    Ok(output.status.success())
}
