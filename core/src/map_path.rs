//! From a URL to a physical path, without touching a file system.
//!
//! Pure and lexical. The rules stand with [`MapPathError`], where users find them.

use std::fmt;
use std::path::{Path, PathBuf};

use http::StatusCode;
use percent_encoding::percent_decode_str;

use crate::limits::MAX_URL;

/// Why a URL was not mapped to a physical path.
///
/// As a module's error it answers with [`status`](Self::status): `cx.map_path(url)?` needs no more.
///
/// ```
/// use bivalve_core::{Error, MapPathError};
/// use http::StatusCode;
///
/// assert_eq!(MapPathError::DotSegment.status(), StatusCode::BAD_REQUEST);
/// assert_eq!(Error::from(MapPathError::DeviceName).status(), StatusCode::NOT_FOUND);
/// ```
///
/// # Rules
///
/// The rules are the same on every system: what is a trap on Windows only (backslashes, device names, short
/// names, alternate data streams, trailing dots) is refused on Linux too, so that a test on one tells about the
/// other. What looks like an attack is **refused, not repaired**: a path that has been normalised is no longer
/// the one that was authorised.
///
/// | the URL has | answer | IIS, as far as known |
/// |---|---|---|
/// | a query | dropped, unexamined | same |
/// | `%41`, and so on | decoded exactly once, as UTF-8 | same |
/// | a malformed escape, `%u0041`, bytes that are no UTF-8 | refused, 400 | http.sys answers 400 |
/// | an escape left after decoding (`%252e`) | refused, 404 | 404.11, `allowDoubleEscaping` |
/// | `.` or `..` as a segment, raw or encoded | refused, 400 | http.sys normalises first |
/// | `\`, `%5c`, `%2f`, `:`, `#`, a control character, a wildcard | refused, 400 | mostly 400; backslashes become slashes |
/// | `//` | collapsed into one | collapsed by http.sys |
/// | a segment that ends in a dot or a space | refused, 404 | 404 |
/// | `CON`, `nul.txt`, `COM¹`, and so on | refused, 404 | 404 |
/// | `PROGRA~1` | refused, 404 | 404 |
/// | more than [`MAX_URL`] bytes before the query | refused, 414 | 404.14 |
/// | another application's path | refused, 404 | never asked |
///
/// Empty segments are the one exception to "not repaired": http.sys has collapsed them before any module of IIS
/// sees the URL, and no system gives them a meaning of their own. The collapsed form is what comes back.
///
/// Letters that only look like dots or slashes (`．`, `∕`) stay what they are, letters of a name.
///
/// # Symbolic links
///
/// The promise "never leaves its root" is lexical. A symbolic link, junction or mount below the root can still
/// lead out of it: whoever opens the file must care (`openat2` with `RESOLVE_BENEATH`, or compare the canonical
/// path) if others can create links there. The same goes for file names that differ in case only.
///
/// IIS counterpart: the failing `HRESULT` of `IHttpContext::MapPath`, and the sub-statuses of request filtering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MapPathError {
    /// A backslash, raw or as `%5c`.
    Backslash,
    /// A `%` that is not followed by two hexadecimal digits.
    BadEscape,
    /// A colon: a drive letter or an alternate data stream of Windows.
    Colon,
    /// NUL or another control character, raw or encoded.
    ControlCharacter,
    /// A device of Windows, with or without an extension: `CON`, `nul.txt`, `COM1`.
    DeviceName,
    /// A `.` or `..` segment, raw or encoded.
    DotSegment,
    /// An escape that is still one after decoding, such as `%252e`.
    DoubleEscape,
    /// A slash inside a segment, written `%2f`.
    EncodedSlash,
    /// A raw `#`: fragments are not sent to servers. A name with that letter is written `%23`.
    Fragment,
    /// Escapes that decode to something that is no UTF-8; overlong forms such as `%c0%af` among it.
    InvalidUtf8,
    /// There is no physical path to map to.
    NoPhysicalPath,
    /// Neither `/…` nor `~/…`.
    NotAbsolute,
    /// A path outside the application's own.
    OutsideApplication,
    /// A short (8.3) name of Windows, such as `PROGRA~1`.
    ShortName,
    /// More than [`MAX_URL`] bytes.
    TooLong,
    /// A segment that ends in a dot or a space, which Windows would drop.
    TrailingDotOrSpace,
    /// An escape of the form `%u0041`.
    UnicodeEscape,
    /// One of `* ? < > | "`.
    Wildcard,
}

