//! Sends of many chunks, and of files.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use bivalve_core::{Completion, CompletionStatus, DriverExt, EntityChunk, FileRange};
use bytes::Bytes;

use crate::Trial;
use crate::support::{all, content, ok, pair, peer, reads_to_the_end, small_buffers};

/// More chunks than any system takes in one call, of odd sizes, memory and files, empty ones among them: all of it
/// arrives, in order (rule 3).
pub async fn thousands_of_chunks_arrive_in_order(trial: Trial) {
    let file = file_of(20 << 20);
    let mut chunks: Vec<EntityChunk> = Vec::new();
    let mut place = 0;
    for number in 0..5_000_usize {
        let len = if number % 11 == 0 { 0 } else { number * 7919 % 5_003 };
        chunks.push(if number % 3 == 0 {
            FileRange::new(Arc::clone(&file), place, len as u64).into()
        } else {
            content(place, len).into()
        });
        place += len as u64;
    }
    let (stream, theirs) = pair(&trial.driver);
    small_buffers(&theirs);
    let reader = reads_to_the_end(theirs);
    let (bytes, chunks) = ok(trial.driver.send(&stream, chunks).await);
    assert_eq!((bytes as u64, chunks.len()), (place, 5_000));
    drop(stream);
    assert_eq!(reader.join().await, place);
}

/// Thousands of one-byte chunks are one send.
pub async fn chunks_of_one_byte_arrive_in_order(trial: Trial) {
    let (stream, theirs) = pair(&trial.driver);
    let reader = reads_to_the_end(theirs);
    let whole = content(0, 5_000);
    let chunks = (0..whole.len()).map(|place| whole.slice(place..=place).into()).collect();
    assert_eq!(ok(trial.driver.send(&stream, chunks).await).0, 5_000);
    drop(stream);
    assert_eq!(reader.join().await, 5_000);
}

/// `SendFile` sends its range, from any offset, and gives the range back.
pub async fn send_file_sends_its_range(trial: Trial) {
    const LEN: u64 = 8 << 20;
    let file = file_of(LEN);
    let (stream, theirs) = pair(&trial.driver);
    small_buffers(&theirs);
    let reader = reads_to_the_end(theirs);
    let mut place = 0;
    for len in [1, 4_095, 4_097, 70_000, LEN - 78_193] {
        let range = FileRange::new(Arc::clone(&file), place, len);
        let (bytes, range) = ok(trial.driver.send_file(&stream, range).await);
        assert_eq!((bytes as u64, range.offset(), range.len()), (len, place, len));
        assert!(Arc::ptr_eq(range.file(), &file));
        place += len;
    }
    drop(stream);
    assert_eq!(reader.join().await, LEN);
}

/// One file goes to many connections at once: no operation moves another's place in it.
pub async fn one_file_goes_to_many_at_once(trial: Trial) {
    const LEN: u64 = 1 << 20;
    let file = file_of(LEN);
    let (streams, readers): (Vec<_>, Vec<_>) = (0..20)
        .map(|_| pair(&trial.driver))
        .map(|(stream, theirs)| (stream, reads_to_the_end(theirs)))
        .unzip();
    let range = FileRange::new(file, 0, LEN);
    let sends = streams.iter().map(|stream| trial.driver.send_file(stream, range.clone())).collect();
    for done in all(sends).await {
        assert_eq!(ok(done).0 as u64, LEN);
    }
    drop(streams);
    for reader in readers {
        assert_eq!(reader.join().await, LEN);
    }
}

/// An empty range is 0 bytes, also beyond the end of its file.
pub async fn an_empty_range_is_zero_bytes(trial: Trial) {
    let file = file_of(10);
    let (stream, theirs) = pair(&trial.driver);
    let reader = reads_to_the_end(theirs);
    for offset in [0, 10, 1 << 40] {
        let range = FileRange::new(Arc::clone(&file), offset, 0);
        assert_eq!(ok(trial.driver.send_file(&stream, range.clone()).await).0, 0);
        assert_eq!(ok(trial.driver.send(&stream, vec![range.into(), Bytes::new().into()]).await).0, 0);
    }
    drop(stream);
    assert_eq!(reader.join().await, 0);
}

