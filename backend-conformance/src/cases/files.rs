//! Positioned reads and writes.

use std::fs::File;

use bivalve_core::{CompletionStatus, DriverExt};
use bytes::Bytes;

use crate::Trial;
use crate::support::{content, fails, ok, room};

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
    assert_eq!(length(&kept), 0);
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

fn length(file: &File) -> u64 {
    file.metadata().unwrap().len()
}
