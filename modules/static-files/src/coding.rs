//! Content codings: what a client takes, and which file has it.

/// A content coding that files may be stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// By the sizes that they make.
pub enum Coding {
    /// `br`, in files that end in `.br`: RFC 7932.
    Brotli,
    /// `zstd`, in files that end in `.zst`: RFC 9659.
    Zstd,
    /// `gzip`, in files that end in `.gz`: RFC 1952.
    Gzip,
}

impl Coding {
    /// All of them, the one that makes the smallest files first.
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// Its name in `Accept-Encoding` and `Content-Encoding`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What such a file's name has at its end.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// Which of `available`, the best first, the client wants most; `None`: the file as it is. RFC 9110 section 12.5.3.
///
/// A client that refuses the file as it is, and every coding that there is, gets it as it is: 406 would help nobody.
pub(crate) fn preferred<F: AsRef<[u8]>>(
    fields: impl Iterator<Item = F>,
    available: impl Iterator<Item = Coding>,
) -> Option<Coding> {
    let mut weights = Weights::default();
    for field in fields {
        field.as_ref().split(|byte| *byte == b',').for_each(|element| weights.note(element));
    }
    let mut best = None;
    for coding in available {
        let weight = weights.of(coding);
        if weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((coding, weight));
        }
    }
    // Not named, it is as good as anything, but nobody asked for it.
    best.filter(|(_, weight)| weights.identity.is_none_or(|identity| identity <= *weight))
        .map(|(coding, _)| coding)
}

/// Weights in thousandths.
#[derive(Default)]
struct Weights {
    br: Option<u16>,
    zstd: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    any: Option<u16>,
}

impl Weights {
    fn note(&mut self, element: &[u8]) {
        let (name, weight) = match element.iter().position(|byte| *byte == b';') {
            Some(at) => (&element[..at], weight(&element[at + 1..])),
            None => (element, Some(1000)),
        };
        let name = name.trim_ascii();
        let slot = if name.eq_ignore_ascii_case(b"br") {
            &mut self.br
        } else if name.eq_ignore_ascii_case(b"zstd") {
            &mut self.zstd
        // RFC 9110 section 8.4.1.3.
        } else if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
            &mut self.gzip
        } else if name.eq_ignore_ascii_case(b"identity") {
            &mut self.identity
        } else if name == b"*" {
            &mut self.any
        } else {
            return;
        };
        // A weight that is none: not taken, which is always right.
        *slot = Some(weight.unwrap_or(0));
    }

    fn of(&self, coding: Coding) -> u16 {
        let named = match coding {
            Coding::Brotli => self.br,
            Coding::Zstd => self.zstd,
            Coding::Gzip => self.gzip,
        };
        named.or(self.any).unwrap_or(0)
    }
}

/// `q=0.5`, in thousandths: RFC 9110 section 12.4.2.
fn weight(parameter: &[u8]) -> Option<u16> {
    let (name, value) = parameter.trim_ascii().split_at_checked(2)?;
    if !name.eq_ignore_ascii_case(b"q=") {
        return None;
    }
    let (whole, digits) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    let mut thousandths = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    for (digit, place) in digits.iter().zip([100, 10, 1]) {
        if !digit.is_ascii_digit() {
            return None;
        }
        thousandths += u16::from(digit - b'0') * place;
    }
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_all(field: &str) -> Option<Coding> {
        preferred(std::iter::once(field.as_bytes()), Coding::ALL.into_iter())
    }

    #[test]
    fn the_heaviest_wins_and_between_equals_the_smallest_file() {
        for (field, expected) in [
            ("gzip, deflate, br, zstd", Some(Coding::Brotli)),
            ("gzip, zstd", Some(Coding::Zstd)),
            ("gzip;q=1.0, br;q=0.9", Some(Coding::Gzip)),
            ("gzip;q=0.001", Some(Coding::Gzip)),
            ("X-GZIP", Some(Coding::Gzip)),
            ("GZip ; Q=0.5", Some(Coding::Gzip)),
            ("*", Some(Coding::Brotli)),
            ("*;q=0.5, br;q=0", Some(Coding::Zstd)),
            ("br;q=0.5, identity", None),
            ("br;q=0.5, identity;q=0.4", Some(Coding::Brotli)),
            ("br, identity", Some(Coding::Brotli)),
            ("identity", None),
            ("", None),
            ("deflate", None),
            ("br;q=0, gzip;q=0.000", None),
            ("*;q=0", None),
        ] {
            assert_eq!(of_all(field), expected, "{field}");
        }
    }

    #[test]
    fn a_weight_that_is_none_is_no_wish() {
        for field in
            ["br;q=2", "br;q=1.001", "br;q=0.1234", "br;q=", "br;q=-1", "br;q=.5", "br;level=3", "br;q=0,5"]
        {
            assert_eq!(of_all(field), None, "{field}");
        }
        assert_eq!(of_all("br;q=1.000"), Some(Coding::Brotli));
    }

    #[test]
    fn only_what_is_available_is_chosen() {
        let fields = [&b"br"[..], b"gzip;q=0.5"];
        assert_eq!(preferred(fields.into_iter(), [Coding::Gzip].into_iter()), Some(Coding::Gzip));
        assert_eq!(preferred(fields.into_iter(), [].into_iter()), None);
    }
}
