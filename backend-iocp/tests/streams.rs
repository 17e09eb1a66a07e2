//! TCP: accept, connect, receive, send, shutdown.
#![cfg(windows)]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "so fails a test; its data are of any value"
)]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::task::Poll;

use bivalve_core::{CompletionStatus, DriverExt, EntityChunk, FileRange, OwnedHandle};
use bytes::{Bytes, BytesMut};
use support::{open_handles, pair, run, wait};

fn reset(peer: TcpStream) {
    let socket = socket2::Socket::from(peer);
    socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
}

fn read_all(mut peer: TcpStream) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all
    })
}

#[test]
fn a_driver_talks_to_itself() {
    run(|driver| async move {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let address = listener.local_addr().unwrap();
            let listener = driver.attach(listener).unwrap();
            let accepting = driver.accept(&listener);
            let client = driver.connect(address).await.into_result().unwrap().1.expect("a handle");
            let server: OwnedHandle = accepting.await.into_result().unwrap().1.expect("a handle");
            assert_eq!(client.peer_address().unwrap(), address);
            assert_eq!(server.peer_address().unwrap(), client.local_address().unwrap());
            server.set_nodelay(true).unwrap();

            let receiving = driver.receive(&server, BytesMut::with_capacity(64));
            let sent = driver.send(&client, vec!["Hello ".into(), "".into(), "World".into()]).await;
            assert_eq!(sent.completion.into_result().unwrap(), 11);
            let done = receiving.await;
            assert_eq!((done.completion.into_result().unwrap(), &done.buffer[..]), (11, &b"Hello World"[..]));
            assert_eq!(driver.shutdown(&client).await.into_result().unwrap().0, 0);
            let done = driver.send(&client, vec!["late".into()]).await;
            assert_eq!(done.completion.status(), CompletionStatus::BROKEN_PIPE);
            let done = driver.receive(&server, BytesMut::with_capacity(64)).await;
            assert_eq!(done.into_result().unwrap().0, 0, "the peer has finished");
        }
    });
}

#[test]
fn connect_reports_refused() {
    run(|driver| async move {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let done = driver.connect(free).await;
        assert_eq!(done.completion.status(), CompletionStatus::CONNECTION_REFUSED);
        assert!(done.buffer.is_none());
        assert_eq!(driver.usage().handles, 0);
    });
}

#[test]
fn connect_can_be_cancelled() {
    run(|driver| async move {
        // Nobody answers there (RFC 5737); a system without a route says so at once.
        let connecting = driver.connect(SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9)));
        connecting.cancel();
        let done = connecting.await;
        assert!(!done.completion.is_success() && done.buffer.is_none());
    });
}

#[test]
fn sends_leave_in_order_whole_and_vectored() {
    run(|driver| async move {
        let (stream, peer) = pair(&driver);
        let reader = read_all(peer);
        let mut expected = Vec::new();
        let mut sends = Vec::new();
        for index in 0..50_u32 {
            let pieces = 1 + index as usize * 7 % 90;
            let chunks: Vec<EntityChunk> = (0..pieces)
                .map(|piece| {
                    let byte = (index as usize * 31 + piece) as u8;
                    let bytes = vec![byte; (piece * 997) % 30_000];
                    expected.extend_from_slice(&bytes);
                    Bytes::from(bytes).into()
                })
                .collect();
            sends.push((chunks.iter().map(EntityChunk::len).sum::<u64>(), driver.send(&stream, chunks)));
        }
        let finished = driver.shutdown(&stream);
        for (len, send) in sends {
            assert_eq!(send.await.completion.into_result().unwrap() as u64, len);
        }
        finished.await.into_result().unwrap();
        assert!(reader.join().unwrap() == expected, "every byte, in order");
    });
}

#[test]
fn file_ranges_are_sent_among_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..300_000_u32).map(|index| (index % 251) as u8).collect();
    let path = folder.path().join("file");
    std::fs::write(&path, &content).unwrap();
    run(|driver| async move {
        let (stream, peer) = pair(&driver);
        let reader = read_all(peer);
        let file = Arc::new(std::fs::File::open(&path).unwrap());
        let range = |offset, len| EntityChunk::from(FileRange::new(Arc::clone(&file), offset, len));
        let chunks = vec!["head".into(), range(1000, 200_000), range(7, 0), "tail".into(), range(5, 5)];
        let done = driver.send(&stream, chunks).await;
        assert_eq!((done.completion.into_result().unwrap(), done.buffer.len()), (200_013, 5));
        let done = driver.send_file(&stream, FileRange::new(Arc::clone(&file), 0, 10)).await;
        assert_eq!(done.completion.into_result().unwrap(), 10);
        let done = driver.send_file(&stream, FileRange::new(Arc::clone(&file), 1 << 40, 50)).await;
        assert_eq!(done.completion.status(), CompletionStatus::END_OF_FILE);
        let done = driver.send_file(&stream, FileRange::new(Arc::clone(&file), 299_990, 50)).await;
        assert_eq!(done.completion.status(), CompletionStatus::END_OF_FILE);
        assert_eq!(done.completion.bytes(), 10, "what there was");
        drop(stream);
        let expected = [
            &b"head"[..],
            &content[1000..201_000],
            b"tail",
            &content[5..10],
            &content[..10],
            &content[299_990..],
        ];
        assert!(reader.join().unwrap() == expected.concat());
    });
}

