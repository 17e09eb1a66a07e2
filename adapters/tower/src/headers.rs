//! Headers that modules set before the handler ran, and those of the handler's response, in one map; and which
//! responses have no body.

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};

/// Names that add up. A handler's header replaces a module's of any other name, as `SetHeader` would in IIS; here both
/// are kept, because each says something of its own, and a lost `Vary` poisons caches.
const ADD_UP: [HeaderName; 4] = [header::LINK, header::SET_COOKIE, header::VARY, header::WWW_AUTHENTICATE];

/// What a module said of a body that is not the handler's: with the wrong length, the client takes the rest of this
/// response for the next one.
const FRAMING: [HeaderName; 2] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];

pub(crate) fn merge(modules: HeaderMap, handler: HeaderMap) -> HeaderMap {
    if modules.is_empty() {
        return handler;
    }
    let mut merged = handler;
    let mut kept = None;
    for (name, value) in modules {
        // A name is given once, and then stands for all of its values.
        if let Some(name) = name {
            let adds_up = ADD_UP.contains(&name);
            let fits = adds_up || !(FRAMING.contains(&name) || merged.contains_key(&name));
            kept = fits.then_some(name);
        }
        if let Some(name) = &kept {
            merged.append(name.clone(), value);
        }
    }
    merged
}

/// What a response has to know of its request: whether a body may follow (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Connect,
    Head,
    Other,
}

impl Asked {
    pub(crate) fn of(method: &Method) -> Self {
        match *method {
            Method::CONNECT => Self::Connect,
            Method::HEAD => Self::Head,
            _ => Self::Other,
        }
    }

    /// Whether a response with this status has a body, if only an empty one.
    pub(crate) fn allows_body(self, status: StatusCode) -> bool {
        let never =
            status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        match self {
            _ if never => false,
            Self::Head => false,
            Self::Connect => !status.is_success(),
            Self::Other => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn the_handler_replaces_and_lists_add_up() {
        let mut modules =
            map(&[("x-a", "1"), ("x-a", "2"), ("x-b", "1"), ("vary", "origin"), ("set-cookie", "m=1")]);
        modules.insert("content-length", HeaderValue::from_static("50"));
        let handler = map(&[("x-b", "9"), ("vary", "accept"), ("set-cookie", "h=1")]);
        let merged = merge(modules, handler);
        let all = |name: &str| merged.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(all("x-a"), ["1", "2"]);
        assert_eq!(all("x-b"), ["9"]);
        assert_eq!(all("vary"), ["accept", "origin"]);
        assert_eq!(all("set-cookie"), ["h=1", "m=1"]);
        assert!(all("content-length").is_empty(), "a length of another body");
    }
}
