//! The host of a context: its operations are IIS's.
//!
//! IIS takes one operation of a request at a time. What is started here is a list of steps, each of which is done at
//! once or waited for; an operation whose future was dropped goes on, and the next one waits for it. Only a read that
//! nobody waits for is cancelled where a write must start: the client may be waiting for our answer before it sends.
//!
//! What IIS uses meanwhile, a provider or a child's context, is not here but in the call (rule 4 of `waiting`): it comes
//! back with the completion, and is thrown away then if nobody waits for it any more.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use bivalve_core::{
    ChildRequest, ChildResponse, Completion, CompletionStatus, Context, CustomNotification, EntityChunk,
    Event, Flow, Foreign, Host, Kept, NestedFailure, Notifications, Outgoing, Result,
};
use bivalve_iis_sys::hresult::{E_UNEXPECTED, ERROR_HANDLE_EOF, S_OK, from_win32, succeeded};
use bivalve_iis_sys::types::HRESULT;
use bivalve_iis_sys::{IHttpConnection, IHttpContext, IHttpRequest, IHttpResponse};
use bytes::Bytes;

use crate::batch::{Batch, batches};
use crate::child::Child;
use crate::contain::discard;
use crate::custom::Custom;
use crate::foreign;
use crate::inward::Mirror;
use crate::outward;
use crate::port::IisCall;
use crate::record::Shared;
use crate::step;
use crate::waiting::Memory;

/// The largest read. Bounds: the memory of one read; a module that asks for more gets this much. Not configurable.
const READ: usize = 128 * 1024;

/// What carries one context's bytes: IIS.
pub(crate) struct IisHost {
    context: *mut IHttpContext,
    pub(crate) shared: Arc<Shared>,
    pub(crate) mirror: Mirror,
    /// Who waits, if the current call can wait.
    pub(crate) call: Option<Arc<IisCall>>,
    pub(crate) event: Option<Event>,
    pub(crate) provider: *mut c_void,
    /// The operation of IIS that is outstanding.
    running: Option<Running>,
    steps: VecDeque<Step>,
    sending: usize,
    sent: Option<Completion>,
    wanted: Option<usize>,
    read: Option<Result<Bytes, CompletionStatus>>,
    cancelled: bool,
    /// A custom notification or a child that was asked for and has not begun.
    asked: Option<Memory>,
    /// One that has ended, with what it used.
    notified: Option<(HRESULT, Option<Memory>)>,
    /// Files whose handles IIS holds until they have been sent.
    files: Vec<EntityChunk>,
}

// SAFETY: the pointers are IIS's, which may be called from any thread, one at a time: that of the call that has the
// context. They are valid until that call is answered.
unsafe impl Send for IisHost {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Running {
    /// A custom notification or a child that nobody waits for.
    Abandoned,
    /// A custom notification or a child.
    Nested,
    Read,
    Step,
}

/// One operation of IIS on the response.
enum Step {
    Flush,
    Write(Batch),
}

/// How an operation began.
enum Began {
    Done(HRESULT, u32, Option<Memory>),
    Expected,
}

impl IisHost {
    pub(crate) fn new(context: *mut IHttpContext, shared: Arc<Shared>) -> Self {
        Self {
            context,
            shared,
            mirror: Mirror::default(),
            call: None,
            event: None,
            provider: std::ptr::null_mut(),
            running: None,
            steps: VecDeque::new(),
            sending: 0,
            sent: None,
            wanted: None,
            read: None,
            cancelled: false,
            asked: None,
            notified: None,
            files: Vec::new(),
        }
    }

    /// The host of a context of ours.
    ///
    /// # Panics
    ///
    /// When it is none: those do not come here.
    pub(crate) fn of(cx: &mut Context) -> &mut Self {
        let host: &mut dyn std::any::Any = cx.host_mut();
        host.downcast_mut().expect("contexts of this crate have hosts of this crate")
    }

    pub(crate) fn context(&self) -> *mut IHttpContext {
        self.context
    }

    pub(crate) fn request(&self) -> *mut IHttpRequest {
        // SAFETY: the call that has this host has not been answered.
        unsafe { IHttpContext::get_request(self.context) }
    }

    pub(crate) fn response(&self) -> *mut IHttpResponse {
        // SAFETY: the call that has this host has not been answered.
        unsafe { IHttpContext::get_response(self.context) }
    }

    /// Writes chunks behind those that IIS has, without a flush of its own.
    pub(crate) fn start_write(&mut self, chunks: &[EntityChunk]) {
        self.steps.extend(batches(chunks).map(Step::Write));
        self.sending = 0;
    }

