//! Positioned reads and writes.

use std::fs::{File, OpenOptions};

use bivalve_core::{CompletionStatus, DriverExt};
use bytes::Bytes;

use crate::support::{Content, all, content, fails, ok, room};
use crate::{Trial, differences};

/// `WriteAt` writes the whole buffer, `ReadAt` reads what was asked for.
pub async fn a_write_reads_back(trial: Trial) {
    let file = trial.driver.attach(tempfile::tempfile().unwrap()).unwrap();
    let text = content(0, 10_000);
    let (bytes, buffer) = ok(trial.driver.write_at(&file, text.clone(), 0).await);
    assert_eq!((bytes, &buffer), (10_000, &text));
    let (bytes, buffer) = ok(trial.driver.read_at(&file, room(4_000), 5_000).await);
    assert_eq!((bytes, &buffer[..]), (4_000, &text[5_000..9_000]));
}

/// A read fills the spare capacity only; what the buffer held stays.
pub async fn a_read_appends_to_its_buffer(trial: Trial) {
    let file = trial.driver.attach(tempfile::tempfile().unwrap()).unwrap();
    ok(trial.driver.write_at(&file, "abcdef", 0).await);
    let mut buffer = room(7);
    buffer.extend_from_slice(b"1234");
    let (bytes, buffer) = ok(trial.driver.read_at(&file, buffer, 2).await);
    assert_eq!((bytes, &buffer[..], buffer.capacity()), (3, &b"1234cde"[..], 7));
}

/// A read that reaches beyond the end is short; one that starts there is 0 bytes.
pub async fn a_read_at_the_end_is_zero_bytes(trial: Trial) {
    let file = trial.driver.attach(tempfile::tempfile().unwrap()).unwrap();
    ok(trial.driver.write_at(&file, "abcdef", 0).await);
    let (bytes, buffer) = ok(trial.driver.read_at(&file, room(100), 4).await);
    assert_eq!((bytes, &buffer[..]), (2, &b"ef"[..]));
    for beyond in [6, 7, 1 << 20] {
        let (bytes, buffer) = ok(trial.driver.read_at(&file, room(100), beyond).await);
        assert_eq!((bytes, buffer.len(), buffer.capacity()), (0, 0, 100), "at {beyond}");
    }
}

/// A write of nothing is 0 bytes, and the file stays as it is.
pub async fn an_empty_write_is_zero_bytes(trial: Trial) {
    let kept = tempfile::tempfile().unwrap();
    let file = trial.driver.attach(kept.try_clone().unwrap()).unwrap();
    for offset in [0, 1 << 20] {
        let (bytes, buffer) = ok(trial.driver.write_at(&file, Bytes::new(), offset).await);
        assert_eq!((bytes, buffer.len()), (0, 0));
    }
    assert_eq!(kept.metadata().unwrap().len(), 0);
}

/// `INVALID_PARAMETER`: no spare capacity.
pub async fn a_read_without_room_is_refused(trial: Trial) {
    let file = trial.driver.attach(tempfile::tempfile().unwrap()).unwrap();
    ok(trial.driver.write_at(&file, "abcdef", 0).await);
    fails(trial.driver.read_at(&file, room(0), 0).await, CompletionStatus::INVALID_PARAMETER);
    let mut full = room(4);
    full.extend_from_slice(b"full");
    let full = fails(trial.driver.read_at(&file, full, 0).await, CompletionStatus::INVALID_PARAMETER);
    assert_eq!(&full[..], b"full");
}

/// Offsets have 64 bits: around 4 GiB nothing wraps to the start of the file.
pub async fn offsets_cross_four_gibibytes(trial: Trial) {
    const BORDER: u64 = 1 << 32;
    let kept = tempfile::NamedTempFile::new().unwrap();
    differences::make_sparse(kept.path());
    let file = trial.driver.attach(kept.reopen().unwrap()).unwrap();
    for (offset, text) in [(BORDER - 1, "abc"), (BORDER, "xyz"), (BORDER + 1, "12345")] {
        assert_eq!(ok(trial.driver.write_at(&file, text, offset).await).0, text.len());
        let (_, buffer) = ok(trial.driver.read_at(&file, room(text.len()), offset).await);
        assert_eq!(&buffer[..], text.as_bytes(), "at {offset}");
    }
    let (_, buffer) = ok(trial.driver.read_at(&file, room(100), BORDER - 1).await);
    assert_eq!(&buffer[..], b"ax12345");
    let (_, buffer) = ok(trial.driver.read_at(&file, room(4), 0).await);
    assert_eq!(&buffer[..], [0; 4], "nothing was written to the start");
    assert_eq!(kept.as_file().metadata().unwrap().len(), BORDER + 6);
}

