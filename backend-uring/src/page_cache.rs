//! Which ranges of files are in the page cache.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// What is known of the page cache: the kernel is asked, and believed for a moment. A range that is sent again and again costs
/// two system calls less each time, and what has just been sent is the last that the kernel evicts.
pub(crate) struct PageCache {
    /// By the file's place in memory; a later one takes the place of an earlier one.
    recent: Vec<Option<Range>>,
}

struct Range {
    /// Keeps the place, so that no other file has it, and not the file.
    file: Weak<File>,
    start: i64,
    len: usize,
    asked: Instant,
}

impl PageCache {
    pub(crate) fn new() -> Self {
        Self { recent: (0..RANGES).map(|_| None).collect() }
    }

    /// Whether a range is in the page cache.
    pub(crate) fn has(&mut self, file: &Arc<File>, start: i64, len: usize) -> bool {
        let now = Instant::now();
        let place = Arc::as_ptr(file).addr() / size_of::<[usize; 4]>() % RANGES;
        let recent = &mut self.recent[place];
        let is_known = recent.as_ref().is_some_and(|range| {
            (range.file.as_ptr(), range.start, range.len) == (Arc::as_ptr(file), start, len)
                && now.saturating_duration_since(range.asked) < BELIEVED
        });
        if !is_known {
            *recent = is_cached(file, start, len).then(|| Range {
                file: Arc::downgrade(file),
                start,
                len,
                asked: now,
            });
        }
        recent.is_some()
    }
}

/// How long the kernel's answer is believed.
const BELIEVED: Duration = Duration::from_millis(50);

/// Ranges that are remembered.
const RANGES: usize = 64;

/// Whether the first and the last byte are in the page cache: between them lies no more than the kernel reads ahead.
fn is_cached(file: &File, start: i64, len: usize) -> bool {
    let last = start.saturating_add(i64::try_from(len).unwrap_or(i64::MAX)).saturating_sub(1);
    [start, last].into_iter().all(|at| {
        let mut byte = 0_u8;
        let vector = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
        // SAFETY: the descriptor is open as long as `file`; the vector names one byte, a local that outlives the call.
        let read = unsafe { libc::preadv2(file.as_raw_fd(), &raw const vector, 1, at, libc::RWF_NOWAIT) };
        // 0 is beyond the end, for `sendfile` to find.
        read >= 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_keeps_no_file_open_and_is_not_taken_for_another() {
        let own = std::env::current_exe().expect("a path");
        let file = Arc::new(File::open(&own).expect("a file"));
        let mut page_cache = PageCache::new();
        assert!(page_cache.has(&file, 0, 10) && page_cache.has(&file, 0, 10));
        assert_eq!(page_cache.recent.iter().flatten().count(), 1);
        assert!(page_cache.has(&file, 1, 9), "another range is asked for");
        assert_eq!(page_cache.recent.iter().flatten().map(|range| range.start).collect::<Vec<_>>(), [1]);
        let weak = Arc::downgrade(&file);
        drop(file);
        assert_eq!(weak.strong_count(), 0);
        let another = Arc::new(File::open(&own).expect("a file"));
        assert!(!Weak::ptr_eq(&weak, &Arc::downgrade(&another)), "its place is kept");
    }
}
