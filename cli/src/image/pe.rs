//! Windows DLLs.

use object::LittleEndian as LE;
use object::pe;
use object::read::pe::{ExportTarget, ImageNtHeaders, ImageOptionalHeader, ImageThunkData, PeFile};
use object::{Object, ObjectSection};

use super::{Export, ExportKind, Format, Image, Import, MANIFEST, MAX_ENTRIES, Machine, Manifest, Windows};
use crate::text::printable;

pub(super) fn read<Pe: ImageNtHeaders>(bytes: &[u8]) -> object::Result<Image> {
    let file = PeFile::<Pe>::parse(bytes)?;
    let header = file.nt_headers().file_header();
    let mut image = Image {
        format: Format::Pe,
        machine: machine(header.machine.get(LE).0),
        library: header.characteristics.get(LE).0 & pe::IMAGE_FILE_DLL.0 != 0,
        exports: Vec::new(),
        imports: Vec::new(),
        windows: Some(windows(&file)),
        pdb: None,
        dwarf: file.sections().any(|section| section.name_bytes().is_ok_and(|name| name == b".debug_info")),
        manifest: None,
        defects: Vec::new(),
    };
    whole(&file, bytes, &mut image);
    let mut defects = Vec::new();
    for part in [exports(&file, &mut image), imports(&file, &mut image), delayed(&file, &mut image)] {
        defects.extend(part.err().map(|error| format!("a table could not be read: {error}")));
    }
    image.defects.extend(defects);
    match file.pdb_info() {
        Ok(info) => image.pdb = info.map(|info| printable(info.path())),
        Err(error) => image.defects.push(format!("the debug directory could not be read: {error}")),
    }
    Ok(image)
}

fn machine(number: u16) -> Machine {
    match number {
        n if n == pe::IMAGE_FILE_MACHINE_AMD64.0 => Machine::X64,
        n if n == pe::IMAGE_FILE_MACHINE_I386.0 => Machine::X86,
        n if n == pe::IMAGE_FILE_MACHINE_ARM64.0 => Machine::Arm64,
        n => Machine::Other(n),
    }
}

fn windows<Pe: ImageNtHeaders>(file: &PeFile<'_, Pe>) -> Windows {
    let optional = file.nt_headers().optional_header();
    let flags = optional.dll_characteristics().0;
    let has = |flag: u16| flags & flag != 0;
    let managed = file.data_directory(pe::IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR);
    Windows {
        subsystem: optional.subsystem().0,
        aslr: has(pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE.0),
        high_entropy: has(pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA.0),
        dep: has(pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT.0),
        cfg: has(pe::IMAGE_DLLCHARACTERISTICS_GUARD_CF.0),
        relocations_stripped: file.nt_headers().file_header().characteristics.get(LE).0
            & pe::IMAGE_FILE_RELOCS_STRIPPED.0
            != 0,
        managed: managed.is_some_and(|directory| directory.virtual_address.get(LE) != 0),
    }
}

/// Every section's bytes are in the file; a copy that broke off ends before.
fn whole<Pe: ImageNtHeaders>(file: &PeFile<'_, Pe>, bytes: &[u8], image: &mut Image) {
    for section in file.section_table().iter() {
        let (start, size) = (section.pointer_to_raw_data.get(LE), section.size_of_raw_data.get(LE));
        let end = u64::from(start) + u64::from(size);
        if end > bytes.len() as u64 {
            let name = printable(section.raw_name());
            image.defects.push(format!(
                "the file is cut off: section {name} would end at byte {end}, the file has {}",
                bytes.len()
            ));
        }
    }
}

fn exports<Pe: ImageNtHeaders>(file: &PeFile<'_, Pe>, image: &mut Image) -> object::Result<()> {
    let Some(table) = file.export_table()? else { return Ok(()) };
    if table.name_pointers().len() > MAX_ENTRIES {
        image.defects.push(format!("it has more than {MAX_ENTRIES} exports; the others were left out"));
    }
    for (pointer, index) in table.name_iter().take(MAX_ENTRIES) {
        let name = table.name_from_pointer(pointer)?;
        let kind = match table.target_by_index(index)? {
            ExportTarget::Address(address) if executable(file, address) => ExportKind::Code,
            ExportTarget::Address(address) => {
                if name == MANIFEST.as_bytes() {
                    let data = file.section_table().pe_data_at(file.data(), address).unwrap_or_default();
                    image.manifest = Some(Manifest::parse(data));
                }
                ExportKind::Data
            }
            ExportTarget::ForwardByOrdinal(..) | ExportTarget::ForwardByName(..) => ExportKind::Forwarded,
        };
        image.exports.push(Export { name: printable(name), kind });
    }
    Ok(())
}

fn executable<Pe: ImageNtHeaders>(file: &PeFile<'_, Pe>, address: u32) -> bool {
    file.section_table()
        .section_containing(address)
        .is_some_and(|section| section.characteristics.get(LE).0 & pe::IMAGE_SCN_MEM_EXECUTE.0 != 0)
}

fn imports<Pe: ImageNtHeaders>(file: &PeFile<'_, Pe>, image: &mut Image) -> object::Result<()> {
    let Some(table) = file.import_table()? else { return Ok(()) };
    let mut descriptors = table.descriptors()?;
    let mut budget = MAX_ENTRIES;
    while let Some(descriptor) = descriptors.next()? {
        let library = printable(table.name(descriptor.name.get(LE))?);
        let names = match descriptor.original_first_thunk.get(LE) {
            0 => descriptor.first_thunk.get(LE),
            names => names,
        };
        let mut thunks = table.thunks(names)?;
        let mut functions = 0;
        while budget > 0
            && let Some(thunk) = thunks.next::<Pe>()?
        {
            if !thunk.is_ordinal() {
                // What the loader would look up has to be there.
                table.hint_name(thunk.address())?;
            }
            functions += 1;
            budget -= 1;
        }
        // Some linkers list a library once for each spelling.
        match image.imports.iter_mut().find(|import| import.library.eq_ignore_ascii_case(&library)) {
            Some(import) => import.functions += functions,
            None => image.imports.push(Import { library, functions, delayed: false }),
        }
        if budget == 0 || image.imports.len() == MAX_ENTRIES {
            image.defects.push(format!("it has more than {MAX_ENTRIES} imports; the others were left out"));
            break;
        }
    }
    Ok(())
}

fn delayed<Pe: ImageNtHeaders>(file: &PeFile<'_, Pe>, image: &mut Image) -> object::Result<()> {
    let Some(table) = file.delay_load_import_table()? else { return Ok(()) };
    let mut descriptors = table.descriptors()?;
    while let Some(descriptor) = descriptors.next()? {
        let library = printable(table.name(descriptor.dll_name_rva.get(LE))?);
        image.imports.push(Import { library, functions: 0, delayed: true });
        if image.imports.len() >= MAX_ENTRIES {
            break;
        }
    }
    Ok(())
}
