//! Nothing follows half a send: rule 3 of the drivers.
#![cfg(windows)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use bivalve_core::{Completion, CompletionStatus, DriverExt, FileRange};
use support::{pair, run};

const BROKEN: Completion = Completion::failure(CompletionStatus::BROKEN_PIPE);

fn read_all(mut peer: TcpStream) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("it is read to the end");
        all
    })
}

#[test]
fn a_short_file_breaks_the_sending_half() {
    run(|driver| async move {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"short").unwrap();
        let (stream, peer) = pair(&driver);
        let range = FileRange::new(Arc::new(file), 0, 100);
        let first = driver.send(&stream, vec!["length: 100\r\n".into(), range.into()]);
        let (second, empty, end) =
            (driver.send(&stream, vec!["2".into()]), driver.send(&stream, vec![]), driver.shutdown(&stream));
        let first = first.await.completion;
        assert_eq!((first.status(), first.bytes()), (CompletionStatus::END_OF_FILE, 18));
        // Those that came before the break was known, and later ones.
        assert_eq!(second.await.completion, BROKEN);
        assert_eq!(empty.await.completion, BROKEN);
        assert_eq!(end.await.completion, BROKEN, "it would look whole");
        assert_eq!(driver.send(&stream, vec!["3".into()]).await.completion, BROKEN);
        assert_eq!(driver.shutdown(&stream).await.completion, BROKEN);
        drop(stream);
        assert_eq!(read_all(peer).join().unwrap(), b"length: 100\r\nshort");
    });
}

#[test]
fn a_cancelled_call_in_flight_breaks_the_sending_half() {
    run(|driver| async move {
        let (stream, peer) = pair(&driver);
        let first = driver.send(&stream, vec![vec![b'a'; 64 << 20].into()]);
        let behind = driver.send(&stream, vec!["behind".into()]);
        first.cancel();
        assert_eq!(first.await.completion.status(), CompletionStatus::CANCELLED);
        assert_eq!(behind.await.completion, BROKEN);
        assert_eq!(driver.send(&stream, vec!["later".into()]).await.completion, BROKEN);
        drop(stream);
        assert!(read_all(peer).join().unwrap().iter().all(|byte| *byte == b'a'));
    });
}

#[test]
fn what_was_never_begun_breaks_nothing() {
    run(|driver| async move {
        let (stream, peer) = pair(&driver);
        let size = 64 << 20;
        let first = driver.send(&stream, vec![vec![b'a'; size].into()]);
        let (queued, last) =
            (driver.send(&stream, vec!["queued".into()]), driver.send(&stream, vec!["last".into()]));
        queued.cancel();
        assert_eq!(queued.await.completion, Completion::failure(CompletionStatus::CANCELLED));
        let reader = read_all(peer);
        first.await.into_result().unwrap();
        last.await.into_result().unwrap();
        let empty = FileRange::new(Arc::new(tempfile::tempfile().unwrap()), 0, 1);
        let short = driver.send_file(&stream, empty).await.completion;
        assert_eq!(short, Completion::failure(CompletionStatus::END_OF_FILE));
        driver.send(&stream, vec!["!".into()]).await.into_result().unwrap();
        drop(stream);
        let all = reader.join().unwrap();
        assert_eq!((all.len(), &all[size..]), (size + 5, &b"last!"[..]));
    });
}
