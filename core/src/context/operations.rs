//! Write, flush, read, notify: what a module can wait for.
//!
//! Each operation comes in two forms. `async`: await it. Explicit, as in IIS: `start_*`, return
//! [`Flow::Pending`], and [`on_async_completion`](crate::Module::on_async_completion) gets bytes and status.
//!
//! # Cancel safety
//!
//! An operation whose future is dropped goes on in the host. The next one of its kind waits for it: a part of the
//! response is sent once, in order, and what a dropped read brings is read next. Dropped while a module at SendResponse or
//! ReadEntity waits, the part has passed nobody: the next operation raises the event for it again, from the start.

mod reading;

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;

use super::frame::Nested;
use super::{Context, Snapshot, StartedOperation};
use crate::pipeline::{Provider, call, call_map_path};
use crate::{
    Completion, CompletionStatus, CustomNotification, EntityChunk, Error, ErrorKind, Flow, Notification,
    PathMapping, Result, Sending, inferred,
};

impl Context {
    /// Adds a chunk to the response. With buffering on it completes at once, with the chunk's length; where the
    /// chunk does not fit the buffer, or with buffering off, it leaves with a flush first.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    ///
    /// IIS counterpart: `WriteEntityChunks`.
    pub fn write(
        &mut self,
        chunk: impl Into<EntityChunk>,
    ) -> impl Future<Output = Result<Completion>> + Send {
        let chunk = chunk.into();
        self.write_chunk(chunk)
    }

    async fn write_chunk(&mut self, chunk: EntityChunk) -> Result<Completion> {
        self.response_mut().check_open()?;
        let bytes = usize::try_from(chunk.len()).unwrap_or(usize::MAX);
        if !self.response().fits(&chunk) {
            self.flush().await?;
        }
        self.response_mut().push(chunk);
        if !self.response().is_buffering() {
            self.flush().await?;
        }
        Ok(Completion::success(bytes))
    }

    /// Sends what is buffered, with status and headers if they have not left: raises SendResponse, nested, and
    /// completes when the host has taken the bytes. More may follow.
    ///
    /// # Errors
    ///
    /// [`is_disconnected`](Error::is_disconnected) when the client has gone; [`ErrorKind::Io`] when the host
    /// failed, which resets the connection; what a module at SendResponse failed with (the request then answers
    /// that, or resets when headers have left, and nothing more can be sent or read in this event);
    /// [`ErrorKind::InvalidStatus`] when the status is none of a final response;
    /// [`ErrorKind::NestingTooDeep`]; [`ErrorKind::RequestEnded`] after the end.
    ///
    /// IIS counterpart: `Flush` with `fMoreData`.
    pub async fn flush(&mut self) -> Result<Completion> {
        self.check_passed()?;
        self.response_mut().check_open()?;
        let raised = if self.is_foreign() { Ok(()) } else { self.raise_send_response(true).await };
        if let Err(error) = raised.and_then(|()| self.response().check_status()) {
            self.fail_nested(&error);
            return Err(error);
        }
        let sent = self.send(false).await;
        self.step_in();
        self.check_nested()?;
        sent
    }

    /// As [`flush`](Self::flush), and the response ends with it: modules that run later can write nothing more, and
    /// see no headers.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    ///
    /// IIS counterpart: `Flush` without `fMoreData`.
    pub async fn flush_end(&mut self) -> Result<Completion> {
        self.check_passed()?;
        self.response_mut().check_open()?;
        let raised = if self.is_foreign() { Ok(()) } else { self.raise_send_response(false).await };
        if let Err(error) = raised.and_then(|()| self.response().check_status()) {
            self.fail_nested(&error);
            return Err(error);
        }
        let sent = self.send(true).await;
        self.step_in();
        self.check_nested()?;
        sent
    }

    /// The rest of the response. Nothing of the pipeline runs after it.
    pub(crate) async fn send_final(&mut self) {
        if self.response().is_ended() || self.signal.is_gone() {
            return;
        }
        if let Err(error) = self.raise_send_response(false).await {
            // A filter that failed must not let the body pass: the error page goes out without asking again.
            self.fail(&error);
        }
        self.answer_failure();
        if self.response().is_ended() {
            return;
        }
        note_final(self.send(true).await);
    }

    /// Whether [`start_final`](Self::start_final) will do: no module looks at the response, and no send is under way.
    pub(crate) fn sends_at_once(&self) -> bool {
        !self.foreign && !self.outstanding.send && !self.pipeline.raises(Notification::SendResponse)
    }

    /// The rest of the response, as [`send_final`](Self::send_final) does it, without a future. `false`: the host has it and does not
    /// know yet what came of it, and [`finish_final`](Self::finish_final) is to wait for that.
    pub(crate) fn start_final(&mut self) -> bool {
        if self.response.is_ended() || self.signal.is_gone() {
            return true;
        }
        self.answer_failure();
        if self.response.is_ended() {
            return true;
        }
        let Some(completion) = self.start_send(true) else { return false };
        note_final(self.sent(completion));
        true
    }

