//! Headers that modules set before the handler ran, and those of the handler's response, in one map.

use http::header::{self, HeaderMap, HeaderName};

/// Names that add up. A handler's header replaces a module's of any other name, as `SetHeader` would in IIS; here both
/// are kept, because each says something of its own, and a lost `Vary` poisons caches.
const ADD_UP: [HeaderName; 4] = [header::LINK, header::SET_COOKIE, header::VARY, header::WWW_AUTHENTICATE];

pub(crate) fn merge(modules: HeaderMap, handler: HeaderMap) -> HeaderMap {
    if modules.is_empty() {
        return handler;
    }
    let mut merged = handler;
    let mut kept = None;
    for (name, value) in modules {
        // A name is given once, and then stands for all of its values.
        if let Some(name) = name {
            kept = (ADD_UP.contains(&name) || !merged.contains_key(&name)).then_some(name);
        }
        if let Some(name) = &kept {
            merged.append(name.clone(), value);
        }
    }
    merged
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
        let modules =
            map(&[("x-a", "1"), ("x-a", "2"), ("x-b", "1"), ("vary", "origin"), ("set-cookie", "m=1")]);
        let handler = map(&[("x-b", "9"), ("vary", "accept"), ("set-cookie", "h=1")]);
        let merged = merge(modules, handler);
        let all = |name: &str| merged.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(all("x-a"), ["1", "2"]);
        assert_eq!(all("x-b"), ["9"]);
        assert_eq!(all("vary"), ["accept", "origin"]);
        assert_eq!(all("set-cookie"), ["h=1", "m=1"]);
    }
}
