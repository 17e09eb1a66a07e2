//! Conditional requests: RFC 9110 section 13.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{self, HeaderName};

/// What is known of the representation that was selected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validators<'a> {
    /// The entity tag with its quotes, without `W/`.
    pub(crate) tag: &'a [u8],
    /// Two representations may have the same tag.
    pub(crate) weak: bool,
    /// Last-Modified, in seconds since 1970.
    pub(crate) modified: Option<u64>,
}

/// What the preconditions of a GET or HEAD say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They hold, or there are none.
    Proceed,
    /// 304: the client has it.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates the preconditions in the order of RFC 9110 section 13.2.2; `If-Range` is [for itself](range_applies).
pub(crate) fn evaluate(headers: &HeaderMap, is: Validators<'_>) -> Verdict {
    // Most requests have none, and then four lookups are too many.
    if headers.contains_key(header::IF_MATCH) {
        if !tags(headers, header::IF_MATCH).any(|tag| tag.matches_strongly(is)) {
            return Verdict::Failed;
        }
    } else if let (Some(since), Some(modified)) = (date(headers, header::IF_UNMODIFIED_SINCE), is.modified)
        && modified > since
    {
        return Verdict::Failed;
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        if tags(headers, header::IF_NONE_MATCH).any(|tag| tag.matches_weakly(is)) {
            return Verdict::NotModified;
        }
    } else if let (Some(since), Some(modified)) = (date(headers, header::IF_MODIFIED_SINCE), is.modified)
        && modified <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Whether `Range` is to be looked at: there is no `If-Range`, or it has this representation's strong entity tag.
///
/// A date never matches. RFC 9110 section 13.1.5 wants a strong one, and section 8.8.2.2 that the file did not change twice within
/// that second, which nobody knows of a file. Every response here has an entity tag, and a client that has one may send no date.
pub(crate) fn range_applies(headers: &HeaderMap, is: Validators<'_>) -> bool {
    let mut fields = headers.get_all(header::IF_RANGE).iter();
    let Some(field) = fields.next() else { return true };
    if fields.next().is_some() {
        return false;
    }
    let mut rest = field.as_bytes().trim_ascii();
    matches!(next_tag(&mut rest), Some(tag @ Tag { any: false, .. }) if rest.is_empty() && tag.matches_strongly(is))
}

/// An entity tag of the client, or `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    any: bool,
    weak: bool,
    tag: &'a [u8],
}

impl Tag<'_> {
    /// RFC 9110 section 8.8.3.2.
    fn matches_strongly(self, is: Validators<'_>) -> bool {
        self.any || (!self.weak && !is.weak && self.tag == is.tag)
    }

    fn matches_weakly(self, is: Validators<'_>) -> bool {
        self.any || self.tag == is.tag
    }
}

/// All entity tags of a header that is a list of them. Behind something that is none, nothing of that field is looked at.
fn tags(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Tag<'_>> {
    headers.get_all(name).iter().flat_map(|field| {
        let mut rest = field.as_bytes();
        std::iter::from_fn(move || {
            while let Some((b' ' | b'\t' | b',', behind)) = rest.split_first() {
                rest = behind;
            }
            let tag = next_tag(&mut rest)?;
            rest = rest.trim_ascii_start();
            // Between two there is a comma, or it is no list.
            if !rest.is_empty() && !rest.starts_with(b",") {
                rest = b"";
                return None;
            }
            Some(tag)
        })
    })
}

/// Takes an entity tag off: RFC 9110 section 8.8.3. It may have commas inside.
fn next_tag<'a>(rest: &mut &'a [u8]) -> Option<Tag<'a>> {
    let from: &'a [u8] = rest;
    if let Some(behind) = from.strip_prefix(b"*") {
        *rest = behind;
        return Some(Tag { any: true, weak: false, tag: b"*" });
    }
    let (weak, quoted) = match from.strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, from),
    };
    let inside = quoted.strip_prefix(b"\"")?;
    let length = inside.iter().position(|byte| !matches!(byte, 0x21 | 0x23..=0x7e | 0x80..))?;
    if inside[length] != b'"' {
        return None;
    }
    let (tag, behind) = quoted.split_at(length + 2);
    *rest = behind;
    Some(Tag { any: false, weak, tag })
}

/// A date in seconds since 1970, if the field is there once and is one: RFC 9110 sections 13.1.3 and 13.1.4.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let mut fields = headers.get_all(name).iter();
    let field = fields.next()?;
    if fields.next().is_some() {
        return None;
    }
    let date = httpdate::parse_http_date(field.to_str().ok()?).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// The text of a date, and its seconds since 1970; none that HTTP cannot write.
pub(crate) fn http_date(time: SystemTime) -> Option<(u64, String)> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (seconds < YEAR_9999)
        .then(|| (seconds, httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))))
}

