//! Headers by number and by name, of requests and responses.

use bivalve_iis_sys::codes::HTTP_HEADER_ID;
use bivalve_iis_sys::hresult::{E_INVALIDARG, S_OK};
use bivalve_iis_sys::types::{HRESULT, PCSTR};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::arena::Arena;
use crate::text::{len16, store};

/// How a header is named.
pub(super) enum Name {
    /// By its number.
    Id(HeaderName),
    Text(HeaderName),
}

impl Name {
    /// The header with this number in a table of [`bivalve_iis_sys::headers`].
    pub(super) fn id(id: HTTP_HEADER_ID, table: &[&str]) -> Option<Self> {
        let name = table.get(usize::try_from(id.0).ok()?)?;
        HeaderName::from_bytes(name.as_bytes()).ok().map(Self::Id)
    }

    pub(super) fn text(text: &[u8]) -> Option<Self> {
        HeaderName::from_bytes(text).ok().map(Self::Text)
    }

    fn name(&self) -> &HeaderName {
        match self {
            Self::Id(name) | Self::Text(name) => name,
        }
    }
}

/// "IIS7 treats Server, WWW-Authenticate, and Set-Cookie as unknown headers" (System.Web): several of them stand beside
/// each other, and by number they are only added to.
const UNKNOWN: [&str; 3] = ["server", "set-cookie", "www-authenticate"];

pub(super) fn is_unknown(name: &HeaderName) -> bool {
    UNKNOWN.contains(&name.as_str())
}

/// All values in one, as IIS keeps those that it numbers; the first of `Set-Cookie`, which cannot be joined.
pub(super) fn value(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let mut values = headers.get_all(name).iter();
    let mut joined = values.next()?.as_bytes().to_vec();
    if name != SET_COOKIE {
        for value in values {
            joined.extend_from_slice(if name == COOKIE { b"; " } else { b", " });
            joined.extend_from_slice(value.as_bytes());
        }
    }
    Some(joined)
}

/// `GetHeader`: null where there is none.
///
/// # Safety
///
/// `len` is null or writable.
pub(super) unsafe fn get(headers: &HeaderMap, name: Option<&Name>, arena: &Arena, len: *mut u16) -> PCSTR {
    let found = name.and_then(|name| value(headers, name.name()));
    // SAFETY: says the caller.
    unsafe { store(len, found.as_ref().map_or(0, |value| len16(value.len()))) };
    found.map_or(std::ptr::null(), |value| arena.narrow(&value))
}

/// `SetHeader`.
pub(super) fn set(headers: &mut HeaderMap, name: Option<Name>, value: &[u8], replace: bool) -> HRESULT {
    let (Some(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) else { return E_INVALIDARG };
    let unknown = is_unknown(name.name());
    let replace = replace && !(unknown && matches!(name, Name::Id(_)));
    let name = name.name();
    let done = if replace {
        headers.try_insert(name, value).map(drop)
    } else if unknown || !headers.contains_key(name) {
        headers.try_append(name, value).map(drop)
    } else {
        let mut joined = self::value(headers, name).unwrap_or_default();
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(value.as_bytes());
        match HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
            Ok(joined) => headers.try_insert(name, joined).map(drop),
            Err(_) => return E_INVALIDARG,
        }
    };
    if done.is_ok() { S_OK } else { E_INVALIDARG }
}

/// `DeleteHeader`; a header that is not there is none.
pub(super) fn delete(headers: &mut HeaderMap, name: Option<&Name>) -> HRESULT {
    let Some(name) = name else { return E_INVALIDARG };
    headers.remove(name.name());
    S_OK
}

#[cfg(test)]
mod tests {
    use bivalve_iis_sys::headers::RESPONSE_HEADERS;

    use super::*;

    #[test]
    fn without_replace_a_value_is_joined_and_a_cookie_stands_beside_the_other() {
        let mut headers = HeaderMap::new();
        for value in [&b"a"[..], b"b"] {
            assert_eq!(set(&mut headers, Name::text(b"vary"), value, false), S_OK);
            assert_eq!(set(&mut headers, Name::text(b"set-cookie"), value, false), S_OK);
        }
        assert_eq!(headers.get_all("vary").iter().collect::<Vec<_>>(), ["a, b"]);
        assert_eq!(headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn server_is_only_replaced_by_name() {
        let mut headers = HeaderMap::new();
        let by_id = || Name::id(HTTP_HEADER_ID::SERVER, &RESPONSE_HEADERS);
        set(&mut headers, by_id(), b"a", true);
        set(&mut headers, by_id(), b"b", true);
        assert_eq!(headers.get_all("server").iter().collect::<Vec<_>>(), ["a", "b"]);
        set(&mut headers, Name::text(b"Server"), b"c", true);
        assert_eq!(headers.get_all("server").iter().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn a_value_that_splits_the_response_is_refused() {
        let mut headers = HeaderMap::new();
        assert_eq!(set(&mut headers, Name::text(b"x"), b"a\r\nb: c", true), E_INVALIDARG);
        assert!(headers.is_empty());
    }
}
