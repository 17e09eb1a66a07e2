//! What is not the same, and why. Everything else has to be.

use crate::{Answer, Seen};

/// Cases that differ as a whole, by the name of the module. One that has become equal has to leave this list.
pub const DIFFERENT: &[(&str, &str)] = &[];

/// Why a module differs, if it may.
#[must_use]
pub fn reason(name: &str) -> Option<&'static str> {
    DIFFERENT.iter().find(|(different, _)| *different == name).map(|(_, why)| *why)
}

/// Without what a host may do in its own way:
///
/// - **Pieces of the request's body.** Into how many it is cut is the business of the host, so that several ReadEntity in
///   a row count as one. Behind Tower the end is a read of 0 bytes that modules at ReadEntity see; in IIS the end is
///   an error code (`ERROR_HANDLE_EOF`), and nobody documents that the notification is raised for it.
/// - **Several values of a header.** IIS appends to the line that is there (`SetHeader` without `fReplace`), which is the
///   same by RFC 9110 section 5.3; [`Answer`] has them in one line, but those of `Set-Cookie`.
#[must_use]
pub fn without(mut seen: Seen) -> Seen {
    seen.events.retain(|event| event != "ReadEntity end");
    seen.events.dedup_by(|one, other| one == other && one.starts_with("ReadEntity"));
    seen
}

/// Without what Bivalve's own server does in its own way, and hyper in another:
///
/// - **`Connection: close`.** It is said where the connection is closed behind the response because the rest of the request's body
///   is too long to be read for nothing (RFC 9112 section 9.6). hyper closes and says nothing.
#[must_use]
pub fn without_native(mut seen: Seen) -> Seen {
    if let Answer::Response { headers, .. } = &mut seen.answer {
        headers.retain(|(name, value)| (name.as_str(), value.as_str()) != ("connection", "close"));
    }
    seen
}

/// Without how the end of a body is said: HTTP/1.1 has a length or the chunked coding, HTTP/2 the end of the stream, and hyper leaves out
/// a length of 0 there.
#[must_use]
pub fn without_framing(mut seen: Seen) -> Seen {
    if let Answer::Response { headers, .. } = &mut seen.answer {
        headers.retain(|(name, value)| {
            !matches!(
                (name.as_str(), value.as_str()),
                ("transfer-encoding", "chunked") | ("content-length", "0")
            )
        });
    }
    seen
}
