//! What was accepted goes on whether or not anybody polls it (rule 4).

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use bivalve_core::DriverExt;

use crate::Trial;
use crate::support::{
    Flag, content, ok, pair, peer, poll_once, reads_to_the_end, room, small_buffers, until,
};

/// A send that nobody polls still leaves, also one that is far more than the system takes at once.
pub async fn a_send_leaves_unpolled(trial: Trial) {
    const LEN: usize = 4 << 20;
    let (stream, theirs) = pair(&trial.driver);
    small_buffers(&theirs);
    let reader = reads_to_the_end(theirs);
    let send = trial.driver.send(&stream, vec![content(0, LEN).into()]);
    let shutdown = trial.driver.shutdown(&stream);
    assert_eq!(reader.join().await, LEN as u64);
    assert_eq!(ok(send.await).0, LEN);
    ok(shutdown.await);
}

/// A write that nobody polls still happens.
pub async fn a_write_happens_unpolled(trial: Trial) {
    let kept = tempfile::tempfile().unwrap();
    let file = trial.driver.attach(kept.try_clone().unwrap()).unwrap();
    let write = trial.driver.write_at(&file, content(0, 10_000), 0);
    until("the file to grow", || kept.metadata().unwrap().len() == 10_000).await;
    assert_eq!(ok(write.await).0, 10_000);
}

/// A connect that nobody polls still connects.
pub async fn a_connect_connects_unpolled(trial: Trial) {
    let listening = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let connect = trial.driver.connect(listening.local_addr().unwrap());
    let (mut theirs, _) = peer(move || listening.accept().unwrap()).join().await;
    let stream = ok(connect.await).1.unwrap();
    theirs.write_all(b"hello").unwrap();
    assert_eq!(&ok(trial.driver.receive(&stream, room(10)).await).1[..], b"hello");
}

/// A receive that nobody polls is ready at its first poll, once something else shows that its data has come.
pub async fn a_receive_completes_unpolled(trial: Trial) {
    let (stream, mut theirs) = pair(&trial.driver);
    let first = trial.driver.receive(&stream, room(3));
    let second = trial.driver.receive(&stream, room(3));
    theirs.write_all(b"onetwo").unwrap();
    // Receives complete in order, so the first has completed when the second has.
    assert_eq!(&ok(second.await).1[..], b"two");
    let mut first = first;
    match poll_once(&mut first, &Arc::new(Flag::default())) {
        std::task::Poll::Ready(done) => assert_eq!(&ok(done).1[..], b"one"),
        std::task::Poll::Pending => panic!("an earlier receive is still waiting"),
    }
}

/// A timer runs from its submission, not from its first poll: it is ready when a later one is.
pub async fn a_timer_runs_unpolled(trial: Trial) {
    let mut early = trial.driver.timer(Duration::from_millis(5));
    let late = trial.driver.timer(Duration::from_millis(60));
    ok(late.await);
    assert!(poll_once(&mut early, &Arc::new(Flag::default())).is_ready());
}

/// Timers fire by their time, whatever the order of their submission.
pub async fn timers_fire_by_their_time(trial: Trial) {
    let late = trial.driver.timer(Duration::from_millis(150));
    let mut middle = trial.driver.timer(Duration::from_millis(75));
    let mut early = trial.driver.timer(Duration::from_millis(1));
    let flag = Arc::new(Flag::default());
    ok(late.await);
    assert!(poll_once(&mut middle, &flag).is_ready() && poll_once(&mut early, &flag).is_ready());
}

/// A post that nobody polls completes too, and its outcome waits.
pub async fn a_post_completes_unpolled(trial: Trial) {
    let mut posts: Vec<_> = (0..1_000).map(|bytes| trial.driver.post(bytes)).collect();
    ok(trial.driver.timer(Duration::from_millis(1)).await);
    for (bytes, post) in posts.drain(..).enumerate().rev() {
        assert_eq!(ok(post.await).0, bytes);
    }
}

/// Dropping nothing, polling nothing: a shutdown that was submitted is seen by the peer.
pub async fn a_shutdown_happens_unpolled(trial: Trial) {
    let (stream, mut theirs) = pair(&trial.driver);
    let shutdown = trial.driver.shutdown(&stream);
    assert_eq!(peer(move || theirs.read(&mut [0; 10]).unwrap()).join().await, 0);
    ok(shutdown.await);
}
