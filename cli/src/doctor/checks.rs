//! What follows from what was read.

use std::path::Path;

use super::{Bitness, Finding, Library, Wanted};
use crate::image::{ENTRY, ExportKind, Format, Image, MANIFEST, Machine, Manifest, Windows};

/// What Rust calls the option that puts the C runtime into the DLL.
const STATIC: &str =
    "build with `-C target-feature=+crt-static` (RUSTFLAGS, or rustflags in .cargo/config.toml)";

pub(super) fn all(image: &Image, wanted: Wanted) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(image.defects.iter().map(|defect| {
        Finding::stops("file", defect.clone())
            .advise("build or copy it again; a loader would stumble here too")
    }));
    kind(image, &mut findings);
    machine(image, wanted, &mut findings);
    entry(image, &mut findings);
    libraries(image, &mut findings);
    if let Some(windows) = image.windows {
        protections(windows, image.machine, &mut findings);
    }
    debug(image, &mut findings);
    manifest(image, &mut findings);
    findings
}

/// What the path tells.
pub(super) fn place(path: &Path) -> Option<Finding> {
    let debug = path.parent()?.components().any(|part| part.as_os_str().eq_ignore_ascii_case("debug"));
    debug.then(|| {
        Finding::notes("file", "it lies in a folder called debug")
            .advise("ship what `cargo build --release` makes")
    })
}

fn kind(image: &Image, findings: &mut Vec<Finding>) {
    match image.format {
        Format::Elf if image.library => findings.push(Finding::notes(
            "file",
            "this is a Linux shared object: for a host that stands in for IIS there, IIS itself loads DLLs",
        )),
        Format::Elf => findings.push(
            Finding::stops("file", "this is a Linux program or object file, not a shared object")
                .advise("say crate-type = [\"cdylib\"] in Cargo.toml"),
        ),
        Format::Pe if !image.library => findings.push(
            Finding::stops("file", "this is a program, not a DLL")
                .advise("say crate-type = [\"cdylib\"] in Cargo.toml"),
        ),
        Format::Pe => {}
    }
}

fn machine(image: &Image, wanted: Wanted, findings: &mut Vec<Finding>) {
    let Some(bits) = image.machine.bits() else {
        findings.push(
            Finding::stops("machine", format!("it is for {}, where there is no IIS", image.machine))
                .advise("build for x86_64-pc-windows-msvc"),
        );
        return;
    };
    if let Some(bitness) = wanted.bitness.filter(|bitness| bitness.bits() != bits) {
        let target = match bitness {
            Bitness::B32 => "i686-pc-windows-msvc",
            Bitness::B64 => "x86_64-pc-windows-msvc",
        };
        findings.push(
            Finding::stops(
                "machine",
                format!("it is for {}, and the worker process has {} bits", image.machine, bitness.bits()),
            )
            .advise(format!("build for {target}, or change enable32BitAppOnWin64 of the application pool")),
        );
    }
    if image.machine == Machine::Arm64 && image.format == Format::Pe {
        findings.push(Finding::notes("machine", "only a worker process on ARM64 Windows can load it"));
    }
}

fn entry(image: &Image, findings: &mut Vec<Finding>) {
    match image.export(ENTRY) {
        Some(ExportKind::Code) => {}
        Some(ExportKind::Data) => {
            findings.push(Finding::stops("exports", format!("{ENTRY} is data, and IIS calls it")));
        }
        Some(ExportKind::Forwarded) => findings.push(Finding::warns(
            "exports",
            format!("{ENTRY} is only a reference to another DLL, which has to be there"),
        )),
        None => findings.push(missing_entry(image)),
    }
}

fn missing_entry(image: &Image) -> Finding {
    let decorated = image.exports.iter().find(|export| {
        let name = export.name.trim_start_matches('_');
        name.strip_prefix(ENTRY).is_some_and(|rest| rest.starts_with('@'))
    });
    if let Some(decorated) = decorated {
        return Finding::stops(
            "exports",
            format!(
                "it exports {}, a decorated name; IIS asks for {ENTRY} and does not find it",
                decorated.name
            ),
        )
        .advise(format!("export the plain name: a .def file with the line `{ENTRY}={}`", decorated.name));
    }
    if let Some(close) = image.exports.iter().find(|export| export.name.eq_ignore_ascii_case(ENTRY)) {
        return Finding::stops("exports", format!("it exports {}, and IIS asks for {ENTRY}", close.name))
            .advise("write the name as IIS does");
    }
    if image.windows.is_some_and(|windows| windows.managed) {
        return Finding::stops("exports", "this is a .NET assembly, which is not a native module")
            .advise("a managed module goes into <modules> with its type, and not into <globalModules>");
    }
    Finding::stops("exports", format!("it does not export {ENTRY}, through which IIS learns of a module"))
        .advise("is this the module's DLL? It needs an exported function of that name")
}

