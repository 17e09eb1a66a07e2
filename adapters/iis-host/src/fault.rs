//! What the host can do to a module, as IIS does it to an unlucky one.

use bivalve_core::Event;

/// A behaviour that IIS may show at any time, and that a module has to survive. Several may be set at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Every asynchronous operation reports a completion that is to come, also where it was done at once.
    AlwaysPosted,
    /// The completion is delivered, on another thread, before the call that started the operation has returned.
    BeforeReturn,
    /// This asynchronous operation of each request, counted from 0, completes with `ERROR_OPERATION_ABORTED`, and
    /// was not done.
    Cancelled(usize),
    /// The client leaves just before the module is called at this event.
    DisconnectAt(Event),
    /// Several values of one numbered response header stand beside each other, in `HTTP_MULTIPLE_KNOWN_HEADERS`, and not in
    /// one line.
    HeadersApart,
    /// Asynchronous operations are done before the call returns, which then says that no completion will come.
    Inline,
    /// Completions are delivered some milliseconds late.
    Late,
    /// Nested notifications come on another thread than the one that caused them.
    NestedElsewhere,
}

/// All faults that are set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl Faults {
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// Whether this asynchronous operation is cancelled.
    pub(crate) fn cancels(&self, operation: usize) -> bool {
        self.has(Fault::Cancelled(operation))
    }

    pub(crate) fn disconnects_at(&self, event: Event) -> bool {
        self.has(Fault::DisconnectAt(event))
    }
}
