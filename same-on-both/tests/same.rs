//! Every probe and three examples, in every host that there is.

mod support;

use std::sync::Arc;

use bivalve::Module;
use bivalve_iis_host::{Fault, IisHost};
use bivalve_iis_sys::version;
use same_on_both::differences::{reason, without, without_framing, without_native};
use same_on_both::{Answer, Case, native, probes, tower};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_probe_is_answered_behind_tower() {
    for case in probes::cases() {
        let seen = tower::see(&case).await;
        assert!(matches!(seen.answer, Answer::Response { .. }), "{case:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_on_the_native_server_does_what_it_does_on_hyper() {
    let mut different = Vec::new();
    for case in probes::cases() {
        let expected = without(tower::see(&case).await);
        let seen = without(without_native(native::see(&case).await));
        if seen != expected {
            different.push(format!("{} {}\nhyper  {expected:?}\nnative {seen:?}", case.name, case.ask));
        }
    }
    assert!(different.is_empty(), "{} cases:\n{}", different.len(), different.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_does_over_http2_what_it_does_over_http1() {
    let see = async |case: &Case| without_framing(without(without_native(native::see(case).await)));
    let mut different = Vec::new();
    for mut case in probes::cases() {
        // In HTTP/1.1 trailers are for who has said that it wants them.
        case.ask = case.ask.header("te", "trailers");
        let expected = see(&case).await;
        case.ask = case.ask.over_http2();
        let seen = see(&case).await;
        if seen != expected {
            different.push(format!("{} {}\nHTTP/1.1 {expected:?}\nHTTP/2   {seen:?}", case.name, case.ask));
        }
    }
    assert!(different.is_empty(), "{} cases:\n{}", different.len(), different.join("\n\n"));
}

/// Each test is a server that behaves in another way, to all probes.
macro_rules! inside_iis {
    ($($test:ident: $host:expr;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                compare(|| $host.build()).await;
            }
        )*
    };
}

inside_iis! {
    a_module_inside_iis_does_what_it_does_behind_tower: IisHost::builder();
    also_when_completions_are_always_posted: IisHost::builder().fault(Fault::AlwaysPosted);
    also_when_completions_come_before_the_call_returns: IisHost::builder().fault(Fault::BeforeReturn);
    also_when_operations_are_done_at_once: IisHost::builder().fault(Fault::Inline);
    also_when_completions_are_late: IisHost::builder().fault(Fault::Late);
    also_when_nested_events_come_on_another_thread: IisHost::builder().fault(Fault::NestedElsewhere);
    also_when_all_of_that_comes_together:
        IisHost::builder().fault(Fault::AlwaysPosted).fault(Fault::BeforeReturn).fault(Fault::NestedElsewhere);
    also_when_values_of_one_header_are_kept_apart: IisHost::builder().fault(Fault::HeadersApart);
    also_without_a_connection: IisHost::builder().without_connection();
    also_in_iis_8_5: IisHost::builder().version(version::IIS_8_5);
    also_in_iis_8_0: IisHost::builder().version(version::IIS_8_0);
    also_in_iis_7_5: IisHost::builder().version(version::IIS_7_5);
    also_in_iis_7_0: IisHost::builder().version(version::IIS_7_0);
}

async fn compare(host: impl Fn() -> IisHost) {
    let library = support::library("same-on-both-module");
    let mut different = Vec::new();
    // For who looks at one of them.
    let only = std::env::var("SAME_ON_BOTH_PROBE").ok();
    for case in
        probes::cases().into_iter().filter(|case| only.as_deref().is_none_or(|only| only == case.name))
    {
        let expected = without(tower::see(&case).await);
        let host = host();
        let native =
            |name: &str| Arc::new(host.load(&library, name).expect("the module loads")) as Arc<dyn Module>;
        let seen = without(tower::see(&case.with(native)).await);
        match (seen == expected, reason(case.name)) {
            (true, None) | (false, Some(_)) => {}
            (false, None) => {
                different.push(format!("{} {}\nTower {expected:?}\nIIS   {seen:?}", case.name, case.ask));
            }
            (true, Some(why)) => different.push(format!("{} is the same now, though {why}", case.name)),
        }
        for violation in host.violations().take() {
            different.push(format!("{} {}\n{violation}", case.name, case.ask));
        }
    }
    assert!(different.is_empty(), "{} cases:\n{}", different.len(), different.join("\n\n"));
}
