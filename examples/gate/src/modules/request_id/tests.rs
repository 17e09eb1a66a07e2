use bivalve::prelude::*;
use bivalve::testing::{TestHost, TestRequest, TestResponse, block_on};

use super::{RequestId, RequestIdConfig, RequestIds};

/// Answers with what an application sees: the id, and the header.
fn seen(cx: &mut Context) -> Result<Flow> {
    let id = cx.request().extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default();
    assert_eq!(cx.shared().get::<RequestId>().map(RequestId::as_str), Some(&*id));
    let header = cx.request().header("x-request-id").unwrap_or_default().to_owned();
    // A handler may throw away everything that modules set before.
    cx.response_mut().clear();
    cx.response_mut().write(format!("{id} {header}"))?;
    Ok(Flow::Continue)
}

fn host(trust_incoming: bool) -> TestHost {
    TestHost::new().mount(RequestIds::new(&RequestIdConfig { trust_incoming })).handler(seen)
}

fn id(mut request: TestRequest) -> String {
    let response: TestResponse = block_on(request.finish());
    let id = response.header("x-request-id").expect("every response has one").to_owned();
    assert_eq!(response.text(), format!("{id} {id}"));
    id
}

fn is_fresh(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

#[test]
fn every_request_gets_an_id_of_its_own() {
    let host = host(false);
    let (one, other) = (id(host.get("/")), id(host.get("/")));
    assert!(is_fresh(&one) && is_fresh(&other) && one != other, "{one} {other}");
}

#[test]
fn the_clients_id_is_not_believed() {
    assert!(is_fresh(&id(host(false).get("/").header("x-request-id", "mine"))));
}

#[test]
fn the_clients_id_is_kept_where_that_is_configured() {
    let host = host(true);
    for theirs in ["a", "00-4bf92f3577b34da6a3ce929d0e0e4736.1_2", &"x".repeat(64)] {
        assert_eq!(id(host.get("/").header("x-request-id", theirs)), theirs);
    }
    assert!(is_fresh(&id(host.get("/"))));
}

#[test]
fn a_malformed_id_is_replaced() {
    let host = host(true);
    for theirs in ["", "a b", "a,b", "a;b", "<a>", "é", "a\tb", "#a", &"x".repeat(65)] {
        assert!(is_fresh(&id(host.get("/").header("x-request-id", theirs))), "{theirs}");
    }
}

#[test]
fn two_ids_are_replaced() {
    let request = host(true).get("/").header("x-request-id", "a").header("x-request-id", "a");
    assert!(is_fresh(&id(request)));
}

#[test]
fn a_refusal_has_an_id_as_well() {
    struct Refuse;
    #[bivalve::module]
    impl Module for Refuse {
        fn on_authenticate_request(&self, _cx: &mut Context) -> Result<Flow> {
            Err(Error::from_status(StatusCode::FORBIDDEN))
        }
    }
    let host = TestHost::new().mount(RequestIds::new(&RequestIdConfig::default())).mount(Refuse);
    let response = block_on(host.get("/").finish());
    assert_eq!(response.status(), 403);
    assert!(response.header("x-request-id").is_some_and(is_fresh));
}