/// The first second of that year, where `httpdate` ends.
const YEAR_9999: u64 = 253_370_764_800;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const SECOND: u64 = 784_111_777;
    const IS: Validators<'_> = Validators { tag: b"\"abc\"", weak: false, modified: Some(SECOND) };
    const WEAK: Validators<'_> = Validators { weak: true, ..IS };

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    fn verdict(fields: &[(&'static str, &str)]) -> Verdict {
        evaluate(&headers(fields), IS)
    }

    #[test]
    fn without_conditions_it_goes_on() {
        assert_eq!(verdict(&[("accept", "*/*")]), Verdict::Proceed);
    }

    #[test]
    fn if_match_compares_strongly() {
        for (field, expected) in [
            ("*", Verdict::Proceed),
            ("\"abc\"", Verdict::Proceed),
            ("\"x\", \"abc\"", Verdict::Proceed),
            ("\"a,b\",\"abc\"", Verdict::Proceed),
            ("W/\"abc\"", Verdict::Failed),
            ("\"x\"", Verdict::Failed),
            ("abc", Verdict::Failed),
            ("\"x\" \"abc\"", Verdict::Failed),
            ("\"abc", Verdict::Failed),
            ("", Verdict::Failed),
        ] {
            assert_eq!(verdict(&[("if-match", field)]), expected, "{field}");
        }
        assert_eq!(
            verdict(&[("if-match", "\"x\""), ("if-match", "\"abc\"")]),
            Verdict::Proceed,
            "two fields"
        );
        assert_eq!(evaluate(&headers(&[("if-match", "\"abc\"")]), WEAK), Verdict::Failed);
    }

    #[test]
    fn if_none_match_compares_weakly() {
        for (field, expected) in [
            ("*", Verdict::NotModified),
            ("\"abc\"", Verdict::NotModified),
            ("W/\"abc\"", Verdict::NotModified),
            (", ,\"x\" , W/\"abc\",", Verdict::NotModified),
            ("w/\"abc\"", Verdict::Proceed),
            ("\"ab\"", Verdict::Proceed),
            ("\"abc\"x", Verdict::Proceed),
        ] {
            assert_eq!(verdict(&[("if-none-match", field)]), expected, "{field}");
        }
        assert_eq!(evaluate(&headers(&[("if-none-match", "\"abc\"")]), WEAK), Verdict::NotModified);
    }

    #[test]
    fn dates_are_compared_by_the_second() {
        let (before, after) = ("Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:38 GMT");
        for (date, since, unmodified) in [
            (before, Verdict::Proceed, Verdict::Failed),
            (DATE, Verdict::NotModified, Verdict::Proceed),
            (after, Verdict::NotModified, Verdict::Proceed),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Verdict::NotModified, Verdict::Proceed),
            ("Sun Nov  6 08:49:37 1994", Verdict::NotModified, Verdict::Proceed),
            ("yesterday", Verdict::Proceed, Verdict::Proceed),
        ] {
            assert_eq!(verdict(&[("if-modified-since", date)]), since, "{date}");
            assert_eq!(verdict(&[("if-unmodified-since", date)]), unmodified, "{date}");
        }
        let none = Validators { modified: None, ..IS };
        assert_eq!(evaluate(&headers(&[("if-unmodified-since", before)]), none), Verdict::Proceed);
        assert_eq!(evaluate(&headers(&[("if-modified-since", after)]), none), Verdict::Proceed);
    }

    /// RFC 9110 section 13.2.2.
    #[test]
    fn the_order_is_that_of_the_rfc() {
        let long_ago = "Sun, 06 Nov 1983 08:49:37 GMT";
        for (fields, expected) in [
            // If-Match hides If-Unmodified-Since.
            (vec![("if-match", "\"abc\""), ("if-unmodified-since", long_ago)], Verdict::Proceed),
            // If-None-Match hides If-Modified-Since.
            (vec![("if-none-match", "\"x\""), ("if-modified-since", DATE)], Verdict::Proceed),
            // The failed precondition comes before the one that could save bytes.
            (vec![("if-match", "\"x\""), ("if-none-match", "\"abc\"")], Verdict::Failed),
            (vec![("if-unmodified-since", long_ago), ("if-none-match", "\"abc\"")], Verdict::Failed),
            (vec![("if-match", "\"abc\""), ("if-none-match", "\"abc\"")], Verdict::NotModified),
            (vec![("if-unmodified-since", DATE), ("if-modified-since", DATE)], Verdict::NotModified),
        ] {
            assert_eq!(verdict(&fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn if_range_needs_the_strong_tag() {
        assert!(range_applies(&HeaderMap::new(), IS));
        for (field, applies) in [
            ("\"abc\"", true),
            (" \"abc\" ", true),
            ("W/\"abc\"", false),
            ("\"x\"", false),
            ("*", false),
            ("\"abc\", \"abc\"", false),
            (DATE, false),
            ("", false),
        ] {
            assert_eq!(range_applies(&headers(&[("if-range", field)]), IS), applies, "{field}");
        }
        assert!(!range_applies(&headers(&[("if-range", "\"abc\"")]), WEAK));
        assert!(!range_applies(&headers(&[("if-range", "\"abc\""), ("if-range", "\"abc\"")]), IS));
    }

    #[test]
    fn dates_that_http_cannot_write_are_none() {
        assert_eq!(http_date(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(http_date(UNIX_EPOCH + Duration::from_secs(YEAR_9999)), None);
        assert!(http_date(UNIX_EPOCH + Duration::from_secs(YEAR_9999 - 1)).is_some());
        let time = UNIX_EPOCH + Duration::from_millis(SECOND * 1000 + 999);
        assert_eq!(http_date(time), Some((SECOND, DATE.to_owned())));
    }
}
