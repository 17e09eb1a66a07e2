//! What a module traces is in the failed-request trace of its request, as far as that asks for it.

mod support;

use bivalve::testing::{TestHost, block_on};
use bivalve_iis_host::{Fault, IisHost, IisHostBuilder, TraceEvent};

const PROVIDER: &str = "5b6a4f0e2d0c4d0b9d3a1f6c7b1ea2c4";

/// What one request raises.
fn raised(host: IisHostBuilder, url: &str) -> Vec<TraceEvent> {
    let iis = host.build();
    let module = iis.load(support::library("same-on-both-module"), "Traces").expect("it loads");
    let host = TestHost::new().module("Traces", module).handler(|cx: &mut bivalve::Context| {
        cx.response_mut().write("fine").map(|()| bivalve::Flow::Continue)
    });
    block_on(host.get(url).finish());
    iis.violations().assert_none();
    let events = iis.take_trace_events();
    for event in &events {
        assert_eq!(
            (event.provider.as_str(), event.area, event.name.as_str()),
            (PROVIDER, 2, "BIVALVE_EVENT")
        );
        let names: Vec<_> = event.items.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Target", "Message"]);
    }
    events
}

/// Verbosity and message of those of the module itself.
fn messages(events: &[TraceEvent]) -> Vec<(u32, &str)> {
    let own = events.iter().filter(|event| event.items[0].1.starts_with("same_on_both"));
    own.map(|event| (event.verbosity, event.items[1].1.as_str())).collect()
}

#[test]
fn what_is_traced_in_a_call_is_in_the_trace_of_the_request() {
    for fault in [None, Some(Fault::BeforeReturn), Some(Fault::AlwaysPosted), Some(Fault::Late)] {
        let host = IisHost::builder().failed_request_tracing(5);
        let host = fault.into_iter().fold(host, IisHostBuilder::fault);
        let events = raised(host, "/a");
        let expected = [(4, "begins path=/a answer=42"), (5, "before"), (3, "after")];
        assert_eq!(messages(&events), expected);
    }
}

#[test]
fn what_the_trace_does_not_ask_for_is_not_raised() {
    let events = raised(IisHost::builder().failed_request_tracing(3), "/a");
    assert_eq!(messages(&events), [(3, "after")]);
    assert!(raised(IisHost::builder(), "/a").is_empty());
}

#[test]
fn each_request_is_asked_for_itself() {
    assert!(raised(IisHost::builder(), "/a").is_empty());
    assert_eq!(messages(&raised(IisHost::builder().failed_request_tracing(5), "/a")).len(), 3);
    assert!(raised(IisHost::builder(), "/a").is_empty());
}

#[test]
fn a_long_text_is_cut() {
    let events = raised(IisHost::builder().failed_request_tracing(3), "/long");
    let messages = messages(&events);
    assert_eq!(messages[0].1.chars().count(), 2_000);
    assert!(messages[0].1.chars().all(|c| c == '\u{e9}'));
}

#[test]
fn a_panic_is_in_the_trace_as_an_error() {
    let events = raised(IisHost::builder().failed_request_tracing(2), "/panic");
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].verbosity == 2 && events[0].items[1].1.contains("on demand"), "{events:?}");
}
