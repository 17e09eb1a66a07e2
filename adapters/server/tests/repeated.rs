//! Requests with the same head, one behind the other: what one of them has become is not what the next one begins with.

mod support;

use std::sync::Arc;

use bivalve_core::{Context, Flow, Module, Notification, Outcome, Pipeline, Registration, Result, User};
use support::{DRIVERS, exchange, start};

/// Writes down what it finds of a request, and then changes it as the request asks.
struct Changes;

impl Module for Changes {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::BeginRequest).on(Notification::LogRequest)
    }

    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::from(found(cx).and_then(|()| changed(cx)))
    }

    /// The last chance: the response has not left yet, and nobody looks at the request any more.
    fn on_log_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        if cx.request().url().query() == Some("late") {
            cx.request_mut().headers_mut().clear();
        }
        Outcome::CONTINUE
    }
}

fn found(cx: &mut Context) -> Result<()> {
    let request = cx.request();
    let found = format!(
        "{} {} {:?} {} {} {:?} {}\n",
        request.method(),
        request.url(),
        request.header("x-what"),
        request.headers().len(),
        request.extensions().get::<u8>().is_some(),
        cx.user().map(|user| user.name().to_owned()),
        cx.response().headers().len(),
    );
    cx.response_mut().write(found)
}

fn changed(cx: &mut Context) -> Result<Flow> {
    let query = cx.request().url().query().unwrap_or_default().to_owned();
    match query.as_str() {
        "method" => cx.request_mut().set_method(http::Method::OPTIONS),
        "url" => cx.request_mut().set_url("/elsewhere")?,
        "header" => cx.request_mut().set_header("x-what", "another")?,
        "extension" => drop(cx.request_mut().extensions_mut().insert(1_u8)),
        "entity" => cx.request_mut().insert_entity("inserted"),
        "taken" => drop(std::mem::take(cx.request_mut())),
        "parts" => cx.parts_mut().0.headers_mut().clear(),
        "user" => cx.set_user(User::new("ada", "Basic")),
        "response" => cx.response_mut().set_header("x-mine", "1")?,
        _ => {}
    }
    Ok(Flow::Continue)
}

#[test]
fn a_head_that_comes_again_is_not_what_a_module_made_of_the_last_one() {
    let nothing = |_: &mut Context| -> Result<Flow> { Ok(Flow::Continue) };
    let pipeline: Arc<Pipeline> =
        Pipeline::builder().module("changes", Changes).handler(nothing).build().expect("it builds");
    for driver in DRIVERS {
        let server = start(driver, &pipeline);
        for query in [
            "none",
            "method",
            "url",
            "header",
            "extension",
            "entity",
            "taken",
            "parts",
            "user",
            "response",
            "late",
        ] {
            let request = format!("GET /?{query} HTTP/1.1\r\nHost: a\r\nX-What: it\r\n\r\n");
            // The last one has another head, and one of its own.
            let last = "GET /?last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            let answers = exchange(server.addresses()[0], (request.repeat(6) + last).as_bytes());
            let found = format!("GET /?{query} Some(\"it\") 2 false None 0\n");
            assert_eq!(answers.matches(&found).count(), 6, "{driver} {query}: {answers}");
            assert!(answers.ends_with("GET /?last None 2 false None 0\n"), "{driver} {query}: {answers}");
        }
    }
}
