//! Failed-request tracing: what is traced while a module of this DLL runs goes into the trace of the request.

use std::cell::Cell;
use std::ptr::null_mut;

use bivalve_iis_sys::hresult::succeeded;
use bivalve_iis_sys::records::{
    HTTP_TRACE_CONFIGURATION, HTTP_TRACE_EVENT, HTTP_TRACE_EVENT_FLAG_STATIC_DESCRIPTIVE_FIELDS,
    HTTP_TRACE_EVENT_ITEM, HTTP_TRACE_TYPE_LPCWSTR,
};
use bivalve_iis_sys::types::{BOOL, GUID};
use bivalve_iis_sys::{IHttpContext, IHttpTraceContext};
use tracing::Level;

use crate::text;

/// The provider, as `<traceProviderDefinitions>` has to know it.
static PROVIDER: GUID = GUID::from_u128(0x5b6a_4f0e_2d0c_4d0b_9d3a_1f6c_7b1e_a2c4);

/// Its only area, `Module`: the event's, and its bit in what is recorded.
static AREA_GUID: GUID = GUID::from_u128(0x8e0d_7c52_93f4_4b58_a6de_40c9_5c2b_7d19);
const AREA: u32 = 2;

/// The number of its only event.
const EVENT: u32 = 1;

/// UTF-16 units of one text. Bounds: what a module puts into a message that IIS keeps for as long as the request.
const LONGEST: usize = 2_000;

thread_local! {
    /// The request whose module runs on this thread.
    static CURRENT: Cell<*mut IHttpContext> = const { Cell::new(null_mut()) };
}

/// Runs a part of a module's call.
///
/// # Safety
///
/// The notification with this context has not been answered, and is not before this returns.
pub(crate) unsafe fn within<T>(context: *mut IHttpContext, f: impl FnOnce() -> T) -> T {
    let _reset = Reset(CURRENT.replace(context));
    f()
}

struct Reset(*mut IHttpContext);

impl Drop for Reset {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Whether the request that runs on this thread records events of this level.
pub(crate) fn records(level: Level) -> bool {
    context().is_some_and(|trace| trace.records(level))
}

/// Records an event of the request that runs on this thread, where IIS wants it.
pub(crate) fn record(level: Level, target: &str, message: &str) {
    if let Some(trace) = context().filter(|trace| trace.records(level)) {
        // Whoever listens in IIS may trace in turn.
        let _reset = Reset(CURRENT.replace(null_mut()));
        trace.raise(level, target, message);
    }
}

/// The trace of a request whose module runs on this thread: the call that is running has not been answered.
struct Trace(*mut IHttpTraceContext);

fn context() -> Option<Trace> {
    let context = CURRENT.get();
    if context.is_null() {
        return None;
    }
    // SAFETY: the notification has not been answered, says the caller of `within`, and its trace lives as long.
    let trace = unsafe { IHttpContext::get_trace_context(context) };
    (!trace.is_null()).then_some(Trace(trace))
}

impl Trace {
    fn records(&self, level: Level) -> bool {
        let Some(verbosity) = verbosity(level) else { return false };
        let mut wanted = HTTP_TRACE_CONFIGURATION {
            pProviderGuid: &raw const PROVIDER,
            dwAreas: 0,
            dwVerbosity: 0,
            fProviderEnabled: BOOL::default(),
        };
        // SAFETY: the trace is alive, as `context` has it, and writes to the record during the call.
        let result = unsafe { IHttpTraceContext::get_trace_configuration(self.0, &raw mut wanted) };
        succeeded(result)
            && wanted.fProviderEnabled != 0
            && wanted.dwAreas & AREA != 0
            && verbosity <= wanted.dwVerbosity
    }

    fn raise(&self, level: Level, target: &str, message: &str) {
        let name = utf16!("BIVALVE_EVENT");
        let (target, message) = (bounded(target), bounded(message));
        let item = |name: &'static [u16], value: &[u16]| HTTP_TRACE_EVENT_ITEM {
            pszName: name.as_ptr(),
            dwDataType: HTTP_TRACE_TYPE_LPCWSTR,
            pbData: value.as_ptr().cast_mut().cast(),
            cbData: u32::try_from(size_of_val(value)).unwrap_or(0),
            pszDataDescription: std::ptr::null(),
        };
        let mut items = [item(utf16!("Target"), &target), item(utf16!("Message"), &message)];
        // SAFETY: the trace is alive, as `context` has it. The event and its items are read during the call; names and
        // GUIDs are static, as its flag says.
        unsafe {
            let mut event = HTTP_TRACE_EVENT {
                pProviderGuid: &raw const PROVIDER,
                dwArea: AREA,
                pAreaGuid: &raw const AREA_GUID,
                dwEvent: EVENT,
                pszEventName: name.as_ptr(),
                dwEventVersion: 1,
                dwVerbosity: verbosity(level).unwrap_or_default(),
                pActivityGuid: IHttpTraceContext::get_trace_activity_id(self.0),
                pRelatedActivityGuid: std::ptr::null(),
                dwTimeStamp: 0,
                dwFlags: HTTP_TRACE_EVENT_FLAG_STATIC_DESCRIPTIVE_FIELDS,
                cEventItems: 2,
                pEventItems: items.as_mut_ptr(),
            };
            // That it fails is IIS's to know.
            let _ = IHttpTraceContext::raise_trace_event(self.0, &raw mut event);
        }
    }
}

/// IIS's levels: Error, Warning, Information, Verbose. `TRACE` is for developers, and is not recorded.
fn verbosity(level: Level) -> Option<u32> {
    match level {
        Level::ERROR => Some(2),
        Level::WARN => Some(3),
        Level::INFO => Some(4),
        Level::DEBUG => Some(5),
        _ => None,
    }
}

/// The text as the trace, which is XML, can have it: terminated, its end cut off where it is too long.
fn bounded(value: &str) -> Vec<u16> {
    let mut units = text::cut(value.chars().map(text::plain), LONGEST);
    units.push(0);
    units
}

/// Static text, terminated.
macro_rules! utf16 {
    ($text:literal) => {{
        static TEXT: [u16; $text.len() + 1] = {
            let (bytes, mut units, mut at) = ($text.as_bytes(), [0; $text.len() + 1], 0);
            while at < bytes.len() {
                units[at] = bytes[at] as u16;
                at += 1;
            }
            units
        };
        &TEXT as &'static [u16]
    }};
}
use utf16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_writes_does_not_break_the_trace() {
        let units = bounded(&format!("a\0b\u{1}\u{ffff}\nc{}", "\u{1f600}".repeat(100_000)));
        assert_eq!(units.iter().position(|unit| *unit == 0), Some(units.len() - 1));
        assert!(units.len() <= LONGEST + 1);
        let text = String::from_utf16(&units[..units.len() - 1]).expect("whole letters");
        assert!(text.starts_with("a b  \nc\u{1f600}"), "{text:.20}");
    }
}
