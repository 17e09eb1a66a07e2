//! Pipes. Only on Unix: a named pipe of Windows cannot be made without unsafe code, so that driver's crate tests its
//! own.

use std::io::{Read, Write};

use bivalve_core::{CompletionStatus, DriverExt, FileRange};

use crate::Trial;
use crate::support::{Content, content, fails, ok, peer, room};

/// `Receive` from a pipe, until the writer has finished.
pub async fn a_pipe_is_received_from(trial: Trial) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let reader = trial.driver.attach(reader).unwrap();
    let waiting = trial.driver.receive(&reader, room(100));
    writer.write_all(b"through").unwrap();
    assert_eq!(&ok(waiting.await).1[..], b"through");
    drop(writer);
    assert_eq!(ok(trial.driver.receive(&reader, room(100)).await).0, 0);
}

/// `Send` into a pipe, far more than it holds, memory and files: whole and in order.
pub async fn a_pipe_is_sent_into(trial: Trial) {
    const LEN: usize = 4 << 20;
    let (mut reader, writer) = std::io::pipe().unwrap();
    let writer = trial.driver.attach(writer).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content(0, LEN + 100_000)).unwrap();
    let range = FileRange::new(file, LEN as u64, 100_000);
    let sends = [
        trial.driver.send(&writer, vec![content(0, LEN).into(), range.into()]),
        trial.driver.send(&writer, vec![content(LEN as u64 + 100_000, 10).into()]),
    ];
    let reading = peer(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        all
    });
    for (send, len) in sends.into_iter().zip([LEN + 100_000, 10]) {
        assert_eq!(ok(send.await).0, len);
    }
    drop(writer);
    let mut whole = Content::default();
    whole.feed(&reading.join().await);
    whole.ends_at(LEN as u64 + 100_010);
}

/// `ReceiveMany` from a pipe, until the writer has finished.
pub async fn a_pipe_is_received_from_as_it_comes(trial: Trial) {
    const LEN: usize = 1 << 20;
    let (reader, mut writer) = std::io::pipe().unwrap();
    let reader = trial.driver.attach(reader).unwrap();
    let mut items = trial.driver.receive_many(&reader);
    let writing = peer(move || writer.write_all(&content(0, LEN)).unwrap());
    let mut whole = Content::default();
    while let Some(item) = items.next().await {
        whole.feed(&item.unwrap());
    }
    whole.ends_at(LEN as u64);
    writing.join().await;
}

/// `BROKEN_PIPE`: the reading side is gone, before a send or in the middle of one.
pub async fn a_pipe_without_a_reader_is_broken(trial: Trial) {
    let (reader, writer) = std::io::pipe().unwrap();
    let writer = trial.driver.attach(writer).unwrap();
    let stuck = trial.driver.send(&writer, vec![content(0, 4 << 20).into()]);
    let read = peer(move || {
        let mut reader = reader;
        reader.read_exact(&mut [0; 1_000]).unwrap();
    });
    read.join().await;
    let done = stuck.await;
    assert_eq!(done.completion.status(), CompletionStatus::BROKEN_PIPE);
    assert!((1_000..4 << 20).contains(&done.completion.bytes()), "{:?}", done.completion);
    fails(trial.driver.send(&writer, vec!["x".into()]).await, CompletionStatus::BROKEN_PIPE);
}

/// The wrong end: an error of the system's, and the driver goes on (rule 7). What a pipe cannot do at all is
/// `INVALID_HANDLE`.
pub async fn a_pipe_has_two_different_ends(trial: Trial) {
    let (reader, writer) = std::io::pipe().unwrap();
    let reader = trial.driver.attach(reader).unwrap();
    let writer = trial.driver.attach(writer).unwrap();
    assert!(!trial.driver.send(&reader, vec!["x".into()]).await.completion.is_success());
    assert!(!trial.driver.receive(&writer, room(10)).await.completion.is_success());
    let range = FileRange::new(tempfile::tempfile().unwrap(), 0, 0);
    fails(trial.driver.send_file(&writer, range).await, CompletionStatus::INVALID_HANDLE);
    fails(trial.driver.shutdown(&writer).await, CompletionStatus::INVALID_HANDLE);
    ok(trial.driver.send(&writer, vec!["right".into()]).await);
    assert_eq!(&ok(trial.driver.receive(&reader, room(10)).await).1[..], b"right");
}

/// Cancelled and closed like a stream.
pub async fn a_waiting_pipe_is_cancelled_and_closed(trial: Trial) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let reader = trial.driver.attach(reader).unwrap();
    let waiting = trial.driver.receive(&reader, room(10));
    waiting.cancel();
    fails(waiting.await, CompletionStatus::CANCELLED);
    writer.write_all(b"later").unwrap();
    assert_eq!(&ok(trial.driver.receive(&reader, room(10)).await).1[..], b"later");
    let waiting = trial.driver.receive(&reader, room(10));
    drop(reader);
    fails(waiting.await, CompletionStatus::CANCELLED);
    crate::support::until("the reader to be closed", || writer.write_all(b"x").is_err()).await;
}
