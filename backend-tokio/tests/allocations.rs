//! Sockets in the steady state allocate nothing: counted by an allocator, so alone in its process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use bivalve_core::DriverExt;
use bivalve_tokio::TokioDriver;
use bytes::{Bytes, BytesMut};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator, unchanged; it keeps what it allocates until it is deallocated.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of this function, which is the same; the memory is the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above; the memory came from `alloc`, and ends here.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above; the memory came from `alloc`, and the caller's from here on is what is returned.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn an_echo_allocates_nothing_once_it_runs() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let driver = TokioDriver::new().expect("a driver");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let listener = driver.attach(listener).expect("it can be associated");
        let connect = driver.connect(listener.local_address().expect("it is bound"));
        let server = driver.accept(&listener).await.buffer.expect("a connection");
        let client = connect.await.buffer.expect("a connection");

        let mut received = driver.receive_many(&server);
        let mut buffer = BytesMut::with_capacity(64);
        let mut chunks = vec![Bytes::from_static(b"Hello, ").into(), Bytes::from_static(b"World!").into()];
        for round in 0..2_000 {
            if round == 1_000 {
                ALLOCATIONS.store(0, Ordering::Relaxed);
            }
            // There by single receives and vectored sends, back from leases.
            chunks = driver.send(&client, chunks).await.buffer;
            let lease = received.next().await.expect("more comes").expect("it works");
            assert_eq!(&*lease, b"Hello, World!");
            drop(lease);
            chunks = driver.send(&server, chunks).await.buffer;
            buffer.clear();
            buffer = driver.receive(&client, buffer).await.buffer;
            assert_eq!(buffer, "Hello, World!");
        }
        assert_eq!(ALLOCATIONS.load(Ordering::Relaxed), 0);
    });
}
