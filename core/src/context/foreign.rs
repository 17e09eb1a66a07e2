//! For a host that is a pipeline itself: call one module, and bring request and response in step.

use std::sync::PoisonError;
use std::task::Poll;

use http::{HeaderMap, Method, StatusCode, Uri, Version};

use super::{Context, ModuleId, Progress};
use crate::foreign::{Foreign, Given, Kept, NestedFailure};
use crate::pipeline::{Provider, answer, call_from_host, call_from_host_now, call_map_path};
use crate::{
    ChildRequest, ChildResponse, CustomNotification, EntityChunk, Error, ErrorKind, Event, Flow,
    Notification, Request, Response, Result, User,
};

impl Context {
    /// Calls the method of one module that returns no future, or says that it has to wait: `None`, and then
    /// [`settle_module`](Self::settle_module) goes on. Panics are contained. For hosts that are a pipeline themselves.
    ///
    /// `module` counts the modules of the pipeline in their order of registration. The method must have been registered
    /// as [synchronous](crate::Registration::synchronous), or be that of MapPath; otherwise use
    /// [`call_module`](Self::call_module).
    ///
    /// # Panics
    ///
    /// When the pipeline has no such module.
    pub fn call_module_now(&mut self, module: usize, event: Event, given: Given<'_>) -> Option<Result<Flow>> {
        let id = id_of(module);
        let pipeline = std::sync::Arc::clone(&self.pipeline);
        let result = match given {
            Given::MapPath(mapping) => Some(call_map_path(self, &pipeline, id, 0, mapping)),
            given => call_from_host_now(self, &pipeline, id, event, provider(given)),
        };
        self.note_executed(event);
        result
    }

    /// Waits for what a method that said [`Flow::Pending`] has started, as [`call_module`](Self::call_module) does.
    ///
    /// # Errors
    ///
    /// As [`call_module`](Self::call_module).
    pub async fn settle_module(&mut self, module: usize, event: Event) -> Result<Flow> {
        let result = crate::pipeline::settle_from_host(self, id_of(module), event).await;
        self.note_executed(event);
        result
    }

    /// Calls one module and waits for its answer, which is never [`Flow::Pending`]. Panics are contained, and a
    /// disconnect drops its future, as in [`Run`](crate::Run). For hosts that are a pipeline themselves.
    ///
    /// # Errors
    ///
    /// What the module failed with, with its place. [`answer_module`](Self::answer_module) turns it into a response.
    ///
    /// # Panics
    ///
    /// When the pipeline has no such module.
    ///
    /// # Cancel safety
    ///
    /// Poll it to the end.
    pub async fn call_module(&mut self, module: usize, event: Event, given: Given<'_>) -> Result<Flow> {
        let id = id_of(module);
        let pipeline = std::sync::Arc::clone(&self.pipeline);
        let result = match given {
            Given::MapPath(mapping) => call_map_path(self, &pipeline, id, 0, mapping),
            given => call_from_host(self, &pipeline, id, event, provider(given)).await,
        };
        self.note_executed(event);
        result
    }

    /// What [`Run`](crate::Run) makes of a module's answer: an error becomes a response, or a reset when headers have left,
    /// and finishes the request; in LogRequest and EndRequest it is traced and changes nothing.
    pub fn answer_module(&mut self, event: Event, result: Result<Flow>) -> Flow {
        self.touched.1 |= result.is_err() || self.control.failed.is_some();
        let flow = answer(self, event, result);
        self.take_nested_finish(flow)
    }

    /// A module that has failed in an event nested in the call that is about to be answered, and that the module of this call
    /// may have looked away from. A call that is nested itself hands it on to what is around it.
    pub fn nested_failure(&mut self) -> Option<NestedFailure> {
        // Also when the operation was dropped, so that nobody has asked.
        let _ = self.check_nested();
        let (status, sub_status) = self.control.failed?;
        let answered = self.response.progress() == Progress::HeadersSent;
        if answered {
            // What the module has written since is no part of that answer.
            self.response.clear_entity();
            self.touched.1 = true;
        }
        Some(NestedFailure { status, sub_status, answered })
    }

    /// Puts what modules keep back, for the other contexts of the request: after a call, and before the context is left alone.
    pub fn stow_kept(&mut self) {
        self.stow();
    }

    /// Whether request and response may have been changed since the last time this was asked.
    pub fn take_touched(&mut self) -> (bool, bool) {
        std::mem::take(&mut self.touched)
    }

    /// Whether this module made itself the handler in a call of this context; asked once.
    pub fn take_chosen_handler(&mut self) -> Option<usize> {
        self.control.handler.take().map(ModuleId::index)
    }

    /// How many parents the request has, as the host knows it.
    pub fn adopt_child_depth(&mut self, parents: u8) {
        self.child_depth = parents;
    }

    /// The user as the host knows it.
    pub fn adopt_user(&mut self, user: Option<User>) {
        self.user = user;
    }

    /// The host of this context is a pipeline itself.
    pub(crate) fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// What modules keep, fetched if it is elsewhere.
    pub(super) fn kept(&self) -> &Kept {
        self.kept.get_or_init(|| {
            let mut host = self.host.lock().unwrap_or_else(PoisonError::into_inner);
            host.foreign().map(Foreign::take_kept).unwrap_or_default()
        })
    }