    pub(crate) async fn finish_final(&mut self) {
        let completion = self.finish_send().await;
        note_final(self.sent(completion));
    }

    async fn raise_send_response(&mut self, more: bool) -> Result<()> {
        if !self.pipeline.raises(Notification::SendResponse) {
            return Ok(());
        }
        self.drain_send().await;
        self.response().check_open()?;
        let headers = !self.response().headers_sent();
        let mut sending = Sending { headers, more };
        // The last part is not sent by a future that a module could drop.
        let before = if more { self.response().snapshot() } else { Snapshot::default() };
        let mut passing = Passing { parts: self.response().parts(), before, passed: !more, cx: self };
        let raised = passing.cx.raise(Notification::SendResponse, Provider::Sending(&mut sending)).await;
        // What a module there has sent and dropped is waited for before the part has passed: it leaves next, at once.
        passing.cx.drain_send().await;
        passing.passed = true;
        drop(passing);
        self.finish_from_nested(raised?);
        Ok(())
    }

    async fn send(&mut self, end: bool) -> Result<Completion> {
        self.stow();
        if self.signal.is_gone() {
            return Err(Error::disconnected());
        }
        self.drain_send().await;
        // It may have gone meanwhile; then an earlier part that did not leave has not reset the connection, and what followed
        // would hide the hole.
        if self.signal.is_gone() {
            return Err(Error::disconnected());
        }
        // Modules at SendResponse and an earlier send may have changed what there is to do.
        self.response().check_open()?;
        let completion = match self.start_send(end) {
            Some(completion) => completion,
            None => self.finish_send().await,
        };
        self.sent(completion)
    }

    fn sent(&mut self, completion: Completion) -> Result<Completion> {
        self.note_completion("Send", completion);
        if completion.is_success() {
            Ok(completion)
        } else {
            Err(Error::io(completion.status(), "sending the response"))
        }
    }

    /// Waits for a send whose future was dropped.
    async fn drain_send(&mut self) {
        if self.outstanding.send {
            let _ = self.finish_send().await;
        }
    }

    async fn finish_send(&mut self) -> Completion {
        self.stow();
        let completion = poll_fn(|task| self.host_mut().poll_send(task)).await;
        self.finished_send(completion);
        completion
    }

    pub(super) fn finished_send(&mut self, completion: Completion) {
        self.outstanding.send = false;
        self.response_mut().count_sent(completion.bytes() as u64);
        if !completion.is_success() && !self.signal.is_gone() {
            // Whatever followed would hide the hole from the client.
            self.reset_connection();
        }
    }

    /// Raises a custom notification for every module that registered for it, nested. The flow is what they say;
    /// what a finish means is up to the caller.
    ///
    /// # Errors
    ///
    /// What a module failed with, for the caller to handle; but after a panic the request answers 500 in any case.
    /// [`ErrorKind::NestingTooDeep`].
    ///
    /// IIS counterpart: `NotifyCustomNotification`.
    pub async fn notify_custom(&mut self, custom: &mut CustomNotification) -> Result<Flow> {
        if self.is_foreign() {
            return self.notify_foreign(custom).await;
        }
        self.raise(Notification::CustomRequestNotification, Provider::Custom(custom)).await
    }

    /// As [`write`](Self::write), the explicit way: runs once the method has returned [`Flow::Pending`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OperationOutstanding`] when the method has started one already.
    pub fn start_write(&mut self, chunk: impl Into<EntityChunk>) -> Result<()> {
        self.start_operation(StartedOperation::Write(chunk.into()))
    }

    /// As [`flush`](Self::flush), the explicit way.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OperationOutstanding`] when the method has started one already.
    pub fn start_flush(&mut self) -> Result<()> {
        self.start_operation(StartedOperation::Flush)
    }

    /// As [`read_entity`](Self::read_entity), the explicit way; the bytes are in
    /// [`CompletionInfo::entity`](crate::CompletionInfo::entity).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OperationOutstanding`] when the method has started one already.
    pub fn start_read_entity(&mut self, max: usize) -> Result<()> {
        self.start_operation(StartedOperation::Read(max))
    }

    pub(super) fn start_operation(&mut self, operation: StartedOperation) -> Result<()> {
        if self.frame.started.is_some() {
            return Err(Error::framework(
                ErrorKind::OperationOutstanding,
                "one operation is started already: return Flow::Pending, and start the next one in on_async_completion",
            ));
        }
        self.frame.started = Some(operation);
        Ok(())
    }