    /// Whether nothing is left to be done.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_none() && self.steps.is_empty()
    }

    /// What was written is there: looked at now, so that it is not copied when the next call begins.
    pub(crate) fn note_written(&mut self) {
        let (response, chunks) = (self.response(), std::mem::take(&mut self.mirror.chunks));
        // SAFETY: the response is alive while the call has not been answered.
        unsafe { self.mirror.wrote_response(response, None, chunks) };
    }

    /// The end of a call: whatever is still running ends, and nothing new begins but what was to be written.
    pub(crate) fn poll_drain(&mut self, task: &mut Task<'_>) -> Poll<HRESULT> {
        let mut worst = S_OK;
        loop {
            if self.running == Some(Running::Read) {
                self.cancel_read();
            }
            ready!(self.poll_running(task));
            if let Some(Completion { .. }) = self.sent.take_if(|sent| !sent.is_success()) {
                worst = CompletionStatus::CONNECTION_ABORTED.hresult();
                self.steps.clear();
            }
            if !self.next_step() && self.steps.is_empty() && self.running.is_none() {
                break;
            }
        }
        // Nobody asks for these any more, and a child has to be released before its parent ends.
        discard((self.asked.take(), self.notified.take()));
        self.give_back_read();
        Poll::Ready(worst)
    }

    /// What a read brought that nobody waited for goes back to IIS, for the next reader.
    fn give_back_read(&mut self) {
        if let Some(Ok(data)) = self.read.take_if(|read| matches!(read, Ok(data) if !data.is_empty())) {
            self.wanted = Some(READ);
            // SAFETY: the call that has this host has not been answered.
            unsafe { outward::insert_entity(self.context, self.request(), &data) };
        }
    }

    /// Waits for what is outstanding, and notes how it ended.
    fn poll_running(&mut self, task: &mut Task<'_>) -> Poll<()> {
        let Some(running) = self.running else { return Poll::Ready(()) };
        let Some(call) = &self.call else { return Poll::Ready(()) };
        let ended = ready!(call.poll_ended(task));
        self.running = None;
        self.ended(running, ended.status, ended.bytes, ended.memory);
        Poll::Ready(())
    }

    fn ended(&mut self, running: Running, status: HRESULT, bytes: u32, memory: Option<Memory>) {
        match running {
            Running::Step => {
                if !succeeded(status) {
                    self.steps.clear();
                    self.sent = Some(Completion::failure(CompletionStatus::from_hresult(status)));
                }
            }
            Running::Read => {
                let aborted = status == CompletionStatus::CANCELLED.hresult();
                if aborted && std::mem::take(&mut self.cancelled) {
                    return; // It begins anew when somebody asks.
                }
                self.cancelled = false;
                let buffer =
                    memory.and_then(|memory| memory.downcast::<Vec<u8>>().ok()).map(|buffer| *buffer);
                self.read = Some(read_result(status, bytes, buffer));
            }
            Running::Nested => self.notified = Some((status, memory)),
            Running::Abandoned => discard(memory),
        }
    }

    /// Starts the next step, if one is due; whether there was one.
    fn next_step(&mut self) -> bool {
        if self.running.is_some() {
            return false;
        }
        let Some(step) = self.steps.pop_front() else { return false };
        let response = self.response();
        let began = match step {
            Step::Flush => self.begin(None, |_, sent, expected| {
                // SAFETY: the response is alive while the call has not been answered, and both places during this call.
                unsafe { IHttpResponse::flush(response, 1, 1, sent, expected) }
            }),
            Step::Write(batch) => {
                self.files.extend(batch.files());
                self.begin(Some(Box::new(batch)), |memory, sent, expected| {
                    let batch = memory.and_then(|memory| memory.downcast_mut::<Batch>());
                    let (chunks, count) = batch.map_or((std::ptr::null_mut(), 0), Batch::raw);
                    // SAFETY: as above; the chunks, and what they point to, belong to the call until IIS has completed.
                    unsafe {
                        IHttpResponse::write_entity_chunks(response, chunks, count, 1, 1, sent, expected)
                    }
                })
            }
        };
        match began {
            Began::Expected => self.running = Some(Running::Step),
            Began::Done(status, bytes, memory) => self.ended(Running::Step, status, bytes, memory),
        }
        true
    }

