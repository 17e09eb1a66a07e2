//! The DLL stays: its threads, its thread-local values and what it has given to IIS outlive every `FreeLibrary`.

/// Makes the DLL stay in the process for ever. Elsewhere than on Windows nobody unloads it.
pub(crate) fn pin() {
    imp::pin();
}

/// Whether the process is ending, and its other threads have been ended already. Elsewhere than on Windows they run to
/// the last.
pub(crate) fn is_process_ending() -> bool {
    imp::is_process_ending()
}

#[cfg(windows)]
mod imp {
    use windows_sys::Win32::System::LibraryLoader::{
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
    };

    #[link(name = "ntdll")]
    unsafe extern "system" {
        fn RtlDllShutdownInProgress() -> u8;
    }

    pub(super) fn is_process_ending() -> bool {
        // SAFETY: it takes nothing, and has been there since Windows Vista.
        unsafe { RtlDllShutdownInProgress() != 0 }
    }

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

    pub(super) fn is_process_ending() -> bool {
        false
    }
}