impl MapPathError {
    /// What the client is answered: 414 for a URL that is too long, 404 for what IIS hides as not found, 400 for the rest.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLong => StatusCode::URI_TOO_LONG,
            Self::DeviceName
            | Self::DoubleEscape
            | Self::NoPhysicalPath
            | Self::OutsideApplication
            | Self::ShortName
            | Self::TrailingDotOrSpace => StatusCode::NOT_FOUND,
            Self::Backslash
            | Self::BadEscape
            | Self::Colon
            | Self::ControlCharacter
            | Self::DotSegment
            | Self::EncodedSlash
            | Self::Fragment
            | Self::InvalidUtf8
            | Self::NotAbsolute
            | Self::UnicodeEscape
            | Self::Wildcard => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for MapPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Backslash => "the URL has a backslash",
            Self::BadEscape => "the URL has a percent sign that begins no escape",
            Self::Colon => "the URL has a colon",
            Self::ControlCharacter => "the URL has a control character",
            Self::DeviceName => "the URL names a device of Windows",
            Self::DotSegment => "the URL has a dot segment",
            Self::DoubleEscape => "the URL is escaped twice",
            Self::EncodedSlash => "the URL has an encoded slash",
            Self::Fragment => "the URL has a fragment",
            Self::InvalidUtf8 => "the URL does not decode to UTF-8",
            Self::NoPhysicalPath => "there is no physical path to map the URL to",
            Self::NotAbsolute => "the URL begins neither with / nor with ~/",
            Self::OutsideApplication => "the URL is outside the application",
            Self::ShortName => "the URL has a short (8.3) name",
            Self::TooLong => "the URL is too long",
            Self::TrailingDotOrSpace => "the URL has a segment that ends in a dot or a space",
            Self::UnicodeEscape => "the URL has a %u escape",
            Self::Wildcard => "the URL has a wildcard character",
        })
    }
}

impl std::error::Error for MapPathError {}

/// A part of an application's URL space whose files lie elsewhere.
///
/// The longest URL path wins, compared by whole segments, without regard to the case of ASCII letters; of two
/// equal ones the first. One with the application's own path takes the place of its root; one outside the
/// application is never used.
///
/// ```
/// use bivalve_core::{MapPathError, VirtualDirectory};
///
/// let images = VirtualDirectory::new("/images/", "/srv/pictures")?;
/// assert_eq!(images.url_path(), "/images");
/// assert_eq!(VirtualDirectory::new("/../etc", "/etc").unwrap_err(), MapPathError::DotSegment);
/// # Ok::<(), MapPathError>(())
/// ```
///
/// IIS counterpart: the `virtualDirectory` element of an application, whose path is relative to the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualDirectory {
    url_path: String,
    physical_path: PathBuf,
}

impl VirtualDirectory {
    /// Mounts a directory. The URL path is the site's, so it has the application's path in front, and it is
    /// plain text, not percent-encoded; slashes are collapsed and one at the end is dropped.
    ///
    /// The physical path is taken as it is: whether it exists is seen when a file is opened.
    ///
    /// # Errors
    ///
    /// A URL path that [`Context::map_path`](crate::Context::map_path) would refuse, and an empty physical path.
    pub fn new(url_path: &str, physical_path: impl Into<PathBuf>) -> Result<Self, MapPathError> {
        let physical_path = physical_path.into();
        if physical_path.as_os_str().is_empty() {
            return Err(MapPathError::NoPhysicalPath);
        }
        Ok(Self { url_path: normalize(url_path)?, physical_path })
    }

