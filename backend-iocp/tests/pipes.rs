//! Named pipes.
#![cfg(windows)]

mod support;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::windows::io::FromRawHandle;
use std::sync::Arc;

use bivalve_core::{CompletionStatus, Driver, DriverExt, FileRange, OwnedHandle, Resource};
use bytes::BytesMut;
use support::run;
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_READMODE_MESSAGE, PIPE_TYPE_BYTE, PIPE_TYPE_MESSAGE,
};

/// A pipe: the server's end, overlapped or not, and the client's.
fn pipe(overlapped: bool, messages: bool) -> (File, File) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!(r"\\.\pipe\bivalve-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
    let access = PIPE_ACCESS_DUPLEX | if overlapped { FILE_FLAG_OVERLAPPED } else { 0 };
    let mode = if messages { PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE } else { PIPE_TYPE_BYTE };
    // SAFETY: the name is ours, ends with 0, and outlives the call.
    let server = unsafe { CreateNamedPipeW(wide.as_ptr(), access, mode, 1, 4096, 4096, 0, std::ptr::null()) };
    let client = OpenOptions::new().read(true).write(true).open(name).expect("the client's end");
    // SAFETY: the system has just made the handle, which opening the other end has shown to be one.
    (unsafe { File::from_raw_handle(server) }, client)
}

fn attached(driver: &Arc<dyn Driver>, messages: bool) -> (OwnedHandle, File) {
    let (server, client) = pipe(true, messages);
    (driver.attach(Resource::Pipe(server)).expect("associated"), client)
}

#[test]
fn bytes_go_both_ways_until_the_end() {
    run(|driver| async move {
        let (server, mut client) = attached(&driver, false);
        let receiving = driver.receive(&server, BytesMut::with_capacity(64));
        client.write_all(b"hello").unwrap();
        assert_eq!(&receiving.await.buffer[..], b"hello");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![b'f'; 40_000]).unwrap();
        let range = FileRange::new(File::open(&path).unwrap(), 100, 30_000);
        let reader = std::thread::spawn(move || {
            let mut all = vec![0; 30_008];
            client.read_exact(&mut all).unwrap();
            (client, all)
        });
        let done = driver.send(&server, vec!["head".into(), range.into(), "tail".into()]).await;
        assert_eq!(done.completion.into_result().unwrap(), 30_008);
        let (client, all) = reader.join().unwrap();
        assert!(all.starts_with(b"headfff") && all.ends_with(b"ffftail"));
        let receiving = driver.receive(&server, BytesMut::with_capacity(64));
        drop(client);
        assert_eq!(receiving.await.into_result().unwrap().0, 0, "the end");
        let done = driver.send(&server, vec!["x".into()]).await;
        assert_eq!(done.completion.status(), CompletionStatus::BROKEN_PIPE);
    });
}

#[test]
fn a_message_that_is_too_long_comes_in_pieces() {
    run(|driver| async move {
        let (server, mut client) = attached(&driver, true);
        client.write_all(b"message").unwrap();
        client.write_all(b"next").unwrap();
        for piece in [&b"mes"[..], b"sag", b"e", b"nex", b"t"] {
            assert_eq!(&driver.receive(&server, BytesMut::with_capacity(3)).await.buffer[..], piece);
        }
    });
}

#[test]
fn leases_come_from_pipes_as_well() {
    for messages in [false, true] {
        run(|driver| async move {
            let (server, mut client) = attached(&driver, messages);
            let mut pieces = driver.receive_many(&server);
            for text in ["one", "two", "three"] {
                client.write_all(text.as_bytes()).unwrap();
                assert_eq!(&pieces.next().await.unwrap().unwrap()[..], text.as_bytes());
            }
            drop(client);
            assert!(pieces.next().await.is_none());
        });
    }
}

#[test]
fn a_pipe_that_is_not_overlapped_is_refused() {
    run(|driver| async move {
        let (server, client) = pipe(false, false);
        let error = driver.attach(Resource::Pipe(server)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
        let error = driver.attach(client).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported, "a pipe is no file");
    });
}