/// `INVALID_PARAMETER`: the range ends beyond 2^63 - 1. At the last offset there is the end of the file.
pub async fn a_range_beyond_the_last_offset_is_refused(trial: Trial) {
    const LAST: u64 = i64::MAX.cast_unsigned();
    let file = trial.driver.attach(tempfile::tempfile().unwrap()).unwrap();
    for offset in [LAST, LAST + 1, u64::MAX - 1, u64::MAX] {
        let read = trial.driver.read_at(&file, room(1), offset).await;
        assert_eq!(fails(read, CompletionStatus::INVALID_PARAMETER).capacity(), 1, "at {offset}");
        let written = trial.driver.write_at(&file, "x", offset).await;
        assert_eq!(&fails(written, CompletionStatus::INVALID_PARAMETER)[..], b"x", "at {offset}");
    }
    fails(trial.driver.read_at(&file, room(2), LAST - 1).await, CompletionStatus::INVALID_PARAMETER);
    assert_eq!(ok(trial.driver.read_at(&file, room(1), LAST - 1).await).0, 0);
}

/// `ACCESS_DENIED`, both ways, as on Windows and not as Linux calls it; and the driver goes on (rule 7).
pub async fn a_file_is_used_as_it_was_opened(trial: Trial) {
    let kept = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(kept.path(), "kept").unwrap();
    let readable = trial.driver.attach(File::open(kept.path()).unwrap()).unwrap();
    let writable = OpenOptions::new().write(true).open(kept.path()).unwrap();
    let writable = trial.driver.attach(writable).unwrap();
    let denied = CompletionStatus::ACCESS_DENIED;
    assert_eq!(&fails(trial.driver.write_at(&readable, "lost", 0).await, denied)[..], b"lost");
    assert_eq!(fails(trial.driver.read_at(&writable, room(10), 0).await, denied).capacity(), 10);
    assert_eq!(&ok(trial.driver.read_at(&readable, room(10), 0).await).1[..], b"kept");
    ok(trial.driver.write_at(&writable, "new!", 0).await);
    assert_eq!(std::fs::read(kept.path()).unwrap(), b"new!");
}

/// An error that no rule names reports itself too, and the driver goes on (rule 7): a directory cannot be read.
#[cfg(unix)]
pub async fn an_error_without_a_name_reports_itself(trial: Trial) {
    let directory = tempfile::tempdir().unwrap();
    let file = trial.driver.attach(File::open(directory.path()).unwrap()).unwrap();
    let done = trial.driver.read_at(&file, room(10), 0).await;
    assert!(!done.completion.is_success(), "{:?}", done.completion);
    assert_eq!((done.completion.bytes(), done.buffer.len(), done.buffer.capacity()), (0, 0, 10));
    assert_eq!(ok(trial.driver.post(3).await).0, 3);
}

/// Positioned operations are independent (rule 3): hundreds at once, awaited in any order.
pub async fn positioned_operations_are_independent(trial: Trial) {
    const PIECE: usize = 1_009;
    const PIECES: usize = 500;
    let driver = &trial.driver;
    let file = driver.attach(tempfile::tempfile().unwrap()).unwrap();
    let place = |piece: usize| (piece * PIECE) as u64;
    let writes = (0..PIECES).rev().map(|i| driver.write_at(&file, content(place(i), PIECE), place(i)));
    for done in all(writes.collect()).await {
        assert_eq!(ok(done).0, PIECE);
    }
    let reads: Vec<_> = (0..PIECES).map(|i| driver.read_at(&file, room(PIECE), place(i))).collect();
    let mut whole = Content::default();
    for done in all(reads).await {
        let (bytes, buffer) = ok(done);
        assert_eq!(bytes, PIECE);
        whole.feed(&buffer);
    }
}

/// A write reports all of it however much it is; reads may be short, and go on where they stopped.
pub async fn a_large_write_is_whole(trial: Trial) {
    const LEN: usize = 64 << 20;
    let file = trial.driver.attach(tempfile::tempfile().unwrap()).unwrap();
    assert_eq!(ok(trial.driver.write_at(&file, content(0, LEN), 0).await).0, LEN);
    let mut whole = Content::default();
    loop {
        let (bytes, buffer) = ok(trial.driver.read_at(&file, room(LEN / 3), whole.len()).await);
        assert_eq!(bytes, buffer.len());
        whole.feed(&buffer);
        if bytes == 0 {
            return whole.ends_at(LEN as u64);
        }
    }
}
