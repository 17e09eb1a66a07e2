//! A context in step with IIS around an operation in which IIS may call modules: they have contexts of their own.

use bivalve_core::{Context, Event, Notification};

use crate::host::IisHost;
use crate::{inward, outward};

/// Before it: the others see what was changed here. Only for a context whose call has not been answered.
pub(crate) fn out(cx: &mut Context) {
    let in_send = IisHost::of(cx).event == Some(Event::of(Notification::SendResponse));
    // SAFETY: the call that has this context has not been answered: its module waits.
    unsafe { outward::push(cx, in_send) };
}

/// After it: what the others have changed is seen here. Only for a context whose call has not been answered.
pub(crate) fn back(cx: &mut Context) {
    let Some(event) = IisHost::of(cx).event else { return };
    // A flush takes with it what leaves, and the rest of what was changed waits for the end of the call.
    let (request, response) = cx.take_touched();
    // What cannot be shown is refused by the next event.
    // SAFETY: the call that has this context has not been answered: its module waits.
    unsafe { inward::bring(cx, event) };
    if request {
        let _ = cx.request_mut();
    }
    if response {
        let _ = cx.response_mut();
    }
}
