//! One request as modules see it: the objects, their memory, and what they said that the context does not know.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use bivalve_core::{Context, Disconnector, User};
use bivalve_iis_sys::IHttpUser;
use bivalve_iis_sys::hresult::{ERROR_HANDLE_EOF, from_win32};
use bivalve_iis_sys::records::{HTTP_REQUEST, HTTP_RESPONSE};
use bivalve_iis_sys::types::HRESULT;

use crate::arena::Arena;
use crate::child::{self, Child};
use crate::connection::ConnectionObject;
use crate::container::Container;
use crate::face::Face;
use crate::faces;
use crate::faces::written::Looks;
use crate::frame::Frame;
use crate::host::Shared;
use crate::loan::Loan;
use crate::operation::Done;
use crate::threads::{Job, Mailbox};
use crate::violation::Rule;

pub(crate) struct Request {
    pub(crate) host: Arc<Shared>,
    pub(crate) context: Face<Self>,
    pub(crate) request: Face<Self>,
    pub(crate) response: Face<Self>,
    pub(crate) cache_policy: Face<Self>,
    pub(crate) allocator: Face<Self>,
    pub(crate) metadata: Face<Self>,
    pub(crate) script_map: Face<Self>,
    pub(crate) url_info: Face<Self>,
    pub(crate) trace: Face<Self>,
    pub(crate) user: Face<Self>,
    pub(crate) loan: Loan,
    pub(crate) arena: Arena,
    pub(crate) contexts: Arc<Container>,
    pub(crate) connection: Option<Arc<ConnectionObject>>,
    pub(crate) disconnector: Disconnector,
    pub(crate) began: Instant,
    pub(crate) this: Weak<Self>,
    /// Whose clone it is.
    pub(crate) parent: OnceLock<Weak<Self>>,
    /// Its own clones.
    pub(crate) children: Mutex<Vec<Child>>,
    details: Mutex<Details>,
    frames: Mutex<Vec<Arc<Frame>>>,
    /// Threads that wait inside a synchronous operation, the innermost last.
    blocked: Mutex<Vec<Arc<Mailbox>>>,
    operations: AtomicUsize,
}

/// What modules said that the context does not know.
#[derive(Default)]
pub(crate) struct Details {
    /// The body has been read to its end.
    pub(crate) body_ended: bool,
    /// Something was put back into it since.
    pub(crate) inserted: bool,
    /// Bytes of it that were read.
    pub(crate) body_read: u64,
    /// The user that a module gave, and what the context was told of it.
    pub(crate) user: Option<(*mut IHttpUser, User)>,
    /// Users whose reference is the host's: it gives them back at the end.
    pub(crate) users: Vec<*mut IHttpUser>,
    pub(crate) reason: Option<Vec<u8>>,
    pub(crate) error: HRESULT,
    pub(crate) skip_custom_errors: bool,
    pub(crate) error_description: Option<String>,
    pub(crate) headers_suppressed: bool,
    pub(crate) no_kernel_cache: bool,
    pub(crate) script_name: Option<String>,
    pub(crate) raw_request: Option<*mut HTTP_REQUEST>,
    pub(crate) raw_response: Option<*mut HTTP_RESPONSE>,
    /// How both looked when they were filled in.
    pub(crate) filled: (Option<Looks>, Option<Looks>),
}

// SAFETY: users are their module's, who keeps them alive until they are given back and lets any thread call them; the
// records are the arena's.
unsafe impl Send for Details {}

impl Details {
    /// Remembers how far the body was read.
    pub(crate) fn note_read(&mut self, done: Done) {
        self.body_read += u64::from(done.bytes);
        if done.status == from_win32(ERROR_HANDLE_EOF) {
            self.body_ended = true;
            self.inserted = false;
        }
    }
}

impl Request {
    /// The objects of this request, made by the first module that is called in it.
    pub(crate) fn of(host: &Arc<Shared>, cx: &mut Context) -> Arc<Self> {
        if let Some(handle) = cx.shared().get::<Handle>() {
            return Arc::clone(&handle.0);
        }
        let connection = ConnectionObject::of(host, cx);
        let parent = child::parent_of(cx);
        let disconnector = cx.disconnector();
        let tables = &host.vtables;
        let violations = &host.violations;
        let request = Arc::new_cyclic(|weak: &Weak<Self>| {
            let this = weak.as_ptr();
            Self {
                this: Weak::clone(weak),
                parent: parent.map_or_else(OnceLock::new, OnceLock::from),
                children: Mutex::default(),
                context: Face::new("IHttpContext", tables.context.as_ptr(), violations, this),
                request: Face::new("IHttpRequest", tables.request.as_ptr(), violations, this),
                response: Face::new("IHttpResponse", tables.response.as_ptr(), violations, this),
                cache_policy: Face::new("IHttpCachePolicy", tables.cache_policy.as_ptr(), violations, this),
                allocator: Face::new("IModuleAllocator", &raw const faces::ALLOCATOR, violations, this),
                metadata: Face::new("IMetadataInfo", &raw const faces::METADATA, violations, this),
                script_map: Face::new("IScriptMapInfo", &raw const faces::SCRIPT_MAP, violations, this),
                url_info: Face::new("IHttpUrlInfo", &raw const faces::URL_INFO, violations, this),
                trace: Face::new("IHttpTraceContext", &raw const faces::TRACE, violations, this),
                user: Face::new("IHttpUser", &raw const faces::USER, violations, this),
                loan: Loan::default(),
                arena: Arena::default(),
                contexts: Container::new(violations),
                connection,
                disconnector,
                began: Instant::now(),
                details: Mutex::default(),
                frames: Mutex::default(),
                blocked: Mutex::default(),
                operations: AtomicUsize::new(0),
                host: Arc::clone(host),
            }
        });
        if let Some(connection) = &request.connection {
            connection.watch(host, cx);
        }
        cx.shared_mut().insert(Handle(Arc::clone(&request)));
        request
    }

