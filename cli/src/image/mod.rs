//! What a module's file says about itself: the DLL that IIS loads, or the shared object that a Linux host loads.
//!
//! Files are read without trust. Whatever the bytes are, reading ends, does not panic, and reports what could not be
//! read as a [defect](Image::defects).

mod elf;
mod manifest;
mod pe;

use std::fmt;

use object::FileKind;

pub use manifest::{Declared, MARK, Manifest};

/// The export that lists what a Bivalve module registers; [`Manifest`] has its form.
pub const MANIFEST: &str = "BIVALVE_MODULES";
/// The export through which IIS learns of a module (`MODULE_REGISTERMODULE` in `httpserv.h`).
pub const ENTRY: &str = "RegisterModule";

/// How many exports are read, and how many imports, of all libraries together. Real modules stay far below, and a wrong
/// count in a damaged file makes no long list. What is beyond is left out, and a defect says so.
pub const MAX_ENTRIES: usize = 16_384;

/// A module's file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Image {
    /// What kind of file it is.
    pub format: Format,
    /// The processor it is for.
    pub machine: Machine,
    /// Whether the file says that it is a library, and no program.
    pub library: bool,
    /// What it offers by name, in the file's order.
    pub exports: Vec<Export>,
    /// The libraries it needs, in the file's order.
    pub imports: Vec<Import>,
    /// What only a DLL has.
    pub windows: Option<Windows>,
    /// The path of the file with debug information, as the linker wrote it down.
    pub pdb: Option<String>,
    /// Whether debug information in DWARF's form is in the file itself, as mingw puts it there.
    pub dwarf: bool,
    /// What the module says it registers; `None` when it says nothing.
    pub manifest: Option<Manifest>,
    /// What could not be read. A loader would stumble here too.
    pub defects: Vec<String>,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A Linux shared object.
    Elf,
    /// A Windows DLL or program.
    Pe,
}

/// A processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// 64-bit ARM.
    Arm64,
    /// 32-bit x86.
    X86,
    /// 64-bit x86.
    X64,
    /// Something that IIS does not run on, by its number in the file.
    Other(u16),
}

/// Something that a file offers by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The name, made printable.
    pub name: String,
    /// Whether it is code, as far as the file tells.
    pub kind: ExportKind,
}

/// What an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportKind {
    /// In a part of the file that can be executed.
    Code,
    /// In a part that cannot.
    Data,
    /// Only a reference to another library.
    Forwarded,
}

/// A library that a file needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The library's name, made printable.
    pub library: String,
    /// How many functions of it; 0 where the format does not tell.
    pub functions: usize,
    /// Whether it is only loaded when the first of them is called.
    pub delayed: bool,
}

/// What only a DLL has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Windows {
    /// The subsystem's number: 2 is the graphical one, 3 the console.
    pub subsystem: u16,
    /// Whether it can be loaded at any address (`/DYNAMICBASE`).
    pub aslr: bool,
    /// Whether a 64-bit address may be a high one (`/HIGHENTROPYVA`).
    pub high_entropy: bool,
    /// Whether data is not executable (`/NXCOMPAT`).
    pub dep: bool,
    /// Whether indirect calls are guarded (`/guard:cf`).
    pub cfg: bool,
    /// Whether the table of relocations was removed.
    pub relocations_stripped: bool,
    /// Whether it is a .NET assembly.
    pub managed: bool,
}

/// Why a file could not be read at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError(String);

impl Image {
    /// Reads a module's file.
    ///
    /// # Errors
    ///
    /// When the bytes are no DLL, no Windows program and no shared object of a little-endian machine, or are cut off
    /// within the headers.
    ///
    /// ```
    /// use bivalve_cli::image::Image;
    ///
    /// let error = Image::read(b"MZ").expect_err("too short");
    /// assert!(error.to_string().contains("neither a Windows DLL nor a Linux shared object"));
    /// ```
    pub fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let damaged =
            |error: object::Error| ReadError(format!("its headers are damaged or cut off ({error})"));
        match FileKind::parse(bytes) {
            Ok(FileKind::Pe32) => pe::read::<object::pe::ImageNtHeaders32>(bytes).map_err(damaged),
            Ok(FileKind::Pe64) => pe::read::<object::pe::ImageNtHeaders64>(bytes).map_err(damaged),
            Ok(FileKind::Elf32) => elf::read::<object::elf::FileHeader32<_>>(bytes).map_err(damaged),
            Ok(FileKind::Elf64) => elf::read::<object::elf::FileHeader64<_>>(bytes).map_err(damaged),
            _ if bytes.is_empty() => Err(ReadError("it is empty".into())),
            _ => Err(ReadError(
                "it is neither a Windows DLL nor a Linux shared object, or it is cut off".into(),
            )),
        }
    }

    /// Whether it exports `name`, and what that is.
    pub fn export(&self, name: &str) -> Option<ExportKind> {
        self.exports.iter().find(|export| export.name == name).map(|export| export.kind)
    }
}

impl Machine {
    /// 32 or 64; `None` for a machine that is not known here.
    pub fn bits(self) -> Option<u8> {
        match self {
            Self::Arm64 | Self::X64 => Some(64),
            Self::X86 => Some(32),
            Self::Other(_) => None,
        }
    }

    /// What IIS has to check before it loads the module, as `preCondition` says it; `None` for a machine that IIS
    /// does not run on.
    pub fn precondition(self) -> Option<&'static str> {
        match self.bits()? {
            32 => Some("bitness32"),
            _ => Some("bitness64"),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arm64 => write!(f, "ARM64 (64-bit)"),
            Self::X86 => write!(f, "x86 (32-bit)"),
            Self::X64 => write!(f, "x64 (64-bit)"),
            Self::Other(number) => write!(f, "an unknown machine ({number:#06x})"),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReadError {}
