//! DLLs to look at: one that mingw made, and others laid out here byte by byte, for what no compiler here makes.

#![allow(dead_code)] // each test program uses its part
#![allow(clippy::cast_possible_truncation)] // these files have some hundred bytes
#![allow(clippy::panic)] // that is how a test says what to install

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) const X86: u16 = 0x014c;
pub(crate) const X64: u16 = 0x8664;
pub(crate) const ARM64: u16 = 0xaa64;
pub(crate) const MANIFEST: &[u8] =
    b"bivalve-modules/1; Gate: begin_request, send_response; Audit: log_request;\0";

/// Where the parts of the file are, as a loader sees them.
const TEXT: u32 = 0x1000;
const DATA: u32 = 0x2000;

/// A DLL in the making: one section of code, one of data.
#[derive(Debug, Clone)]
pub(crate) struct Dll {
    pub(crate) machine: u16,
    pub(crate) characteristics: u16,
    pub(crate) flags: u16,
    pub(crate) subsystem: u16,
    pub(crate) exports: Vec<(&'static str, Export)>,
    pub(crate) imports: Vec<(&'static str, Vec<&'static str>)>,
    pub(crate) pdb: Option<&'static str>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Export {
    Code,
    Data(&'static [u8]),
    Forward(&'static str),
}

impl Dll {
    /// What a release build for msvc with a static CRT looks like.
    pub(crate) fn good() -> Self {
        Self {
            machine: X64,
            characteristics: 0x2022, // executable, large addresses, DLL
            flags: 0x4160,           // high entropy, ASLR, DEP, CFG
            subsystem: 2,
            exports: vec![("BIVALVE_MODULES", Export::Data(MANIFEST)), ("RegisterModule", Export::Code)],
            imports: vec![
                ("KERNEL32.dll", vec!["CreateFileW", "CloseHandle"]),
                ("bcryptprimitives.dll", vec!["ProcessPrng"]),
            ],
            pdb: Some("gate.pdb"),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let wide = self.machine != X86;
        let (data, directories) = self.data(wide);
        let mut optional = Vec::new();
        put16(&mut optional, if wide { 0x20b } else { 0x10b });
        optional.extend([14, 0]);
        for value in [0x200, data.len() as u32, 0, TEXT, TEXT] {
            put32(&mut optional, value);
        }
        let word = |out: &mut Vec<u8>, value: u64| {
            out.extend(if wide {
                value.to_le_bytes().to_vec()
            } else {
                (value as u32).to_le_bytes().to_vec()
            });
        };
        if !wide {
            put32(&mut optional, DATA);
        }
        word(&mut optional, if wide { 0x1_8000_0000 } else { 0x1000_0000 });
        put32(&mut optional, 0x1000);
        put32(&mut optional, 0x200);
        // Versions: of the system, of the image, of the subsystem.
        for value in [6, 0, 0, 0, 6, 0] {
            put16(&mut optional, value);
        }
        for value in [0, 0x2000 + aligned(data.len() as u32, 0x1000), 0x400, 0] {
            put32(&mut optional, value);
        }
        put16(&mut optional, self.subsystem);
        put16(&mut optional, self.flags);
        for _ in 0..4 {
            word(&mut optional, 0x1000);
        }
        put32(&mut optional, 0);
        put32(&mut optional, 16);
        for index in 0..16 {
            let (at, size) = directories.iter().find(|(i, ..)| *i == index).map_or((0, 0), |d| (d.1, d.2));
            put32(&mut optional, at);
            put32(&mut optional, size);
        }
        let mut file = vec![0; 0x40];
        file[..2].copy_from_slice(b"MZ");
        file[0x3c] = 0x40;
        file.extend(b"PE\0\0");
        put16(&mut file, self.machine);
        put16(&mut file, 2);
        for value in [0, 0, 0] {
            put32(&mut file, value);
        }
        put16(&mut file, optional.len() as u16);
        put16(&mut file, self.characteristics);
        file.extend(optional);
        section(&mut file, b".text\0\0\0", TEXT, 0x200, 0x400, 0x6000_0020);
        section(&mut file, b".rdata\0\0", DATA, aligned(data.len() as u32, 0x200), 0x600, 0x4000_0040);
        file.resize(0x400, 0);
        file.resize(0x600, 0xc3);
        file.extend(&data);
        file.resize(aligned(file.len() as u32, 0x200) as usize, 0);
        file
    }

    /// The data section, and what the directories point to: (index, address, size).
    fn data(&self, wide: bool) -> (Vec<u8>, Vec<(u32, u32, u32)>) {
        let mut data = Vec::new();
        let mut directories = Vec::new();
        let here = |data: &Vec<u8>| DATA + data.len() as u32;
        let text = |data: &mut Vec<u8>, bytes: &[u8]| {
            let at = here(data);
            data.extend(bytes);
            data.push(0);
            at
        };
        let values: Vec<_> = self
            .exports
            .iter()
            .map(|(_, export)| if let Export::Data(bytes) = export { text(&mut data, bytes) } else { TEXT })
            .collect();
        data.resize(aligned(data.len() as u32, 8) as usize, 0);
        if !self.exports.is_empty() {
            let at = here(&data);
            let count = self.exports.len() as u32;
            let tables = at + 40;
            // Names, and what is forwarded, lie within the directory: linkers put them there, and that is how a
            // loader knows a forwarded one.
            let mut strings = Vec::new();
            let strings_at = tables + count * 10;
            let mut string = |text: &str| {
                let at = strings_at + strings.len() as u32;
                strings.extend(text.as_bytes());
                strings.push(0);
                at
            };
            let names: Vec<_> = self.exports.iter().map(|(name, _)| string(name)).collect();
            for value in [0, 0, 0, names[0], 1, count, count, tables, tables + count * 4, tables + count * 8]
            {
                put32(&mut data, value);
            }
            for (value, (_, export)) in values.iter().zip(&self.exports) {
                let at = if let Export::Forward(target) = export { string(target) } else { *value };
                put32(&mut data, at);
            }
            names.iter().for_each(|name| put32(&mut data, *name));
            (0..count).for_each(|index| put16(&mut data, index as u16));
            data.extend(strings);
            directories.push((0, at, here(&data) - at));
        }
        self.imports_and_debug(wide, &mut data, &mut directories);
        (data, directories)
    }

    fn imports_and_debug(&self, wide: bool, data: &mut Vec<u8>, directories: &mut Vec<(u32, u32, u32)>) {
        let here = |data: &Vec<u8>| DATA + data.len() as u32;
        let mut descriptors = Vec::new();
        for (library, functions) in &self.imports {
            let name = here(data);
            data.extend(library.as_bytes());
            data.push(0);
            let hints: Vec<_> = functions
                .iter()
                .map(|function| {
                    let at = here(data);
                    put16(data, 0);
                    data.extend(function.as_bytes());
                    data.push(0);
                    at
                })
                .collect();
            data.resize(aligned(data.len() as u32, 8) as usize, 0);
            let thunks = here(data);
            for hint in hints.into_iter().chain([0]) {
                put32(data, hint);
                if wide {
                    put32(data, 0);
                }
            }
            descriptors.push([thunks, 0, 0, name, thunks]);
        }
        if !descriptors.is_empty() {
            data.resize(aligned(data.len() as u32, 8) as usize, 0);
            let at = here(data);
            descriptors.iter().chain([&[0; 5]]).flatten().for_each(|value| put32(data, *value));
            directories.push((1, at, here(data) - at));
        }
        if let Some(pdb) = self.pdb {
            let record = data.len() as u32;
            data.extend(b"RSDS");
            data.extend([7; 20]);
            data.extend(pdb.as_bytes());
            data.push(0);
            let size = data.len() as u32 - record;
            data.resize(aligned(data.len() as u32, 8) as usize, 0);
            let at = here(data);
            for value in [0, 0, 0, 2, size, DATA + record, 0x600 + record] {
                put32(data, value);
            }
            directories.push((6, at, 28));
        }
    }
}

/// A DLL that mingw's compiler made of `source`, in `folder`.
///
/// # Panics
///
/// When the compiler is not there: these tests have nothing to fall back on that would be worth as much.
pub(crate) fn mingw(folder: &Path, source: &str) -> PathBuf {
    const COMPILER: &str = "x86_64-w64-mingw32-gcc";
    let (input, dll) = (folder.join("module.c"), folder.join("module.dll"));
    std::fs::write(&input, source).expect("written");
    let output = Command::new(COMPILER).args(["-shared", "-O1", "-s", "-o"]).arg(&dll).arg(&input).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{COMPILER}: {error}; install it: sudo apt-get install gcc-mingw-w64-x86-64")
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    dll
}

/// The command, as a user starts it.
pub(crate) fn bivalve(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bivalve")).args(args).output().expect("started")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn section(file: &mut Vec<u8>, name: &[u8; 8], address: u32, size: u32, at: u32, flags: u32) {
    file.extend(name);
    for value in [size, address, size, at, 0, 0, 0, flags] {
        put32(file, value);
    }
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_le_bytes());
}

fn aligned(value: u32, to: u32) -> u32 {
    value.next_multiple_of(to)
}
