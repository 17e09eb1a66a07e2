//! What is remembered of the folder: open files and small contents, directories, and what is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::sync::Cache as Shared;

use crate::store::{Absent, Node};

/// What was found, by the part of the URL path below the folder's. What is not there is kept apart: who asks for one name after the other drives
/// out no file.
#[derive(Debug)]
pub(crate) struct Cache {
    present: Shared<Box<str>, Arc<Entry>, Files>,
    absent: Shared<Box<str>, (Absent, u64)>,
    began: Instant,
    valid_for: u64,
    on: bool,
}

/// Something that is there.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) node: Node,
    /// When it was last compared with the file system.
    checked: AtomicU64,
}

/// What the cache knows of a name.
#[derive(Debug)]
pub(crate) enum Known {
    Present(Arc<Entry>),
    Absent(Absent),
    /// What was there, and may still be.
    Stale(Arc<Entry>),
    Nothing,
}

impl Cache {
    pub(crate) fn new(files: u32, valid_for: Duration) -> Self {
        let items = files as usize;
        Self {
            present: Shared::with_weighter(items, u64::from(files), Files),
            absent: Shared::new(items),
            began: Instant::now(),
            valid_for: u64::try_from(valid_for.as_nanos()).unwrap_or(u64::MAX),
            on: files > 0,
        }
    }

    /// Whether something is there that need not be looked at: nothing is asked of the file system.
    pub(crate) fn present(&self, below: &str) -> Option<Arc<Entry>> {
        if !self.on {
            return None;
        }
        self.present.get(below).filter(|entry| self.is_valid(entry.checked.load(Ordering::Relaxed)))
    }

    pub(crate) fn look_up(&self, below: &str) -> Known {
        if !self.on {
            return Known::Nothing;
        }
        match self.present.get(below) {
            Some(entry) if self.is_valid(entry.checked.load(Ordering::Relaxed)) => Known::Present(entry),
            Some(entry) => Known::Stale(entry),
            None => match self.absent.get(below) {
                Some((absent, checked)) if self.is_valid(checked) => Known::Absent(absent),
                _ => Known::Nothing,
            },
        }
    }

    /// The time to note with what is looked up next: before, since it may change while it is looked at.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// What was there is there still.
    pub(crate) fn confirm(entry: &Entry, now: u64) {
        entry.checked.fetch_max(now, Ordering::Relaxed);
    }

    pub(crate) fn put(&self, below: &str, node: Node, now: u64) -> Arc<Entry> {
        let entry = Arc::new(Entry { node, checked: AtomicU64::new(now) });
        if self.on {
            self.present.insert(below.into(), Arc::clone(&entry));
        }
        entry
    }

    pub(crate) fn put_absent(&self, below: &str, absent: Absent, now: u64) {
        if self.on {
            self.present.remove(below);
            self.absent.insert(below.into(), (absent, now));
        }
    }

    fn is_valid(&self, checked: u64) -> bool {
        self.now().saturating_sub(checked) < self.valid_for
    }
}

/// What an entry counts: the files that it keeps, so that what is in memory has a bound as well.
#[derive(Clone, Debug)]
struct Files;

impl Weighter<Box<str>, Arc<Entry>> for Files {
    fn weight(&self, _: &Box<str>, entry: &Arc<Entry>) -> u64 {
        entry.node.files().max(1)
    }
}
