//! What reads a stranger's bytes, for `cargo fuzz`: each function takes any bytes, and panics when a rule is broken.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::coding::{Coding, preferred};
use crate::conditional::{Validators, Verdict, evaluate, range_applies};
use crate::config::StaticFilesBuilder;
use crate::location::{Location, below, file_name, locate};
use crate::range::{MAX_RANGES, Ranges, ranges};

/// The header `Range`. The first eight bytes are the size of the file.
pub fn fuzz_range(data: &[u8]) {
    let (size, field) = data.split_at(data.len().min(8));
    let size = size.iter().fold(0, |size: u64, byte| size << 8 | u64::from(*byte));
    check_ranges(field, size);
}

/// Ranges are inside the representation, apart from each other, and few.
pub(crate) fn check_ranges(field: &[u8], size: u64) {
    let spans = match ranges(field, size) {
        Ranges::Whole | Ranges::Unsatisfiable => return,
        Ranges::One(span) => vec![span],
        Ranges::Many(spans) => {
            assert!((2..=MAX_RANGES).contains(&spans.len()), "{} ranges", spans.len());
            spans
        }
    };
    for (at, span) in spans.iter().enumerate() {
        assert!(
            span.length > 0 && span.first < size && span.length <= size - span.first,
            "{span:?} of {size}"
        );
        let apart = |other: &crate::range::Span| other.end() <= span.first || span.end() <= other.first;
        assert!(spans[at + 1..].iter().all(apart), "{spans:?} overlap");
    }
}

/// Conditional headers, one per line: the first byte says which header, the rest is its value.
pub fn fuzz_conditional(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(16) {
        let Some((which, value)) = line.split_first() else { continue };
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        headers.append(CONDITIONS[usize::from(*which) % CONDITIONS.len()].clone(), value);
    }
    let is = Validators { tag: b"\"0123456789abcdef\"", weak: false, modified: Some(784_111_777) };
    let weak = Validators { weak: true, ..is };
    let verdict = evaluate(&headers, is);
    if !CONDITIONS.iter().any(|name| headers.contains_key(name)) {
        assert_eq!(verdict, Verdict::Proceed);
    }
    if !headers.contains_key(header::IF_RANGE) {
        assert!(range_applies(&headers, is));
    } else if range_applies(&headers, is) {
        assert!(!range_applies(&headers, weak), "a weak tag must not put two files together");
    }
    // What is weak fails no less than what is strong.
    if verdict == Verdict::Failed {
        assert_eq!(evaluate(&headers, weak), Verdict::Failed);
    }
}

const CONDITIONS: [HeaderName; 5] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
];

/// The header `Accept-Encoding`.
pub fn fuzz_accept_encoding(data: &[u8]) {
    let chosen = preferred(std::iter::once(data), [Coding::Gzip].into_iter());
    assert_ne!(chosen, Some(Coding::Brotli), "it is not there");
    assert_eq!(preferred(std::iter::once(data), std::iter::empty()), None);
}

/// The path of a URL.
pub fn fuzz_path(data: &[u8]) {
    let Ok(path) = std::str::from_utf8(data) else { return };
    let hidden = StaticFilesBuilder::new(".".into()).hidden();
    for at in ["", "/files"] {
        let Location::Below(rest) = locate(path, at, &hidden) else { continue };
        assert!(rest.is_empty() || rest.starts_with('/'), "{rest:?} is no path below {at:?}");
        let name = file_name(&rest);
        let plain = |segment: &str| {
            !segment.is_empty()
                && !segment.starts_with('.')
                && !segment.ends_with(['.', ' '])
                && !segment.contains(['\\', ':', '\0'])
                && !segment.eq_ignore_ascii_case("web.config")
        };
        assert!(name == "." || name.split('/').all(plain), "{path:?} led to {name:?}");
        if let Some(sent) = below(path, at)
            && crate::location::is_plain(path)
        {
            // Else what is known would be found under a path that means something else.
            assert!(sent == rest || sent.contains("//"), "{sent:?} is not {rest:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The seeds of `fuzz/seeds`, those of faults that were found among them.
    fn replay(target: &str, run: fn(&[u8])) {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
        let mut count = 0;
        for seed in std::fs::read_dir(seeds).expect("the seeds are part of the repository") {
            run(&std::fs::read(seed.expect("a file").path()).expect("a file"));
            count += 1;
        }
        assert!(count >= 5, "{count} seeds of {target}");
    }

    #[test]
    fn seeds_keep_the_rules_of_each_target() {
        replay("range", fuzz_range);
        replay("conditional", fuzz_conditional);
        replay("accept_encoding", fuzz_accept_encoding);
        replay("static_path", fuzz_path);
    }
}
