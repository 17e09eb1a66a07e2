//! Where `tracing` goes inside IIS: to the event log, and into the trace of the request.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber, dispatcher};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::event_log::{self, About};
use crate::failed_request;

/// Sends what is traced to where an administrator of IIS looks: errors to the Windows event log, and everything that is
/// traced in a module's call to the failed-request trace of its request, if that asks for the provider. For those who
/// have a subscriber of their own; where a DLL has none when its first request comes, it gets one that does just this.
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt;
///
/// # struct Own;
/// # impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Own {}
/// fn subscriber(own: impl tracing::Subscriber) -> impl tracing::Subscriber {
///     own.with(bivalve_iis::IisLayer::new())
/// }
/// ```
///
/// The event log's source is `Bivalve`. A DLL writes 20 entries of a kind in a minute at most, and says how many it left out; an entry
/// has 4,000 characters at most. Panics and refused registrations are there whatever the subscriber is. The provider of the
/// failed-request trace is `{5b6a4f0e-2d0c-4d0b-9d3a-1f6c7b1ea2c4}`, its area `Module` (2); ERROR, WARN, INFO and DEBUG are
/// its levels 2 to 5, and a text has 2,000 characters at most. What is traced on another thread, or after the call, is in
/// no request's trace. Spans are not looked at.
///
/// IIS counterpart: `ReportEvent`, `IHttpTraceContext::RaiseTraceEvent`.
#[derive(Clone, Copy, Debug)]
pub struct IisLayer {
    event_log: LevelFilter,
}

impl IisLayer {
    /// Errors go to the event log.
    #[must_use]
    pub fn new() -> Self {
        Self { event_log: LevelFilter::ERROR }
    }

    /// What goes to the event log: [`OFF`](LevelFilter::OFF), [`ERROR`](LevelFilter::ERROR), or
    /// [`WARN`](LevelFilter::WARN) as well, which is the most.
    #[must_use]
    pub fn event_log(mut self, level: LevelFilter) -> Self {
        self.event_log = level.min(LevelFilter::WARN);
        self
    }

    /// Whether anybody would see it.
    fn wants(self, level: Level) -> bool {
        self.logs(level) || failed_request::records(level)
    }

    fn logs(self, level: Level) -> bool {
        level <= self.event_log && !event_log::is_reported()
    }

    fn take(self, event: &Event<'_>) {
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        if !self.wants(level) {
            return;
        }
        let mut message = Message::default();
        event.record(&mut message);
        failed_request::record(level, target, &message.0);
        if self.logs(level) {
            let about = if level == Level::ERROR { About::Error } else { About::Warning };
            event_log::report(about, &format!("{target}: {}", message.0));
        }
    }
}

impl Default for IisLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Subscriber> Layer<S> for IisLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.take(event);
    }
    // No `max_level_hint`: beside layers without one it would be theirs as well, and take their TRACE away.
}

/// Makes what is traced go to IIS, unless somebody has decided otherwise: for this DLL, whose `tracing` is its own.
///
/// Called when the first request comes. By then every module has been made and the application has started, so whoever
/// has a subscriber has set it.
pub(crate) fn install() {
    if !dispatcher::has_been_set() {
        // Another thread may have been faster.
        let _ = tracing::subscriber::set_global_default(Plain(IisLayer::new()));
    }
}

/// The layer alone, which needs no registry of spans.
struct Plain(IisLayer);

impl Subscriber for Plain {
    /// Whether it is wanted is for each request to say.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_event() && *metadata.level() <= LevelFilter::DEBUG {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && self.0.wants(*metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.0.take(event);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// More is not formatted. Bounds: a value whose text has no end. Both places take less.
const LONGEST: usize = 16 * 1024;

/// The message, and behind it the other fields.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // It fails where it is too long: what there is stays.
        if field.name() == "message" {
            let fields = std::mem::take(&mut self.0);
            let _ = write!(Bounded(&mut self.0), "{value:?}{fields}");
        } else {
            let _ = write!(Bounded(&mut self.0), " {}={value:?}", field.name());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

struct Bounded<'a>(&'a mut String);

impl Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = LONGEST.saturating_sub(self.0.len());
        let end = (0..=left.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        self.0.push_str(&text[..end]);
        if end == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// A subscriber of the user's that wants all there is, and does not say so.
    struct Own;

    impl Subscriber for Own {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn the_layer_takes_no_level_away_from_those_beside_it() {
        let both = Own.with(IisLayer::new());
        assert!(both.max_level_hint().is_none_or(|most| most == LevelFilter::TRACE));
    }

    #[test]
    fn a_text_without_an_end_ends() {
        let mut text = String::new();
        let result = (0..).try_for_each(|_| write!(Bounded(&mut text), "{}", "\u{e9}".repeat(999)));
        assert!(result.is_err() && text.len() <= LONGEST && text.len() > LONGEST - 4);
    }
}