    pub(crate) fn raise_map_path(&mut self, mapping: &mut PathMapping) -> Result<()> {
        let pipeline = std::sync::Arc::clone(&self.pipeline);
        let modules = pipeline.modules_at(Notification::MapPath.into());
        if modules.is_empty() {
            return Ok(());
        }
        let mut nested = Nested::enter(self, Notification::MapPath)?;
        for (position, entry) in modules.iter().enumerate() {
            let cx = nested.cx();
            if !cx.wants(entry.module, Notification::MapPath.into()) {
                continue;
            }
            let answer = call_map_path(cx, &pipeline, entry.module, position, mapping);
            if cx.note_nested_panic(answer)? == Flow::Finish {
                break;
            }
        }
        Ok(())
    }

    /// Runs an on-demand event for every module that registered for it.
    async fn raise(&mut self, notification: Notification, mut provider: Provider<'_>) -> Result<Flow> {
        let pipeline = std::sync::Arc::clone(&self.pipeline);
        let modules = pipeline.modules_at(notification.into());
        if modules.is_empty() {
            return Ok(Flow::Continue);
        }
        let mut nested = Nested::enter(self, notification)?;
        for (position, entry) in modules.iter().enumerate() {
            let cx = nested.cx();
            if !cx.wants(entry.module, notification.into()) {
                continue;
            }
            if let Provider::Sending(sending) = &mut provider {
                // The module before may have flushed: then they have left with that.
                sending.headers = !cx.response().headers_sent();
            }
            let answer =
                call(cx, &pipeline, entry.module, notification.into(), position, provider.reborrow()).await;
            if cx.note_nested_panic(answer)? == Flow::Finish {
                return Ok(Flow::Finish);
            }
        }
        Ok(Flow::Continue)
    }

    /// A module that panics is skipped from then on, so the request must not go on as if it had agreed: not even
    /// where its error is the caller's to handle.
    fn note_nested_panic(&mut self, answer: Result<Flow>) -> Result<Flow> {
        if let Err(error) = &answer
            && error.is_panic()
        {
            self.fail_nested(error);
        }
        answer
    }

    fn finish_from_nested(&mut self, flow: Flow) {
        if flow == Flow::Finish && inferred::NESTED_FINISH {
            self.control.finish = true;
        }
    }

    fn note_completion(&mut self, operation: &'static str, completion: Completion) {
        let depth = self.depth;
        if let Some(trace) = &mut self.trace {
            trace.completion(depth, operation, completion);
        }
    }
}

/// A part on its way through SendResponse. Dropped halfway, it is put back as it was: the next flush raises the event
/// again, and no module changes body, headers or status twice.
struct Passing<'a> {
    cx: &'a mut Context,
    before: Snapshot,
    parts: u32,
    passed: bool,
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        let before = std::mem::take(&mut self.before);
        let response = self.cx.response_mut();
        // Unless a module has flushed it meanwhile.
        if !self.passed && response.parts() == self.parts {
            response.restore(before);
        }
    }
}

/// A started operation, run for `on_async_completion`: bytes, status, and what a read or child brought.
pub(crate) struct StartedResult {
    pub(crate) completion: Completion,
    pub(crate) entity: Bytes,
    pub(crate) child: Option<Box<super::ChildResponse>>,
}

impl Context {
    pub(crate) async fn run_started(&mut self, operation: StartedOperation) -> StartedResult {
        let mut entity = Bytes::new();
        let mut child = None;
        let result = match operation {
            StartedOperation::Write(chunk) => self.write_chunk(chunk).await,
            StartedOperation::Flush => self.flush().await,
            StartedOperation::Read(max) => self.read_entity(max).await.map(|bytes| {
                entity = bytes;
                Completion::success(entity.len())
            }),
            StartedOperation::Child(request) => self.execute_request(*request).await.map(|response| {
                let bytes = usize::try_from(response.entity_len()).unwrap_or(usize::MAX);
                child = Some(Box::new(response));
                Completion::success(bytes)
            }),
        };
        let completion = result.unwrap_or_else(|error| Completion::failure(status_of(&error)));
        StartedResult { completion, entity, child }
    }

    /// Waits until a handle of this call has posted.
    pub(crate) async fn wait_posted(&mut self, arm: u64) -> super::Posted {
        poll_fn(|task| match self.signal.poll_posted(arm, task) {
            Poll::Ready(posted) => Poll::Ready(posted),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

fn note_final(sent: Result<Completion>) {
    if let Err(error) = sent {
        tracing::debug!(%error, "the end of the response could not be sent");
    }
}

fn status_of(error: &Error) -> CompletionStatus {
    match error.kind() {
        ErrorKind::Io(status) => status,
        ErrorKind::Disconnected => CompletionStatus::CONNECTION_ABORTED,
        ErrorKind::ChildTooDeep | ErrorKind::NestingTooDeep => CompletionStatus::STACK_OVERFLOW,
        _ => CompletionStatus::UNSPECIFIED,
    }
}
