//! Files that broke, or that somebody broke: reading ends and does not panic.

mod common;

use bivalve_cli::doctor::{Report, Wanted};
use common::{Dll, X86, mingw};
use proptest::prelude::*;

const MODULE: &str =
    "__declspec(dllexport) long RegisterModule(unsigned v, void *i, void *s) { return 0; }\n";

fn shown(bytes: &[u8]) -> (bool, String) {
    let report = Report::of_bytes("a.dll", bytes, Wanted::default());
    (report.keeps_iis_from_loading(), report.to_string())
}

/// Cut off within what a section holds, a DLL cannot be loaded, and the report says so.
#[test]
fn a_dll_cut_off_at_every_64_bytes_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let compiled = std::fs::read(mingw(folder.path(), MODULE)).expect("read");
    for bytes in [compiled, Dll::good().bytes(), Dll { machine: X86, ..Dll::good() }.bytes()] {
        assert!(!shown(&bytes).0, "{}", shown(&bytes).1);
        for end in (0..bytes.len()).step_by(64) {
            let (stops, text) = shown(&bytes[..end]);
            assert!(stops, "cut off at {end}: {text}");
        }
    }
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(
        x86 in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24),
    ) {
        let dll = if x86 { Dll { machine: X86, ..Dll::good() } } else { Dll::good() };
        let mut bytes = dll.bytes();
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        shown(&bytes);
    }

    /// The headers and the tables, where a changed byte does most; numbers that are near an edge.
    #[test]
    fn changed_numbers_never_panic(
        changes in prop::collection::vec((0usize..0x130, prop::sample::select(vec![
            0u32, 1, 7, 0xffff, 0x1000, 0x2000, 0x2fff, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff,
        ])), 1..6),
        late in any::<bool>(),
    ) {
        let mut bytes = Dll::good().bytes();
        let base = if late { 0x600 } else { 0x40 };
        for (at, value) in changes {
            bytes[base + at..base + at + 4].copy_from_slice(&value.to_le_bytes());
        }
        shown(&bytes);
    }

    #[test]
    fn any_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..2048), kind in 0u8..3) {
        let start: &[u8] = match kind { 0 => b"MZ", 1 => b"\x7fELF\x02\x01\x01", _ => b"" };
        let start_len = start.len().min(bytes.len());
        bytes[..start_len].copy_from_slice(&start[..start_len]);
        shown(&bytes);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_changed_shared_object_never_panics() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, object) = (folder.path().join("m.c"), folder.path().join("m.so"));
    std::fs::write(&source, MODULE.replace("__declspec(dllexport)", "")).expect("written");
    let compiled = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-s", "-o"])
        .arg(&object)
        .arg(&source)
        .status();
    assert!(compiled.expect("cc; install it: sudo apt-get install gcc").success());
    let bytes = std::fs::read(&object).expect("read");
    for end in (0..bytes.len()).step_by(64) {
        shown(&bytes[..end]);
        for value in [0, 0x7f, 0xff] {
            let mut changed = bytes.clone();
            changed[end..(end + 4).min(bytes.len())].fill(value);
            shown(&changed);
        }
    }
}
