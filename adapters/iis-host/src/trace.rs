//! Failed-request tracing: what modules raise, kept for whoever asks.

use std::sync::{Mutex, PoisonError};

use bivalve_iis_sys::hresult::{E_INVALIDARG, S_OK};
use bivalve_iis_sys::records::{
    HTTP_TRACE_CONFIGURATION, HTTP_TRACE_EVENT, HTTP_TRACE_EVENT_ITEM, HTTP_TRACE_TYPE_LPCWSTR,
};
use bivalve_iis_sys::types::{GUID, HRESULT};

use crate::text::wide;

/// An event that a module has raised.
///
/// IIS counterpart: `HTTP_TRACE_EVENT`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceEvent {
    /// Who raised it, as 32 hexadecimal digits.
    pub provider: String,
    /// In which part of it.
    pub area: u32,
    /// Its name.
    pub name: String,
    /// From 0, General, to 5, Verbose.
    pub verbosity: u32,
    /// The names and values of its items; the values of those only that are UTF-16 text.
    pub items: Vec<(String, String)>,
}

/// More events are dropped: a host may run for long.
const KEPT: usize = 10_000;

/// What is recorded, and what was.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    /// Nothing is recorded unless it is set.
    verbosity: Option<u32>,
    events: Mutex<Vec<TraceEvent>>,
}

impl Traces {
    pub(crate) fn new(verbosity: Option<u32>) -> Self {
        Self { verbosity, events: Mutex::default() }
    }

    pub(crate) fn take(&self) -> Vec<TraceEvent> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// # Safety
    ///
    /// `wanted` is null or writable, and its provider null or readable.
    pub(crate) unsafe fn configuration(&self, wanted: *mut HTTP_TRACE_CONFIGURATION) -> HRESULT {
        // SAFETY: says the caller.
        let Some(wanted) = (unsafe { wanted.as_mut() }) else { return E_INVALIDARG };
        wanted.fProviderEnabled = 0;
        // As in IIS, the rest stays as it is where nothing is recorded.
        if let (Some(verbosity), false) = (self.verbosity, wanted.pProviderGuid.is_null()) {
            (wanted.dwAreas, wanted.dwVerbosity, wanted.fProviderEnabled) = (0xf_fffe, verbosity, 1);
        }
        S_OK
    }

    /// # Safety
    ///
    /// `event` is null or readable, and so is what it points to.
    pub(crate) unsafe fn raise(&self, event: *const HTTP_TRACE_EVENT) -> HRESULT {
        // SAFETY: says the caller.
        let Some(event) = (unsafe { event.as_ref() }) else { return E_INVALIDARG };
        if event.pProviderGuid.is_null() || (event.pEventItems.is_null() && event.cEventItems != 0) {
            return E_INVALIDARG;
        }
        if self.verbosity.is_none_or(|verbosity| event.dwVerbosity > verbosity) {
            return S_OK;
        }
        let items = if event.cEventItems == 0 {
            &[]
        } else {
            // SAFETY: it has as many, says the caller.
            unsafe { std::slice::from_raw_parts(event.pEventItems, event.cEventItems as usize) }
        };
        // SAFETY: what they point to is readable, says the caller.
        let seen = unsafe {
            TraceEvent {
                provider: digits(&*event.pProviderGuid),
                area: event.dwArea,
                name: wide(event.pszEventName),
                verbosity: event.dwVerbosity,
                items: items.iter().map(|item| (wide(item.pszName), value(item))).collect(),
            }
        };
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() < KEPT {
            events.push(seen);
        }
        S_OK
    }
}

/// The text of an item: as much as its length says, and then a zero.
///
/// # Safety
///
/// Its data are readable.
unsafe fn value(item: &HTTP_TRACE_EVENT_ITEM) -> String {
    if item.dwDataType != HTTP_TRACE_TYPE_LPCWSTR || item.pbData.is_null() {
        return String::new();
    }
    // SAFETY: they are as many bytes, says the caller; text is aligned for its characters.
    let units = unsafe { std::slice::from_raw_parts(item.pbData.cast::<u16>(), item.cbData as usize / 2) };
    let text = units.strip_suffix(&[0]).unwrap_or(&[]);
    String::from_utf16_lossy(text)
}

fn digits(guid: &GUID) -> String {
    let rest: String = guid.data4.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{:08x}{:04x}{:04x}{rest}", guid.data1, guid.data2, guid.data3)
}
