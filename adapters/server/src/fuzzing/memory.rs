//! A connection without a network: octets come when nothing else happens, so that a run depends on nothing but its input.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Task, Poll, Wake, Waker};

use bivalve_core::driver::LeasePool;
use bivalve_core::{CompletionStatus, EntityChunk};
use bytes::BytesMut;

use crate::transport::{BoxStream, Piece, Transport};

/// The client's side.
#[derive(Clone, Default)]
pub(super) struct Client(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What it still sends, a piece at a time.
    pieces: VecDeque<Vec<u8>>,
    /// How many of them are there already.
    here: usize,
    finished: bool,
    /// A send is under way until it is let go.
    sending: Option<Vec<EntityChunk>>,
    slow: bool,
    wakers: Vec<Waker>,
    /// What it was sent.
    sent: Vec<u8>,
    reset: bool,
    handed: bool,
}

impl Client {
    /// `at_once`: all pieces are there from the beginning. `slow`: a send takes until nothing else happens.
    pub(super) fn new(pieces: impl Iterator<Item = Vec<u8>>, at_once: bool, slow: bool) -> Self {
        let pieces: VecDeque<_> = pieces.collect();
        let here = if at_once { pieces.len() } else { 0 };
        Self(Arc::new(Mutex::new(State { pieces, here, slow, ..State::default() })))
    }

    /// What has come of it: the octets, whether the connection was reset, whether it was given away for another protocol.
    pub(super) fn outcome(&self) -> (Vec<u8>, bool, bool) {
        let mut state = self.lock();
        (std::mem::take(&mut state.sent), state.reset, state.handed)
    }

    /// Lets one thing happen. `false`: there is none left.
    fn go_on(&self) -> bool {
        let mut state = self.lock();
        if state.slow && state.sending.is_some() {
            state.slow = false;
        } else if state.here < state.pieces.len() {
            state.here += 1;
        } else if !state.finished {
            state.finished = true;
        } else {
            return false;
        }
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server's side. `EAGER` as a driver, or not, as TLS.
pub(super) struct Memory<const EAGER: bool> {
    client: Client,
    leases: Arc<LeasePool>,
    slow: bool,
}

impl<const EAGER: bool> Memory<EAGER> {
    pub(super) fn new(client: &Client) -> Self {
        let slow = client.lock().slow;
        Self { client: client.clone(), leases: LeasePool::new(4096, 4), slow }
    }
}

impl<const EAGER: bool> Transport for Memory<EAGER> {
    const EAGER: bool = EAGER;
    const ENCRYPTED: bool = false;

    fn poll_receive(&mut self, task: &mut Task<'_>) -> Poll<Option<io::Result<Piece>>> {
        let mut state = self.client.lock();
        if state.here > 0
            && let Some(piece) = state.pieces.pop_front()
        {
            state.here -= 1;
            let mut buffer = self.leases.take();
            buffer.extend_from_slice(&piece);
            return Poll::Ready(Some(Ok(self.leases.lease(buffer).into())));
        }
        if state.finished {
            return Poll::Ready(None);
        }
        state.wakers.push(task.waker().clone());
        Poll::Pending
    }

    fn start_send(&mut self, chunks: Vec<EntityChunk>) {
        let mut state = self.client.lock();
        assert!(state.sending.is_none(), "one send at a time");
        for chunk in &chunks {
            if let EntityChunk::Bytes(octets) = chunk {
                state.sent.extend_from_slice(octets);
            }
        }
        state.slow = self.slow;
        state.sending = Some(chunks);
    }

    fn poll_send(&mut self, task: &mut Task<'_>) -> Poll<(CompletionStatus, Vec<EntityChunk>)> {
        let mut state = self.client.lock();
        if state.slow && state.sending.is_some() {
            state.wakers.push(task.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready((CompletionStatus::SUCCESS, state.sending.take().unwrap_or_default()))
    }

    fn poll_shutdown(&mut self, _task: &mut Task<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn reset(&mut self) {
        self.client.lock().reset = true;
    }

    fn poll_quiet(&mut self, _rest: &mut BytesMut, task: &mut Task<'_>) -> Poll<()> {
        self.poll_send(task).map(drop)
    }

    fn into_stream(self) -> io::Result<BoxStream> {
        self.client.lock().handed = true;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Runs to the end. Each time nothing happens any more, the client does the next thing: sends, takes, and at last finishes its
/// side; who is not ready by then waits for what never comes, and who is woken far more often than that spins.
pub(super) fn run(mut future: Pin<&mut dyn Future<Output = ()>>, client: &Client, turns: usize) {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut task = Task::from_waker(&waker);
    for _ in 0..turns {
        if woken.0.swap(false, Ordering::Relaxed) {
            if future.as_mut().poll(&mut task).is_ready() {
                return;
            }
        } else {
            assert!(client.go_on(), "it waits for what never comes");
        }
    }
    unreachable!("it spins");
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
