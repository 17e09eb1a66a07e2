//! Where this DLL is.

use std::io;
use std::path::PathBuf;

/// The file that this crate is linked into: in a module its DLL, so that settings can lie beside it. (The working folder of
/// a worker process is IIS's own.)
///
/// # Errors
///
/// When the system does not say; always on systems other than Windows and Linux
/// ([`Unsupported`](io::ErrorKind::Unsupported)).
///
/// IIS counterpart: `GetModuleFileName` with the module's handle.
pub fn library_path() -> io::Result<PathBuf> {
    imp::path((imp::path as fn(usize) -> _) as usize)
}

#[cfg(windows)]
mod imp {
    use std::ffi::OsString;
    use std::os::windows::ffi::OsStringExt;

    use windows_sys::Win32::System::LibraryLoader::{
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
        GetModuleFileNameW, GetModuleHandleExW,
    };

    use super::{PathBuf, io};

    /// The longest path that Windows has, and the zero at its end.
    const LONGEST: usize = 32_768;

    pub(super) fn path(address: usize) -> io::Result<PathBuf> {
        let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
        let mut module = std::ptr::null_mut();
        // SAFETY: with the flag, the second argument is an address inside the DLL, and is not read; `module` is ours. The
        // DLL stays in the process, as the code that runs is its own.
        if unsafe { GetModuleHandleExW(flags, address as *const u16, &raw mut module) } == 0 {
            return Err(io::Error::last_os_error());
        }
        let mut text = vec![0; LONGEST];
        // SAFETY: the text is ours and has as many places; the module is loaded.
        let len =
            unsafe { GetModuleFileNameW(module, text.as_mut_ptr(), u32::try_from(LONGEST).unwrap_or(0)) };
        match text.get(..len as usize) {
            Some(path) if (1..LONGEST).contains(&path.len()) => Ok(OsString::from_wide(path).into()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(target_os = "linux")]
mod imp {
    use super::{PathBuf, io};

    pub(super) fn path(address: usize) -> io::Result<PathBuf> {
        find(&std::fs::read_to_string("/proc/self/maps")?, address)
            .ok_or_else(|| io::Error::other("the kernel does not say which file this code is of"))
    }

    /// `55d0-55e0 r-xp 00000000 fd:00 1234   /a/path with spaces`
    pub(super) fn find(maps: &str, address: usize) -> Option<PathBuf> {
        maps.lines().find_map(|line| {
            let (range, _) = line.split_once(' ')?;
            let (from, to) = range.split_once('-')?;
            let from = usize::from_str_radix(from, 16).ok()?;
            let to = usize::from_str_radix(to, 16).ok()?;
            let path = line.find('/').filter(|_| (from..to).contains(&address))?;
            Some(line[path..].into())
        })
    }
}

#[cfg(not(any(windows, target_os = "linux")))]
mod imp {
    use super::{PathBuf, io};

    pub(super) fn path(_address: usize) -> io::Result<PathBuf> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(any(windows, target_os = "linux"))]
    fn code_knows_its_file() {
        let here = library_path().expect("the system says it");
        assert_eq!(here.file_name(), std::env::current_exe().expect("a test has a path").file_name());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_path_may_have_spaces_and_a_mapping_none() {
        let maps =
            "1000-2000 r--p 00000000 fd:00 7    /srv/my site/gate.so\n2000-3000 rw-p 00000000 00:00 0 \n";
        assert_eq!(imp::find(maps, 0x1fff), Some("/srv/my site/gate.so".into()));
        assert_eq!(imp::find(maps, 0x2000), None);
        assert_eq!(imp::find(maps, 0x3000), None);
    }
}
