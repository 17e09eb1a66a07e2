//! Linux shared objects: the same module, for a host that stands in for IIS.

use object::Endianness;
use object::elf;
use object::read::elf::{Dyn, ElfFile, FileHeader};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use super::{Export, ExportKind, Format, Image, Import, MANIFEST, MAX_ENTRIES, Machine, Manifest};
use crate::text::printable;

pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> object::Result<Image> {
    let file = ElfFile::<Elf>::parse(bytes)?;
    let header = file.elf_header();
    let endian = file.endian();
    let mut image = Image {
        format: Format::Elf,
        machine: match (header.e_machine(endian), header.is_class_64()) {
            (elf::EM_X86_64, true) => Machine::X64,
            (elf::EM_386, _) => Machine::X86,
            (elf::EM_AARCH64, true) => Machine::Arm64,
            (other, _) => Machine::Other(other.0),
        },
        library: header.e_type(endian) == elf::ET_DYN,
        exports: Vec::new(),
        imports: Vec::new(),
        windows: None,
        pdb: None,
        dwarf: file.section_by_name(".debug_info").is_some(),
        manifest: None,
        defects: Vec::new(),
    };
    for symbol in file.dynamic_symbols().filter(ObjectSymbol::is_definition).take(MAX_ENTRIES) {
        let Ok(name) = symbol.name_bytes() else {
            image.defects.push("the name of a symbol could not be read".into());
            break;
        };
        let kind = if symbol.kind() == SymbolKind::Text { ExportKind::Code } else { ExportKind::Data };
        if name == MANIFEST.as_bytes() && kind == ExportKind::Data {
            image.manifest = Some(Manifest::parse(data(&file, &symbol).unwrap_or_default()));
        }
        image.exports.push(Export { name: printable(name), kind });
    }
    if let Err(error) = needed(&file, &mut image) {
        image.defects.push(format!("the libraries it needs could not be read: {error}"));
    }
    Ok(image)
}

fn data<'data, Elf: FileHeader<Endian = Endianness>>(
    file: &ElfFile<'data, Elf>,
    symbol: &impl ObjectSymbol<'data>,
) -> Option<&'data [u8]> {
    let section = file.section_by_index(symbol.section_index()?).ok()?;
    let from = usize::try_from(symbol.address().checked_sub(section.address())?).ok()?;
    section.data().ok()?.get(from..)
}

fn needed<Elf: FileHeader<Endian = Endianness>>(
    file: &ElfFile<'_, Elf>,
    image: &mut Image,
) -> object::Result<()> {
    let endian = file.endian();
    let Some((entries, strings)) = file.elf_section_table().dynamic(endian, file.data())? else {
        return Ok(());
    };
    let strings = file.elf_section_table().strings(endian, file.data(), strings)?;
    for entry in entries.iter().take(MAX_ENTRIES) {
        if entry.d_tag(endian) == elf::DT_NEEDED {
            let library = printable(entry.string(endian, strings)?);
            image.imports.push(Import { library, functions: 0, delayed: false });
        }
    }
    Ok(())
}
