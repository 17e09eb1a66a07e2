//! Starts an operation as a module asks: now or later, and with which answer. semantics.md section 4, rule 2.

use bivalve_core::{Context, EntityChunk};
use bivalve_iis_sys::hresult::{E_FAIL, ERROR_HANDLE_EOF, ERROR_INVALID_STATE, S_OK, from_win32, succeeded};
use bivalve_iis_sys::types::{BOOL, HRESULT};

use crate::fault::Fault;
use crate::frame::{Callback, Completion};
use crate::operation::{Done, Operation, hresult};
use crate::request::Request;
use crate::text::store;

/// How a module wants an operation.
pub(super) struct Wish {
    pub(super) is_async: bool,
    pub(super) callback: Callback,
    /// Where the bytes go of one that is done at once.
    pub(super) bytes: *mut u32,
    /// Where it is said whether a completion comes. Null: one always comes.
    pub(super) expected: *mut BOOL,
}

/// Does it.
///
/// # Safety
///
/// The pointers of the wish are null or writable.
pub(super) unsafe fn operate(request: &Request, operation: Operation, wish: &Wish) -> HRESULT {
    let (is_read, name) = (matches!(operation, Operation::Read(_)), operation.name());
    let Some(frame) = request.frame(name) else { return from_win32(ERROR_INVALID_STATE) };
    super::records::adopt(request);
    let faults = &request.host.faults;
    if is_read && request.details().body_ended && !has_inserted(request) {
        // SAFETY: says the caller; so below.
        unsafe { answer(wish, Done::failed(from_win32(ERROR_HANDLE_EOF)), false) };
        return from_win32(ERROR_HANDLE_EOF);
    }
    if !wish.is_async {
        let done = frame.perform(operation);
        // SAFETY: as above.
        unsafe { answer(wish, done, false) };
        return done.status;
    }
    if !frame.may_start(name) {
        return from_win32(ERROR_INVALID_STATE);
    }
    if faults.cancels(request.next_operation()) {
        // SAFETY: as above. Before it starts: the completion may be there before this returns.
        unsafe { answer(wish, Done::success(0), true) };
        return frame.start(Operation::Aborted(name), wish.callback);
    }
    let (done, operation) = match now(request, operation) {
        Ok(done) => (done, None),
        Err(operation) if faults.has(Fault::Inline) && !wish.expected.is_null() => {
            (frame.perform(operation), None)
        }
        Err(operation) => (Done::success(0), Some(operation)),
    };
    if !succeeded(done.status) {
        // Nothing will come.
        // SAFETY: as above.
        unsafe { answer(wish, done, false) };
        return done.status;
    }
    if let Some(operation) = operation {
        // SAFETY: as above.
        unsafe { answer(wish, Done::success(0), true) };
        return frame.start(operation, wish.callback);
    }
    let posted = wish.expected.is_null() || faults.has(Fault::AlwaysPosted);
    // SAFETY: as above.
    unsafe { answer(wish, done, posted) };
    if posted {
        return frame
            .post(Completion { bytes: done.bytes, status: done.status, callback: wish.callback }, name);
    }
    S_OK
}

/// What can be done without waiting: a write into the buffer.
fn now(request: &Request, operation: Operation) -> Result<Done, Operation> {
    let Operation::Write { chunks, more } = operation else { return Err(operation) };
    let mut waiting = Some(chunks);
    let done = request.with("IHttpResponse::WriteEntityChunks", |cx| buffer(cx, &mut waiting));
    match (done.flatten(), waiting) {
        (Some(done), _) => Ok(done),
        (None, Some(chunks)) => Err(Operation::Write { chunks, more }),
        (None, None) => Ok(Done::failed(E_FAIL)),
    }
}

/// Takes the chunks if all of them fit.
fn buffer(cx: &mut Context, chunks: &mut Option<Vec<EntityChunk>>) -> Option<Done> {
    let waiting = chunks.as_ref()?;
    let memory: usize = waiting.iter().map(EntityChunk::memory).sum();
    let limit = cx.application().response_buffer_limit();
    let held: usize = cx.response().chunks().iter().map(EntityChunk::memory).sum();
    if !cx.response().is_buffering() || held.saturating_add(memory) > limit {
        return None;
    }
    let mut bytes = 0;
    for chunk in chunks.take()? {
        bytes += usize::try_from(chunk.len()).unwrap_or(usize::MAX);
        if let Err(error) = cx.response_mut().write(chunk) {
            return Some(Done::failed(hresult(&error)));
        }
    }
    Some(Done::success(bytes))
}

/// Whether a module has put something back since.
fn has_inserted(request: &Request) -> bool {
    request.details().inserted
}

/// # Safety
///
/// The pointers of the wish are null or writable.
unsafe fn answer(wish: &Wish, done: Done, expected: bool) {
    // SAFETY: says the caller.
    unsafe {
        store(wish.bytes, done.bytes);
        store(wish.expected, BOOL::from(expected));
    }
}
