//! The same modules in C++: compiled when they are needed, and loaded.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use bivalve_iis_sys::IHttpModuleRegistrationInfo;
use bivalve_iis_sys::types::HRESULT;
use libloading::Library;

/// The compilers that are asked, best first: of two that are there, the one that serves C++ better.
const COMPILERS: [&str; 2] = ["clang++", "g++"];

type Register = unsafe extern "C" fn(u32, *mut IHttpModuleRegistrationInfo, *mut std::ffi::c_void) -> HRESULT;
type Allocated = unsafe extern "C" fn() -> u64;

/// The shared object, for ever: its threads and vtables outlive every user.
pub(super) struct Cpp {
    register: Register,
    allocated: Allocated,
}

impl Cpp {
    pub(super) fn load(object: &Path) -> io::Result<Self> {
        let missing = |error: libloading::Error| io::Error::other(format!("{}: {error}", object.display()));
        // SAFETY: its initialisers do nothing; the symbols are functions of these signatures, says `cpp/modules.cpp`.
        unsafe {
            let library = Box::leak(Box::new(Library::new(object).map_err(missing)?));
            let register = *library.get::<Register>(b"RegisterModule").map_err(missing)?;
            let allocated = *library.get::<Allocated>(b"Allocated").map_err(missing)?;
            Ok(Self { register, allocated })
        }
    }

    pub(super) fn register(&self, info: *mut IHttpModuleRegistrationInfo) -> HRESULT {
        // SAFETY: the registration is alive during the call.
        unsafe { (self.register)(bivalve_iis_sys::version::IIS_10_0, info, std::ptr::null_mut()) }
    }

    /// How often the modules have allocated so far.
    pub(super) fn allocated(&self) -> usize {
        // SAFETY: it only reads a counter.
        usize::try_from(unsafe { (self.allocated)() }).unwrap_or(usize::MAX)
    }
}

/// Compiles the modules; the shared object, beside the program, and who made it.
pub(super) fn build(program: &Path) -> io::Result<(PathBuf, String)> {
    let object = program.with_file_name("libbivalve_bench_modules.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("cpp/modules.cpp");
    for compiler in COMPILERS {
        let Ok(version) = Command::new(compiler).arg("--version").output() else { continue };
        let built = Command::new(compiler)
            .args(["-std=c++17", "-O2", "-fPIC", "-shared", "-pthread", "-fno-exceptions", "-fno-rtti", "-o"])
            .args([&object, &source])
            .status()?;
        if !built.success() {
            return Err(io::Error::other(format!("{compiler} cannot compile {}", source.display())));
        }
        let version = String::from_utf8_lossy(&version.stdout).lines().next().unwrap_or(compiler).to_owned();
        return Ok((object, version));
    }
    Err(io::Error::other("there is no C++ compiler: install clang or g++"))
}
