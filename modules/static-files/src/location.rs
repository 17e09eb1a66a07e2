//! From the path of a URL to the name of a file below the folder. Nothing here touches a file system.

use bivalve_core::{MapPathError, decode_url_path};

use crate::config::Hidden;

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// Not below the URL path that the folder is served at.
    Outside,
    /// Nothing is there, and nobody looks: the status and sub-status to say so.
    Refused(u16, u16),
    /// What follows the folder's URL path, decoded: nothing, or a slash and plain names with one slash between them; a slash at
    /// the end if the URL had one.
    Below(String),
}

/// Finds out where a path leads, as the client sent it. `at`: the URL path of the folder, without a slash at its end.
pub(crate) fn locate(path: &str, at: &str, hidden: &Hidden) -> Location {
    let decoded = match decode_url_path(path) {
        Ok(decoded) => decoded,
        Err(_) if below(path, at).is_none() => return Location::Outside,
        Err(error) => return Location::Refused(error.status().as_u16(), sub_status(error)),
    };
    match below(&decoded, at) {
        None => Location::Outside,
        Some(rest) => match hidden.sub_status(rest) {
            Some(sub_status) => Location::Refused(404, sub_status),
            None => Location::Below(rest.to_owned()),
        },
    }
}

/// What of `path` follows `at`, by whole segments. As in IIS, URL paths that are configured have no case.
pub(crate) fn below<'a>(path: &'a str, at: &str) -> Option<&'a str> {
    let (head, rest) = path.split_at_checked(at.len())?;
    (head.eq_ignore_ascii_case(at) && (rest.is_empty() || rest.starts_with('/'))).then_some(rest)
}

/// Whether a path as it was sent, if it is a name that was served before, can only mean that name: it has nothing to decode.
pub(crate) fn is_plain(path: &str) -> bool {
    !path.bytes().any(|byte| matches!(byte, b'%' | b'#'))
}

/// The name of the file: without slashes at its ends, and `.` for the folder itself.
pub(crate) fn file_name(below: &str) -> &str {
    match below.trim_matches('/') {
        "" => ".",
        name => name,
    }
}

/// What stands behind the last dot of the last name, if that is no directory.
pub(crate) fn extension(below: &str) -> Option<&str> {
    let name = &below[below.rfind('/').map_or(0, |slash| slash + 1)..];
    name.rsplit_once('.').map(|(_, extension)| extension)
}

/// IIS's, where it has one.
fn sub_status(error: MapPathError) -> u16 {
    match error {
        MapPathError::DoubleEscape => 11,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
