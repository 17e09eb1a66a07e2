//! A connection without a network: octets come when nothing else happens, so that a run depends on nothing but its input.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Task, Poll, Wake, Waker};
use std::time::Instant;

use bivalve_core::driver::LeasePool;
use bivalve_core::{CompletionStatus, EntityChunk};
use bytes::BytesMut;

use crate::connection::{Asleep, Stay};
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

    type Folded = Self;

    fn fold(self) -> Self {
        self
    }

    fn unfold(folded: Self) -> Self {
        folded
    }

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

/// Where a connection lives: its task, while it has one.
#[derive(Clone, Default)]
pub(super) struct House(Arc<Mutex<Rooms>>);

#[derive(Default)]
struct Rooms {
    task: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    woken: bool,
    ended: bool,
}

impl House {
    pub(super) fn enter(&self) -> Lodger {
        Lodger(self.clone())
    }

    /// Runs to the end. Each time nothing happens any more, the client does the next thing: sends, takes, and at last finishes
    /// its side; who is not ready by then waits for what never comes, and who is woken far more often than that spins.
    pub(super) fn run(&self, client: &Client, turns: usize) {
        let waker = Waker::from(Arc::new(Woken(self.clone())));
        let mut task = Task::from_waker(&waker);
        for _ in 0..turns {
            let mut rooms = self.lock();
            if rooms.ended {
                return;
            }
            let woken = std::mem::take(&mut rooms.woken);
            let running = if woken { rooms.task.take() } else { None };
            drop(rooms);
            let Some(mut running) = running else {
                assert!(client.go_on(), "it waits for what never comes");
                continue;
            };
            if running.as_mut().poll(&mut task).is_pending() {
                self.lock().task = Some(running);
            }
        }
        unreachable!("it spins");
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who lives there, until this is dropped.
pub(super) struct Lodger(House);

impl Stay for Lodger {
    fn run<F>(self, serve: impl FnOnce(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let house = self.0.clone();
        let task = Box::pin(serve(self));
        let mut rooms = house.lock();
        rooms.woken = true;
        rooms.task = Some(task);
    }

    fn rest(&self, _asleep: Arc<dyn Asleep>, _deadline: Instant) {}
}

impl Drop for Lodger {
    fn drop(&mut self) {
        self.0.lock().ended = true;
    }
}

struct Woken(House);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.lock().woken = true;
    }
}