    /// The URL path: begins with a slash, does not end with one (unless it is `/`).
    #[must_use]
    pub fn url_path(&self) -> &str {
        &self.url_path
    }

    /// Where its files are.
    #[must_use]
    pub fn physical_path(&self) -> &Path {
        &self.physical_path
    }
}

/// Maps a URL path of an application: the decoded path, and the physical one.
///
/// `url` is `/…` or, relative to the application, `~/…`. The decoded path has the application's path in front,
/// no empty segments, and a slash at its end if the URL had one; the physical path never has one.
/// `app_path` is `/` or what [`normalize`] made.
pub(crate) fn resolve(
    url: &str,
    app_path: &str,
    root: &Path,
    virtual_dirs: &[VirtualDirectory],
) -> Result<(String, PathBuf), MapPathError> {
    let path = url.split_once('?').map_or(url, |(path, _)| path);
    if path.len() > MAX_URL {
        return Err(MapPathError::TooLong);
    }
    let (base, path) = match path.strip_prefix('~') {
        Some(rest) => (app_path.trim_end_matches('/'), rest),
        None => ("", path),
    };
    if !path.starts_with('/') {
        return Err(MapPathError::NotAbsolute);
    }
    let decoded = decode(base, path)?;

    let in_app = strip_segments(&decoded, app_path).ok_or(MapPathError::OutsideApplication)?;
    // The least that is left over belongs to the longest prefix; the root comes last, so a tie is a directory's.
    let (below, directory) = virtual_dirs
        .iter()
        .filter_map(|dir| Some((strip_segments(&decoded, &dir.url_path)?, dir.physical_path())))
        .chain([(in_app, root)])
        .min_by_key(|(below, _)| below.len())
        .ok_or(MapPathError::NoPhysicalPath)?;
    if directory.as_os_str().is_empty() {
        return Err(MapPathError::NoPhysicalPath);
    }

    let mut physical = directory.to_path_buf();
    // Each piece has passed `check_segment`: it is one plain name, so `push` can only go down.
    physical.extend(segments(below));
    Ok((decoded, physical))
}

/// The path of a URL decoded, if it means one thing only: by the rules of [`MapPathError`], without a physical path. For a
/// module that maps URLs to something of its own.
///
/// Segments have one slash between them, and there is one at the end if the URL had one.
///
/// ```
/// use bivalve_core::{MapPathError, decode_url_path};
///
/// assert_eq!(decode_url_path("/a%20b//c/")?, "/a b/c/");
/// assert_eq!(decode_url_path("/a/%2e%2e/b"), Err(MapPathError::DotSegment));
/// # Ok::<(), MapPathError>(())
/// ```
///
/// # Errors
///
/// [`MapPathError`] for what could mean something else on another system, or to whoever decodes again.
///
/// IIS counterpart: what http.sys and request filtering do before a module sees the URL.
pub fn decode_url_path(path: &str) -> Result<String, MapPathError> {
    if path.len() > MAX_URL {
        return Err(MapPathError::TooLong);
    }
    // `OPTIONS *` and CONNECT have no path.
    if !path.starts_with('/') {
        return Err(MapPathError::NotAbsolute);
    }
    decode("", path)
}

/// A configured URL path, plain text: begins with a slash, has no empty segments, does not end with a slash
/// unless it is `/`.
pub(crate) fn normalize(url_path: &str) -> Result<String, MapPathError> {
    if !url_path.starts_with('/') {
        return Err(MapPathError::NotAbsolute);
    }
    if url_path.len() > MAX_URL {
        return Err(MapPathError::TooLong);
    }
    let mut normal = String::with_capacity(url_path.len());
    for segment in segments(url_path) {
        check_segment(segment)?;
        normal.push('/');
        normal.push_str(segment);
    }
    if normal.is_empty() {
        normal.push('/');
    }
    Ok(normal)
}

