//! Classes of octets: which may stand where.

/// RFC 9110 section 5.6.2: what names of methods and fields are made of.
pub(crate) const fn is_token(byte: u8) -> bool {
    TABLE[byte as usize] & TOKEN != 0
}

/// RFC 3986 section 3.3: a path, and the few more that browsers leave bare in it: `[`, `]`, `|`.
pub(crate) const fn is_path(byte: u8) -> bool {
    TABLE[byte as usize] & PATH != 0
}

/// As [`is_path`], without the `%` that begins an escape.
pub(crate) const fn is_plain_path(byte: u8) -> bool {
    TABLE[byte as usize] & PLAIN_PATH != 0
}

/// RFC 3986 section 3.4: a query, and what browsers leave bare in it: `[`, `]`, `|`, `\`, `^`, `{`, `}`.
pub(crate) const fn is_query(byte: u8) -> bool {
    TABLE[byte as usize] & QUERY != 0
}

/// RFC 3986 section 3.2.2: a registered name; without the comma, which would be two Host fields joined by a proxy.
pub(crate) const fn is_name(byte: u8) -> bool {
    TABLE[byte as usize] & NAME != 0
}

/// As [`is_name`], without the `%` that begins an escape.
pub(crate) const fn is_plain_name(byte: u8) -> bool {
    TABLE[byte as usize] & PLAIN_NAME != 0
}

/// RFC 9110 section 5.5: the value of a field, obs-text included.
pub(crate) const fn is_value(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

const TOKEN: u8 = 1;
const PATH: u8 = 2;
const QUERY: u8 = 4;
const NAME: u8 = 8;
const PLAIN_PATH: u8 = 16;
const PLAIN_NAME: u8 = 32;

const TABLE: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "below 256")]
        let octet = byte as u8;
        let alphanumeric = octet.is_ascii_alphanumeric();
        let unreserved = alphanumeric || matches!(octet, b'-' | b'.' | b'_' | b'~');
        let sub_delim =
            matches!(octet, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
        let segment = unreserved || sub_delim || matches!(octet, b'%' | b':' | b'@');
        if alphanumeric
            || matches!(
                octet,
                b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            )
        {
            table[byte] |= TOKEN;
        }
        if segment || matches!(octet, b'/' | b'[' | b']' | b'|') {
            table[byte] |= PATH;
        }
        if segment || matches!(octet, b'/' | b'?' | b'[' | b']' | b'|' | b'\\' | b'^' | b'{' | b'}') {
            table[byte] |= QUERY;
        }
        if unreserved || (sub_delim && octet != b',') || octet == b'%' {
            table[byte] |= NAME;
        }
        if octet != b'%' {
            table[byte] |= if table[byte] & PATH != 0 { PLAIN_PATH } else { 0 };
            table[byte] |= if table[byte] & NAME != 0 { PLAIN_NAME } else { 0 };
        }
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn all(class: fn(u8) -> bool) -> String {
        (0..=255_u8).filter(|byte| class(*byte) && !byte.is_ascii_alphanumeric()).map(char::from).collect()
    }

    #[test]
    fn classes_are_those_of_the_rfcs() {
        assert_eq!(all(is_token), "!#$%&'*+-.^_`|~");
        assert_eq!(all(is_path), "!$%&'()*+,-./:;=@[]_|~");
        assert_eq!(all(is_plain_path), "!$&'()*+,-./:;=@[]_|~");
        assert_eq!(all(is_query), "!$%&'()*+,-./:;=?@[\\]^_{|}~");
        assert_eq!(all(is_name), "!$%&'()*+-.;=_~");
        assert_eq!(all(is_plain_name), "!$&'()*+-.;=_~");
        assert!(!is_value(b'\r') && !is_value(0) && !is_value(0x7f) && is_value(0xff));
    }
}
