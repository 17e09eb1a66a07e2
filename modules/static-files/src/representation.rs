//! What is sent of a file: its content in one coding, and the headers that go with it, made once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

use bivalve_core::{EntityChunk, FileRange};
use http::HeaderValue;

use crate::Coding;
use crate::conditional::{Validators, http_date};
use crate::folder::{Content, Opened, Stamp};
use crate::range::Span;

/// A file in one coding.
#[derive(Debug)]
pub(crate) struct Representation {
    pub(crate) coding: Option<Coding>,
    pub(crate) length: HeaderValue,
    pub(crate) tag: HeaderValue,
    pub(crate) last_modified: Option<HeaderValue>,
    modified: Option<u64>,
    weak: bool,
    /// Whether the next change of the file will be seen.
    settled: bool,
    content: Content,
    stamp: Stamp,
}

impl Representation {
    /// `shared`: its tag is that of other copies of the file.
    pub(crate) fn new(opened: Opened, coding: Option<Coding>, shared: bool, now: SystemTime) -> Self {
        let Opened { content, stamp } = opened;
        let settled = stamp.vouches_for_content(now);
        // What is the system's alone is not in such a tag, so that it cannot vouch for it either.
        let weak = if shared { !stamp.is_older_than_clocks(now) } else { !stamp.is_settled(now) };
        // RFC 9110 section 8.8.2.1: no date behind that of the message.
        let modified = http_date(stamp.modified).filter(|_| stamp.modified <= now);
        Self {
            coding,
            length: HeaderValue::from(stamp.size),
            tag: tag(&stamp, coding, shared, weak),
            last_modified: modified.as_ref().and_then(|(_, text)| HeaderValue::from_str(text).ok()),
            modified: modified.map(|(seconds, _)| seconds),
            weak,
            settled,
            content,
            stamp,
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.stamp.size
    }

    pub(crate) fn validators(&self) -> Validators<'_> {
        let tag = self.tag.as_bytes();
        Validators { tag: tag.strip_prefix(b"W/").unwrap_or(tag), weak: self.weak, modified: self.modified }
    }

    /// All of it.
    pub(crate) fn whole(&self) -> EntityChunk {
        self.part(Span { first: 0, length: self.size() })
    }

    /// A part of it.
    pub(crate) fn part(&self, span: Span) -> EntityChunk {
        match &self.content {
            Content::File(file) => {
                EntityChunk::File(FileRange::new(Arc::clone(file), span.first, span.length))
            }
            Content::Memory(bytes) => {
                let at = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
                EntityChunk::Bytes(bytes.slice(at(span.first)..at(span.end())))
            }
        }
    }

    /// Whether it is what would be made of the file now: then the old one stays.
    pub(crate) fn is_current(&self, other: &Self) -> bool {
        self.settled && self.stamp == other.stamp && self.coding == other.coding && self.weak == other.weak
    }
}

/// The entity tag: a hash of what changes when the file does. Hashed because the number of a file is nobody else's business, and
/// weak where the next change might not be seen (RFC 9110 section 8.8.1).
fn tag(stamp: &Stamp, coding: Option<Coding>, shared: bool, weak: bool) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    if shared {
        (stamp.size, stamp.modified).hash(&mut hasher);
    } else {
        stamp.hash(&mut hasher);
    }
    let (prefix, hash) = (if weak { "W/" } else { "" }, hasher.finish());
    let text = match coding {
        None => format!("{prefix}\"{hash:016x}\""),
        // Each coding has its own: RFC 9110 section 8.8.3.3.
        Some(coding) => format!("{prefix}\"{hash:016x}-{}\"", coding.name()),
    };
    HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static("W/\"\""))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::folder::{Folder, Found};

    #[test]
    fn what_was_just_written_is_weak_and_is_read_again_although_nothing_seems_to_have_changed() {
        let directory = tempfile::tempdir().expect("a folder");
        std::fs::write(directory.path().join("a.txt"), "content").expect("written");
        let folder = Folder::open(directory.path(), 100).expect("open");
        let found = |now| match folder.find("a.txt").expect("found") {
            Found::File(opened) => Representation::new(opened, None, false, now),
            other => panic!("{other:?} is no file"),
        };
        let now = SystemTime::now();
        let later = now + Duration::from_secs(3);
        assert!(found(now).weak && !found(later).weak);
        assert!(!found(now).is_current(&found(now)), "the next change may have the same times");
        assert_eq!(found(later).is_current(&found(later)), cfg!(unix));
        assert_eq!(found(now).validators().tag, found(later).validators().tag);
    }
}