/// `base`, which is trusted, and the decoded and checked segments of `path` after it.
fn decode(base: &str, path: &str) -> Result<String, MapPathError> {
    let mut decoded = String::with_capacity(base.len() + path.len());
    decoded.push_str(base);
    for segment in segments(path) {
        check_escapes(segment)?;
        // Segment by segment: a slash that appears now was not one that separates.
        let plain = percent_decode_str(segment).decode_utf8().map_err(|_| MapPathError::InvalidUtf8)?;
        check_segment(&plain)?;
        decoded.push('/');
        decoded.push_str(&plain);
    }
    // `/` itself comes from here too: it has no segments.
    if path.ends_with('/') {
        decoded.push('/');
    }
    Ok(decoded)
}

/// The segments of a path, empty ones left out.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// What of `path` follows `prefix`, if that is a prefix by whole segments: nothing, or something with a slash in front.
fn strip_segments<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let prefix = prefix.trim_end_matches('/');
    let (head, rest) = path.split_at_checked(prefix.len())?;
    (head.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with('/'))).then_some(rest)
}

/// What can be wrong with a segment before it is decoded.
fn check_escapes(segment: &str) -> Result<(), MapPathError> {
    if segment.contains('#') {
        return Err(MapPathError::Fragment);
    }
    for (at, _) in segment.match_indices('%') {
        match segment.as_bytes()[at + 1..] {
            [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
            [b'u' | b'U', ..] => return Err(MapPathError::UnicodeEscape),
            _ => return Err(MapPathError::BadEscape),
        }
    }
    Ok(())
}

/// What can be wrong with a segment once it is decoded. Whatever passes is one plain name on every system.
fn check_segment(segment: &str) -> Result<(), MapPathError> {
    for char in segment.chars() {
        match char {
            '\\' => return Err(MapPathError::Backslash),
            '/' => return Err(MapPathError::EncodedSlash),
            ':' => return Err(MapPathError::Colon),
            '*' | '?' | '<' | '>' | '|' | '"' => return Err(MapPathError::Wildcard),
            char if char.is_control() => return Err(MapPathError::ControlCharacter),
            _ => {}
        }
    }
    if segment == "." || segment == ".." {
        return Err(MapPathError::DotSegment);
    }
    if segment.ends_with(['.', ' ']) {
        return Err(MapPathError::TrailingDotOrSpace);
    }
    if has_escape(segment) {
        return Err(MapPathError::DoubleEscape);
    }
    // Windows looks no further than the first dot for a device, and a short name has no more than one.
    let stem = segment.split_once('.').map_or(segment, |(stem, _)| stem);
    if is_device(stem) {
        return Err(MapPathError::DeviceName);
    }
    if is_short_name(stem) {
        return Err(MapPathError::ShortName);
    }
    Ok(())
}

/// Whether someone who decodes once more would find an escape. Any escape counts, not only those of dots and
/// slashes: `%25` begins the next round.
fn has_escape(segment: &str) -> bool {
    segment.match_indices('%').any(|(at, _)| match segment.as_bytes()[at + 1..] {
        [b'u' | b'U', a, b, c, d, ..] => [a, b, c, d].iter().all(u8::is_ascii_hexdigit),
        [high, low, ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    })
}

fn is_device(stem: &str) -> bool {
    // `CON .txt` is the console as well.
    let stem = stem.trim_end_matches(' ');
    if DEVICES.iter().any(|device| stem.eq_ignore_ascii_case(device)) {
        return true;
    }
    let Some((port, number)) = stem.split_at_checked(3) else { return false };
    let mut number = number.chars();
    // Windows counts ports in Latin-1, where the superscripts are digits.
    (port.eq_ignore_ascii_case("COM") || port.eq_ignore_ascii_case("LPT"))
        && matches!(number.next(), Some('0'..='9' | '¹' | '²' | '³'))
        && number.next().is_none()
}

fn is_short_name(stem: &str) -> bool {
    // The number grows when names collide: `A~1`, then `A~10`.
    stem.rsplit_once('~')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

#[cfg(test)]
mod tests;
