//! The headers of a request: a map that is made when somebody first looks.

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, Version};

/// The fields of a request as they came, to be read into a map when a module first asks for them: many requests are served
/// without anybody looking. For hosts, as a part of an [`UnreadHead`].
///
/// The host has checked them: reading cannot fail.
#[derive(Clone)]
pub struct UnreadHeaders {
    fields: Bytes,
    read: fn(&Bytes, &mut HeaderMap),
}

impl UnreadHeaders {
    /// Fields, in a form that `read` knows. It gets an empty map.
    #[must_use]
    pub fn new(fields: Bytes, read: fn(&Bytes, &mut HeaderMap)) -> Self {
        Self { fields, read }
    }
}

impl fmt::Debug for UnreadHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No values: they hold credentials.
        f.debug_struct("UnreadHeaders").field("bytes", &self.fields.len()).finish_non_exhaustive()
    }
}

/// The head of a request whose headers nobody has looked at. For hosts:
/// [`Context::start_unread`](super::Context::start_unread).
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a host makes it of what every request has")]
pub struct UnreadHead {
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: Uri,
    /// The version.
    pub version: Version,
    /// The fields.
    pub headers: UnreadHeaders,
}

/// A map, or what it will be made of.
#[derive(Default)]
pub(super) struct Headers {
    map: OnceLock<HeaderMap>,
    unread: Option<UnreadHeaders>,
    /// Empty, with the memory of an earlier request.
    spare: Mutex<HeaderMap>,
}

impl Headers {
    pub(super) fn get(&self) -> &HeaderMap {
        self.map.get_or_init(|| {
            let spare = std::mem::take(&mut *self.spare.lock().unwrap_or_else(PoisonError::into_inner));
            self.made_in(spare)
        })
    }

    pub(super) fn get_mut(&mut self) -> &mut HeaderMap {
        if self.map.get().is_none() {
            let spare = self.take_spare();
            self.map = self.made_in(spare).into();
        }
        self.map.get_mut().expect("it was made above")
    }

    pub(super) fn set(&mut self, map: HeaderMap) {
        self.unread = None;
        // An empty one is made when somebody looks.
        self.map = if map.is_empty() { OnceLock::new() } else { map.into() };
    }

    pub(super) fn set_unread(&mut self, unread: UnreadHeaders) {
        // The memory of the last ones is that of the next.
        self.clear();
        self.unread = Some(unread);
    }

    /// All of them, and an empty map in their place.
    pub(super) fn take(&mut self) -> HeaderMap {
        let map = std::mem::take(self.get_mut());
        self.unread = None;
        map
    }

    /// All of them, and a copy in their place: in memory that is there already.
    pub(super) fn take_and_keep(&mut self) -> HeaderMap {
        let map = self.take();
        let mut kept = self.take_spare();
        kept.extend(map.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.set(kept);
        map
    }

    /// Lets go of them, keeping memory.
    pub(super) fn clear(&mut self) {
        self.unread = None;
        if let Some(mut map) = self.map.take() {
            map.clear();
            let spare = self.spare.get_mut().unwrap_or_else(PoisonError::into_inner);
            if spare.capacity() < map.capacity() && map.capacity() <= SPARE {
                *spare = map;
            }
        }
    }

    fn made_in(&self, mut map: HeaderMap) -> HeaderMap {
        if let Some(UnreadHeaders { fields, read }) = &self.unread {
            read(fields, &mut map);
        }
        map
    }

    fn take_spare(&mut self) -> HeaderMap {
        std::mem::take(self.spare.get_mut().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Maps up to this size are kept for the next request; a client that sent more shall not hold the memory.
const SPARE: usize = 64;

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HOST;

    use super::*;

    fn read(fields: &Bytes, map: &mut HeaderMap) {
        assert!(map.is_empty(), "the memory of an earlier request is empty");
        map.insert(HOST, HeaderValue::from_maybe_shared(fields.clone()).expect("it is a value"));
    }

    #[test]
    fn they_are_read_when_somebody_looks_and_once() {
        let mut headers = Headers::default();
        headers.set_unread(UnreadHeaders::new(Bytes::from_static(b"a"), read));
        assert!(headers.map.get().is_none());
        assert_eq!(headers.get()[HOST], "a");
        headers.get_mut().insert(HOST, HeaderValue::from_static("b"));
        assert_eq!(headers.get()[HOST], "b");
        assert_eq!(headers.take_and_keep()[HOST], "b");
        assert_eq!(headers.take()[HOST], "b");
        assert!(headers.get().is_empty(), "what was taken is not read again");
    }

    #[test]
    fn nothing_of_one_request_is_seen_by_the_next() {
        let mut headers = Headers::default();
        headers.set_unread(UnreadHeaders::new(Bytes::from_static(b"a"), read));
        let _ = headers.get();
        headers.clear();
        assert!(headers.get().is_empty());
        headers.set_unread(UnreadHeaders::new(Bytes::from_static(b"b"), read));
        headers.clear();
        headers.set_unread(UnreadHeaders::new(Bytes::from_static(b"c"), read));
        assert_eq!(headers.get_mut()[HOST], "c");
    }

    #[test]
    fn headers_that_follow_others_take_their_memory() {
        let mut headers = Headers::default();
        headers.set_unread(UnreadHeaders::new(Bytes::from_static(b"a"), read));
        let _ = headers.get();
        headers.set_unread(UnreadHeaders::new(Bytes::from_static(b"b"), |fields, map| {
            assert!(map.capacity() > 0, "it is the map of the last request");
            read(fields, map);
        }));
        assert_eq!(headers.get()[HOST], "b");
    }
}
