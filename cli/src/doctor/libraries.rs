//! What is known of the libraries that a DLL may import.

/// Where a library comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// Microsoft's C runtime, in its version for debugging: on developers' machines only.
    DebugRuntime,
    /// A library of mingw's compilers, which no Windows has.
    Mingw,
    /// Microsoft's C runtime, which a server has only when something installed it.
    Runtime,
    /// Nothing is known here.
    Unknown,
    /// Part of Windows; where it matters, since when.
    Windows(Option<&'static str>),
}

/// Part of every Windows that IIS 7 and later runs on.
const WINDOWS: &[&str] = &[
    "advapi32",
    "authz",
    "bcrypt",
    "cfgmgr32",
    "combase",
    "comctl32",
    "crypt32",
    "cryptbase",
    "dbghelp",
    "dnsapi",
    "gdi32",
    "httpapi",
    "iphlpapi",
    "kernel32",
    "kernelbase",
    "mpr",
    "msvcrt",
    "mswsock",
    "ncrypt",
    "netapi32",
    "normaliz",
    "ntdll",
    "ole32",
    "oleaut32",
    "pdh",
    "powrprof",
    "psapi",
    "rpcrt4",
    "secur32",
    "setupapi",
    "shell32",
    "shlwapi",
    "sspicli",
    "tdh",
    "user32",
    "userenv",
    "version",
    "wevtapi",
    "winhttp",
    "wininet",
    "winmm",
    "wintrust",
    "wldap32",
    "ws2_32",
    "wtsapi32",
];

/// What Rust's standard library brings along besides; they came later.
const LATER: &[(&str, &str)] = &[
    ("bcryptprimitives", "Windows 7, Server 2008 R2"),
    ("api-ms-win-core-synch-l1-2-0", "Windows 8, Server 2012"),
    ("api-ms-win-core-winrt-error-l1-1-0", "Windows 8, Server 2012"),
];

/// Beginnings of the names of Microsoft's C and C++ runtime.
const RUNTIME: &[&str] = &["vcruntime", "msvcp", "concrt", "vcomp", "vccorlib", "mfc", "msvcr"];

/// Beginnings of the names of mingw's.
const MINGW: &[&str] = &[
    "libgcc_s",
    "libwinpthread",
    "libstdc++",
    "libssp",
    "libgomp",
    "libatomic",
    "libquadmath",
    "libc++",
    "libunwind",
];

impl Library {
    /// What is known of a library, by its name in an import table.
    ///
    /// ```
    /// use bivalve_cli::doctor::Library;
    ///
    /// assert_eq!(Library::of("KERNEL32.dll"), Library::Windows(None));
    /// assert_eq!(Library::of("VCRUNTIME140.dll"), Library::Runtime);
    /// ```
    pub fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let stem = name.strip_suffix(".dll").unwrap_or(&name);
        let begins = |list: &[&str]| list.iter().any(|start| stem.starts_with(start));
        if let Some((_, since)) = LATER.iter().find(|(library, _)| *library == stem) {
            return Self::Windows(Some(since));
        }
        if WINDOWS.contains(&stem) {
            return Self::Windows(None);
        }
        if begins(RUNTIME) || stem == "ucrtbased" {
            // msvcp140d.dll, vcruntime140_1d.dll; a name of the other kind ends in a digit.
            return if stem.ends_with('d') { Self::DebugRuntime } else { Self::Runtime };
        }
        if stem.starts_with("api-ms-win-crt-") || stem == "ucrtbase" {
            return Self::Runtime;
        }
        if begins(MINGW) {
            return Self::Mingw;
        }
        if stem.starts_with("api-ms-win-") || stem.starts_with("ext-ms-win-") {
            return Self::Windows(Some("a version that its name does not tell"));
        }
        Self::Unknown
    }

    /// A few words for a table.
    pub fn note(self) -> String {
        match self {
            Self::DebugRuntime => "Microsoft's debug runtime: not on servers".into(),
            Self::Mingw => "mingw's: no Windows has it".into(),
            Self::Runtime => "Microsoft's C runtime: a server may lack it".into(),
            Self::Unknown => "not known: the server has to have it".into(),
            Self::Windows(None) => "Windows".into(),
            Self::Windows(Some(since)) => format!("Windows, since {since}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_told_apart() {
        let cases = [
            ("VCRUNTIME140_1.dll", Library::Runtime),
            ("MSVCP140.dll", Library::Runtime),
            ("msvcr120.dll", Library::Runtime),
            ("api-ms-win-crt-heap-l1-1-0.dll", Library::Runtime),
            ("ucrtbase.dll", Library::Runtime),
            ("VCRUNTIME140D.dll", Library::DebugRuntime),
            ("ucrtbased.dll", Library::DebugRuntime),
            ("MSVCP140D.dll", Library::DebugRuntime),
            ("msvcrt.dll", Library::Windows(None)),
            ("WS2_32.dll", Library::Windows(None)),
            ("libgcc_s_seh-1.dll", Library::Mingw),
            ("libwinpthread-1.dll", Library::Mingw),
            ("gate_helper.dll", Library::Unknown),
        ];
        for (name, library) in cases {
            assert_eq!(Library::of(name), library, "{name}");
        }
        assert!(Library::of("bcryptprimitives.dll").note().contains("Windows 7"));
        assert!(Library::of("api-ms-win-core-synch-l1-2-0.dll").note().contains("Server 2012"));
    }
}
