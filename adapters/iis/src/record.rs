//! One request, as all modules of this DLL know it together.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::connection::{Client, client_of};
use crate::host::IisHost;
use crate::parts::Parts;
use crate::place::{Place, place_of};
use crate::registry::{Dll, Exported};
use crate::{inward, stored};
use bivalve_core::{Context, Event, Kept, NestedFailure};
use bivalve_iis_sys::IHttpContext;

/// How long a nested event waits for what modules keep, while another thread has it.
///
/// Bounds: a module that holds on to its state, on a thread of its own, while IIS raises another event of the request.
/// The nested event then fails with 500. Not configurable: nobody who behaves comes near.
const KEPT_TIMEOUT: Duration = Duration::from_secs(10);

/// One request. Counted: by the request's container, and by every module's object.
pub(crate) struct Record {
    pub(crate) shared: Arc<Shared>,
    place: Mutex<Arc<Place>>,
    client: Arc<Client>,
    /// Contexts that nobody uses: the calls of one request mostly follow each other, and then one is enough.
    #[expect(clippy::vec_box, reason = "a context is large, and its box goes from hand to hand")]
    idle: Mutex<Vec<Box<Context>>>,
    watches: Mutex<Vec<u64>>,
}

/// What the contexts of one request share.
pub(crate) struct Shared {
    pub(crate) dll: Dll,
    kept: Mutex<Slot>,
    returned: Condvar,
    /// What a module failed with in a nested event, for the operation around it.
    failed: Mutex<Option<NestedFailure>>,
    /// Memory for what modules make of the parts of a response.
    pub(crate) parts: Parts,
    /// A handler has begun to answer.
    pub(crate) answered: AtomicBool,
    /// Which module made itself the handler, plus one.
    handler: AtomicUsize,
}

enum Slot {
    Here(Kept),
    Taken,
}

impl Record {
    /// The record of this request, made now if this is the first event that a module of this DLL sees.
    ///
    /// # Safety
    ///
    /// IIS has given `context` to the notification that runs.
    pub(crate) unsafe fn of(context: *mut IHttpContext, exported: &Exported) -> Arc<Self> {
        // SAFETY: the context is alive during the notification, and with it what it hands out.
        unsafe {
            let container = IHttpContext::get_module_context_container(context);
            stored::stored(container, exported.dll.id, || Self::new(context, exported))
        }
    }

    /// # Safety
    ///
    /// As for [`of`](Self::of).
    unsafe fn new(context: *mut IHttpContext, exported: &Exported) -> Arc<Self> {
        // SAFETY: the context is alive during the notification, and with it what it hands out.
        let (place, client) = unsafe {
            let request = IHttpContext::get_request(context);
            let connection = IHttpContext::get_connection(context);
            let make = || inward::connection(request);
            (place_of(context, exported), client_of(connection, exported.dll.id, exported.dll.version, make))
        };
        Arc::new(Self {
            shared: Arc::new(Shared::new(exported.dll)),
            place: Mutex::new(place),
            client,
            idle: Mutex::default(),
            watches: Mutex::default(),
        })
    }

    /// A context for one call, its host told which. `None`: the request is none that a module can be shown at this event.
    ///
    /// # Safety
    ///
    /// IIS has given `context` to the notification that runs; it is the one of this record.
    pub(crate) unsafe fn take(
        &self,
        context: *mut IHttpContext,
        exported: &Exported,
        event: Event,
    ) -> Option<Box<Context>> {
        let mut place = Arc::clone(&lock(&self.place));
        if place.is_provisional() {
            // SAFETY: as the caller says.
            let now = unsafe { place_of(context, exported) };
            if !now.is_provisional() {
                *lock(&self.place) = Arc::clone(&now);
                place = now;
                drop(std::mem::take(&mut *lock(&self.idle)));
            }
        }
        let idle = lock(&self.idle).pop();
        if let Some(cx) = idle
            && exported.is_in(cx.pipeline())
        {
            return Some(cx);
        }
        let pipeline = place.pipeline(exported);
        // SAFETY: as the caller says.
        let (parts, _) = unsafe { inward::head(IHttpContext::get_request(context), event)? };
        let host = Box::new(IisHost::new(context, Arc::clone(&self.shared)));
        let mut cx = Context::new(&pipeline, host, parts, Arc::clone(self.client.connection()));
        // SAFETY: as the caller says.
        cx.adopt_child_depth(unsafe { parents(context) });
        let watch = self.client.watch(cx.disconnector());
        lock(&self.watches).push(watch);
        Some(cx)
    }

    /// The call is over, and the context may serve the next one.
    pub(crate) fn give_back(&self, cx: Box<Context>) {
        lock(&self.idle).push(cx);
    }
}

/// How many parents a request has.
///
/// # Safety
///
/// IIS has given `context` to the notification that runs, and keeps its parents as long.
unsafe fn parents(mut context: *mut IHttpContext) -> u8 {
    for depth in 0..u8::MAX {
        // SAFETY: as the caller says.
        context = unsafe { IHttpContext::get_parent_context(context) };
        if context.is_null() {
            return depth;
        }
    }
    u8::MAX
}

impl Drop for Record {
    fn drop(&mut self) {
        for watch in lock(&self.watches).drain(..) {
            self.client.forget(watch);
        }
    }
}

impl Shared {
    fn new(dll: Dll) -> Self {
        Self {
            dll,
            kept: Mutex::new(Slot::Here(Kept::default())),
            returned: Condvar::new(),
            failed: Mutex::default(),
            parts: Parts::default(),
            answered: AtomicBool::new(false),
            handler: AtomicUsize::new(0),
        }
    }
}

impl Shared {
    /// Takes what modules keep.
    ///
    /// # Panics
    ///
    /// After [`KEPT_TIMEOUT`]. Inside a module's method, where it becomes that module's failure.
    #[expect(clippy::panic, reason = "there is no other way out of a getter, and the caller contains it")]
    pub(crate) fn take_kept(&self) -> Kept {
        let slot = lock(&self.kept);
        let waited = self.returned.wait_timeout_while(slot, KEPT_TIMEOUT, |slot| matches!(slot, Slot::Taken));
        let (mut slot, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *slot, Slot::Taken) {
            Slot::Here(kept) => kept,
            Slot::Taken => {
                drop(slot);
                panic!(
                    "a nested event asks for the state that another event of this request holds on to: let go of it before you flush, read, map or notify"
                )
            }
        }
    }

    pub(crate) fn put_kept(&self, kept: Kept) {
        let old = std::mem::replace(&mut *lock(&self.kept), Slot::Here(kept));
        self.returned.notify_all();
        drop(old);
    }

    pub(crate) fn fail(&self, failure: NestedFailure) {
        *lock(&self.failed) = Some(failure);
    }

    pub(crate) fn take_failure(&self) -> Option<NestedFailure> {
        lock(&self.failed).take()
    }

    pub(crate) fn choose_handler(&self, module: usize) {
        self.handler.store(module + 1, Ordering::Release);
    }

    pub(crate) fn is_handler(&self, module: usize) -> bool {
        self.handler.load(Ordering::Acquire) == module + 1
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