#[test]
fn file_offsets_have_64_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse");
    run(|driver| async move {
        let large = 5_u64 << 30;
        {
            let file = std::fs::File::create(&path).unwrap();
            file.set_len(large + 4).unwrap();
            let file = driver.attach(file).unwrap();
            assert_eq!(driver.write_at(&file, "tail", large).await.into_result().unwrap().0, 4);
        }
        let (stream, peer) = pair(&driver);
        let reader = read_all(peer);
        let range = FileRange::new(std::fs::File::open(&path).unwrap(), large - 2, 6);
        assert_eq!(driver.send_file(&stream, range).await.into_result().unwrap().0, 6);
        drop(stream);
        assert_eq!(reader.join().unwrap(), b"\0\0tail");
    });
}

#[test]
fn a_reset_is_a_disconnect() {
    run(|driver| async move {
        let (stream, peer) = pair(&driver);
        let receiving = driver.receive(&stream, BytesMut::with_capacity(8));
        reset(peer);
        let status = receiving.await.completion.status();
        assert_eq!(status, CompletionStatus::CONNECTION_RESET);
        let done = driver.send(&stream, vec!["too late".into()]).await;
        assert!(done.completion.status().is_disconnect(), "{:?}", done.completion);
    });
}

#[test]
fn receives_complete_in_order() {
    run(|driver| async move {
        let (stream, mut peer) = pair(&driver);
        let all: Vec<_> = (0..10).map(|_| driver.receive(&stream, BytesMut::with_capacity(1))).collect();
        peer.write_all(b"0123456789").unwrap();
        for (digit, receive) in (b'0'..).zip(all) {
            assert_eq!(&receive.await.buffer[..], [digit]);
        }
    });
}

#[test]
fn a_stream_of_leases_brings_everything_and_ends() {
    run(|driver| async move {
        let (stream, mut peer) = pair(&driver);
        let mut pieces = driver.receive_many(&stream);
        let data: Vec<u8> = (0..2_000_000_u32).map(|index| (index % 253) as u8).collect();
        let sent = data.clone();
        let writer = std::thread::spawn(move || {
            peer.write_all(&sent).unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            peer
        });
        let mut received = Vec::new();
        while let Some(piece) = pieces.next().await {
            received.extend_from_slice(&piece.unwrap());
        }
        assert!(received == data);
        drop(writer.join());
        assert_eq!(driver.usage().leases, 0);
    });
}

#[test]
fn an_idle_connection_owns_no_buffer() {
    run(|driver| async move {
        let (stream, mut peer) = pair(&driver);
        let mut pieces = driver.receive_many(&stream);
        for _ in 0..2 {
            let idle = std::future::poll_fn(|task| Poll::Ready(pieces.poll_next(task).is_pending())).await;
            assert!(idle, "nothing was sent");
            assert_eq!(driver.usage().leases, 0);
            peer.write_all(b"abc").unwrap();
            let piece = pieces.next().await.unwrap().unwrap();
            assert_eq!((&piece[..], driver.usage().leases), (&b"abc"[..], 1));
            drop(piece);
            assert_eq!(driver.usage().leases, 0);
        }
    });
}

#[test]
fn a_consumer_that_is_slow_is_waited_for() {
    run(|driver| async move {
        let (stream, mut peer) = pair(&driver);
        let mut pieces = driver.receive_many(&stream);
        let writer = std::thread::spawn(move || peer.write_all(&vec![1; 4_000_000]).unwrap());
        wait("8 leases are filled", || driver.usage().leases == 8);
        // No more come, however long nobody takes one.
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!(driver.usage().leases, 8);
        let mut received = 0;
        while received < 4_000_000 {
            received += pieces.next().await.unwrap().unwrap().len();
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_cancelled_stream_says_so_and_ends() {
    run(|driver| async move {
        let (stream, mut peer) = pair(&driver);
        let mut pieces = driver.receive_many(&stream);
        peer.write_all(b"abc").unwrap();
        assert_eq!(&pieces.next().await.unwrap().unwrap()[..], b"abc");
        pieces.cancel();
        let error = pieces.next().await.unwrap().unwrap_err();
        assert_eq!(CompletionStatus::from_io_error(&error), CompletionStatus::CANCELLED);
        assert!(pieces.next().await.is_none());
        // The handle goes on.
        peer.write_all(b"def").unwrap();
        let done = driver.receive(&stream, BytesMut::with_capacity(8)).await;
        assert_eq!(&done.buffer[..], b"def");
    });
}

#[test]
fn accepts_many_and_closes_what_nobody_took() {
    let before = open_handles();
    run(|driver| async move {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listener = driver.attach(listener).unwrap();
        let mut connections = driver.accept_many(&listener);
        let mut peers: Vec<_> = (0..40).map(|_| TcpStream::connect(address).unwrap()).collect();
        wait("as many as it takes ahead", || driver.usage().handles == 17);
        for peer in &peers[..20] {
            let connection = connections.next().await.unwrap().unwrap();
            assert_eq!(connection.peer_address().unwrap(), peer.local_addr().unwrap());
        }
        drop(connections);
        wait("only the listener is left", || driver.usage().handles == 1);
        // Those that had not been accepted yet wait in the backlog, which goes with the listener.
        drop(listener);
        let mut end = [0];
        assert!(matches!(peers[25].read(&mut end), Ok(0) | Err(_)), "closed");
    });
    wait("every handle is closed", || open_handles() <= before);
}
