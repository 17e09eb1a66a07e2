//! An unmodified axum router, bare on hyper and inside the stand-in for IIS.

mod support;

use std::sync::Arc;

use axum_in_iis::router;
use bivalve_iis_host::{Fault, IisHost};
use same_on_both::{Ask, Case, native, tower};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_inside_iis_answers_as_it_does_on_hyper() {
    let library = support::library("axum-in-iis");
    let asks = asks();
    for host in [
        IisHost::builder().build(),
        IisHost::builder().fault(Fault::AlwaysPosted).fault(Fault::BeforeReturn).build(),
        IisHost::builder().fault(Fault::Inline).build(),
        IisHost::builder().fault(Fault::NestedElsewhere).build(),
    ] {
        for ask in &asks {
            let expected = tower::bare(router(), ask).await;
            let native = host.load(&library, "Axum").expect("the router loads");
            let case = Case::new("Axum", Arc::new(native), ask.clone());
            let seen = tower::see_handler(&case).await;
            assert_eq!(seen.answer, expected, "{ask} in {host:?}");
        }
        host.violations().assert_none();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_on_the_native_server_answers_as_it_does_on_hyper() {
    for ask in asks() {
        assert_eq!(native::bare(router(), &ask).await, tower::bare(router(), &ask).await, "{ask}");
    }
}

fn asks() -> Vec<Ask> {
    vec![
        Ask::get("/api/sum?a=1&b=2"),
        Ask::get("/api/sum?a=1&b=2").method(http::Method::HEAD),
        Ask::get("/api/sum?a=one"),
        Ask::get("/api/sum?a=9223372036854775807&b=1"),
        Ask::get("/api/events"),
        Ask::get("/no/such/route"),
        Ask::post("/api/sum", "not allowed"),
        Ask::post("/api/upload", ""),
        Ask::post("/api/upload", vec![b'x'; 3_000_000]),
    ]
}
