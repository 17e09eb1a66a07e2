//! Files: positioned reads and writes.
#![cfg(windows)]

mod support;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::windows::fs::OpenOptionsExt;

use bivalve_core::{CompletionStatus, Driver, DriverExt, OwnedHandle};
use bytes::BytesMut;
use std::sync::Arc;
use support::{is_wine, run};
use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_OVERLAPPED;

fn temporary(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    File::create(&path).and_then(|mut file| file.write_all(content)).expect("a file");
    (folder, path)
}

async fn status(driver: &Arc<dyn Driver>, file: &OwnedHandle, write: bool) -> CompletionStatus {
    if write {
        driver.write_at(file, "x", 0).await.completion.status()
    } else {
        driver.read_at(file, BytesMut::with_capacity(8), 0).await.completion.status()
    }
}

#[test]
fn reads_and_writes_at_offsets() {
    let (_folder, path) = temporary(b"hello world");
    run(|driver| async move {
        let file = driver.attach(OpenOptions::new().read(true).write(true).open(&path).unwrap()).unwrap();
        let done = driver.read_at(&file, BytesMut::with_capacity(5), 6).await;
        assert_eq!((done.completion.into_result().unwrap(), &done.buffer[..]), (5, &b"world"[..]));
        let done = driver.write_at(&file, "W0RLD!", 6).await;
        assert_eq!(done.into_result().unwrap().0, 6);
        assert_eq!(std::fs::read(&path).unwrap(), b"hello W0RLD!");
        let done = driver.read_at(&file, BytesMut::with_capacity(5), 12).await;
        assert_eq!(done.completion.into_result().unwrap(), 0, "the end of the file");
        let done = driver.read_at(&file, BytesMut::with_capacity(5), 1 << 40).await;
        assert_eq!(done.completion.into_result().unwrap(), 0, "far beyond the end");
        let done = driver.write_at(&file, "", 3).await;
        assert_eq!(done.completion.into_result().unwrap(), 0);
    });
}

#[test]
fn a_file_that_is_opened_again_has_the_access_of_the_given_one_and_no_more() {
    let (_folder, path) = temporary(b"hello world");
    run(|driver| async move {
        let reading = driver.attach(File::open(&path).unwrap()).unwrap();
        assert_eq!(status(&driver, &reading, true).await, CompletionStatus::ACCESS_DENIED);
        assert_eq!(status(&driver, &reading, false).await, CompletionStatus::SUCCESS);
        let writing = driver.attach(OpenOptions::new().write(true).open(&path).unwrap()).unwrap();
        assert_eq!(status(&driver, &writing, false).await, CompletionStatus::ACCESS_DENIED);
        assert_eq!(status(&driver, &writing, true).await, CompletionStatus::SUCCESS);
        let appending = driver.attach(OpenOptions::new().append(true).open(&path).unwrap()).unwrap();
        assert_eq!(status(&driver, &appending, false).await, CompletionStatus::ACCESS_DENIED);
        assert_eq!(status(&driver, &appending, true).await, CompletionStatus::SUCCESS);
        assert_eq!(std::fs::read(&path).unwrap(), b"xello worldx", "appended, wherever it was asked for");
    });
}

#[test]
fn a_file_is_the_same_one_after_it_was_renamed() {
    // Wine opens a file again by the name that it had when it was opened.
    if is_wine() {
        return;
    }
    let (folder, path) = temporary(b"old");
    run(|driver| async move {
        let file = File::open(&path).unwrap();
        std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        std::fs::write(&path, b"new").unwrap();
        let file = driver.attach(file).unwrap();
        let done = driver.read_at(&file, BytesMut::with_capacity(8), 0).await;
        assert_eq!(&done.buffer[..], b"old");
    });
}

#[test]
fn an_overlapped_file_is_taken_as_it_is() {
    let (_folder, path) = temporary(b"hello");
    run(|driver| async move {
        // Nobody else may open it, so that it could not be opened again.
        let alone =
            OpenOptions::new().read(true).share_mode(0).custom_flags(FILE_FLAG_OVERLAPPED).open(&path);
        let file = alone.unwrap();
        let file = driver.attach(file).unwrap();
        let done = driver.read_at(&file, BytesMut::with_capacity(8), 0).await;
        assert_eq!(&done.buffer[..], b"hello");
    });
}

#[test]
fn a_file_that_cannot_be_opened_again_is_used_as_it_is() {
    let (_folder, path) = temporary(b"hello world");
    run(|driver| async move {
        let alone = OpenOptions::new().read(true).write(true).share_mode(0).open(&path).unwrap();
        let file = driver.attach(alone).unwrap();
        let reads: Vec<_> =
            (0..200).map(|index| driver.read_at(&file, BytesMut::with_capacity(1), index % 11)).collect();
        for (index, read) in reads.into_iter().enumerate() {
            assert_eq!(read.await.buffer[0], b"hello world"[index % 11]);
        }
        assert_eq!(driver.write_at(&file, "HE", 0).await.into_result().unwrap().0, 2);
        assert_eq!(&driver.read_at(&file, BytesMut::with_capacity(3), 0).await.buffer[..], b"HEl");
        assert_eq!(driver.read_at(&file, BytesMut::with_capacity(3), 99).await.into_result().unwrap().0, 0);
        let cancelled = driver.write_at(&file, "x", 0);
        cancelled.cancel();
        let status = cancelled.await.completion.status();
        assert!(status == CompletionStatus::CANCELLED || status.is_success());
    });
}

#[test]
fn ranges_beyond_the_last_offset_are_rejected() {
    let (_folder, path) = temporary(b"hello");
    run(|driver| async move {
        let file = driver.attach(OpenOptions::new().read(true).write(true).open(&path).unwrap()).unwrap();
        let done = driver.write_at(&file, "x", i64::MAX as u64).await;
        assert_eq!(done.completion.status(), CompletionStatus::INVALID_PARAMETER);
        let done = driver.read_at(&file, BytesMut::new(), 0).await;
        assert_eq!(done.completion.status(), CompletionStatus::INVALID_PARAMETER);
    });
}

#[test]
fn many_at_once_all_complete() {
    let (_folder, path) = temporary(&vec![7; 4096]);
    run(|driver| async move {
        let file = driver.attach(File::open(&path).unwrap()).unwrap();
        let all: Vec<_> =
            (0..5000).map(|index| driver.read_at(&file, BytesMut::with_capacity(64), index % 4000)).collect();
        for read in all {
            assert_eq!(read.await.completion.into_result().unwrap(), 64);
        }
        // Dropped while they are on the way.
        for index in 0..1000 {
            drop(driver.read_at(&file, BytesMut::with_capacity(64), index));
        }
    });
}