    pub(crate) fn details(&self) -> MutexGuard<'_, Details> {
        self.details.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses the context; `None`, and a violation, when no notification is under way.
    pub(crate) fn with<R>(&self, method: &'static str, f: impl FnOnce(&mut Context) -> R) -> Option<R> {
        let result = self.loan.with(f);
        if result.is_none() {
            self.host.report(Rule::OutsideNotification, method);
        }
        result
    }

    /// The notification that a call is about: that of the calling thread; else the innermost one that waits; else the
    /// outermost, which may be about to wait.
    pub(crate) fn frame(&self, method: &'static str) -> Option<Arc<Frame>> {
        let current = Current::of(self);
        let frame = current.or_else(|| {
            let frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = frames.iter().rev().find(|frame| frame.is_pending());
            waiting.or(frames.first()).map(Arc::clone)
        });
        if frame.is_none() {
            self.host.report(Rule::OutsideNotification, method);
        }
        frame
    }

    pub(crate) fn enter(&self, frame: &Arc<Frame>) {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(frame));
    }

    pub(crate) fn leave(&self, frame: &Arc<Frame>) {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, frame));
    }

    /// The number of the next asynchronous operation.
    pub(crate) fn next_operation(&self) -> usize {
        self.operations.fetch_add(1, Ordering::Relaxed)
    }

    /// The thread waits inside a synchronous operation: what that raises comes there.
    pub(crate) fn block(&self, mailbox: &Arc<Mailbox>) {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(mailbox));
    }

    pub(crate) fn unblock(&self, mailbox: &Arc<Mailbox>) {
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = blocked.iter().rposition(|other| Arc::ptr_eq(other, mailbox)) {
            blocked.remove(at);
        }
    }

    /// Runs a call: on the thread that caused it, if it waits, and on one of the host's otherwise.
    pub(crate) fn run(&self, job: Job, elsewhere: bool) {
        let blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner).last().map(Arc::clone);
        match blocked {
            Some(mailbox) if !elsewhere => mailbox.post(job),
            _ => self.host.threads.run(job),
        }
    }

    /// The request is over: objects are trapped, contexts are cleaned up, users are given back.
    fn end(self: &Arc<Self>) {
        self.release_clones();
        for face in [
            &self.context,
            &self.request,
            &self.response,
            &self.cache_policy,
            &self.allocator,
            &self.metadata,
            &self.script_map,
            &self.url_info,
            &self.trace,
            &self.user,
        ] {
            face.end();
        }
        self.contexts.end();
        let users = std::mem::take(&mut self.details().users);
        for user in users {
            // SAFETY: the reference was the host's since `SetUser`, and is given back once: it was taken out.
            unsafe { IHttpUser::dereference_user(user) };
        }
        self.host.bury(Arc::clone(self));
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("loan", &self.loan)
            .field("arena", &self.arena)
            .finish_non_exhaustive()
    }
}

/// Among the values of the context: dropped at the end of the request, after the modules' own objects.
struct Handle(Arc<Request>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.end();
    }
}

thread_local! {
    static CURRENT: RefCell<Vec<Arc<Frame>>> = const { RefCell::new(Vec::new()) };
}

/// The notification that the current thread runs, while it does.
pub(crate) struct Current;

impl Current {
    pub(crate) fn enter(frame: &Arc<Frame>) -> Self {
        CURRENT.with(|current| current.borrow_mut().push(Arc::clone(frame)));
        Self
    }

    fn of(request: &Request) -> Option<Arc<Frame>> {
        CURRENT.with(|current| {
            let current = current.borrow();
            current.iter().rev().find(|frame| std::ptr::eq(&*frame.request, request)).map(Arc::clone)
        })
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        let frame = CURRENT.with(|current| current.borrow_mut().pop());
        drop(frame);
    }
}

/// Requests that are over and whose objects are still there, so that a call of them is trapped.
#[derive(Debug, Default)]
pub(crate) struct Graveyard(Mutex<Dead>);

#[derive(Debug, Default)]
struct Dead {
    requests: VecDeque<Arc<Request>>,
    closed: bool,
}

impl Graveyard {
    pub(crate) fn bury(&self, request: Arc<Request>) {
        let mut dead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if dead.closed {
            return;
        }
        dead.requests.push_back(request);
        let oldest = if dead.requests.len() > GRAVES { dead.requests.pop_front() } else { None };
        drop(dead);
        drop(oldest);
    }

    /// At the end of the host, who is in each of them.
    pub(crate) fn close(&self) {
        let mut dead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        dead.closed = true;
        let requests = std::mem::take(&mut dead.requests);
        drop(dead);
        drop(requests);
    }
}

/// How many ended requests are kept.
const GRAVES: usize = 256;

/// A null user, for who asks before there is one.
pub(crate) const NOBODY: *mut IHttpUser = null_mut();
