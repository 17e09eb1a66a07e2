//! What this DLL hangs on to objects of IIS: one counted value each.

use std::sync::Arc;

use bivalve_iis_sys::hresult::succeeded;
use bivalve_iis_sys::types::HTTP_MODULE_ID;
use bivalve_iis_sys::{
    IHttpModuleContextContainer, IHttpStoredContext, IHttpStoredContextImpl, IHttpStoredContextVtbl, Is,
};

/// A stored context of ours. The container owns it, and drops it when its own object ends.
#[repr(C)]
struct Stored<T> {
    class: IHttpStoredContext,
    value: Arc<T>,
}

impl<T: Send + Sync + 'static> Stored<T> {
    const VTABLE: &'static IHttpStoredContextVtbl = &IHttpStoredContextVtbl::of::<Self>();
}

impl<T: Send + Sync + 'static> IHttpStoredContextImpl for Stored<T> {
    unsafe fn cleanup_stored_context(this: *mut IHttpStoredContext) {
        // SAFETY: the container gives back, once, what `stored` made with `Box::into_raw`.
        let stored = unsafe { Box::from_raw(this.cast::<Self>()) };
        crate::contain::contained("IHttpStoredContext::CleanupStoredContext", (), || drop(stored));
    }
}

/// The value that is stored in the container under this id, made and stored now if there is none. Where there is no
/// container, or it refuses, the value belongs to the caller alone.
///
/// # Safety
///
/// `container` is null or alive during the call, and whatever is stored in it under `id` was stored by this function
/// with this type.
pub(crate) unsafe fn stored<T, C>(
    container: *mut C,
    id: HTTP_MODULE_ID,
    make: impl FnOnce() -> Arc<T>,
) -> Arc<T>
where
    T: Send + Sync + 'static,
    C: Is<IHttpModuleContextContainer>,
{
    if container.is_null() {
        return make();
    }
    // SAFETY: the container is alive, says the caller.
    if let Some(value) = unsafe { find(container, id) } {
        return value;
    }
    let value = make();
    let class = IHttpStoredContext::new(Stored::<T>::VTABLE);
    let stored = Box::into_raw(Box::new(Stored { class, value: Arc::clone(&value) })).cast();
    // SAFETY: the container is alive, and takes over a context that is alive until its clean-up.
    let result = unsafe { IHttpModuleContextContainer::set_module_context(container, stored, id) };
    if succeeded(result) {
        return value;
    }
    // SAFETY: nobody has taken it over.
    drop(unsafe { Box::from_raw(stored.cast::<Stored<T>>()) });
    // Another thread was faster.
    // SAFETY: as above.
    unsafe { find(container, id) }.unwrap_or(value)
}

/// # Safety
///
/// As for [`stored`].
unsafe fn find<T, C: Is<IHttpModuleContextContainer>>(
    container: *mut C,
    id: HTTP_MODULE_ID,
) -> Option<Arc<T>> {
    // SAFETY: the container is alive, says the caller.
    let found = unsafe { IHttpModuleContextContainer::get_module_context(container, id) };
    if found.is_null() {
        return None;
    }
    // SAFETY: it is of this type, says the caller, and alive as long as the container.
    Some(Arc::clone(unsafe { &(*found.cast::<Stored<T>>()).value }))
}
