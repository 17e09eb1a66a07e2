//! What modules hang on to objects: one context for each module, cleaned up once.

use std::fmt;
use std::ptr::null_mut;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bivalve_iis_sys::hresult::{E_INVALIDARG, ERROR_ALREADY_ASSIGNED, S_OK, from_win32};
use bivalve_iis_sys::types::{HRESULT, HTTP_MODULE_ID, PCWSTR};
use bivalve_iis_sys::{
    IDispensedHttpModuleContextContainer, IDispensedHttpModuleContextContainerImpl,
    IDispensedHttpModuleContextContainerVtbl, IHttpConnectionModuleContextContainer,
    IHttpConnectionModuleContextContainerImpl, IHttpConnectionModuleContextContainerVtbl,
    IHttpConnectionStoredContext, IHttpModuleContextContainer, IHttpModuleContextContainerImpl,
    IHttpStoredContext, INamedContextContainer, INamedContextContainerImpl, INamedContextContainerVtbl,
    upcast,
};

use crate::face::{Face, Vtable, owner};
use crate::text::wide;
use crate::violation::Violations;

/// The contexts of one object: a request, a connection, an application, a site, or one that a module asked for.
pub(crate) struct Container {
    face: Face<Self>,
    named: Face<Self>,
    stored: Mutex<Stored>,
    /// Nobody is being told any more that the client has gone.
    told: Condvar,
}

#[derive(Default)]
struct Stored {
    modules: Vec<(Key, *mut IHttpStoredContext)>,
    connections: Vec<(Key, *mut IHttpConnectionStoredContext)>,
    ended: bool,
    /// Threads that tell the contexts that the client has gone.
    telling: usize,
    /// A dispensed container holds itself until it is released.
    dispensed: Option<Arc<Container>>,
}

#[derive(PartialEq, Eq)]
enum Key {
    Module(usize),
    Name(String),
}

// SAFETY: the contexts are the modules', who gave them to be called from any thread; here they are only handed on.
unsafe impl Send for Stored {}

impl Container {
    /// For requests, applications and sites.
    pub(crate) fn new(violations: &Violations) -> Arc<Self> {
        Self::with("IHttpModuleContextContainer", (&raw const DISPENSED).cast(), violations)
    }

    /// For connections, as this version has it.
    pub(crate) fn of_connection(vtable: &Vtable, violations: &Violations) -> Arc<Self> {
        Self::with("IHttpConnectionModuleContextContainer", vtable.as_ptr(), violations)
    }

    /// One that a module asked for: it lives until the module releases it.
    pub(crate) fn dispensed(violations: &Violations) -> *mut IDispensedHttpModuleContextContainer {
        let this =
            Self::with("IDispensedHttpModuleContextContainer", (&raw const DISPENSED).cast(), violations);
        this.lock().dispensed = Some(Arc::clone(&this));
        this.face.object()
    }

    fn with(interface: &'static str, vtable: *const usize, violations: &Violations) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            face: Face::new(interface, vtable, violations, this.as_ptr()),
            named: Face::new("INamedContextContainer", &raw const NAMED, violations, this.as_ptr()),
            stored: Mutex::default(),
            told: Condvar::new(),
        })
    }

    pub(crate) fn object<C>(&self) -> *mut C {
        self.face.object()
    }

    pub(crate) fn named(&self) -> *mut INamedContextContainer {
        self.named.object()
    }

    /// The client has gone: tells every context of the connection.
    pub(crate) fn disconnected(&self) {
        let contexts: Vec<_> = {
            let mut stored = self.lock();
            stored.telling += 1;
            stored.connections.iter().map(|(_, context)| *context).collect()
        };
        for context in contexts {
            // SAFETY: the module keeps it alive until it is cleaned up, and `end` waits with that for us.
            unsafe { IHttpConnectionStoredContext::notify_disconnect(context) };
        }
        self.lock().telling -= 1;
        self.told.notify_all();
    }

    /// The object ends: every context is cleaned up, once.
    pub(crate) fn end(&self) {
        self.face.end();
        self.named.end();
        let (modules, connections) = {
            let mut stored = self.lock();
            stored.ended = true;
            // Who tells has the pointers already.
            let told = self.told.wait_while(stored, |stored| stored.telling > 0);
            stored = told.unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut stored.modules), std::mem::take(&mut stored.connections))
        };
        let connections = connections.into_iter().map(|(_, context)| upcast(context));
        for context in modules.into_iter().map(|(_, context)| context).chain(connections) {
            // SAFETY: the module keeps it alive until this call, which was not made before: it was taken out.
            unsafe { IHttpStoredContext::cleanup_stored_context(context) };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.end();
    }
}

