//! The buffer that comes back is the one that went in, whatever the outcome (rule 1).

use std::io::Write;
use std::sync::Arc;

use bivalve_core::{Completed, CompletionStatus, DriverExt, EntityChunk, FileRange};
use bytes::{Bytes, BytesMut};

use crate::Trial;
use crate::support::{BLOCKS, content, fails, identity, nobody, ok, pair, room, small_buffers, std_pair};

/// Reads and receives: success, the end, rejection, cancellation.
pub async fn a_read_buffer_is_the_same(trial: Trial) {
    let driver = &trial.driver;
    let file = driver.attach(tempfile::tempfile().unwrap()).unwrap();
    ok(driver.write_at(&file, "abcdef", 0).await);
    let (stream, mut peer) = pair(driver);
    let closed = *driver.attach(tempfile::tempfile().unwrap()).unwrap();

    let (buffer, same) = marked();
    same(&ok(driver.read_at(&file, buffer, 0).await).1, b"abcdef");
    let (buffer, same) = marked();
    same(&ok(driver.read_at(&file, buffer, 100).await).1, b"");
    let (buffer, same) = marked();
    same(&fails(driver.read_at(&closed, buffer, 0).await, CompletionStatus::INVALID_HANDLE), b"");
    let (buffer, same) = marked();
    same(&fails(driver.read_at(&file, buffer, u64::MAX).await, CompletionStatus::INVALID_PARAMETER), b"");

    let (buffer, same) = marked();
    let receive = driver.receive(&stream, buffer);
    receive.cancel();
    same(&fails(receive.await, CompletionStatus::CANCELLED), b"");
    let (buffer, same) = marked();
    let receive = driver.receive(&stream, buffer);
    peer.write_all(b"data").unwrap();
    same(&ok(receive.await).1, b"data");
    let (buffer, same) = marked();
    same(&fails(driver.receive(&closed, buffer).await, CompletionStatus::INVALID_HANDLE), b"");
    drop(peer);
    let (buffer, same) = marked();
    same(&ok(driver.receive(&stream, buffer).await).1, b"");
    let (stream, _peer) = pair(driver);
    let (buffer, same) = marked();
    let receive = driver.receive(&stream, buffer);
    drop(stream);
    same(&fails(receive.await, CompletionStatus::CANCELLED), b"");
}

/// Writes: success, rejection, failure.
pub async fn a_write_buffer_is_the_same(trial: Trial) {
    let driver = &trial.driver;
    let kept = tempfile::NamedTempFile::new().unwrap();
    let writable = driver.attach(kept.reopen().unwrap()).unwrap();
    let readable = driver.attach(std::fs::File::open(kept.path()).unwrap()).unwrap();
    let closed = *driver.attach(tempfile::tempfile().unwrap()).unwrap();
    let same = |done: Completed<Bytes>, buffer: &Bytes, success| {
        assert_eq!(done.completion.is_success(), success, "{:?}", done.completion);
        assert_eq!((done.buffer.as_ptr(), done.buffer.len()), (buffer.as_ptr(), buffer.len()));
    };
    let buffer = content(0, 10_000);
    same(driver.write_at(&writable, buffer.clone(), 0).await, &buffer, true);
    same(driver.write_at(&readable, buffer.clone(), 0).await, &buffer, false);
    same(driver.write_at(&closed, buffer.clone(), 0).await, &buffer, false);
    same(driver.write_at(&writable, buffer.clone(), u64::MAX).await, &buffer, false);
}

