//! What was read, as a table.

use std::fmt::{self, Formatter, Write};

use super::Library;
use crate::image::{Format, Image, Manifest};
use crate::text::{grouped, printable};

/// More exports are counted, not listed.
const LISTED: usize = 8;

pub(super) fn write(
    f: &mut Formatter<'_>,
    name: &str,
    size: Option<u64>,
    image: Option<&Image>,
) -> fmt::Result {
    writeln!(f, "{}", printable(name.as_bytes()))?;
    let size = size.map(|size| (String::from("size"), format!("{} bytes", grouped(size))));
    let rows: Vec<_> = size.into_iter().chain(image.into_iter().flat_map(rows)).collect();
    columns(f, &rows)?;
    let Some(image) = image.filter(|image| !image.imports.is_empty()) else { return Ok(()) };
    writeln!(f, "\nImports")?;
    let rows: Vec<_> = image
        .imports
        .iter()
        .map(|import| {
            let count = match (import.functions, import.delayed) {
                (_, true) => String::from("delayed"),
                (0, false) => String::new(),
                (functions, false) => functions.to_string(),
            };
            let note =
                if image.format == Format::Pe { Library::of(&import.library).note() } else { String::new() };
            (import.library.clone(), format!("{count:>7}  {note}").trim_end().to_owned())
        })
        .collect();
    columns(f, &rows)
}

fn columns(f: &mut Formatter<'_>, rows: &[(String, String)]) -> fmt::Result {
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or_default();
    rows.iter()
        .try_for_each(|(left, right)| writeln!(f, "{}", format!("  {left:<width$}  {right}").trim_end()))
}

fn rows(image: &Image) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut row = |left: &str, right: String| rows.push((left.to_owned(), right));
    row("file", kind(image).into());
    row("machine", machine(image));
    if let Some(windows) = image.windows {
        row(
            "subsystem",
            match windows.subsystem {
                2 => "graphical (2)".into(),
                3 => "console (3)".into(),
                other => format!("{other}"),
            },
        );
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        row("ASLR, DEP, CFG", format!("{}, {}, {}", yes(windows.aslr), yes(windows.dep), yes(windows.cfg)));
        row("static CRT", static_crt(image).into());
    }
    row("debug info", debug(image));
    row("exports", exports(image));
    match &image.manifest {
        Some(Manifest::Modules(modules)) => {
            for module in modules {
                let name = if module.is_any() {
                    "whatever name it is given".into()
                } else {
                    printable(module.name.as_bytes())
                };
                let events: Vec<_> = module.events.iter().map(|event| printable(event.as_bytes())).collect();
                let colon = if events.is_empty() { "" } else { ": " };
                row("registers", format!("{name}{colon}{}", events.join(", ")));
            }
        }
        Some(Manifest::Unknown(_)) => row("registers", "it says so in a form that is not known here".into()),
        None => row("registers", "it does not say".into()),
    }
    rows
}

fn kind(image: &Image) -> &'static str {
    match (image.format, image.library) {
        (Format::Elf, true) => "Linux shared object",
        (Format::Elf, false) => "Linux program or object file",
        (Format::Pe, true) => "Windows DLL",
        (Format::Pe, false) => "Windows program",
    }
}

fn machine(image: &Image) -> String {
    match image.machine.precondition() {
        Some(condition) if image.format == Format::Pe => {
            format!("{}, preCondition {condition}", image.machine)
        }
        _ => image.machine.to_string(),
    }
}

fn static_crt(image: &Image) -> &'static str {
    let of = |import: &crate::image::Import| Library::of(&import.library);
    if image.imports.iter().any(|import| matches!(of(import), Library::Runtime | Library::DebugRuntime)) {
        "no"
    } else if image.imports.iter().any(|import| import.library.eq_ignore_ascii_case("msvcrt.dll")) {
        "no, it uses msvcrt.dll, which is part of Windows"
    } else {
        "yes"
    }
}

fn debug(image: &Image) -> String {
    match (&image.pdb, image.dwarf) {
        (Some(pdb), _) => format!("in {pdb}"),
        (None, true) => "in the file (DWARF)".into(),
        (None, false) => "none".into(),
    }
}

/// The names that matter first, which are the ones that IIS and Bivalve know.
fn exports(image: &Image) -> String {
    if image.exports.is_empty() {
        return "none".into();
    }
    let known = |name: &str| name == crate::image::ENTRY || name == crate::image::MANIFEST;
    let (first, rest): (Vec<_>, Vec<_>) =
        image.exports.iter().map(|export| export.name.as_str()).partition(|name| known(name));
    let listed: Vec<_> = first.into_iter().chain(rest).take(LISTED).collect();
    let mut text = listed.join(", ");
    if image.exports.len() > listed.len() {
        let _ = write!(text, " and {} more", image.exports.len() - listed.len());
    }
    text
}
