//! Makes a module's object for each request.

use std::sync::Arc;

use bivalve_iis_sys::hresult::{E_FAIL, E_OUTOFMEMORY, S_OK};
use bivalve_iis_sys::types::HRESULT;
use bivalve_iis_sys::{
    CHttpModule, IHttpModuleFactory, IHttpModuleFactoryImpl, IHttpModuleFactoryVtbl, IModuleAllocator,
};

use crate::contain::contained;
use crate::object::Object;
use crate::registry::Exported;
use crate::subscriber;

/// One for each registered module; IIS owns it until `Terminate`.
#[repr(C)]
pub(crate) struct Factory {
    class: IHttpModuleFactory,
    exported: Arc<Exported>,
}

static VTABLE: IHttpModuleFactoryVtbl = IHttpModuleFactoryVtbl::of::<Factory>();

impl Factory {
    pub(crate) fn make(exported: &Arc<Exported>) -> *mut IHttpModuleFactory {
        let class = IHttpModuleFactory::new(&VTABLE);
        Box::into_raw(Box::new(Self { class, exported: Arc::clone(exported) })).cast()
    }

    /// # Safety
    ///
    /// It was made by [`make`](Self::make), and nobody uses it any more.
    pub(crate) unsafe fn back(factory: *mut IHttpModuleFactory) -> Box<Self> {
        // SAFETY: as the caller says.
        unsafe { Box::from_raw(factory.cast()) }
    }
}

impl IHttpModuleFactoryImpl for Factory {
    unsafe fn get_http_module(
        this: *mut IHttpModuleFactory,
        module: *mut *mut CHttpModule,
        allocator: *mut IModuleAllocator,
    ) -> HRESULT {
        contained("IHttpModuleFactory::GetHttpModule", E_FAIL, || {
            subscriber::install();
            // SAFETY: IIS keeps the factory until it terminates it.
            let exported = unsafe { &(*this.cast::<Self>()).exported };
            let size = u32::try_from(size_of::<Object>()).unwrap_or(u32::MAX);
            // SAFETY: the allocator is alive during this call, and its memory until the request has ended.
            let memory = unsafe { IModuleAllocator::allocate_memory(allocator, size) }.cast::<Object>();
            if memory.is_null() || !memory.is_aligned() {
                return E_OUTOFMEMORY;
            }
            // SAFETY: the memory is large enough, aligned, and nobody else's until `Dispose`.
            unsafe {
                memory.write(Object::new(exported));
                *module = memory.cast();
            }
            S_OK
        })
    }

    unsafe fn terminate(this: *mut IHttpModuleFactory) {
        // SAFETY: IIS calls it once, and nothing of the factory afterwards.
        let factory = unsafe { Self::back(this) };
        contained("IHttpModuleFactory::Terminate", (), move || drop(factory));
    }
}
