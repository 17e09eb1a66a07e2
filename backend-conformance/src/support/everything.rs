//! One operation of every kind at once, for cases about what ends them.

use std::future::Future;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bivalve_core::{
    Accepted, Buffer, CompletionStatus, Driver, DriverExt, FileRange, Handle, Lease, Multishot, OwnedHandle,
    Started,
};
use bytes::Bytes;

use super::{content, listener, pair, room, small_buffers, std_pair};

/// More than the system's buffers between two sockets hold.
pub(crate) const BLOCKS: usize = 16 << 20;

/// Operations of every kind in flight. Those on streams and listeners, and the timer, end only when they are ended;
/// those on files, the connect and the post end when they like.
pub(crate) struct Everything {
    /// What is in flight on handles of its own, and what is not.
    pub(crate) ending: Vec<Ending>,
    pub(crate) connections: Multishot<Accepted>,
    pub(crate) leases: Multishot<Lease>,
    /// All of its handles.
    pub(crate) handles: Vec<OwnedHandle>,
    /// The other ends of its streams.
    pub(crate) peers: Vec<TcpStream>,
}

/// An operation that ends once.
pub(crate) struct Ending {
    pub(crate) kind: &'static str,
    pub(crate) outcome: Pin<Box<dyn Outcome>>,
}

/// The end of an operation, whatever its buffer is; it can be cancelled in between.
pub(crate) trait Outcome: Future<Output = (CompletionStatus, usize)> + Send {
    fn cancel(&self);
}

struct Erased<B>(Started<B>);

impl<B: Buffer<dyn Driver>> Future for Erased<B> {
    type Output = (CompletionStatus, usize);

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<(CompletionStatus, usize)> {
        let started = Pin::new(&mut self.get_mut().0);
        started.poll(task).map(|done| (done.completion.status(), done.completion.bytes()))
    }
}

impl<B: Buffer<dyn Driver>> Outcome for Erased<B> {
    fn cancel(&self) {
        self.0.cancel();
    }
}

impl Everything {
    /// Starts all of it.
    pub(crate) fn start(driver: &Arc<dyn Driver>) -> Self {
        let (receiving, receiving_peer) = pair(driver);
        let (many, many_peer) = pair(driver);
        let (ours, sending_peer) = std_pair();
        small_buffers(&ours);
        small_buffers(&sending_peer);
        let sending = driver.attach(ours).expect("a stream can be associated");
        let (accepting, _) = listener(driver);
        let (accepting_many, address) = listener(driver);
        let kept = tempfile::tempfile().expect("a file can be made");
        kept.set_len(1 << 20).expect("it can grow");
        let range = FileRange::new(kept.try_clone().expect("it can be opened again"), 0, 1 << 20);
        let file = driver.attach(kept).expect("a file can be associated");
        let ending = vec![
            ending("accept", driver.accept(&accepting)),
            ending("connect", driver.connect(address)),
            ending("post", driver.post(1)),
            ending("read_at", driver.read_at(&file, room(1 << 20), 0)),
            ending("receive", driver.receive(&receiving, room(100))),
            ending("a second receive", driver.receive(&receiving, room(100))),
            ending("send", driver.send(&sending, vec![Bytes::from(vec![1; BLOCKS]).into()])),
            ending("a send behind it", driver.send(&sending, vec!["last".into(), range.clone().into()])),
            ending("send_file", driver.send_file(&sending, range)),
            ending("shutdown", driver.shutdown(&sending)),
            ending("timer", driver.timer(Duration::from_secs(3_600))),
            ending("write_at", driver.write_at(&file, content(0, 1 << 20), 0)),
        ];
        Self {
            ending,
            connections: driver.accept_many(&accepting_many),
            leases: driver.receive_many(&many),
            handles: vec![receiving, many, sending, accepting, accepting_many, file],
            peers: vec![receiving_peer, many_peer, sending_peer],
        }
    }

    /// Copies of its handles.
    pub(crate) fn handles(&self) -> Vec<Handle> {
        self.handles.iter().map(|handle| **handle).collect()
    }

    /// Polls all of it once; what is ready is over.
    pub(crate) fn poll(&mut self, waker: &Waker) {
        let mut task = Context::from_waker(waker);
        self.ending.retain_mut(|ending| ending.outcome.as_mut().poll(&mut task).is_pending());
        let _ = self.connections.poll_next(&mut task);
        assert!(self.leases.poll_next(&mut task).is_pending(), "nobody sent anything");
    }

    /// Asks all of it to end.
    pub(crate) fn cancel(&self) {
        self.ending.iter().for_each(|ending| ending.outcome.cancel());
        self.connections.cancel();
        self.leases.cancel();
    }

    /// Awaits every end: cancelled, or the real result (rule 2).
    pub(crate) async fn ended(&mut self) {
        for Ending { kind, outcome } in &mut self.ending {
            let (status, bytes) = outcome.as_mut().await;
            // Behind one that left in part.
            let outgoing = kind.contains("send") || *kind == "shutdown";
            let broken = outgoing && status == CompletionStatus::BROKEN_PIPE;
            assert!(
                status.is_success() || status == CompletionStatus::CANCELLED || broken,
                "{kind} ended with {status:?}, {bytes} bytes"
            );
            // These cannot have worked: nobody connected or sent, and an hour has not passed.
            if ["accept", "receive", "a second receive", "timer"].contains(kind) {
                assert_eq!((status, bytes), (CompletionStatus::CANCELLED, 0), "{kind}");
            }
        }
        // A connection may have come, from the connect above.
        drain(&mut self.connections, "accept_many").await;
        assert_eq!(drain(&mut self.leases, "receive_many").await, 0, "nobody sent anything");
    }
}

/// Takes what is left of a cancelled stream: items, then `CANCELLED`, then the end. How many items there were.
pub(crate) async fn drain<T>(stream: &mut Multishot<T>, what: &str) -> usize
where
    T: bivalve_core::driver::MultishotItem<dyn Driver>,
{
    let mut items = 0;
    loop {
        match stream.next().await {
            Some(Ok(_)) => items += 1,
            Some(Err(error)) => {
                assert_eq!(CompletionStatus::from_io_error(&error), CompletionStatus::CANCELLED, "{what}");
                assert!(stream.next().await.is_none(), "{what} ends after CANCELLED");
                assert!(stream.next().await.is_none(), "{what} has ended");
                return items;
            }
            None => panic!("{what} ended without CANCELLED"),
        }
    }
}

fn ending<B: Buffer<dyn Driver> + 'static>(kind: &'static str, started: Started<B>) -> Ending {
    Ending { kind, outcome: Box::pin(Erased(started)) }
}
