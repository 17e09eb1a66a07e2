//! What clang says of tables and records when it is asked to dump them.

use std::collections::BTreeMap;

/// The layouts of one target.
#[derive(Debug, Default)]
pub(super) struct Dump {
    /// Of each class: its whole table, what it inherits included.
    pub(super) tables: BTreeMap<String, Vec<String>>,
    pub(super) records: BTreeMap<String, Record>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) size: usize,
    /// Offset and declaration; what is inside another field has that field's name before it, with a dot.
    pub(super) fields: Vec<(usize, String)>,
}

impl Dump {
    /// Of `-fdump-vtable-layouts` and `-fdump-record-layouts`, in one text.
    pub(super) fn read(text: &str) -> Self {
        let mut dump = Self::default();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(class) = table_of(line) {
                let mut slots = Vec::new();
                while let Some(signature) = lines.peek().and_then(|next| slot(next, slots.len())) {
                    slots.push(signature);
                    lines.next();
                    // What clang says below a method is about how it is called.
                    while lines.peek().is_some_and(|next| next.trim_start().starts_with('[')) {
                        lines.next();
                    }
                }
                dump.tables.insert(class.to_owned(), slots);
            } else if line.starts_with("*** Dumping AST Record Layout") {
                let mut own = Vec::new();
                while let Some(next) = lines.next_if(|next| next.contains('|')) {
                    own.push(next);
                }
                if let Some((name, record)) = Record::read(&own) {
                    dump.records.insert(name, record);
                }
            }
        }
        dump
    }
}

impl Record {
    fn read(lines: &[&str]) -> Option<(String, Self)> {
        let (first, rest) = lines.split_first()?;
        let name = first.split_once('|')?.1.trim().strip_prefix("struct ")?.to_owned();
        let mut record = Self::default();
        // The names of the fields that the next line may be inside of, one a level.
        let mut inside: Vec<String> = Vec::new();
        for line in rest {
            let (offset, field) = line.split_once('|')?;
            if let Some(size) = field.trim().strip_prefix("[sizeof=") {
                record.size = size.split(',').next()?.parse().ok()?;
                continue;
            }
            let Ok(offset) = offset.trim().parse() else { continue };
            let depth = (field.len() - field.trim_start().len()).checked_sub(3)? / 2;
            inside.truncate(depth);
            let declared = declaration(field.trim());
            let (kind, name) = declared.rsplit_once(' ').unwrap_or(("", &declared));
            // A base and a union without a name are transparent, as they are in C.
            let open = name == "(base)" || declared.contains("(anonymous at");
            let path: Vec<&str> = inside.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            let full = if path.is_empty() { name.to_owned() } else { format!("{}.{name}", path.join(".")) };
            if name == "(base)" {
                record.fields.push((offset, format!("{kind} (base)")));
            } else if !open {
                record.fields.push((offset, format!("{kind} {full}")));
            }
            inside.push(if open { String::new() } else { name.to_owned() });
        }
        Some((name, record))
    }
}

/// The class whose own table begins here. That of a class that only exists to make clang print it is of no interest.
fn table_of(line: &str) -> Option<&str> {
    let named = line.strip_prefix("VFTable for '")?.split_once("' (")?.0;
    let class = named.rsplit_once("' in '").map_or(named, |(_, last)| last);
    (class != "Emitted").then_some(class)
}

/// `  3 | SIGNATURE [pure]`, when it is slot 3.
fn slot(line: &str, index: usize) -> Option<String> {
    let (number, signature) = line.split_once(" | ")?;
    (number.trim().parse() == Ok(index)).then(|| signature.trim_end_matches(" [pure]").to_owned())
}

/// Without the words that only C needs.
fn declaration(field: &str) -> String {
    let plain = ["struct ", "enum ", "union "].iter().find_map(|word| field.strip_prefix(word));
    plain.unwrap_or(field).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_with_what_it_inherits() {
        let text = "VFTable for 'A' in 'B' (2 entries).\n   0 | void A::F() [pure]\n   1 | B::~B() [scalar deleting]\n       [this adjustment]\n\nVFTable for 'A' in 'B' in 'Emitted' (2 entries).\n   0 | other\n";
        let dump = Dump::read(text);
        assert_eq!(dump.tables["B"], ["void A::F()", "B::~B() [scalar deleting]"]);
        assert_eq!(dump.tables.len(), 1);
    }

    #[test]
    fn a_record_is_read_with_what_is_inside() {
        let text = "*** Dumping AST Record Layout
         0 | struct CHUNK
         0 |   enum KIND Kind
         8 |   union CHUNK::(anonymous at a.hpp:1:5) 
         8 |     struct CHUNK::(unnamed at a.hpp:2:9) FromMemory
         8 |       PVOID pBuffer
        16 |       ULONG BufferLength
           | [sizeof=24, align=8,
           |  nvsize=24, nvalign=8]
";
        let record = &Dump::read(text).records["CHUNK"];
        assert_eq!(record.size, 24);
        assert_eq!(record.fields[0], (0, "KIND Kind".into()));
        assert_eq!(record.fields[2], (8, "PVOID FromMemory.pBuffer".into()));
        assert_eq!(record.fields[3], (16, "ULONG FromMemory.BufferLength".into()));
    }
}