fn get<C>(all: &[(Key, *mut C)], key: &Key) -> *mut C {
    all.iter().find(|(known, _)| known == key).map_or(null_mut(), |(_, context)| *context)
}

fn set<C>(all: &mut Vec<(Key, *mut C)>, key: Key, context: *mut C) -> HRESULT {
    if context.is_null() {
        return E_INVALIDARG;
    }
    if all.iter().any(|(known, _)| *known == key) {
        return from_win32(ERROR_ALREADY_ASSIGNED);
    }
    all.push((key, context));
    S_OK
}

fn key(module: HTTP_MODULE_ID) -> Key {
    Key::Module(module.addr())
}

static DISPENSED: IDispensedHttpModuleContextContainerVtbl =
    IDispensedHttpModuleContextContainerVtbl::of::<Container>();
pub(crate) static OF_CONNECTION: IHttpConnectionModuleContextContainerVtbl =
    IHttpConnectionModuleContextContainerVtbl::of::<Container>();
static NAMED: INamedContextContainerVtbl = INamedContextContainerVtbl::of::<Container>();

impl IHttpModuleContextContainerImpl for Container {
    unsafe fn get_module_context(
        this: *mut IHttpModuleContextContainer,
        module_id: HTTP_MODULE_ID,
    ) -> *mut IHttpStoredContext {
        // SAFETY: the object's owner keeps it alive while modules may call it.
        get(&unsafe { owner::<Self, _>(this) }.lock().modules, &key(module_id))
    }

    unsafe fn set_module_context(
        this: *mut IHttpModuleContextContainer,
        stored_context: *mut IHttpStoredContext,
        module_id: HTTP_MODULE_ID,
    ) -> HRESULT {
        // SAFETY: as above.
        set(&mut unsafe { owner::<Self, _>(this) }.lock().modules, key(module_id), stored_context)
    }
}

impl IHttpConnectionModuleContextContainerImpl for Container {
    unsafe fn get_connection_module_context(
        this: *mut IHttpConnectionModuleContextContainer,
        module_id: HTTP_MODULE_ID,
    ) -> *mut IHttpConnectionStoredContext {
        // SAFETY: as above.
        get(&unsafe { owner::<Self, _>(this) }.lock().connections, &key(module_id))
    }

    unsafe fn set_connection_module_context(
        this: *mut IHttpConnectionModuleContextContainer,
        stored_context: *mut IHttpConnectionStoredContext,
        module_id: HTTP_MODULE_ID,
    ) -> HRESULT {
        // SAFETY: as above.
        set(&mut unsafe { owner::<Self, _>(this) }.lock().connections, key(module_id), stored_context)
    }
}

impl IDispensedHttpModuleContextContainerImpl for Container {
    unsafe fn release_container(this: *mut IDispensedHttpModuleContextContainer) {
        // SAFETY: as above; it holds itself, and lets go of that only here.
        let own = unsafe { owner::<Self, _>(this) }.lock().dispensed.take();
        drop(own);
    }
}

impl INamedContextContainerImpl for Container {
    unsafe fn get_named_context(this: *mut INamedContextContainer, name: PCWSTR) -> *mut IHttpStoredContext {
        // SAFETY: as above; the name is zero-terminated.
        let (container, name) = unsafe { (owner::<Self, _>(this), wide(name)) };
        get(&container.lock().modules, &Key::Name(name))
    }

    unsafe fn set_named_context(
        this: *mut INamedContextContainer,
        stored_context: *mut IHttpStoredContext,
        name: PCWSTR,
    ) -> HRESULT {
        // SAFETY: as above; the name is zero-terminated.
        let (container, name) = unsafe { (owner::<Self, _>(this), wide(name)) };
        set(&mut container.lock().modules, Key::Name(name), stored_context)
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Container(..)")
    }
}
