//! The command `bivalve`, for those who bring a module to a server.
//!
//! `bivalve iis doctor` reads a module's DLL and says what would keep IIS from loading it, before a worker process
//! finds out: a module that cannot be loaded ends every worker process that tries, and all sites answer 503.
//! `bivalve iis package` packs a DLL that passed, with scripts that install and remove it.
//!
//! Nothing of a module is run here: files are only read.
//!
//! ```
//! use bivalve_cli::doctor::{Report, Wanted};
//!
//! // A file that is no module at all: the report says so, and that IIS would not load it.
//! let report = Report::of_bytes("notes.dll", b"not a DLL", Wanted::default());
//! assert!(report.keeps_iis_from_loading());
//! assert!(report.to_string().contains("is neither a Windows DLL nor a Linux shared object"));
//! ```

#![forbid(unsafe_code)]

pub mod cli;
pub mod doctor;
pub mod image;
pub mod package;

mod text;
