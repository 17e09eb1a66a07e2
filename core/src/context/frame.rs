//! Who is running: the module and event of the current call, kept and restored around nested calls.

use super::{ChildRequest, Context};
use crate::contain::contained;
use crate::{EntityChunk, Error, ErrorKind, Event, Notification, Result, limits};

/// A registration: the position of a module in its pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ModuleId(pub(crate) u16);

impl ModuleId {
    /// Nobody: the host itself, outside every module.
    pub(crate) const HOST: Self = Self(u16::MAX);

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The current call.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) module: ModuleId,
    pub(crate) event: Event,
    /// The completion that a handle of this call will post.
    pub(crate) arm: Option<u64>,
    /// The operation that was started for `on_async_completion`.
    pub(crate) started: Option<StartedOperation>,
}

impl Frame {
    pub(crate) fn new(module: ModuleId, event: Event) -> Self {
        Self { module, event, arm: None, started: None }
    }
}

impl Frame {
    /// Whether something was started or armed in this call.
    pub(crate) fn is_open(&self) -> bool {
        self.arm.is_some() || self.started.is_some()
    }

    /// Nobody is called.
    #[inline]
    pub(crate) fn reset(&mut self) {
        if self.is_open() {
            self.arm = None;
            self.drop_started();
        }
        self.enter(ModuleId::HOST, Event::of(Notification::BeginRequest));
    }

    /// Drops what was started and is not to run. Whether there was something.
    pub(crate) fn drop_started(&mut self) -> bool {
        let started = self.started.take();
        let any = started.is_some();
        // A chunk in it is a module's, and so is its destructor.
        let _ = contained(|| drop(started));
        any
    }

    /// The next call at the same depth. What the last one left behind, it has settled.
    #[inline]
    pub(crate) fn enter(&mut self, module: ModuleId, event: Event) {
        debug_assert!(!self.is_open(), "the last call was not settled");
        self.module = module;
        self.event = event;
    }
}

impl Default for Frame {
    fn default() -> Self {
        Self::new(ModuleId::HOST, Event::of(Notification::BeginRequest))
    }
}

/// An operation that runs once the method has returned `Pending`.
#[derive(Debug)]
pub(crate) enum StartedOperation {
    Write(EntityChunk),
    Flush,
    Read(usize),
    Child(Box<ChildRequest>),
}

impl Context {
    /// Lets go of what the current call left open, when nobody will wait for it.
    pub(crate) fn close_frame(&mut self) {
        if let Some(arm) = self.frame.arm.take() {
            self.signal.revoke(arm);
        }
        self.frame.drop_started();
    }
}

/// A nested call: one level deeper while it lives. The outer frame comes back when it is dropped, also when
/// the future it lives in is dropped halfway.
pub(crate) struct Nested<'a> {
    cx: &'a mut Context,
    outer: Option<Frame>,
}

impl<'a> Nested<'a> {
    pub(crate) fn enter(cx: &'a mut Context, event: Notification) -> Result<Self> {
        if cx.total_depth() >= limits::MAX_NESTING {
            return Err(Error::framework(
                ErrorKind::NestingTooDeep,
                format!(
                    "{event} would be raised {} levels deep: a module flushes, reads, maps or notifies inside its own nested event without an end",
                    cx.total_depth() + 1
                ),
            ));
        }
        cx.depth += 1;
        let outer = std::mem::take(&mut cx.frame);
        Ok(Self { cx, outer: Some(outer) })
    }

    pub(crate) fn cx(&mut self) -> &mut Context {
        self.cx
    }
}

impl Drop for Nested<'_> {
    fn drop(&mut self) {
        if let Some(arm) = self.cx.frame.arm.take() {
            self.cx.signal.revoke(arm);
        }
        if let Some(outer) = self.outer.take() {
            self.cx.frame = outer;
        }
        self.cx.depth -= 1;
    }
}