    /// Starts an operation of IIS that may be completed later. Its memory has its place in the call before IIS sees it.
    fn begin(
        &mut self,
        memory: Option<Memory>,
        start: impl FnOnce(Option<&mut (dyn std::any::Any + Send)>, *mut u32, *mut i32) -> HRESULT,
    ) -> Began {
        let Some(call) = self.call.clone() else {
            tracing::error!("an operation of IIS was asked for where nobody can wait for it");
            return Began::Done(CompletionStatus::NOT_SUPPORTED.hresult(), 0, memory);
        };
        let (mut bytes, mut expected) = (0_u32, 0_i32);
        let mut memory = memory;
        // What is on the heap stays where it is when the box moves.
        let place: Option<*mut (dyn std::any::Any + Send)> = memory.as_deref_mut().map(std::ptr::from_mut);
        call.expect(memory);
        // SAFETY: the box is in the call, which nobody takes it from before this operation has been completed or
        // `unexpect` is called below.
        let status = start(place.map(|place| unsafe { &mut *place }), &raw mut bytes, &raw mut expected);
        if succeeded(status) && expected != 0 {
            return Began::Expected;
        }
        Began::Done(status, bytes, call.unexpect())
    }

    fn begin_read(&mut self, max: usize) {
        let request = self.request();
        // SAFETY: the request is alive while the call has not been answered.
        if unsafe { IHttpRequest::get_remaining_entity_bytes(request) } == 0 {
            self.read = Some(Ok(Bytes::new()));
            return;
        }
        let buffer: Memory = Box::new(vec![0_u8; max.clamp(1, READ)]);
        let began = self.begin(Some(buffer), |memory, bytes, expected| {
            let Some(buffer) = memory.and_then(|memory| memory.downcast_mut::<Vec<u8>>()) else {
                return CompletionStatus::OUT_OF_MEMORY.hresult();
            };
            let len = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
            // SAFETY: as above; the buffer belongs to the call until IIS has completed.
            unsafe {
                IHttpRequest::read_entity_body(request, buffer.as_mut_ptr().cast(), len, 1, bytes, expected)
            }
        });
        match began {
            Began::Expected => self.running = Some(Running::Read),
            Began::Done(status, bytes, memory) => self.ended(Running::Read, status, bytes, memory),
        }
    }

    /// Asks for a custom notification or a child. One that still runs goes on, and nobody hears how it ends.
    fn start_nested(&mut self, asked: Memory) {
        if self.running == Some(Running::Nested) {
            self.running = Some(Running::Abandoned);
        }
        discard((self.asked.replace(asked), self.notified.take()));
    }

    /// Waits for what runs, begins what was asked for, and waits for that: how it ended, and what it used.
    fn poll_nested(
        &mut self,
        task: &mut Task<'_>,
        start: fn(*mut IHttpContext, &mut (dyn std::any::Any + Send), *mut i32) -> HRESULT,
    ) -> Poll<(HRESULT, Option<Memory>)> {
        loop {
            if self.running == Some(Running::Read) {
                self.cancel_read();
            }
            ready!(self.poll_running(task));
            if let Some(ended) = self.notified.take() {
                return Poll::Ready(ended);
            }
            if self.next_step() {
                continue;
            }
            let Some(asked) = self.asked.take() else { return Poll::Ready((E_UNEXPECTED, None)) };
            let context = self.context;
            let began = self.begin(Some(asked), |memory, _, expected| {
                memory.map_or(E_UNEXPECTED, |memory| start(context, memory, expected))
            });
            match began {
                Began::Expected => self.running = Some(Running::Nested),
                Began::Done(status, _, memory) => return Poll::Ready((status, memory)),
            }
        }
    }

    fn cancel_read(&mut self) {
        if std::mem::replace(&mut self.cancelled, true) {
            return;
        }
        // SAFETY: the context is alive while the call has not been answered, the connection as long as it.
        unsafe {
            let connection = IHttpContext::get_connection(self.context);
            if !connection.is_null() && IHttpConnection::is_connected(connection) != 0 {
                IHttpContext::cancel_io(self.context);
            }
        }
    }
}

fn read_result(status: HRESULT, bytes: u32, buffer: Option<Vec<u8>>) -> Result<Bytes, CompletionStatus> {
    if status == from_win32(ERROR_HANDLE_EOF) {
        return Ok(Bytes::new());
    }
    if !succeeded(status) {
        return Err(CompletionStatus::from_hresult(status));
    }
    let mut buffer = buffer.unwrap_or_default();
    buffer.truncate(bytes as usize);
    Ok(Bytes::from(buffer))
}

impl Host for IisHost {
    fn start_send(&mut self, mut part: Outgoing<'_>) {
        self.sent = None;
        self.sending = usize::try_from(part.entity_len()).unwrap_or(usize::MAX);
        // SAFETY: the call that has this host has not been answered.
        let more = unsafe { outward::part(self, &mut part) };
        let direct = self.mirror.unbuffered && !more.is_empty();
        self.steps.extend(batches(&more).map(Step::Write));
        if !direct {
            self.steps.push_back(Step::Flush);
        }
    }

