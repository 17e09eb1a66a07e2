//! The request's body for a handler, where modules see each part at ReadEntity.
//!
//! The handler reads a body; the pipeline owns the context, without which no module can be called. So the body asks,
//! and whoever drives the handler reads for it: see `serve`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Task, Poll, Waker};

use bytes::Bytes;
use http_body::Frame;

use crate::BoxError;

/// The handler's end.
pub(crate) struct EntityBody {
    channel: Arc<Channel>,
}

/// The pipeline's end.
pub(crate) struct EntitySource {
    channel: Arc<Channel>,
}

#[derive(Default)]
struct Channel {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    wanted: bool,
    part: Option<Result<Bytes, BoxError>>,
    /// The last part was given; or nobody gives any more.
    ended: bool,
    closed: bool,
    reader: Option<Waker>,
    source: Option<Waker>,
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn channel() -> (EntitySource, EntityBody) {
    let channel = Arc::new(Channel::default());
    (EntitySource { channel: Arc::clone(&channel) }, EntityBody { channel })
}

impl EntityBody {
    pub(crate) fn poll_frame(&mut self, task: &mut Task<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = self.channel.lock();
        if let Some(part) = state.part.take() {
            return Poll::Ready(Some(part.map(Frame::data)));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        if state.closed {
            state.ended = true;
            return Poll::Ready(Some(Err("the request is over: nobody reads its body any more".into())));
        }
        state.wanted = true;
        state.reader = Some(task.waker().clone());
        let source = state.source.take();
        drop(state);
        if let Some(source) = source {
            source.wake();
        }
        Poll::Pending
    }
}

impl EntitySource {
    /// Whether the handler waits for a part; remembers whom to wake when it does.
    pub(crate) fn is_wanted(&self, task: &Task<'_>) -> bool {
        let mut state = self.channel.lock();
        if !state.wanted {
            state.source = Some(task.waker().clone());
        }
        state.wanted
    }

    /// The next part; empty: the body has ended.
    pub(crate) fn give(&self, part: Result<Bytes, BoxError>) {
        let mut state = self.channel.lock();
        state.wanted = false;
        match part {
            Ok(bytes) if bytes.is_empty() => state.ended = true,
            Ok(bytes) => state.part = Some(Ok(bytes)),
            Err(error) => {
                state.ended = true;
                state.part = Some(Err(error));
            }
        }
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Drop for EntitySource {
    fn drop(&mut self) {
        let mut state = self.channel.lock();
        state.closed = true;
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}