/// `END_OF_FILE`: a file is shorter than its range. What is reported is what the peer gets.
pub async fn a_file_shorter_than_its_range_is_the_end_of_file(trial: Trial) {
    for (offset, len, within) in
        [(0, 100_001, 100_000), (0, 1 << 40, 100_000), (100_000, 1, 0), (1 << 33, 5, 0)]
    {
        let file = file_of(100_000);
        let (stream, theirs) = pair(&trial.driver);
        let reader = reads_to_the_end(theirs);
        let done = trial.driver.send_file(&stream, FileRange::new(file, offset, len)).await;
        assert_eq!(done.completion.status(), CompletionStatus::END_OF_FILE);
        drop(stream);
        assert_eq!(reader.join().await, done.completion.bytes() as u64);
        assert!(done.completion.bytes() <= within, "{:?}", done.completion);
    }
}

/// `END_OF_FILE` in the middle of a send: the chunks before it left, those after it did not.
pub async fn a_short_file_among_chunks_ends_the_send(trial: Trial) {
    let file = file_of(1_000);
    let (stream, theirs) = pair(&trial.driver);
    let reader = reads_to_the_end(theirs);
    let short = FileRange::new(file, 500, 10_000);
    let chunks = vec![content(0, 500).into(), short.into(), "never".into()];
    let done = trial.driver.send(&stream, chunks).await;
    assert_eq!((done.completion.status(), done.buffer.len()), (CompletionStatus::END_OF_FILE, 3));
    assert!((500..=1_000).contains(&done.completion.bytes()), "{:?}", done.completion);
    drop(stream);
    assert_eq!(reader.join().await, done.completion.bytes() as u64);
}

/// A file that was not opened for reading cannot be sent: the error reports itself, and the stream goes on (rule 7).
pub async fn a_file_that_cannot_be_read_is_an_error(trial: Trial) {
    let kept = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(kept.path(), "secret").unwrap();
    let writable = std::fs::OpenOptions::new().write(true).open(kept.path()).unwrap();
    let (stream, mut theirs) = pair(&trial.driver);
    let done = trial.driver.send_file(&stream, FileRange::new(writable, 0, 6)).await;
    assert!(!done.completion.is_success());
    assert_eq!(done.completion.bytes(), 0);
    ok(trial.driver.send(&stream, vec!["public".into()]).await);
    drop(stream);
    let read = peer(move || std::io::read_to_string(&mut theirs).unwrap());
    assert_eq!(read.join().await, "public");
}

fn file_of(len: u64) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content(0, usize::try_from(len).unwrap())).unwrap();
    Arc::new(file)
}

/// Nothing follows half a send (rule 3): a peer that was promised a length would take it for the rest.
pub async fn nothing_follows_half_a_send(trial: Trial) {
    let (stream, mut theirs) = pair(&trial.driver);
    let file = tempfile::tempfile().unwrap();
    (&file).write_all(&[b'F'; 10]).unwrap();
    let head = EntityChunk::from("Content-Length: 100\r\n\r\n");
    let short = EntityChunk::from(FileRange::new(file, 0, 100));
    let first = trial.driver.send(&stream, vec![head, short]);
    let second = trial.driver.send(&stream, vec!["HTTP/1.1 200 SECOND".into()]);
    let first = first.await.completion;
    assert_eq!((first.status(), first.bytes()), (CompletionStatus::END_OF_FILE, 33));
    assert_eq!(second.await.completion, Completion::failure(CompletionStatus::BROKEN_PIPE));
    let later = trial.driver.send(&stream, vec!["HTTP/1.1 200 THIRD".into()]).await.completion;
    assert_eq!(later, Completion::failure(CompletionStatus::BROKEN_PIPE));
    let shutdown = trial.driver.shutdown(&stream).await.completion;
    assert_eq!(shutdown, Completion::failure(CompletionStatus::BROKEN_PIPE), "it would look whole");
    drop(stream);
    let read = peer(move || {
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut theirs, &mut all).unwrap();
        all
    });
    assert_eq!(read.join().await, b"Content-Length: 100\r\n\r\nFFFFFFFFFF");
}