fn libraries(image: &Image, findings: &mut Vec<Finding>) {
    if image.format == Format::Elf {
        return;
    }
    let of = |wanted: fn(Library) -> bool| {
        let found = image.imports.iter().filter(|import| wanted(Library::of(&import.library)));
        let names: Vec<_> = found.map(|import| import.library.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(names) = of(|library| library == Library::Runtime) {
        findings.push(
            Finding::warns(
                "imports",
                format!("static CRT missing: it needs {names}, and not every server has that"),
            )
            .advise(STATIC),
        );
    }
    if let Some(names) = of(|library| library == Library::DebugRuntime) {
        findings.push(
            Finding::warns(
                "imports",
                format!("it needs {names}, which only machines with Visual Studio have"),
            )
            .advise(format!("link C code with /MT or /MD, not /MTd or /MDd; {STATIC}")),
        );
    }
    if let Some(names) = of(|library| library == Library::Mingw) {
        findings.push(
            Finding::warns("imports", format!("it needs {names} from mingw, which no server has")).advise(
                "link them in (-static-libgcc -static), build for -msvc, or ship them beside the DLL (`package` takes them)",
            ),
        );
    }
    if let Some(names) = of(|library| library == Library::Unknown) {
        findings.push(Finding::warns("imports", format!("nothing is known here of {names}")).advise(
            "make sure that the server has them, or ship them beside the DLL (`package` takes them)",
        ));
    }
}

fn protections(windows: Windows, machine: Machine, findings: &mut Vec<Finding>) {
    if !windows.aslr {
        findings.push(
            Finding::warns("protections", "it is loaded at a fixed address (no ASLR)")
                .advise("link with /DYNAMICBASE"),
        );
    } else if windows.relocations_stripped {
        findings.push(
            Finding::warns(
                "protections",
                "it asks for ASLR, and the relocations that this needs were removed",
            )
            .advise("do not strip relocations"),
        );
    }
    if !windows.dep {
        findings.push(
            Finding::warns("protections", "its data may be executed (no DEP)").advise("link with /NXCOMPAT"),
        );
    }
    if machine.bits() == Some(64) && windows.aslr && !windows.high_entropy {
        findings.push(
            Finding::notes("protections", "addresses stay below 4 GiB").advise("link with /HIGHENTROPYVA"),
        );
    }
    if !windows.cfg {
        findings.push(
            Finding::notes("protections", "indirect calls are not guarded (no CFG)")
                .advise("with the msvc target: `-C control-flow-guard`; optional"),
        );
    }
    if !matches!(windows.subsystem, 2 | 3) {
        findings.push(Finding::warns(
            "subsystem",
            format!("subsystem {} is neither the graphical nor the console one", windows.subsystem),
        ));
    }
}

fn debug(image: &Image, findings: &mut Vec<Finding>) {
    if let Some(pdb) = &image.pdb {
        let folder = pdb.split(['\\', '/']).rev().skip(1).any(|part| part.eq_ignore_ascii_case("debug"));
        if folder {
            findings.push(
                Finding::warns("debug", format!("it was built in a folder called debug ({pdb})"))
                    .advise("ship what `cargo build --release` makes"),
            );
        } else {
            findings
                .push(Finding::notes("debug", "keep the PDB of exactly this build: a dump is read with it"));
        }
    }
    if image.dwarf && image.format == Format::Pe {
        findings.push(
            Finding::notes(
                "debug",
                "debug information is in the file itself (DWARF); WinDbg does not read it",
            )
            .advise("`strip = true` in the release profile makes the file smaller"),
        );
    }
}

fn manifest(image: &Image, findings: &mut Vec<Finding>) {
    match (&image.manifest, image.export(MANIFEST)) {
        (Some(Manifest::Unknown(text)), _) => findings.push(
            Finding::notes(
                "modules",
                format!("{MANIFEST} begins with {text:?}, which this version does not read"),
            )
            .advise("use the `bivalve` of the version that the module was built with"),
        ),
        (Some(Manifest::Modules(modules)), _) if modules.is_empty() => {
            findings.push(Finding::warns("modules", "it says that it registers no module"));
        }
        (Some(Manifest::Modules(_)), _) => {}
        (None, Some(_)) => {
            findings.push(Finding::warns("modules", format!("{MANIFEST} is code or a reference, not text")));
        }
        (None, None) => findings.push(Finding::notes(
            "modules",
            format!("it does not say what it registers for: there is no {MANIFEST} in it"),
        )),
    }
}
