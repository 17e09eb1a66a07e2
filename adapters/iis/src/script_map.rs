//! A handler mapping of our own: for a module that has made itself the handler.

use bivalve_iis_sys::types::{BOOL, PCSTR, PCWSTR};
use bivalve_iis_sys::{IScriptMapInfo, IScriptMapInfoImpl, IScriptMapInfoVtbl};

use crate::contain::contained;
use crate::text;

/// IIS's default for handlers, and ours.
const RESPONSE_BUFFER_LIMIT: u32 = 4 * 1024 * 1024;

/// `<add path="*" verb="*" modules="Name" resourceType="Unspecified" requireAccess="None">`.
#[repr(C)]
pub(crate) struct ScriptMap {
    class: IScriptMapInfo,
    modules: Vec<u16>,
}

// SAFETY: it does not change after it was made; the vtable is static.
unsafe impl Send for ScriptMap {}
// SAFETY: as above.
unsafe impl Sync for ScriptMap {}

static VTABLE: IScriptMapInfoVtbl = IScriptMapInfoVtbl::of::<ScriptMap>();
static STAR: [u16; 2] = [b'*' as u16, 0];
static EMPTY: [u16; 1] = [0];

impl ScriptMap {
    pub(crate) fn new(name: &str) -> Self {
        Self { class: IScriptMapInfo::new(&VTABLE), modules: text::to_wide(name) }
    }

    /// For IIS, as long as this one lives.
    pub(crate) fn as_ptr(&self) -> *mut IScriptMapInfo {
        std::ptr::from_ref(self).cast_mut().cast()
    }
}

/// # Safety
///
/// `len` is null or may be written to.
unsafe fn said(text: &[u16], len: *mut u32) -> PCWSTR {
    if !len.is_null() {
        // SAFETY: it may be written to, says the caller.
        unsafe { *len = u32::try_from(text.len() - 1).unwrap_or(0) };
    }
    text.as_ptr()
}

impl IScriptMapInfoImpl for ScriptMap {
    unsafe fn get_path(_: *const IScriptMapInfo) -> PCWSTR {
        contained("IScriptMapInfo::GetPath", EMPTY.as_ptr(), || STAR.as_ptr())
    }
    unsafe fn get_allowed_verbs(_: *const IScriptMapInfo) -> PCSTR {
        contained("IScriptMapInfo::GetAllowedVerbs", c"".as_ptr().cast(), || c"*".as_ptr().cast())
    }
    unsafe fn get_modules(this: *const IScriptMapInfo, len: *mut u32) -> PCWSTR {
        contained("IScriptMapInfo::GetModules", EMPTY.as_ptr(), || {
            // SAFETY: the module that has it lives as long as IIS has its factory, or the request's object.
            unsafe { said(&(*this.cast::<Self>()).modules, len) }
        })
    }
    unsafe fn get_script_processor(_: *const IScriptMapInfo, len: *mut u32) -> PCWSTR {
        contained("IScriptMapInfo::GetScriptProcessor", EMPTY.as_ptr(), || {
            // SAFETY: IIS gives null or a place for the length.
            unsafe { said(&EMPTY, len) }
        })
    }
    unsafe fn get_managed_type(_: *const IScriptMapInfo, len: *mut u32) -> PCWSTR {
        contained("IScriptMapInfo::GetManagedType", EMPTY.as_ptr(), || {
            // SAFETY: IIS gives null or a place for the length.
            unsafe { said(&EMPTY, len) }
        })
    }
    unsafe fn get_allow_path_info_for_script_mappings(_: *const IScriptMapInfo) -> BOOL {
        contained("IScriptMapInfo::GetAllowPathInfoForScriptMappings", 0, || 1)
    }
    unsafe fn get_required_access(_: *const IScriptMapInfo) -> u32 {
        contained("IScriptMapInfo::GetRequiredAccess", 0, || 0)
    }
    unsafe fn get_resource_type(_: *const IScriptMapInfo) -> u32 {
        contained("IScriptMapInfo::GetResourceType", 0, || 3)
    }
    unsafe fn get_is_star_script_map(_: *const IScriptMapInfo) -> BOOL {
        contained("IScriptMapInfo::GetIsStarScriptMap", 0, || 1)
    }
    unsafe fn get_response_buffer_limit(_: *const IScriptMapInfo) -> u32 {
        contained("IScriptMapInfo::GetResponseBufferLimit", 0, || RESPONSE_BUFFER_LIMIT)
    }
    unsafe fn get_name(this: *const IScriptMapInfo) -> PCWSTR {
        contained("IScriptMapInfo::GetName", EMPTY.as_ptr(), || {
            // SAFETY: as for `get_modules`.
            unsafe { (*this.cast::<Self>()).modules.as_ptr() }
        })
    }
}
