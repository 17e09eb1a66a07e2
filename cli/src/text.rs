//! Text from files that nobody vouches for, on somebody's terminal.

/// Longer names are cut: they are not there to be read.
const LONGEST: usize = 120;

/// Printable ASCII as it is, anything else as `\xNN`: a name in a DLL cannot move a cursor or break a line.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes.iter().take(LONGEST) {
        match byte {
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    if bytes.len() > LONGEST {
        text.push_str("...");
    }
    text
}

/// 1234567 as 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_steer_a_terminal() {
        assert_eq!(printable(b"a\x1b[2J\nb\xff"), "a\\x1b[2J\\x0ab\\xff");
        assert_eq!(printable(&[b'a'; 200]).len(), LONGEST + 3);
    }

    #[test]
    fn numbers_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
    }
}
