//! The DLL stays: its threads, its thread-local values and what it has given to IIS outlive every `FreeLibrary`.

/// Makes the DLL stay in the process for ever. Elsewhere than on Windows nobody unloads it.
pub(crate) fn pin() {
    imp::pin();
}

#[cfg(windows)]
mod imp {
    use windows_sys::Win32::System::LibraryLoader::{
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
    };

    pub(super) fn pin() {
        let mut module = std::ptr::null_mut();
        let address: fn() = pin;
        // SAFETY: with the flag, the second argument is an address inside the DLL, and is not read.
        unsafe {
            GetModuleHandleExW(
                GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                (address as *const ()).cast(),
                &raw mut module,
            );
        }
    }
}

#[cfg(not(windows))]
mod imp {
    pub(super) fn pin() {}
}
