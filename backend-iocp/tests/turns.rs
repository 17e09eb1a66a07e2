//! One stream does not keep a thread of the port.
#![cfg(windows)]

mod support;

use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bivalve_core::testing::block_on;
use bivalve_core::{Driver, DriverExt};
use bivalve_iocp::IocpDriver;
use bytes::Bytes;
use support::pair;

#[test]
fn others_have_their_turn_while_a_long_queue_of_sends_leaves() {
    const SENDS: usize = 10_000;
    const FIRST: usize = 64 << 20;
    let driver = IocpDriver::builder().threads(NonZeroUsize::MIN).build().unwrap();
    let driver: Arc<dyn Driver> = Arc::new(driver);
    let (stream, mut peer) = pair(&driver);
    let text = Bytes::from_static(b"0123456789abcdef");
    let mut sends = vec![driver.send(&stream, vec![vec![0; FIRST].into()])];
    sends.extend((0..SENDS).map(|_| driver.send(&stream, vec![text.clone().into()])));
    let reader = std::thread::spawn(move || {
        let (mut buffer, mut left) = (vec![0; 1 << 20], FIRST + text.len() * SENDS);
        while left > 0 {
            left -= peer.read(&mut buffer).unwrap();
        }
    });
    let (mut worst, mut posts) = (Duration::ZERO, 0);
    let all = Instant::now();
    while !reader.is_finished() {
        let start = Instant::now();
        block_on(driver.post(1)).into_result().unwrap();
        (worst, posts) = (worst.max(start.elapsed()), posts + 1);
        std::thread::sleep(Duration::from_millis(1));
    }
    let all = all.elapsed();
    reader.join().unwrap();
    sends.into_iter().for_each(|send| assert!(block_on(send).into_result().is_ok()));
    // A packet that waited for the whole queue would have taken most of the time.
    assert!(
        worst < Duration::from_millis(100).max(all / 3),
        "of {posts} posts one took {worst:?} of {all:?}"
    );
}
