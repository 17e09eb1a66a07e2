//! The header `Range`: RFC 9110 section 14.

/// What of a representation was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// All of it: the header is none that has a meaning, or asks for more than is reasonable.
    Whole,
    /// Nothing that it has.
    Unsatisfiable,
    /// One range.
    One(Span),
    /// Several, none of which touches another.
    Many(Vec<Span>),
}

/// A range of bytes that is inside the representation, and not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) length: u64,
}

impl Span {
    /// The byte behind its last one.
    pub(crate) fn end(self) -> u64 {
        self.first + self.length
    }
}

/// The ranges that a header field asks for, of a representation of `size` bytes.
///
/// What overlaps or nearly touches becomes one range (RFC 9110 section 15.3.7.2), so that all of them together are never more
/// than the representation; what is left stands in the order of the request. A header with more than [`MAX_RANGES`] is
/// ignored, as section 14.2 allows.
pub(crate) fn ranges(field: &[u8], size: u64) -> Ranges {
    // Nothing of an empty representation can be named in a Content-Range.
    if size == 0 {
        return Ranges::Whole;
    }
    let Some(set) = set_of_bytes(field) else { return Ranges::Whole };
    let mut spans = Spans::None;
    let mut count = 0;
    for spec in set.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        // RFC 9110 section 5.6.1.2: empty elements of a list are ignored.
        if spec.is_empty() {
            continue;
        }
        count += 1;
        if count > MAX_RANGES {
            return Ranges::Whole;
        }
        match span(spec, size) {
            None => return Ranges::Whole,
            Some(None) => {}
            Some(Some(span)) => spans.add(span),
        }
    }
    match spans {
        _ if count == 0 => Ranges::Whole,
        Spans::None => Ranges::Unsatisfiable,
        Spans::One(span) => Ranges::One(span),
        Spans::Many(mut spans) => {
            coalesce(&mut spans);
            if let [span] = spans[..] { Ranges::One(span) } else { Ranges::Many(spans) }
        }
    }
}

/// Almost every request has one range; that one needs no memory.
enum Spans {
    None,
    One(Span),
    Many(Vec<Span>),
}

impl Spans {
    fn add(&mut self, span: Span) {
        match self {
            Self::None => *self = Self::One(span),
            Self::One(first) => *self = Self::Many(vec![*first, span]),
            Self::Many(spans) => spans.push(span),
        }
    }
}

/// What follows `bytes=`. RFC 9110 section 14.1: the name of the unit has no case.
fn set_of_bytes(field: &[u8]) -> Option<&[u8]> {
    let (unit, set) = field.split_at_checked(6)?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(set)
}

/// One range. `None`: malformed; `Some(None)`: none that the representation has.
fn span(spec: &[u8], size: u64) -> Option<Option<Span>> {
    let dash = spec.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    if first.is_empty() {
        let suffix = number(last)?.min(size);
        return Some((suffix > 0).then(|| Span { first: size - suffix, length: suffix }));
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    Some((first < size).then(|| Span { first, length: last.min(size - 1) - first + 1 }))
}

/// Digits only. A number that no file reaches is as good as the largest one.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        digits
            .iter()
            .fold(0, |number: u64, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))),
    )
}

/// Makes one of those that overlap, or that lie closer than a part's header is long.
fn coalesce(spans: &mut Vec<Span>) {
    let mut at = 0;
    while at < spans.len() {
        let one = spans[at];
        let near = |other: &Span| {
            one.first <= other.end().saturating_add(NEAR) && other.first <= one.end().saturating_add(NEAR)
        };
        match spans[at + 1..].iter().position(near) {
            Some(offset) => {
                let other = spans.remove(at + 1 + offset);
                let first = one.first.min(other.first);
                spans[at] = Span { first, length: one.end().max(other.end()) - first };
                // It has grown, and may reach one that was looked at before.
                at = 0;
            }
            None => at += 1,
        }
    }
}

/// Ranges of one header: more are answered with the whole representation.
pub(crate) const MAX_RANGES: usize = 16;

