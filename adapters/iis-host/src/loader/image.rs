//! The first bytes of a file: what kind it is, and for which processor.

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Elf,
    Other,
    Pe,
}

/// What the header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) kind: Kind,
    /// Whether it is a shared library.
    pub(super) library: bool,
    /// The processor, where it is one that IIS runs on.
    pub(super) machine: Option<&'static str>,
}

/// What this process can load.
pub(super) const KIND: Kind = if cfg!(windows) { Kind::Pe } else { Kind::Elf };

/// The same, in words.
pub(super) const KIND_HERE: &str = if cfg!(windows) { "DLLs of Windows" } else { "shared objects (ELF)" };

const X64: &str = "x86-64 (64 bits)";
const X86: &str = "x86 (32 bits)";
const ARM64: &str = "arm64 (64 bits)";

/// What this process runs on.
pub(super) const MACHINE_HERE: &str = if cfg!(target_arch = "x86_64") {
    X64
} else if cfg!(target_arch = "x86") {
    X86
} else {
    ARM64
};

impl Image {
    pub(super) fn of(bytes: &[u8]) -> Self {
        pe(bytes).or_else(|| elf(bytes)).unwrap_or(Self { kind: Kind::Other, library: false, machine: None })
    }
}

/// "MZ", then at 0x3C the place of the COFF header: "PE\0\0", the machine, and at 22 the characteristics.
fn pe(bytes: &[u8]) -> Option<Image> {
    bytes.strip_prefix(b"MZ")?;
    let at = u32::from_le_bytes(bytes.get(0x3C..0x40)?.try_into().ok()?);
    let coff = bytes.get(usize::try_from(at).ok()?..)?.strip_prefix(b"PE\0\0")?;
    const DLL: u16 = 0x2000;
    Some(Image {
        kind: Kind::Pe,
        library: u16_at(coff, 18)? & DLL != 0,
        machine: match u16_at(coff, 0)? {
            0x8664 => Some(X64),
            0x014C => Some(X86),
            0xAA64 => Some(ARM64),
            _ => None,
        },
    })
}

/// The class (1: 32 bits, 2: 64 bits) and byte order, at 16 the type, at 18 the machine.
fn elf(bytes: &[u8]) -> Option<Image> {
    bytes.strip_prefix(b"\x7FELF")?;
    const SHARED: u16 = 3;
    Some(Image {
        kind: Kind::Elf,
        library: u16_at(bytes, 16)? == SHARED,
        machine: match (bytes.get(4)?, u16_at(bytes, 18)?) {
            (2, 62) => Some(X64),
            (1, 3) => Some(X86),
            (2, 183) => Some(ARM64),
            _ => None,
        },
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dll(machine: u16) -> Vec<u8> {
        let mut bytes = vec![0; 0x100];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3C] = 0x80;
        bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
        bytes[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
        bytes[0x84 + 18..0x84 + 20].copy_from_slice(&0x2022_u16.to_le_bytes());
        bytes
    }

    #[test]
    fn headers_tell_kind_and_processor() {
        assert_eq!(Image::of(&dll(0x8664)), Image { kind: Kind::Pe, library: true, machine: Some(X64) });
        assert_eq!(Image::of(&dll(0x014C)).machine, Some(X86));
        assert_eq!(Image::of(&dll(0x0200)).machine, None);
        let mut elf = b"\x7FELF\x01\x01".to_vec();
        elf.resize(64, 0);
        elf[16] = 3;
        elf[18] = 3;
        assert_eq!(Image::of(&elf), Image { kind: Kind::Elf, library: true, machine: Some(X86) });
    }

    #[test]
    fn a_header_that_is_cut_is_none() {
        let whole = dll(0x8664);
        for len in 0..0x98 {
            assert_eq!(Image::of(&whole[..len]).kind, Kind::Other, "{len}");
        }
        assert_eq!(Image::of(b"\x7FELF").kind, Kind::Other);
    }
}