    fn poll_send(&mut self, task: &mut Task<'_>) -> Poll<Completion> {
        loop {
            if let Some(sent) = self.sent.take() {
                return Poll::Ready(sent);
            }
            if self.running == Some(Running::Read) {
                self.cancel_read();
            }
            ready!(self.poll_running(task));
            if self.sent.is_none() && !self.next_step() {
                self.files.clear();
                // What was buffered has left.
                self.mirror.chunks.clear();
                return Poll::Ready(Completion::success(self.sending));
            }
        }
    }

    fn start_read(&mut self, max: usize) {
        self.wanted = Some(max);
    }

    fn poll_read(&mut self, task: &mut Task<'_>) -> Poll<Result<Bytes, CompletionStatus>> {
        loop {
            if let Some(read) = self.read.take() {
                self.wanted = None;
                return Poll::Ready(read);
            }
            ready!(self.poll_running(task));
            // A write that nobody waits for comes first.
            if self.read.is_none() && !self.next_step() {
                let max = self.wanted.unwrap_or(READ);
                self.begin_read(max);
            }
        }
    }

    fn reset(&mut self) {
        self.steps.clear();
        // SAFETY: the response is alive while the call has not been answered.
        unsafe { IHttpResponse::reset_connection(self.response()) };
    }

    fn foreign(&mut self) -> Option<&mut (dyn Foreign + 'static)> {
        Some(self)
    }
}

impl Foreign for IisHost {
    fn take_kept(&mut self) -> Kept {
        self.shared.take_kept()
    }

    fn put_kept(&mut self, kept: Kept) {
        self.shared.put_kept(kept);
    }

    fn step_out(&self) -> fn(&mut Context) {
        step::out
    }

    fn step_in(&self) -> fn(&mut Context) {
        step::back
    }

    fn map_path(&mut self, url: &str) -> Result<PathBuf> {
        // SAFETY: the call that has this host has not been answered.
        unsafe { foreign::map_path(self.context, url) }
    }

    fn start_custom(&mut self, custom: CustomNotification) {
        self.start_nested(Custom::new(custom));
    }

    fn poll_custom(&mut self, task: &mut Task<'_>) -> Poll<(CustomNotification, Result<Flow>)> {
        let (status, memory) = ready!(self.poll_nested(task, |context, memory, expected| {
            let Some(custom) = memory.downcast_ref::<Custom>() else { return E_UNEXPECTED };
            // SAFETY: the context is alive while the call has not been answered; the provider belongs to the call until
            // IIS has completed.
            unsafe { IHttpContext::notify_custom_notification(context, custom.as_ptr(), expected) }
        }));
        Poll::Ready(match memory.and_then(|memory| memory.downcast::<Custom>().ok()) {
            Some(custom) => custom.finish(status),
            // It was not raised, so nobody has agreed.
            None => {
                (CustomNotification::new(""), Err(foreign::failed("NotifyCustomNotification", E_UNEXPECTED)))
            }
        })
    }

    fn start_child(&mut self, child: ChildRequest) {
        self.start_nested(Box::new(Child::new(child)));
    }

    fn poll_child(&mut self, task: &mut Task<'_>) -> Poll<Result<ChildResponse>> {
        let (status, memory) = ready!(self.poll_nested(task, |context, memory, expected| {
            let Some(child) = memory.downcast_mut::<Child>() else { return E_UNEXPECTED };
            // SAFETY: the context is alive while the call has not been answered; the child belongs to the call until IIS
            // has completed.
            unsafe { child.start(context, expected) }
        }));
        Poll::Ready(match memory.and_then(|memory| memory.downcast::<Child>().ok()) {
            Some(child) => child.finish(status),
            None => Err(foreign::failed("ExecuteRequest", E_UNEXPECTED)),
        })
    }

    fn server_variable(&mut self, name: &str) -> Option<String> {
        // SAFETY: the call that has this host has not been answered.
        unsafe { foreign::server_variable(self.context, name) }
    }

    fn set_server_variable(&mut self, name: &str, value: &str) -> Result<()> {
        // SAFETY: the call that has this host has not been answered.
        unsafe { foreign::set_server_variable(self.context, name, value) }
    }

    fn disable_notifications(&mut self, notifications: Notifications, post: Notifications) {
        // SAFETY: the context is alive while the call has not been answered.
        unsafe { IHttpContext::disable_notifications(self.context, notifications.bits(), post.bits()) };
    }

    fn take_nested_failure(&mut self) -> Option<NestedFailure> {
        self.shared.take_failure()
    }
}
