//! What a DLL says of itself, without being run: `BIVALVE_MODULES`.

/// What the text begins with: its name, and the version of its form.
const MARK: &str = "bivalve-modules/1;";

/// How many bytes [`declare`] writes for these names.
///
/// # Panics
///
/// When a name is empty or has a control character: while the DLL is compiled.
#[must_use]
pub const fn declared_len(names: &[&str]) -> usize {
    // The mark, and the zero at the end.
    let mut len = MARK.len() + 1;
    let mut index = 0;
    while index < names.len() {
        let name = names[index].as_bytes();
        assert!(!name.is_empty(), "a module has a name");
        // A space, two quotation marks, a semicolon.
        len += 4;
        let mut at = 0;
        while at < name.len() {
            assert!(name[at] >= b' ' && name[at] != 0x7f, "a module's name has no control characters");
            len += if is_escaped(name[at]) { 2 } else { 1 };
            at += 1;
        }
        index += 1;
    }
    len
}

/// The text: `bivalve-modules/1; "Gate"; "Audit";`, and a zero. A quotation mark or a backslash within a name has a
/// backslash before it.
///
/// # Panics
///
/// When `N` is not [`declared_len`].
#[must_use]
pub const fn declare<const N: usize>(names: &[&str]) -> [u8; N] {
    assert!(N == declared_len(names));
    let mut text = [0; N];
    let mut end = append(&mut text, 0, MARK.as_bytes(), false);
    let mut index = 0;
    while index < names.len() {
        end = append(&mut text, end, b" \"", false);
        end = append(&mut text, end, names[index].as_bytes(), true);
        end = append(&mut text, end, b"\";", false);
        index += 1;
    }
    text
}

const fn append(text: &mut [u8], mut end: usize, bytes: &[u8], is_name: bool) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        if is_name && is_escaped(bytes[at]) {
            text[end] = b'\\';
            end += 1;
        }
        text[end] = bytes[at];
        end += 1;
        at += 1;
    }
    end
}

const fn is_escaped(byte: u8) -> bool {
    byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_quotes_and_the_text_ends() {
        const NAMES: &[&str] = &["Gate", "a;b:c", r#"say "hi"\"#];
        const TEXT: [u8; declared_len(NAMES)] = declare(NAMES);
        let expected = b"bivalve-modules/1; \"Gate\"; \"a;b:c\"; \"say \\\"hi\\\"\\\\\";\0";
        assert_eq!(TEXT.as_slice(), expected);
    }
}
