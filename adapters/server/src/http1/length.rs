//! Where the body of a request ends: RFC 9112 section 6.
//!
//! What a proxy in front could read in another way is refused: that is how requests are smuggled. No message with both
//! lengths, none with two Content-Length fields, even equal ones, and no coding but one `chunked`.

use http::{StatusCode, Version};

use super::reject::Reject;
use super::said::{Field, Said};
use crate::Limits;

/// How much body follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    Chunked,
    /// Bytes; 0 without a body.
    Exact(u64),
}

pub(crate) fn of(said: &Said<'_>, version: Version, limits: &Limits) -> Result<BodyLength, Reject> {
    let length = match (said.codings, said.lengths) {
        (Field { first: None, .. }, Field { first: None, .. }) => return Ok(BodyLength::Exact(0)),
        (Field { first: Some(_), .. }, Field { first: Some(_), .. }) => {
            return Err(Reject::bad("both Transfer-Encoding and Content-Length (RFC 9112 section 6.1)"));
        }
        (Field { first: Some(_), .. }, _) if version < Version::HTTP_11 => {
            return Err(Reject::bad("Transfer-Encoding in HTTP/1.0 (RFC 9112 section 6.1)"));
        }
        (Field { first: Some(coding), more }, _) => return chunked(coding, more),
        (_, Field { more: true, .. }) => {
            return Err(Reject::bad("more than one Content-Length (RFC 9112 section 6.3)"));
        }
        (_, Field { first: Some(length), .. }) => length,
    };
    let digits = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
    let length =
        std::str::from_utf8(length).ok().filter(|_| digits).and_then(|text| text.parse::<u64>().ok());
    match length {
        None => Err(Reject::bad("Content-Length is no number, or too large for one (RFC 9110 section 8.6)")),
        Some(length) if length > limits.body_bytes() => Err(TOO_LARGE),
        Some(length) => Ok(BodyLength::Exact(length)),
    }
}

fn chunked(coding: &[u8], more: bool) -> Result<BodyLength, Reject> {
    if !more && coding.eq_ignore_ascii_case(b"chunked") {
        return Ok(BodyLength::Chunked);
    }
    // With chunked at the end it would have a length, were the other coding known here: RFC 9112 section 6.1.
    let last = coding.rsplit(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
    let others = coding.len() > last.len();
    if !more && others && last.eq_ignore_ascii_case(b"chunked") && !has_chunked_before_last(coding) {
        return Err(Reject::new(
            StatusCode::NOT_IMPLEMENTED,
            "a transfer coding besides chunked (RFC 9112 section 6.1)",
        ));
    }
    Err(Reject::bad("Transfer-Encoding is not one `chunked` (RFC 9112 sections 6.1, 7)"))
}

fn has_chunked_before_last(coding: &[u8]) -> bool {
    let mut codings = coding.rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    codings.next();
    codings.any(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"chunked"))
}

/// As IIS's request filtering does it for `maxAllowedContentLength`.
pub(crate) const TOO_LARGE: Reject = Reject::filtered(
    StatusCode::PAYLOAD_TOO_LARGE,
    1,
    "the body is larger than the limit (RFC 9110 section 15.5.14)",
);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(codings: &[&str], lengths: &[&str], version: Version) -> Result<BodyLength, u16> {
        let mut said = Said::default();
        codings.iter().for_each(|coding| said.codings.add(coding.as_bytes()));
        lengths.iter().for_each(|length| said.lengths.add(length.as_bytes()));
        of(&said, version, &Limits::default()).map_err(|reject| reject.status.as_u16())
    }

    #[test]
    fn one_length_or_one_chunked() {
        let read = |codings: &[&str], lengths: &[&str]| read(codings, lengths, Version::HTTP_11);
        assert_eq!(read(&[], &[]), Ok(BodyLength::Exact(0)));
        assert_eq!(read(&[], &["0012"]), Ok(BodyLength::Exact(12)));
        assert_eq!(read(&["Chunked"], &[]), Ok(BodyLength::Chunked));
        assert_eq!(read(&[], &["30000001"]), Err(413));
        for length in ["", "+1", "-1", "1,1", "1 1", "0x1", "1.0", "18446744073709551616"] {
            assert_eq!(read(&[], &[length]), Err(400), "{length}");
        }
        assert_eq!(read(&[], &["1", "1"]), Err(400));
        assert_eq!(read(&["chunked"], &["1"]), Err(400));
        assert_eq!(read(&["chunked", "chunked"], &[]), Err(400));
        assert_eq!(read(&["gzip, chunked"], &[]), Err(501));
        for coding in [
            "",
            "identity",
            "xchunked",
            "chunked,",
            ",chunked",
            "chunked, chunked",
            "chunked;q=1",
            "chunked, gzip",
            "\"chunked\"",
        ] {
            assert_eq!(read(&[coding], &[]), Err(400), "{coding}");
        }
    }

    #[test]
    fn http_1_0_has_no_transfer_encoding() {
        assert_eq!(read(&["chunked"], &[], Version::HTTP_10), Err(400));
    }
}