/// Sends: the same chunks in the same order, though the last one left in pieces; success, failure, rejection,
/// cancellation.
pub async fn chunks_are_the_same(trial: Trial) {
    let driver = &trial.driver;
    let (stream, _reading) = pair(driver);
    let (blocked, _silent) = blocked(&trial);
    let stuck = driver.send(&blocked, vec![Bytes::from(vec![0; BLOCKS]).into()]);
    let closed = *driver.attach(tempfile::tempfile().unwrap()).unwrap();
    let file = Arc::new(tempfile::tempfile().unwrap());
    file.set_len(100).unwrap();
    for case in ["success", "cancelled", "rejected", "shut down"] {
        let text = content(0, 1_000);
        let chunks: Vec<EntityChunk> = vec![
            text.slice(..10).into(),
            FileRange::new(Arc::clone(&file), 5, 50).into(),
            Bytes::new().into(),
            text.slice(10..).into(),
        ];
        let place = chunks.as_ptr().addr();
        let done = match case {
            "success" => driver.send(&stream, chunks).await,
            "cancelled" => {
                let send = driver.send(&blocked, chunks);
                send.cancel();
                send.await
            }
            "rejected" => driver.send(&closed, chunks).await,
            _ => {
                ok(driver.shutdown(&stream).await);
                driver.send(&stream, chunks).await
            }
        };
        assert_eq!(done.completion.is_success(), case == "success", "{case}: {:?}", done.completion);
        assert_eq!(done.buffer.as_ptr().addr(), place, "{case}: it is the same vector");
        let [
            EntityChunk::Bytes(first),
            EntityChunk::File(range),
            EntityChunk::Bytes(empty),
            EntityChunk::Bytes(last),
        ] = &done.buffer[..]
        else {
            panic!("{case}: the chunks have changed: {:?}", done.buffer);
        };
        assert_eq!((first.as_ptr(), first.len()), (text.as_ptr(), 10), "{case}");
        assert_eq!((last.as_ptr(), last.len()), (text[10..].as_ptr(), 990), "{case}");
        assert_eq!((range.offset(), range.len(), empty.len()), (5, 50, 0), "{case}");
        assert!(Arc::ptr_eq(range.file(), &file), "{case}");
    }
    stuck.cancel();
    assert_eq!(stuck.await.buffer[0].len(), BLOCKS as u64);
}

/// File ranges: success, cancellation, rejection. The file is let go with the range, not later.
pub async fn a_range_is_the_same(trial: Trial) {
    let driver = &trial.driver;
    let (stream, _reading) = pair(driver);
    let (blocked, _silent) = blocked(&trial);
    let stuck = driver.send(&blocked, vec![Bytes::from(vec![0; BLOCKS]).into()]);
    let closed = *driver.attach(tempfile::tempfile().unwrap()).unwrap();
    let file = Arc::new(tempfile::tempfile().unwrap());
    file.set_len(100).unwrap();
    let range = FileRange::new(Arc::clone(&file), 5, 50);
    let cancelled = driver.send_file(&blocked, range.clone());
    cancelled.cancel();
    for done in [
        driver.send_file(&stream, range.clone()).await,
        cancelled.await,
        driver.send_file(&closed, range.clone()).await,
    ] {
        assert_eq!((done.buffer.offset(), done.buffer.len()), (5, 50));
        assert!(Arc::ptr_eq(done.buffer.file(), &file));
    }
    drop((stuck, range));
    drop(blocked);
    crate::support::until("the dropped send to end", || trial.driver.usage().operations == 0).await;
    assert_eq!(Arc::strong_count(&file), 1, "nobody keeps the file");
}

/// Operations without a buffer report their failure alike.
pub async fn a_failed_connect_has_no_handle(trial: Trial) {
    let before = trial.driver.usage().handles;
    for _ in 0..20 {
        assert!(fails(trial.driver.connect(nobody()).await, CompletionStatus::CONNECTION_REFUSED).is_none());
    }
    assert_eq!(trial.driver.usage().handles, before);
}

/// A buffer with something in it, and the question whether it is the same one with something appended.
fn marked() -> (BytesMut, impl Fn(&BytesMut, &[u8])) {
    let mut buffer = room(1_003);
    buffer.extend_from_slice(b"mark");
    let before = identity(&buffer);
    (buffer, move |buffer: &BytesMut, appended: &[u8]| {
        assert_eq!(identity(buffer), before, "it is the same buffer");
        assert_eq!((&buffer[..4], &buffer[4..]), (&b"mark"[..], appended));
    })
}

fn blocked(trial: &Trial) -> (bivalve_core::OwnedHandle, std::net::TcpStream) {
    let (ours, theirs) = std_pair();
    small_buffers(&ours);
    small_buffers(&theirs);
    (trial.driver.attach(ours).unwrap(), theirs)
}
