//! The numbers that `bivalve-iis-sys` says: read from its sources, where a macro makes the compiler hold to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::Result;

#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Slot and name, as C++ has it, of a class's own methods.
    pub(super) classes: BTreeMap<String, Vec<(usize, String)>>,
    pub(super) records: BTreeMap<String, Record>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where pointers have 64 bits, and where they have 32.
    pub(super) size: [usize; 2],
    /// Offsets likewise, and the declaration.
    pub(super) fields: Vec<([usize; 2], String)>,
}

impl Tables {
    pub(super) fn of(sources: &Path) -> Result<Self> {
        let mut tables = Self::default();
        for directory in ["interfaces", "records", "."] {
            for entry in fs::read_dir(sources.join(directory))? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "rs") {
                    tables.read(&fs::read_to_string(path)?);
                }
            }
        }
        // iiswebsocket.h is another header, which the C++ side does not declare.
        tables.classes.remove("IWebSocketContext");
        Ok(tables)
    }

    fn read(&mut self, text: &str) {
        let (mut class, mut record, mut slot) = (String::new(), String::new(), None);
        for line in text.lines() {
            let line = line.trim();
            if line.starts_with("//") {
                continue;
            }
            if let Some((name, _)) = line.strip_prefix("class ").and_then(|rest| rest.split_once('(')) {
                class = name.to_owned();
                self.classes.entry(class.clone()).or_default();
            } else if let Some((name, size)) = record_of(line) {
                record = name.to_owned();
                self.records.insert(record.clone(), Record { size, fields: Vec::new() });
            } else if let Some((offsets, declaration)) = field_of(line) {
                if let Some(record) = self.records.get_mut(&record)
                    && !declaration.starts_with("union (")
                {
                    record.fields.push((offsets, declaration));
                }
            } else if let Some(number) = slot_of(line) {
                slot = Some(number);
            }
            // A long one is broken between its type and its name: the line that ends with the quotation mark has it.
            let quoted = line.split_once("= \"").map(|(_, signature)| signature);
            let signature = quoted.or_else(|| line.strip_suffix('"')).filter(|text| text.contains('('));
            if let Some(signature) = signature
                && let Some(number) = slot.take()
            {
                self.classes.entry(class.clone()).or_default().push((number, method(signature)));
            }
        }
    }
}

/// The record and the field of it that this one is inside of, where it has no name in C++.
pub(super) fn inside(record: &str) -> Option<(&'static str, String)> {
    let within = match record {
        "FROM_MEMORY" => "FromMemory",
        "FROM_FILE_HANDLE" => "FromFileHandle",
        "FROM_FRAGMENT_CACHE" => "FromFragmentCache",
        "FROM_FRAGMENT_CACHE_EX" => "FromFragmentCacheEx",
        "TRAILERS" => "Trailers",
        _ => return None,
    };
    Some(("HTTP_DATA_CHUNK", within.to_owned()))
}

/// The declaration as clang prints it for a field of `inner`.
pub(super) fn qualified(declaration: &str, inner: &str) -> String {
    // C++ has these as bases; clang writes an array's length with its type.
    // Of two in one declaration, Rust has both in one array.
    let declaration = declaration.split(',').next().unwrap_or(declaration);
    let (kind, name) = declaration.rsplit_once(' ').unwrap_or(("", declaration));
    let (name, length) = name.split_once('[').map_or((name, String::new()), |(n, l)| (n, format!("[{l}")));
    if name == "Base" && kind != "HTTP_LOG_DATA" {
        return format!("{kind} (base)");
    }
    let dot = if inner.is_empty() { "" } else { "." };
    format!("{kind}{length} {inner}{dot}{name}")
}

/// `NAME: 16 8, align 8;`
fn record_of(line: &str) -> Option<(&str, [usize; 2])> {
    let (name, rest) = line.strip_suffix(';')?.split_once(": ")?;
    let (sizes, _) = rest.split_once(", align ")?;
    Some((name, pair(sizes)?))
}

/// `8 4 pValue: PCSTR = "PCSTR pValue";`
fn field_of(line: &str) -> Option<([usize; 2], String)> {
    let (before, declaration) = line.strip_suffix("\";")?.split_once(" = \"")?;
    let (numbers, _) = before.split_once(": ")?;
    Some((pair(numbers)?, declaration.to_owned()))
}

/// `5 mut fn set_header_by_name(`
fn slot_of(line: &str) -> Option<usize> {
    let (number, rest) = line.split_once(' ')?;
    (rest.starts_with("mut fn ") || rest.starts_with("const fn ")).then(|| number.parse().ok())?
}

/// The first two numbers.
fn pair(text: &str) -> Option<[usize; 2]> {
    let mut words = text.split(' ');
    Some([words.next()?.parse().ok()?, words.next()?.parse().ok()?])
}

/// `Name` of `RESULT * Name(`.
fn method(signature: &str) -> String {
    let before = signature.split_once('(').map_or(signature, |(before, _)| before).trim();
    before.rsplit_once([' ', '*']).map_or(before, |(_, name)| name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_read_from_rust() {
        let mut tables = Tables::default();
        tables.read(
            "class A(AVtbl, AImpl);\n  1 mut fn f(\n  x: u8) -> *mut u8\n  = \"BYTE * F(BYTE x)\";\nR: 16 8, align 8;\n8 4 p: *mut u8 = \"PBYTE p\";\n",
        );
        assert_eq!(tables.classes["A"], [(1, String::from("F"))]);
        assert_eq!(tables.records["R"].size, [16, 8]);
        assert_eq!(tables.records["R"].fields, [([8, 4], String::from("PBYTE p"))]);
    }
}
