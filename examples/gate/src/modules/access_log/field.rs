//! The fields of a line.

use std::fmt::{self, Write};
use std::time::Duration;

use bivalve::{Context, User};
use chrono::{DateTime, Utc};
use http::{Method, header};
use serde::Deserialize;

use super::received::received;
use crate::modules::request_id::RequestId;

/// A field of the log, by its name in the `#Fields` directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
// In IIS's order, then ours.
pub enum Field {
    /// `date`: 2026-11-21, UTC.
    Date,
    /// `time`: 22:34:05, UTC.
    Time,
    /// `s-sitename`: W3SVC and the number of the site.
    SiteName,
    /// `s-ip`: the server's address.
    ServerIp,
    /// `cs-method`
    Method,
    /// `cs-uri-stem`: the path, as the client sent it.
    UriStem,
    /// `cs-uri-query`
    UriQuery,
    /// `s-port`
    ServerPort,
    /// `cs-username`: the authenticated user, never a name that was only claimed.
    UserName,
    /// `c-ip`: the client's address.
    ClientIp,
    /// `cs-version`: HTTP/1.1
    Version,
    /// `cs(User-Agent)`
    UserAgent,
    /// `cs(Cookie)`: may hold session secrets.
    Cookie,
    /// `cs(Referer)`
    Referer,
    /// `cs-host`
    Host,
    /// `sc-status`
    Status,
    /// `sc-substatus`
    SubStatus,
    /// `sc-win32-status`
    Win32Status,
    /// `sc-bytes`: bytes of entity body sent.
    BytesSent,
    /// `cs-bytes`: bytes of entity body received.
    BytesReceived,
    /// `time-taken`: milliseconds.
    TimeTaken,
    /// `x-request-id`
    RequestId,
}

/// What a line tells that the context does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) now: DateTime<Utc>,
    pub(super) taken: Option<Duration>,
}

impl Field {
    /// All fields.
    pub const ALL: [Self; 22] = [
        Self::Date,
        Self::Time,
        Self::SiteName,
        Self::ServerIp,
        Self::Method,
        Self::UriStem,
        Self::UriQuery,
        Self::ServerPort,
        Self::UserName,
        Self::ClientIp,
        Self::Version,
        Self::UserAgent,
        Self::Cookie,
        Self::Referer,
        Self::Host,
        Self::Status,
        Self::SubStatus,
        Self::Win32Status,
        Self::BytesSent,
        Self::BytesReceived,
        Self::TimeTaken,
        Self::RequestId,
    ];

    /// What IIS logs unless told otherwise.
    pub const IIS_DEFAULT: [Self; 15] = [
        Self::Date,
        Self::Time,
        Self::ServerIp,
        Self::Method,
        Self::UriStem,
        Self::UriQuery,
        Self::ServerPort,
        Self::UserName,
        Self::ClientIp,
        Self::UserAgent,
        Self::Referer,
        Self::Status,
        Self::SubStatus,
        Self::Win32Status,
        Self::TimeTaken,
    ];

    /// The name in the `#Fields` directive.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Time => "time",
            Self::SiteName => "s-sitename",
            Self::ServerIp => "s-ip",
            Self::Method => "cs-method",
            Self::UriStem => "cs-uri-stem",
            Self::UriQuery => "cs-uri-query",
            Self::ServerPort => "s-port",
            Self::UserName => "cs-username",
            Self::ClientIp => "c-ip",
            Self::Version => "cs-version",
            Self::UserAgent => "cs(User-Agent)",
            Self::Cookie => "cs(Cookie)",
            Self::Referer => "cs(Referer)",
            Self::Host => "cs-host",
            Self::Status => "sc-status",
            Self::SubStatus => "sc-substatus",
            Self::Win32Status => "sc-win32-status",
            Self::BytesSent => "sc-bytes",
            Self::BytesReceived => "cs-bytes",
            Self::TimeTaken => "time-taken",
            Self::RequestId => "x-request-id",
        }
    }

    /// One line, with its line feed.
    pub(super) fn line(fields: &[Self], cx: &Context, facts: &Facts) -> String {
        let mut line = String::with_capacity(256);
        for (field, after) in fields.iter().zip((0..fields.len()).rev()) {
            if !line.is_empty() {
                line.push(' ');
            }
            // What comes after it finds room for a number at least.
            field.push(&mut line, cx, facts, MAX_LINE.saturating_sub(RESERVED * (after + 1)));
        }
        if line.starts_with('#') {
            // A line like that is a directive, and a value of the client's must never be one.
            line.replace_range(..1, "%23");
        }
        line.push('\n');
        line
    }

    fn push(self, line: &mut String, cx: &Context, facts: &Facts, end: usize) {
        let url = cx.request().original_url();
        let text =
            |line: &mut String, value: Option<&[u8]>| push_escaped(line, value.unwrap_or_default(), end);
        let header = |line: &mut String, name| {
            push_escaped(line, cx.request().headers().get(name).map_or(&[], |value| value.as_bytes()), end);
        };
        match self {
            Self::Date => number(line, Some(facts.now.format("%Y-%m-%d"))),
            Self::Time => number(line, Some(facts.now.format("%H:%M:%S"))),
            Self::SiteName => number(line, Some(format_args!("W3SVC{}", cx.site().id()))),
            Self::ServerIp => number(line, cx.connection().local_addr().map(|addr| addr.ip().to_canonical())),
            Self::Method => text(line, Some(cx.request().method().as_str().as_bytes())),
            Self::UriStem => text(line, Some(url.path().as_bytes())),
            Self::UriQuery => text(line, url.query().map(str::as_bytes)),
            Self::ServerPort => number(line, cx.connection().local_addr().map(|addr| addr.port())),
            Self::UserName => text(line, cx.user().map(User::name).map(str::as_bytes)),
            Self::ClientIp => {
                number(line, cx.connection().remote_addr().map(|addr| addr.ip().to_canonical()));
            }
            Self::Version => number(line, Some(format_args!("{:?}", cx.request().version()))),
            Self::UserAgent => header(line, header::USER_AGENT),
            Self::Cookie => header(line, header::COOKIE),
            Self::Referer => header(line, header::REFERER),
            Self::Host => match url.authority() {
                Some(authority) => text(line, Some(authority.as_str().as_bytes())),
                None => header(line, header::HOST),
            },
            Self::Status => number(line, Some(cx.response().status().as_u16())),
            Self::SubStatus => number(line, Some(cx.response().sub_status())),
            Self::Win32Status => number(line, Some(win32_status(cx))),
            Self::BytesSent => number(line, Some(bytes_sent(cx))),
            Self::BytesReceived => number(line, received(cx)),
            Self::TimeTaken => number(line, facts.taken.map(|taken| taken.as_millis())),
            Self::RequestId => {
                text(line, cx.shared().get::<RequestId>().map(|id| id.as_str().as_bytes()));
            }
        }
    }
}