    pub(super) fn kept_mut(&mut self) -> &mut Kept {
        if self.kept.get().is_none() {
            let kept = self.with_foreign(Foreign::take_kept).unwrap_or_default();
            let _ = self.kept.set(kept);
        }
        self.kept.get_mut().expect("it was fetched above")
    }

    /// Before anything that may raise an event, and after each call. Nobody holds a reference into it.
    pub(crate) fn stow(&mut self) {
        if self.foreign
            && let Some(kept) = self.kept.take()
        {
            self.with_foreign(|foreign| foreign.put_kept(kept));
        }
    }

    pub(super) fn foreign_variable(&self, name: &str) -> Option<String> {
        let mut host = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        host.foreign()?.server_variable(name)
    }

    pub(super) fn with_foreign<T>(&mut self, f: impl FnOnce(&mut (dyn Foreign + 'static)) -> T) -> Option<T> {
        self.host_mut().foreign().map(f)
    }

    /// A nested event may have failed in another context of the request: nothing passes it here either.
    pub(crate) fn check_nested(&mut self) -> Result<()> {
        let Some(Some(failure)) = self.with_foreign(Foreign::take_nested_failure) else {
            return Ok(());
        };
        let NestedFailure { status, sub_status, answered } = failure;
        let error = Error::framework(
            ErrorKind::RequestEnded,
            "a module has failed in a nested event: the request answers with that error",
        )
        .with_status(status)
        .with_sub_status(sub_status);
        if answered {
            self.control.failed = Some((status, sub_status));
            self.control.finish = true;
            self.response.adopt_sent(true);
        } else {
            self.fail_nested(&error);
        }
        Err(error)
    }

    /// Before an operation in which other contexts of the request may be called.
    pub(crate) fn step_out(&mut self) {
        self.stow();
        if self.foreign
            && let Some(step) = self.with_foreign(|foreign| foreign.step_out())
        {
            step(self);
        }
    }

    /// After it.
    pub(crate) fn step_in(&mut self) {
        if self.foreign
            && let Some(step) = self.with_foreign(|foreign| foreign.step_in())
        {
            step(self);
        }
    }

    /// Raises a custom notification in the host's pipeline.
    pub(crate) async fn notify_foreign(&mut self, custom: &mut CustomNotification) -> Result<Flow> {
        self.step_out();
        let moved = std::mem::replace(custom, CustomNotification::new(""));
        self.with_foreign(|foreign| foreign.start_custom(moved));
        let (back, result) = std::future::poll_fn(|task| {
            self.with_foreign(|foreign| foreign.poll_custom(task))
                .unwrap_or(Poll::Ready((CustomNotification::new(""), Ok(Flow::Continue))))
        })
        .await;
        *custom = back;
        self.step_in();
        let nested = self.check_nested();
        if result.is_err() {
            nested?;
        }
        // A module may have looked away from what failed inside it: it has agreed, and the request answers all the same.
        result
    }

    /// Runs a child request in the host's pipeline.
    pub(super) async fn execute_foreign(&mut self, request: ChildRequest) -> Result<ChildResponse> {
        self.step_out();
        self.with_foreign(|foreign| foreign.start_child(request));
        let answer = std::future::poll_fn(|task| {
            let polled = self.with_foreign(|foreign| foreign.poll_child(task));
            polled.unwrap_or_else(|| Poll::Ready(Ok(ChildResponse::default())))
        })
        .await;
        self.step_in();
        self.check_nested()?;
        answer
    }

    fn note_executed(&mut self, event: Event) {
        self.stow();
        if event == Event::of(Notification::ExecuteRequestHandler) {
            self.response.set_answered();
        }
    }
}

impl Request {
    /// Method, URL, version and headers as the host has them now. For hosts that are a pipeline themselves.
    pub fn adopt(
        &mut self,
        method: Method,
        url: Uri,
        original_url: Option<Uri>,
        version: Version,
        headers: HeaderMap,
    ) {
        self.adopt_head(method, url, original_url, version, headers);
    }

    /// More of the body may have come since it ended: another module has inserted some.
    pub fn reopen_entity(&mut self) {
        self.entity_ended = false;
    }
}

impl Response {
    /// Status and headers as the host has them now, and whether they have left. For hosts that are a pipeline
    /// themselves.
    pub fn adopt_head(&mut self, status: StatusCode, sub_status: u16, headers: HeaderMap, sent: bool) {
        self.replace_head(status, sub_status, headers);
        self.adopt_sent(sent);
    }

    /// Whether status and headers have left.
    pub fn adopt_sent(&mut self, sent: bool) {
        if sent && self.progress() == Progress::Unsent {
            self.set_progress(Progress::HeadersSent);
        }
    }

    /// The entity that the host has buffered. Its limit is the host's business.
    pub fn adopt_chunks(&mut self, chunks: impl IntoIterator<Item = EntityChunk>) {
        self.clear_entity();
        chunks.into_iter().for_each(|chunk| self.push(chunk));
    }

    /// A handler has begun to answer, in another context perhaps.
    pub fn adopt_answered(&mut self) {
        self.set_answered();
    }
}

fn id_of(module: usize) -> ModuleId {
    ModuleId(u16::try_from(module).unwrap_or(u16::MAX))
}

fn provider(given: Given<'_>) -> Provider<'_> {
    match given {
        Given::Sending(sending) => Provider::Sending(sending),
        Given::EntityRead(read) => Provider::ReadEntity(read),
        Given::Custom(custom) => Provider::Custom(custom),
        Given::Nothing | Given::MapPath(_) => Provider::None,
    }
}
