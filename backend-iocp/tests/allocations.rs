//! In the steady state an operation allocates nothing: its record and its place in the tables are used again.
#![cfg(windows)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bivalve_core::DriverExt;
use bytes::{Bytes, BytesMut};
use support::{pair, run};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is handed on to the system's allocator, whose promises these are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises; the memory is the system allocator's.
        unsafe { System.dealloc(memory, layout) };
    }
}

#[test]
fn an_operation_allocates_nothing_in_the_steady_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, [7; 64]).unwrap();
    run(|driver| async move {
        let file = driver.attach(std::fs::File::open(&path).unwrap()).unwrap();
        let (stream, mut peer) = pair(&driver);
        let echo = std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok(read @ 1..) = peer.read(&mut buffer) {
                peer.write_all(&buffer[..read]).unwrap();
            }
        });
        let (mut buffer, mut chunks) = (BytesMut::with_capacity(64), Vec::with_capacity(2));
        let mut steady = 0;
        for round in 0..1200 {
            if round == 200 {
                steady = ALLOCATIONS.load(Ordering::Relaxed);
            }
            chunks.push(Bytes::from_static(b"ping").into());
            let receiving = driver.receive(&stream, std::mem::take(&mut buffer));
            chunks = driver.send(&stream, std::mem::take(&mut chunks)).await.into_result().unwrap().1;
            buffer = receiving.await.into_result().unwrap().1;
            buffer.clear();
            buffer = driver.read_at(&file, buffer, 0).await.into_result().unwrap().1;
            buffer.clear();
            chunks.clear();
            driver.post(1).await.into_result().unwrap();
            let timer = driver.timer(Duration::from_secs(60));
            timer.cancel();
            assert!(!timer.await.completion.is_success());
        }
        assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - steady, 0, "in 1000 rounds");
        drop(stream);
        echo.join().unwrap();
    });
}
