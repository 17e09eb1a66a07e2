//! The client's connection: what modules keep for it, and word of its end.
//!
//! IIS calls `NotifyDisconnect` at any time and on any thread, also while a request ends and the next one on the same
//! connection begins. The object that it calls belongs to the connection and knows requests only by their
//! [`Disconnector`]s: each checks its own request's epoch, so a call that comes too late reaches nobody.

use std::sync::{Arc, Mutex, PoisonError};

use bivalve_core::{Connection, Disconnector};
use bivalve_iis_sys::hresult::succeeded;
use bivalve_iis_sys::types::HTTP_MODULE_ID;
use bivalve_iis_sys::version::IIS_7_5;
use bivalve_iis_sys::{
    IHttpConnection, IHttpConnectionModuleContextContainer, IHttpConnectionStoredContext,
    IHttpConnectionStoredContextImpl, IHttpConnectionStoredContextVtbl, IHttpStoredContext,
    IHttpStoredContextImpl,
};

/// One connection, as long as IIS knows it.
pub(crate) struct Client {
    connection: Arc<Connection>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    gone: bool,
    next: u64,
    requests: Vec<(u64, Disconnector)>,
}

impl Client {
    pub(crate) fn new(connection: Connection) -> Arc<Self> {
        Arc::new(Self { connection: Arc::new(connection), waiting: Mutex::default() })
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Tells this one too, until [`forget`](Self::forget); at once where the client has gone already.
    pub(crate) fn watch(&self, disconnector: Disconnector) -> u64 {
        let mut waiting = self.lock();
        waiting.next += 1;
        let number = waiting.next;
        if waiting.gone {
            drop(waiting);
            disconnector.disconnect();
        } else {
            waiting.requests.push((number, disconnector));
        }
        number
    }

    pub(crate) fn forget(&self, number: u64) {
        let mut waiting = self.lock();
        let index = waiting.requests.iter().position(|request| request.0 == number);
        let request = index.map(|index| waiting.requests.swap_remove(index));
        drop(waiting);
        drop(request);
    }

    pub(crate) fn disconnected(&self) {
        let mut waiting = self.lock();
        waiting.gone = true;
        let requests = std::mem::take(&mut waiting.requests);
        drop(waiting);
        for (_, disconnector) in requests {
            disconnector.disconnect();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What IIS stores and calls.
#[repr(C)]
struct Watch {
    class: IHttpConnectionStoredContext,
    client: Arc<Client>,
}

static VTABLE: IHttpConnectionStoredContextVtbl = IHttpConnectionStoredContextVtbl::of::<Watch>();

impl IHttpStoredContextImpl for Watch {
    unsafe fn cleanup_stored_context(this: *mut IHttpStoredContext) {
        // SAFETY: the container gives back, once, what `client_of` made with `Box::into_raw`.
        let watch = unsafe { Box::from_raw(this.cast::<Self>()) };
        crate::contain::contained("IHttpConnectionStoredContext::CleanupStoredContext", (), || {
            watch.client.disconnected();
            drop(watch);
        });
    }
}

impl IHttpConnectionStoredContextImpl for Watch {
    unsafe fn notify_disconnect(this: *mut IHttpConnectionStoredContext) {
        // SAFETY: IIS calls it before the clean-up, and until that has returned the object is alive.
        let client = Arc::clone(unsafe { &(*this.cast::<Self>()).client });
        crate::contain::contained("IHttpConnectionStoredContext::NotifyDisconnect", (), || {
            client.disconnected();
        });
    }
}

/// The client of this connection. Null, as during warm-up: one of whom nothing is known and who stays.
///
/// # Safety
///
/// `connection` is null or alive during the call, and what is stored in its container under `id` was stored here.
pub(crate) unsafe fn client_of(
    connection: *mut IHttpConnection,
    id: HTTP_MODULE_ID,
    version: u32,
    make: impl FnOnce() -> Connection,
) -> Arc<Client> {
    if connection.is_null() {
        return Client::new(Connection::default());
    }
    // SAFETY: the connection is alive, says the caller.
    let container = unsafe { IHttpConnection::get_module_context_container(connection) };
    if container.is_null() || version < IIS_7_5 {
        // 7.0 has no such context: who has gone is seen by operations that fail.
        return Client::new(make());
    }
    // SAFETY: the container lives as long as the connection.
    if let Some(client) = unsafe { find(container, id) } {
        return client;
    }
    let client = Client::new(make());
    let class = IHttpConnectionStoredContext::new(&VTABLE);
    let watch = Box::into_raw(Box::new(Watch { class, client: Arc::clone(&client) })).cast();
    // SAFETY: as above; the container takes over an object that is alive until its clean-up.
    let set =
        unsafe { IHttpConnectionModuleContextContainer::set_connection_module_context(container, watch, id) };
    if !succeeded(set) {
        // SAFETY: nobody has taken it over.
        drop(unsafe { Box::from_raw(watch.cast::<Watch>()) });
        // Another request of the connection was faster (HTTP/2).
        // SAFETY: as above.
        return unsafe { find(container, id) }.unwrap_or(client);
    }
    // It may have gone before IIS knew whom to tell.
    // SAFETY: the connection is alive, says the caller.
    if unsafe { IHttpConnection::is_connected(connection) } == 0 {
        client.disconnected();
    }
    client
}

/// # Safety
///
/// As for [`client_of`].
unsafe fn find(
    container: *mut IHttpConnectionModuleContextContainer,
    id: HTTP_MODULE_ID,
) -> Option<Arc<Client>> {
    // SAFETY: the container is alive, says the caller.
    let found =
        unsafe { IHttpConnectionModuleContextContainer::get_connection_module_context(container, id) };
    // SAFETY: what is there is ours, says the caller, and alive as long as the container.
    (!found.is_null()).then(|| Arc::clone(unsafe { &(*found.cast::<Watch>()).client }))
}
