//! The client's connection as modules see it.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context as Task, Poll, Wake, Waker};

use bivalve_core::{Connection, Context, Disconnected, Gone, Scope};
use bivalve_iis_sys::types::BOOL;
use bivalve_iis_sys::{
    IHttpConnection, IHttpConnectionImpl, IHttpConnectionModuleContextContainer, IHttpConnectionVtbl,
};

use crate::arena::Arena;
use crate::container::Container;
use crate::face::{Face, owner};
use crate::host::Shared;

/// One for each connection, kept by it: the requests of a kept-alive one share it.
pub(crate) struct ConnectionObject {
    face: Face<Self>,
    arena: Arena,
    contexts: Arc<Container>,
    gone: Mutex<bool>,
}

/// The objects of the connections that live, by the address of the connection.
pub(crate) type Connections = Mutex<HashMap<usize, Weak<ConnectionObject>>>;

impl ConnectionObject {
    /// That of the request's connection; `None` where the host plays one that has none.
    pub(crate) fn of(host: &Arc<Shared>, cx: &Context) -> Option<Arc<Self>> {
        if host.without_connection {
            return None;
        }
        let key = std::ptr::from_ref::<Connection>(cx.connection()).addr();
        let mut known = host.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(object) = known.get(&key).and_then(Weak::upgrade) {
            return Some(object);
        }
        let object = Arc::new_cyclic(|this| Self {
            face: Face::new("IHttpConnection", &raw const VTABLE, &host.violations, this.as_ptr()),
            arena: Arena::default(),
            contexts: Container::of_connection(&host.vtables.connection_contexts, &host.violations),
            gone: Mutex::default(),
        });
        let end = Ending { object: Arc::clone(&object), host: Arc::downgrade(host), key };
        // Whichever module is called first keeps it for all: it ends with the connection.
        if cx.set_module_context(Scope::Connection, Arc::new(end)).is_ok() {
            known.insert(key, Arc::downgrade(&object));
        }
        Some(object)
    }

    pub(crate) fn object(&self) -> *mut IHttpConnection {
        self.face.object()
    }

    /// Tells the contexts of the connection when the client of this request goes, on a thread of the host.
    pub(crate) fn watch(self: &Arc<Self>, host: &Arc<Shared>, cx: &Context) {
        let watch = Arc::new(Watch {
            gone: Mutex::new(Some(cx.disconnected())),
            connection: Arc::downgrade(self),
            host: Arc::downgrade(host),
        });
        watch.look();
    }

    fn client_gone(&self) {
        let known = std::mem::replace(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner), true);
        if !known {
            self.contexts.disconnected();
        }
    }
}

/// Waits for the client to go, without an executor.
struct Watch {
    gone: Mutex<Option<Disconnected>>,
    connection: Weak<ConnectionObject>,
    host: Weak<Shared>,
}

impl Watch {
    fn look(self: &Arc<Self>) {
        let waker = Waker::from(Arc::clone(self));
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waiting) = &mut *gone else { return };
        let polled = Pin::new(waiting).poll(&mut Task::from_waker(&waker));
        // Over: it lets go of the waker, which is this.
        let over = if polled.is_ready() { gone.take() } else { None };
        drop(gone);
        drop(over);
        if let (Poll::Ready(Gone::Client), Some(connection), Some(host)) =
            (polled, self.connection.upgrade(), self.host.upgrade())
        {
            // Asked at once, or the request may be over; told on a thread of the host, for it is the module's code.
            host.threads.run(Box::new(move || connection.client_gone()));
        }
    }
}

impl Wake for Watch {
    fn wake(self: Arc<Self>) {
        self.look();
    }
}

/// Kept by the connection: dropped with it.
struct Ending {
    object: Arc<ConnectionObject>,
    host: Weak<Shared>,
    key: usize,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(host) = self.host.upgrade() {
            host.connections.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        }
        self.object.face.end();
        self.object.contexts.end();
    }
}

static VTABLE: IHttpConnectionVtbl = IHttpConnectionVtbl::of::<ConnectionObject>();

impl IHttpConnectionImpl for ConnectionObject {
    unsafe fn is_connected(this: *const IHttpConnection) -> BOOL {
        // SAFETY: the connection keeps its object alive while requests on it live.
        let connection = unsafe { owner::<Self, _>(this) };
        BOOL::from(!*connection.gone.lock().unwrap_or_else(PoisonError::into_inner))
    }

    unsafe fn allocate_memory(this: *mut IHttpConnection, allocation_len: u32) -> *mut std::ffi::c_void {
        // SAFETY: as above.
        unsafe { owner::<Self, _>(this) }.arena.allocate(allocation_len as usize)
    }

    unsafe fn get_module_context_container(
        this: *mut IHttpConnection,
    ) -> *mut IHttpConnectionModuleContextContainer {
        // SAFETY: as above.
        unsafe { owner::<Self, _>(this) }.contexts.object()
    }
}

impl fmt::Debug for ConnectionObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionObject(..)")
    }
}
