//! Reads a module's DLL before IIS does.
//!
//! IIS loads every module of `<globalModules>` when a worker process starts. One that cannot be loaded, or whose
//! `RegisterModule` fails, ends that process; after a few of these the application pool is switched off and its sites
//! answer 503. What can be known from the file is therefore better asked here.

mod checks;
mod finding;
mod libraries;
mod table;

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

pub use finding::{Finding, Severity};
pub use libraries::Library;

use crate::image::Image;

/// The largest file that is read. A module has some megabytes; this is more likely the wrong file.
pub const MAX_FILE: u64 = 512 * 1024 * 1024;

/// What the caller knows about the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// What the application pool's worker process is; `None`: either.
    pub bitness: Option<Bitness>,
}

/// What a worker process is: the application pool's `enable32BitAppOnWin64` decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bitness {
    /// 32-bit.
    B32,
    /// 64-bit, which is IIS's default.
    B64,
}

/// What was read, and what follows from it. Displayed it is a table, then the findings.
#[derive(Debug, Clone)]
pub struct Report {
    name: String,
    bytes: Option<Vec<u8>>,
    image: Option<Image>,
    findings: Vec<Finding>,
}

impl Report {
    /// Reads a file. One that cannot be read is a finding too.
    pub fn of_file(path: &Path, wanted: Wanted) -> Self {
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
        match read(path) {
            Ok(bytes) => {
                let mut report = Self::examined(name, bytes, wanted);
                report.findings.extend(checks::place(path));
                report
            }
            Err(why) => {
                let finding = Finding::stops("file", format!("{}: {why}", path.display()))
                    .advise("build the module, and give the path of its DLL");
                Self { name, bytes: None, image: None, findings: vec![finding] }
            }
        }
    }

    /// Looks at a file's bytes. `name` is its name, for the table.
    pub fn of_bytes(name: &str, bytes: &[u8], wanted: Wanted) -> Self {
        Self::examined(name.into(), bytes.to_vec(), wanted)
    }

    /// What is wrong, and worth knowing: what keeps IIS from loading the file comes first.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        [Severity::Stops, Severity::Warns, Severity::Notes]
            .into_iter()
            .flat_map(|severity| self.findings.iter().filter(move |finding| finding.severity() == severity))
    }

    /// Whether a finding says that IIS cannot load the file.
    pub fn keeps_iis_from_loading(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity() == Severity::Stops)
    }

    /// What was read; `None` when the file is no module at all.
    pub fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }

    /// The file; `None` when it could not be read.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }

    fn examined(name: String, bytes: Vec<u8>, wanted: Wanted) -> Self {
        match Image::read(&bytes) {
            Ok(image) => {
                let findings = checks::all(&image, wanted);
                Self { name, bytes: Some(bytes), image: Some(image), findings }
            }
            Err(error) => {
                let finding = Finding::stops("file", error.to_string())
                    .advise("give the DLL that the build made; copy it again if this is a copy");
                Self { name, bytes: Some(bytes), image: None, findings: vec![finding] }
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let about = fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("this is not a file".into());
    }
    if about.len() > MAX_FILE {
        return Err(format!("this has {} bytes, which no module has", about.len()));
    }
    fs::read(path).map_err(|error| error.to_string())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.bytes.as_ref().map(|bytes| bytes.len() as u64);
        table::write(f, &self.name, size, self.image.as_ref())?;
        let mut found = self.findings().peekable();
        if found.peek().is_none() {
            return writeln!(f, "\nNothing was found that would keep IIS from loading it.");
        }
        writeln!(f, "\nFindings")?;
        found.try_for_each(|finding| write!(f, "{finding}"))
    }
}

impl FromStr for Bitness {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "32" => Ok(Self::B32),
            "64" => Ok(Self::B64),
            _ => Err("a worker process has 32 or 64 bits".into()),
        }
    }
}

impl Bitness {
    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::B32 => 32,
            Self::B64 => 64,
        }
    }
}