/// Bytes between two ranges that are sent rather than described: about what a part's header takes.
const NEAR: u64 = 80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(first: u64, length: u64) -> Ranges {
        Ranges::One(Span { first, length })
    }

    fn many(spans: &[(u64, u64)]) -> Ranges {
        Ranges::Many(spans.iter().map(|(first, length)| Span { first: *first, length: *length }).collect())
    }

    #[test]
    fn one_range() {
        for (field, expected) in [
            ("bytes=0-0", one(0, 1)),
            ("bytes=0-499", one(0, 500)),
            ("BYTES=500-999", one(500, 500)),
            ("bytes=500-", one(500, 500)),
            ("bytes=-500", one(500, 500)),
            ("bytes=-5000", one(0, 1000)),
            ("bytes=0-99999999999999999999999", one(0, 1000)),
            ("bytes= , 7-8 ,", one(7, 2)),
        ] {
            assert_eq!(ranges(field.as_bytes(), 1000), expected, "{field}");
        }
    }

    #[test]
    fn a_malformed_header_is_ignored() {
        for field in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5",
            "bytes=5-4",
            "bytes=0-1,5-4",
            "bytes=+1-2",
            "bytes=1 - 2",
            "bytes=1-2-3",
            "bytes=--1",
            "bytes =0-1",
            "lines=0-1",
            "bytes=0-1;2-3",
            "bytes=0x0-0x1",
        ] {
            assert_eq!(ranges(field.as_bytes(), 1000), Ranges::Whole, "{field}");
        }
    }

    #[test]
    fn what_the_representation_does_not_have_is_unsatisfiable() {
        for field in
            ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=99999999999999999999999-", "bytes=2000-,-0"]
        {
            assert_eq!(ranges(field.as_bytes(), 1000), Ranges::Unsatisfiable, "{field}");
        }
    }

    #[test]
    fn of_several_those_that_are_there_remain() {
        assert_eq!(ranges(b"bytes=0-0,1000-", 1000), one(0, 1));
        assert_eq!(ranges(b"bytes=0-0,500-600,-1", 1000), many(&[(0, 1), (500, 101), (999, 1)]));
        assert_eq!(ranges(b"bytes=-1,0-0", 1000), many(&[(999, 1), (0, 1)]), "in the order of the request");
    }

    #[test]
    fn an_empty_file_has_no_ranges() {
        for field in ["bytes=0-", "bytes=-5", "bytes=0-0"] {
            assert_eq!(ranges(field.as_bytes(), 0), Ranges::Whole, "{field}");
        }
    }

    #[test]
    fn overlapping_ranges_become_one() {
        assert_eq!(ranges(b"bytes=0-10,5-20", 1000), one(0, 21));
        assert_eq!(ranges(b"bytes=0-999,0-999,0-999", 1000), one(0, 1000));
        assert_eq!(ranges(b"bytes=0-1,10-11", 1000), one(0, 12), "a gap that is shorter than a header");
        assert_eq!(ranges(b"bytes=0-9,800-809,5-805", 1000), one(0, 810), "the third joins the first two");
    }

    /// The attack that was CVE-2011-3192 for Apache: hundreds of ranges that overlap.
    #[test]
    fn many_ranges_are_answered_with_the_whole_file() {
        let field = (0..1300).fold(String::from("bytes=0-"), |field, n| format!("{field},5-{n}"));
        assert_eq!(ranges(field.as_bytes(), 10_000), Ranges::Whole);
        let most = |count: usize| {
            let all: Vec<_> = (0..count).map(|n| format!("{0}-{0}", n * 100)).collect();
            ranges(format!("bytes={}", all.join(",")).as_bytes(), 10_000)
        };
        assert!(matches!(most(MAX_RANGES), Ranges::Many(spans) if spans.len() == MAX_RANGES));
        assert_eq!(most(MAX_RANGES + 1), Ranges::Whole);
    }

    proptest! {
        #[test]
        fn ranges_are_inside_disjoint_and_no_more_than_all(
            specs in proptest::collection::vec("[0-9]{0,4}-[0-9]{0,4}", 0..20),
            size in 0..5000_u64,
        ) {
            crate::fuzzing::check_ranges(format!("bytes={}", specs.join(",")).as_bytes(), size);
        }

        #[test]
        fn no_octets_break_it(field in proptest::collection::vec(any::<u8>(), 0..200), size: u64) {
            crate::fuzzing::check_ranges(&field, size);
            crate::fuzzing::check_ranges(&[b"bytes=", &field[..]].concat(), size);
        }

        /// A client that takes the parts and puts them together has what it asked for.
        #[test]
        fn each_byte_that_was_asked_for_is_there(
            asked in proptest::collection::vec((0..300_u64, 0..50_u64), 1..10),
        ) {
            let specs: Vec<_> = asked.iter().map(|(first, more)| format!("{first}-{}", first + more)).collect();
            let spans = match ranges(format!("bytes={}", specs.join(",")).as_bytes(), 250) {
                Ranges::One(span) => vec![span],
                Ranges::Many(spans) => spans,
                _ => Vec::new(),
            };
            for byte in asked.iter().flat_map(|(first, more)| *first..=first + more).filter(|byte| *byte < 250) {
                prop_assert!(spans.iter().any(|span| (span.first..span.end()).contains(&byte)), "{byte} of {specs:?}");
            }
        }
    }
}
