//! Loads a module's file, or says in a sentence why not.

mod image;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bivalve_iis_sys::callbacks::{PFN_REGISTERMODULE, REGISTER_MODULE};
use bivalve_iis_sys::types::HRESULT;
use libloading::Library;

use self::image::{Image, Kind};

/// The entry point of the file. It is never unloaded: its threads and statics may be anywhere.
pub(crate) fn entry(path: &Path) -> Result<PFN_REGISTERMODULE, LoadError> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => LoadError::NotFound { path: path.to_owned() },
        _ => LoadError::Unreadable { path: path.to_owned(), error },
    })?;
    Image::of(&bytes).check(path)?;
    // A plain name would be looked for elsewhere than where it was just read.
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // SAFETY: whoever names a module's file trusts it with the process, as IIS's administrator does.
    let library = unsafe { Library::new(&absolute) }.map_err(|error| {
        let text = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        LoadError::CannotLoad { path: path.to_owned(), text }
    })?;
    // SAFETY: that is the type of the function which has this name, by IIS's contract.
    let entry = unsafe { library.get::<PFN_REGISTERMODULE>(REGISTER_MODULE.to_bytes_with_nul()) };
    let entry = entry.map(|entry| *entry);
    // An entry point that is refused has run its initialisers as well.
    LOADED.lock().unwrap_or_else(PoisonError::into_inner).push(library);
    entry.map_err(|_| LoadError::NoEntryPoint { path: path.to_owned() })
}

/// What was loaded, for as long as the process lives.
static LOADED: Mutex<Vec<Library>> = Mutex::new(Vec::new());

/// Why a module is not there. Its text says what is wrong, and what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The system's loader refused the file, mostly because of another one that it needs.
    CannotLoad {
        /// The file.
        path: PathBuf,
        /// What the system says.
        text: String,
    },
    /// No `RegisterModule` is exported.
    NoEntryPoint {
        /// The file.
        path: PathBuf,
    },
    /// There is no such file.
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// The file is no shared library of this system.
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// `RegisterModule` returned success, and registered nothing.
    RegisteredNothing {
        /// The file.
        path: PathBuf,
    },
    /// `SetRequestNotifications` or `SetGlobalNotifications` was called twice.
    RegisteredTwice {
        /// The file.
        path: PathBuf,
    },
    /// `RegisterModule` failed.
    RegisterModuleFailed {
        /// The file.
        path: PathBuf,
        /// What it returned.
        result: HRESULT,
    },
    /// The file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is for another processor, or another bitness.
    WrongMachine {
        /// The file.
        path: PathBuf,
        /// What it is for.
        found: String,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotLoad { path, text } => write!(
                f,
                "{} cannot be loaded: {text}. Something that it needs is missing most of the time: put the libraries it imports beside it or link them statically (for Rust, -C target-feature=+crt-static)",
                path.display()
            ),
            Self::NoEntryPoint { path } => write!(
                f,
                "{} exports no RegisterModule, so it is no native module of IIS: in Rust use export_modules! in a crate of type cdylib, in C++ export it undecorated (/EXPORT:RegisterModule)",
                path.display()
            ),
            Self::NotFound { path } => {
                write!(f, "{} does not exist: build the module first, or correct --module", path.display())
            }
            Self::NotALibrary { path, found } => write!(
                f,
                "{} is {found}, and this host loads {}: build the module for this system",
                path.display(),
                image::KIND_HERE
            ),
            Self::RegisteredNothing { path } => write!(
                f,
                "RegisterModule of {} returned success but registered for nothing, so IIS would never call it: call SetRequestNotifications, and check the name that it compares with",
                path.display()
            ),
            Self::RegisteredTwice { path } => write!(
                f,
                "RegisterModule of {} registered twice, and IIS answers ERROR_ALREADY_EXISTS: call SetRequestNotifications once, with all notifications in one mask",
                path.display()
            ),
            Self::RegisterModuleFailed { path, result } => write!(
                f,
                "RegisterModule of {} failed with 0x{result:08X}: IIS would end the worker process (event 2280). Is the name right, and does the module support this version of IIS?",
                path.display()
            ),
            Self::Unreadable { path, error } => {
                write!(f, "{} cannot be read: {error}. Correct its permissions, or --module", path.display())
            }
            Self::WrongMachine { path, found } => write!(
                f,
                "{} is for {found}, and this process is for {}: build the module for that, or use the host of the other bitness",
                path.display(),
                image::MACHINE_HERE
            ),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl Image {
    fn check(&self, path: &Path) -> Result<(), LoadError> {
        let path = path.to_owned();
        if self.kind != image::KIND {
            let found = match self.kind {
                Kind::Elf => "a file for Linux or another Unix (ELF)",
                Kind::Other => "no shared library at all",
                Kind::Pe => "a file for Windows (PE)",
            };
            return Err(LoadError::NotALibrary { path, found: found.into() });
        }
        if !self.library {
            return Err(LoadError::NotALibrary { path, found: "a program or an object file".into() });
        }
        match self.machine {
            Some(machine) if machine == image::MACHINE_HERE => Ok(()),
            Some(machine) => Err(LoadError::WrongMachine { path, found: machine.into() }),
            None => Err(LoadError::WrongMachine { path, found: "a processor that nobody here knows".into() }),
        }
    }
}