impl TryFrom<String> for Field {
    type Error = UnknownField;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::ALL.into_iter().find(|field| field.name() == name).ok_or(UnknownField { name })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The log has no field of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    name: String,
}

impl fmt::Display for UnknownField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no field {:?}; there are", self.name)?;
        Field::ALL.iter().try_for_each(|field| write!(f, " {field}"))
    }
}

impl std::error::Error for UnknownField {}

/// Something that needs no escaping.
fn number(line: &mut String, value: Option<impl fmt::Display>) {
    match value {
        // Writing to a String cannot fail.
        Some(value) => drop(write!(line, "{value}")),
        None => line.push('-'),
    }
}

/// A value of the client's, up to this length of the line. Long ones end with `...`, as in IIS.
fn push_escaped(line: &mut String, value: &[u8], end: usize) {
    if value.is_empty() {
        line.push('-');
        return;
    }
    for (n, &byte) in value.iter().enumerate() {
        if n == MAX_VALUE || line.len() + 3 > end {
            line.push_str("...");
            return;
        }
        match byte {
            b' ' => line.push('+'),
            b'!'..=b'~' => line.push(char::from(byte)),
            _ => drop(write!(line, "%{byte:02X}")),
        }
    }
}

/// What http.sys would report.
fn win32_status(cx: &Context) -> u16 {
    const ERROR_FILE_NOT_FOUND: u16 = 2;
    const ERROR_ACCESS_DENIED: u16 = 5;
    const ERROR_NETNAME_DELETED: u16 = 64;
    const ERROR_LOGON_FAILURE: u16 = 1326;
    if !cx.is_connected() {
        return ERROR_NETNAME_DELETED;
    }
    match (cx.response().status().as_u16(), cx.response().sub_status()) {
        (401, 1) => ERROR_LOGON_FAILURE,
        (401, _) => ERROR_ACCESS_DENIED,
        (404, _) => ERROR_FILE_NOT_FOUND,
        _ => 0,
    }
}

fn bytes_sent(cx: &Context) -> u64 {
    let response = cx.response();
    let buffered = if cx.is_connected() && !response.is_ended() { response.entity_len() } else { 0 };
    if *cx.request().method() == Method::HEAD { 0 } else { response.entity_sent() + buffered }
}

/// Bytes of a value that are logged; the rest becomes `...`.
const MAX_VALUE: usize = 1024;

/// Bytes of a line: what does not fit becomes `...`, too.
const MAX_LINE: usize = 8 * 1024;

/// For a space, and a number, an address, or three dots.
const RESERVED: usize = 48;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(value: &[u8]) -> String {
        let mut line = String::new();
        push_escaped(&mut line, value, MAX_LINE);
        line
    }

    #[test]
    fn values_are_escaped() {
        for (value, expected) in [
            (&b""[..], "-"),
            (b"/a/b.html", "/a/b.html"),
            (b"Mozilla/5.0 (X11; Linux)", "Mozilla/5.0+(X11;+Linux)"),
            (b"a\r\n#Fields: x", "a%0D%0A#Fields:+x"),
            (b"a\tb\0c\x7f", "a%09b%00c%7F"),
            ("zoë".as_bytes(), "zo%C3%AB"),
            (b"\xff", "%FF"),
            (b"100%", "100%"),
        ] {
            assert_eq!(escaped(value), expected);
        }
    }

    proptest! {
        #[test]
        fn a_value_is_one_field_of_visible_ascii(value in proptest::collection::vec(any::<u8>(), 0..64)) {
            let escaped = escaped(&value);
            prop_assert!(!escaped.is_empty() && escaped.bytes().all(|b| b.is_ascii_graphic()), "{escaped}");
        }
    }

    #[test]
    fn long_values_are_cut() {
        let value = escaped(&[b' '; MAX_VALUE + 1]);
        assert_eq!((value.len(), &value[MAX_VALUE - 1..]), (MAX_VALUE + 3, "+..."));
        assert_eq!(escaped(&[b'a'; MAX_VALUE]).len(), MAX_VALUE);
    }

    #[test]
    fn every_field_is_found_by_its_name() {
        for field in Field::ALL {
            assert_eq!(Field::try_from(field.name().to_owned()), Ok(field));
        }
        let error = Field::try_from("cs-uri".to_owned()).expect_err("unknown").to_string();
        assert!(
            error.starts_with(r#"there is no field "cs-uri"; there are date time s-sitename"#),
            "{error}"
        );
    }
}
