//! Child requests: a clone of the context, which a module changes and then executes.
//!
//! The clone is a context that never runs: it holds the request while the module changes it, and afterwards what the
//! child has answered. The child itself is run by the core, and its modules see a context of its own.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context as Task, Poll};

use bivalve_core::{
    ChildRequest, ChildResponse, Completion, CompletionStatus, Connection, Context, Host, Outgoing, Result,
};
use bivalve_iis_sys::flags::{CLONE_FLAG_HEADERS, EXECUTE_FLAG_BUFFER_RESPONSE, EXECUTE_FLAG_NO_HEADERS};
use bytes::Bytes;

use crate::request::Request;

/// A clone, until it is released.
pub(crate) struct Child {
    request: Arc<Request>,
    cx: *mut Context,
    executed: bool,
}

// SAFETY: a context may be used from any thread, and is used through its request's loan only.
unsafe impl Send for Child {}

impl Child {
    /// A clone of the parent's request, without its body.
    pub(crate) fn new(parent: &Arc<Request>, cx: &Context, flags: u32) -> Self {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = cx.request().method().clone();
        parts.uri = cx.request().url().clone();
        parts.version = cx.request().version();
        if flags & CLONE_FLAG_HEADERS != 0 {
            parts.headers = cx.request().headers().clone();
        }
        let mut connection = Connection::builder().secure(cx.connection().is_secure());
        if let Some(addr) = cx.connection().remote_addr() {
            connection = connection.remote_addr(addr);
        }
        if let Some(addr) = cx.connection().local_addr() {
            connection = connection.local_addr(addr);
        }
        let mut clone = Context::new(cx.pipeline(), Box::new(Nowhere), parts, Arc::new(connection.build()));
        let request = Request::of(&parent.host, &mut clone);
        let _ = request.parent.set(Arc::downgrade(parent));
        let cx = Box::into_raw(clone);
        // SAFETY: the clone lives until it is reclaimed, in `drop`; there is no other way to it.
        unsafe { request.loan.lend(cx) };
        Self { request, cx, executed: false }
    }

    pub(crate) fn request(&self) -> &Arc<Request> {
        &self.request
    }

    /// Takes the request out to be executed, once.
    pub(crate) fn execute(&mut self) -> Option<Result<ChildRequest>> {
        if std::mem::replace(&mut self.executed, true) {
            return None;
        }
        self.request.loan.with(|cx| {
            let url = cx.request().url().path_and_query().map_or_else(|| "/".into(), ToString::to_string);
            let child = ChildRequest::new(cx.request().method().clone(), &url)?.headers_of(cx.request());
            let body = cx.request_mut().take_inserted().concat();
            Ok(if body.is_empty() { child } else { child.body(body) })
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.request.loan.reclaim();
        // SAFETY: it was made by `Box::into_raw`, and nobody reaches it any more: it has been reclaimed.
        drop(unsafe { Box::from_raw(self.cx) });
    }
}

thread_local! {
    /// Whose child this thread executes.
    static PARENT: RefCell<Option<Weak<Request>>> = const { RefCell::new(None) };
}

/// Whose child the request of this context is.
pub(crate) fn parent_of(cx: &Context) -> Option<Weak<Request>> {
    PARENT.with_borrow(Option::clone).filter(|_| cx.child_depth() > 0)
}

/// Says whose child it is while it is polled: that is when the child's objects are made.
async fn as_child_of<F: Future>(parent: Option<Weak<Request>>, child: F) -> F::Output {
    let mut child = pin!(child);
    poll_fn(|task| {
        let outer = PARENT.replace(parent.clone());
        let polled = child.as_mut().poll(task);
        PARENT.set(outer);
        polled
    })
    .await
}

/// A child that is being executed.
pub(crate) struct Executing {
    /// Taken when it begins.
    pub(crate) request: Option<ChildRequest>,
    /// The clone, which shows what it has answered.
    pub(crate) clone: Arc<Request>,
    pub(crate) flags: u32,
}

impl Executing {
    /// Runs the child. Its response is the client's, unless the flags say that it is for the parent alone.
    pub(crate) async fn perform(&mut self, cx: &mut Context) -> Result<Completion> {
        let Some(request) = self.request.take() else { return Ok(Completion::success(0)) };
        let parent = self.clone.parent.get().map(Weak::clone);
        let response = as_child_of(parent, cx.execute_request(request)).await?;
        let bytes = usize::try_from(response.entity_len()).unwrap_or(usize::MAX);
        self.show(&response);
        if self.flags & EXECUTE_FLAG_BUFFER_RESPONSE == 0 {
            if self.flags & EXECUTE_FLAG_NO_HEADERS == 0 && !cx.response().headers_sent() {
                cx.response_mut().set_status(response.status());
                *cx.response_mut().headers_mut() = response.headers().clone();
            }
            for chunk in response.into_chunks() {
                cx.write(chunk).await?;
            }
        }
        Ok(Completion::success(bytes))
    }

    /// In the clone: status, headers and body.
    fn show(&self, response: &ChildResponse) {
        let shown = self.clone.loan.with(|clone| {
            let shown = clone.response_mut();
            shown.set_status(response.status());
            *shown.headers_mut() = response.headers().clone();
            if self.flags & EXECUTE_FLAG_BUFFER_RESPONSE != 0 {
                return shown.set_chunks(response.chunks().iter().cloned());
            }
            Ok(())
        });
        if let Some(Err(error)) = shown {
            tracing::warn!(%error, "the response of a child request is larger than the response buffer");
        }
    }
}

/// Carries nothing: a clone is never run.
struct Nowhere;

impl Host for Nowhere {
    fn start_send(&mut self, _: Outgoing<'_>) {}

    fn poll_send(&mut self, _: &mut Task<'_>) -> Poll<Completion> {
        Poll::Ready(Completion::failure(CompletionStatus::NOT_SUPPORTED))
    }

    fn start_read(&mut self, _: usize) {}

    fn poll_read(&mut self, _: &mut Task<'_>) -> Poll<Result<Bytes, CompletionStatus>> {
        Poll::Ready(Ok(Bytes::new()))
    }

    fn reset(&mut self) {}
}

impl Request {
    /// A clone of this request, kept until it is released or this request ends.
    pub(crate) fn clone_context(&self, flags: u32) -> Option<Arc<Self>> {
        let this = self.this.upgrade()?;
        let child = self.with("IHttpContext::CloneContext", |cx| Child::new(&this, cx, flags))?;
        let request = Arc::clone(child.request());
        self.children.lock().unwrap_or_else(PoisonError::into_inner).push(child);
        Some(request)
    }

    /// What a clone of this request asks, to be executed once.
    pub(crate) fn take_clone(&self, clone: &Self) -> Option<(Result<ChildRequest>, Arc<Self>)> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let child = children.iter_mut().find(|child| std::ptr::eq(&**child.request(), clone))?;
        Some((child.execute()?, Arc::clone(child.request())))
    }

    /// Ends a clone of this request; `false` when it is none.
    pub(crate) fn release_clone(&self, clone: &Self) -> bool {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let at = children.iter().position(|child| std::ptr::eq(&**child.request(), clone));
        let child = at.map(|at| children.remove(at));
        drop(children);
        child.is_some()
    }

    /// Ends all clones, the youngest first.
    pub(crate) fn release_clones(&self) {
        while let Some(child) = { self.children.lock().unwrap_or_else(PoisonError::into_inner).pop() } {
            drop(child);
        }
    }
}
