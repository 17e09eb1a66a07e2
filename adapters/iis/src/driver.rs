//! The completion driver of this DLL: on Windows completions come from IIS's own threads.
//!
//! `IHttpServer::AssociateWithThreadPool` takes the place of a completion port; everything else is `bivalve-iocp`, with one
//! thread of its own for what it posts itself and one for timers. The `.so` in a host that stands in for IIS has no such
//! pool: there it is Tokio, on the runtime of the DLL.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bivalve_core::Driver;

use crate::registry::Dll;

#[cfg(all(test, windows))]
mod tests;

/// The driver of this server, made now if nobody has asked before. IIS has one server; a host that stands in for it may
/// start several in one process, and each one's handles belong to its own threads.
///
/// # Errors
///
/// When the system refuses a port or a thread, or this server was not given to `RegisterModule`.
pub(crate) fn of(dll: Dll) -> io::Result<Arc<dyn Driver>> {
    static MADE: Mutex<Vec<(usize, Arc<dyn Driver>)>> = Mutex::new(Vec::new());
    let mut drivers = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    // Elsewhere than on Windows its threads are not the server's, and one serves all.
    let address = if cfg!(windows) { dll.server().addr() } else { 0 };
    if let Some((_, driver)) = drivers.iter().find(|known| known.0 == address) {
        return Ok(Arc::clone(driver));
    }
    let driver = make(dll)?;
    drivers.push((address, Arc::clone(&driver)));
    Ok(driver)
}

#[cfg(not(windows))]
fn make(_dll: Dll) -> io::Result<Arc<dyn Driver>> {
    Ok(bivalve_tokio::TokioDriver::with_handle(crate::runtime::handle().clone())?)
}

#[cfg(windows)]
use self::pool::make;

#[cfg(windows)]
mod pool {
    use std::num::NonZeroUsize;

    use bivalve_core::CompletionStatus;
    use bivalve_iis_sys::IHttpServer;
    use bivalve_iis_sys::types::{HANDLE, OVERLAPPED};
    use bivalve_iocp::{CompletionRoutine, IocpDriver, ThreadPool};

    use super::{Arc, Dll, Driver, io};

    pub(super) fn make(dll: Dll) -> io::Result<Arc<dyn Driver>> {
        Ok(Arc::new(over(dll)?))
    }

    /// Not behind the trait, so that tests can count its threads.
    pub(super) fn over(dll: Dll) -> io::Result<IocpDriver> {
        if dll.server().is_null() {
            return Err(io::Error::other(
                "RegisterModule was given no IHttpServer, which has the thread pool",
            ));
        }
        IocpDriver::builder().threads(NonZeroUsize::MIN).pool(Arc::new(IisPool(dll))).build()
    }

    /// The threads of IIS.
    struct IisPool(Dll);

    impl std::fmt::Debug for IisPool {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("IisPool")
        }
    }

    impl ThreadPool for IisPool {
        fn name(&self) -> &'static str {
            "iis"
        }

        fn associate(&self, handle: HANDLE, routine: CompletionRoutine) -> Result<(), CompletionStatus> {
            type Routine = unsafe extern "system" fn(u32, u32, *mut OVERLAPPED);
            // SAFETY: the two OVERLAPPED are one record of Windows, declared by two crates (the layouts of both are checked);
            // functions that take a pointer to them have one calling convention.
            let routine = unsafe { std::mem::transmute::<CompletionRoutine, Routine>(routine) };
            // SAFETY: the server lives as long as the process, and may be called from any thread; the driver keeps the handle
            // open during the call; the DLL with the routine is never unloaded.
            let result =
                unsafe { IHttpServer::associate_with_thread_pool(self.0.server(), handle, Some(routine)) };
            match CompletionStatus::from_hresult(result) {
                status if status.is_success() => Ok(()),
                status => Err(status),
            }
        }
    }
}

#[cfg(all(test, not(windows)))]
mod elsewhere {
    use super::*;

    #[test]
    fn without_a_thread_pool_the_driver_is_tokios_and_one_for_all() {
        let dll = |server: usize| Dll::new(std::ptr::null_mut(), 0, std::ptr::without_provenance_mut(server));
        let (first, second) = (of(dll(8)).expect("a driver"), of(dll(16)).expect("the same"));
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(first.name(), "tokio");
    }
}
