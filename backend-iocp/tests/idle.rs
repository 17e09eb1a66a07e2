//! An idle connection owns no buffer: neither a lease, nor one that a call in flight would fill.
#![cfg(windows)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::poll_fn;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bivalve_core::testing::block_on;
use bivalve_core::{Driver, DriverExt};
use bivalve_iocp::IocpDriver;
use support::pair;

struct Counting;

/// Buffers of this size, which nothing else has, that are there now.
static BUFFERS: AtomicUsize = AtomicUsize::new(0);
const BUFFER: usize = 54_321;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is handed on to the system's allocator, whose promises these are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() == BUFFER {
            BUFFERS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if layout.size() == BUFFER {
            BUFFERS.fetch_sub(1, Ordering::Relaxed);
        }
        // SAFETY: as the caller promises; the memory is the system allocator's.
        unsafe { System.dealloc(memory, layout) };
    }
}

#[test]
fn an_idle_connection_has_no_buffer_in_the_kernel() {
    let size = NonZeroUsize::new(BUFFER).expect("it is not 0");
    let driver = IocpDriver::builder().lease_size(size).lease_keep(0).build().expect("a driver");
    let driver: Arc<dyn Driver> = Arc::new(driver);
    let (stream, mut peer) = pair(&driver);
    let mut pieces = driver.receive_many(&stream);
    block_on(async {
        for _ in 0..2 {
            let idle = poll_fn(|task| Poll::Ready(pieces.poll_next(task).is_pending())).await;
            assert!(idle, "nothing was sent");
            assert_eq!(BUFFERS.load(Ordering::Relaxed), 0, "a call in flight has one");
            peer.write_all(b"ping").expect("it is connected");
            let piece = pieces.next().await.expect("there is more").expect("it is no error");
            assert_eq!((&piece[..], BUFFERS.load(Ordering::Relaxed)), (&b"ping"[..], 1));
        }
    });
    driver.shut_down();
}
