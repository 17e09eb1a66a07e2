//! Versions of IIS, and what each of them brought.
//!
//! `RegisterModule` is told the version: the major number above, the minor one below (Microsoft's documentation says
//! that it "contains a 7", which is loose).
//!
//! | version | brought |
//! |---|---|
//! | [`IIS_7_0`] | all classes that are not named below |
//! | [`IIS_7_5`] | `IHttpContext2`, `IHttpRequest2`, `IHttpServer2` up to slot 28, `IHttpConnectionStoredContext` and its container, application preload |
//! | [`IIS_8_0`] | `IHttpContext3`, `IHttpRequest3`, `IHttpResponse2`, `IHttpCompletionInfo2`, `IHttpApplication2`, `INamedContextContainer`, `IGlobalApplicationPreloadProvider2`, `IHttpServer2` slots 29 and 30 with `IReferencedMetadataInfo`, `IWebSocketContext` |
//! | [`IIS_8_5`] | `CGlobalModule::OnSuspendProcess`, `IGlobalSuspendProcessCallback` |
//! | [`IIS_10_0`] | `IHttpContext4`, `IHttpResponse3` |
//! | with a later Windows | those of [`MUST_BE_PROBED`] |
//!
//! Each class says it as a constant, such as [`IHttpContext3::SINCE`](crate::IHttpContext3::SINCE). In its version and
//! later ones, a pointer to the older class may be used as one to the newer: Microsoft's own ASP.NET Core module does.

use crate::types::GUID;
use crate::{IHttpCachePolicy2, IHttpModuleRegistrationInfo2, IHttpRequest4, IHttpResponse4, IHttpServer3};

/// Windows Vista and Server 2008.
pub const IIS_7_0: u32 = version(7, 0);
/// Windows 7 and Server 2008 R2.
pub const IIS_7_5: u32 = version(7, 5);
/// Windows 8 and Server 2012.
pub const IIS_8_0: u32 = version(8, 0);
/// Windows 8.1 and Server 2012 R2.
pub const IIS_8_5: u32 = version(8, 5);
/// Windows 10 and Server 2016, and everything since: this number did not change again.
pub const IIS_10_0: u32 = version(10, 0);

/// Interfaces that came without a new version number, or with one that nobody wrote down: their `SINCE` is when they
/// cannot have been there before, and `IHttpServer2::GetExtendedInterface` tells whether they are. `IHttpResponse4`
/// for one is in Windows 11 and Server 2022.
pub const MUST_BE_PROBED: [GUID; 5] = [
    IHttpCachePolicy2::IID,
    IHttpModuleRegistrationInfo2::IID,
    IHttpRequest4::IID,
    IHttpResponse4::IID,
    IHttpServer3::IID,
];

/// The number that `RegisterModule` is given: `MAKELONG(minor, major)`.
pub const fn version(major: u16, minor: u16) -> u32 {
    ((major as u32) << 16) | minor as u32
}

const _: () = assert!(IIS_7_5 == 0x0007_0005 && IIS_8_0 == 0x0008_0000 && IIS_10_0 == 0x000A_0000);
