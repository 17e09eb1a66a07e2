//! The host of one request, in memory: entity in, response out, both at the test's command.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context as Task, Poll, Waker};

use bytes::Bytes;

use super::completions::{Entry, Owner, Target, Verdict};
use super::entity::Entity;
use super::{Completions, OperationId, OperationKind, Outstanding, TestResponse};
use crate::{Completion, CompletionStatus, EntityChunk, Host, Outgoing, ResponsePart};

/// What the pipeline's side ([`MemoryHost`]), the test's side and the list of operations share.
///
/// Locks: see [`completions`](super::completions), rule 2.
pub(super) struct Exchange {
    pub(super) owner: Owner,
    pub(super) completions: Completions,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entity: Entity,
    response: TestResponse,
    send: Option<Sending>,
    read: Option<Reading>,
    gone: bool,
}

struct Sending {
    id: OperationId,
    part: Option<ResponsePart>,
    outcome: Option<Completion>,
    waker: Option<Waker>,
}

struct Reading {
    id: OperationId,
    max: usize,
    outcome: Option<Result<Bytes, CompletionStatus>>,
    waker: Option<Waker>,
}

impl Exchange {
    pub(super) fn new(completions: &Completions, bodiless: bool) -> Arc<Self> {
        let response = TestResponse::new(bodiless);
        Arc::new(Self {
            owner: completions.next_request(),
            completions: completions.clone(),
            state: Mutex::new(State { response, ..State::default() }),
        })
    }

    /// What the client has received so far.
    pub(super) fn response(&self) -> TestResponse {
        self.lock().response.clone()
    }

    /// Changes the entity, and tells a read that waits for it. `false` when the entity has ended.
    pub(super) fn feed(&self, change: impl FnOnce(&mut Entity)) -> bool {
        let mut state = self.lock();
        if !state.entity.is_open() {
            return false;
        }
        change(&mut state.entity);
        let read = state.read.as_ref().map(|read| (read.id, read.waker.clone()));
        drop(state);
        if let Some((id, waker)) = read {
            self.completions.offer(id);
            waker.into_iter().for_each(Waker::wake);
        }
        true
    }

    /// Sets up the entity before anybody reads.
    pub(super) fn set_entity(&self, entity: Entity) {
        self.lock().entity = entity;
    }

    /// The client goes: what is outstanding fails, and so does what comes later.
    pub(super) fn disconnect(&self) {
        let mut state = self.lock();
        state.gone = true;
        state.response.disconnected = true;
        drop(state);
        self.completions.end_all(self.owner, ABORTED);
    }

    /// The request is over: what it left behind is nobody's any more.
    pub(super) fn close(&self) {
        self.completions.end_all(self.owner, Verdict::CANCELLED);
    }

    fn start(self: &Arc<Self>, id: OperationId, kind: OperationKind, description: String) {
        if self.lock().gone {
            return self.perform(id, ABORTED);
        }
        let this: Weak<Self> = Arc::downgrade(self);
        self.completions.add(Entry {
            public: Outstanding::new(id, kind, description),
            owner: self.owner,
            deadline: None,
            target: this,
        });
        // The client may have gone between the check and the list.
        if self.lock().gone {
            self.completions.end(id, ABORTED);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const ABORTED: Verdict = Verdict::Instead(Completion::failure(CompletionStatus::CONNECTION_ABORTED));

impl Target for Exchange {
    fn is_ready(&self, id: OperationId) -> bool {
        let state = self.lock();
        let waits = state.read.as_ref().is_some_and(|read| read.id == id && read.outcome.is_none());
        !waits || state.entity.is_ready()
    }

    fn perform(&self, id: OperationId, verdict: Verdict) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let waker = if let Some(send) = state.send.as_mut().filter(|send| send.id == id) {
            if let Some(part) = send.part.take() {
                send.outcome = Some(deliver(&mut state.response, part, verdict));
            }
            send.waker.take()
        } else if let Some(read) = state.read.as_mut().filter(|read| read.id == id) {
            read.outcome.get_or_insert_with(|| take(&mut state.entity, read.max, verdict));
            read.waker.take()
        } else {
            None
        };
        drop(guard);
        waker.into_iter().for_each(Waker::wake);
    }
}

fn deliver(response: &mut TestResponse, part: ResponsePart, verdict: Verdict) -> Completion {
    match verdict {
        _ if response.reset => {
            let completion = Completion::failure(CompletionStatus::CONNECTION_RESET);
            response.miss(&part, completion);
            completion
        }
        Verdict::Real => response.receive(part),
        Verdict::Instead(completion) if completion.is_success() => {
            let _ = response.receive(part);
            response.report(completion);
            completion
        }
        Verdict::Instead(completion) => {
            response.miss(&part, completion);
            completion
        }
    }
}

fn take(entity: &mut Entity, max: usize, verdict: Verdict) -> Result<Bytes, CompletionStatus> {
    match verdict {
        Verdict::Real => entity.take(max),
        Verdict::Instead(completion) if completion.is_success() => entity.take(max.min(completion.bytes())),
        Verdict::Instead(completion) => Err(completion.status()),
    }
}

/// The pipeline's side.
pub(super) struct MemoryHost {
    pub(super) exchange: Arc<Exchange>,
}

impl Host for MemoryHost {
    fn start_send(&mut self, part: Outgoing<'_>) {
        let part = part.into_part();
        let exchange = &self.exchange;
        let (id, description) = (exchange.completions.next_id(), describe(&part));
        exchange.lock().send = Some(Sending { id, part: Some(part), outcome: None, waker: None });
        exchange.start(id, OperationKind::Send, description);
    }

    fn poll_send(&mut self, task: &mut Task<'_>) -> Poll<Completion> {
        let mut state = self.exchange.lock();
        let Some(send) = &mut state.send else {
            return Poll::Ready(Completion::failure(CompletionStatus::INVALID_PARAMETER));
        };
        match send.outcome {
            Some(completion) => {
                state.send = None;
                Poll::Ready(completion)
            }
            None => {
                send.waker = Some(task.waker().clone());
                Poll::Pending
            }
        }
    }

    fn start_read(&mut self, max: usize) {
        let exchange = &self.exchange;
        let id = exchange.completions.next_id();
        exchange.lock().read = Some(Reading { id, max, outcome: None, waker: None });
        exchange.start(id, OperationKind::Read, format!("up to {max} bytes"));
    }

    fn poll_read(&mut self, task: &mut Task<'_>) -> Poll<Result<Bytes, CompletionStatus>> {
        let mut state = self.exchange.lock();
        let Some(read) = &mut state.read else {
            return Poll::Ready(Err(CompletionStatus::INVALID_PARAMETER));
        };
        match read.outcome.take() {
            Some(outcome) => {
                state.read = None;
                Poll::Ready(outcome)
            }
            None => {
                read.waker = Some(task.waker().clone());
                Poll::Pending
            }
        }
    }

    fn reset(&mut self) {
        self.exchange.lock().response.reset = true;
        self.exchange.completions.end_all(
            self.exchange.owner,
            Verdict::Instead(Completion::failure(CompletionStatus::CONNECTION_RESET)),
        );
    }
}

fn describe(part: &ResponsePart) -> String {
    let mut text = match &part.head {
        Some(head) => format!("status {}, ", head.status.as_u16()),
        None => String::new(),
    };
    let bytes: u64 = part.chunks.iter().map(EntityChunk::len).sum();
    text += &format!("{bytes} bytes");
    if part.end {
        text += ", end";
    }
    text
}
