//! The records of httptrace.h: what failed-request tracing passes.

use crate::types::{BOOL, GUID, PCWSTR};

/// `HTTP_TRACE_TYPE_LPCWSTR`: the item is text, its terminator counted.
pub const HTTP_TRACE_TYPE_LPCWSTR: u32 = 31;

/// `HTTP_TRACE_EVENT_FLAG_STATIC_DESCRIPTIVE_FIELDS`: names and GUIDs live as long as the process, and need no copy.
pub const HTTP_TRACE_EVENT_FLAG_STATIC_DESCRIPTIVE_FIELDS: u32 = 1;

record! {
    /// What is recorded of a provider. `GetTraceConfiguration` sets the rest only where `fProviderEnabled` becomes true.
    HTTP_TRACE_CONFIGURATION: 24 16, align 8;
    0 0 pProviderGuid: *const GUID = "LPCGUID pProviderGuid";
    8 4 dwAreas: u32 = "DWORD dwAreas";
    12 8 dwVerbosity: u32 = "DWORD dwVerbosity";
    16 12 fProviderEnabled: BOOL = "BOOL fProviderEnabled";
}

record! {
    /// One value of an event.
    HTTP_TRACE_EVENT_ITEM: 40 20, align 8;
    0 0 pszName: PCWSTR = "LPCWSTR pszName";
    8 4 dwDataType: u32 = "HTTP_TRACE_TYPE dwDataType";
    16 8 pbData: *mut u8 = "PBYTE pbData";
    24 12 cbData: u32 = "DWORD cbData";
    32 16 pszDataDescription: PCWSTR = "LPCWSTR pszDataDescription";
}

record! {
    /// An event.
    HTTP_TRACE_EVENT: 88 52, align 8;
    0 0 pProviderGuid: *const GUID = "LPCGUID pProviderGuid";
    8 4 dwArea: u32 = "DWORD dwArea";
    16 8 pAreaGuid: *const GUID = "LPCGUID pAreaGuid";
    24 12 dwEvent: u32 = "DWORD dwEvent";
    32 16 pszEventName: PCWSTR = "LPCWSTR pszEventName";
    40 20 dwEventVersion: u32 = "DWORD dwEventVersion";
    44 24 dwVerbosity: u32 = "DWORD dwVerbosity";
    48 28 pActivityGuid: *const GUID = "LPCGUID pActivityGuid";
    56 32 pRelatedActivityGuid: *const GUID = "LPCGUID pRelatedActivityGuid";
    64 36 dwTimeStamp: u32 = "DWORD dwTimeStamp";
    68 40 dwFlags: u32 = "DWORD dwFlags";
    72 44 cEventItems: u32 = "DWORD cEventItems";
    80 48 pEventItems: *mut HTTP_TRACE_EVENT_ITEM = "HTTP_TRACE_EVENT_ITEM * pEventItems";
}
