//! A Tower service as the handler of a fake IIS.

#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::convert::Infallible;

use bivalve_iis::ServiceModule;
use bivalve_tower::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Channel};
use support::{Mode, World, register};

#[test]
fn a_service_reads_the_body_and_answers() {
    let service = tower::service_fn(|request: Request<Body>| async move {
        let path = request.uri().path().to_string();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let text = format!("{path} {}", String::from_utf8_lossy(&body));
        Ok::<_, Infallible>(
            Response::builder().status(201).header("x-a", "b").body(Body::from(text)).unwrap(),
        )
    });
    let registered = register("Echo", ServiceModule::new(service));
    for mode in [Mode::Inline, Mode::Early, Mode::Late] {
        let world = World::new("POST", "/echo");
        world.with(|state| {
            state.mode = mode;
            state.body = vec![b"one".to_vec(), b"two".to_vec()];
        });
        world.mount(&registered).run();
        assert_eq!((world.status(), world.text().as_str()), (201, "/echo onetwo"));
        assert_eq!(world.header("x-a"), ["b"]);
        // The service has its own copy: modules of other DLLs log what was asked.
        let state = world.state.lock().unwrap();
        let host = ("Host".to_string(), "example.com".to_string());
        assert_eq!((state.method.as_str(), state.url.as_str()), ("POST", "/echo"));
        assert_eq!(state.request_headers, [host]);
    }
}

#[test]
fn frames_that_come_one_by_one_are_flushed_one_by_one() {
    let service = tower::service_fn(|_: Request<Body>| async move {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
        tokio::spawn(async move {
            for part in ["a", "b", "c"] {
                sender.send_data(Bytes::from_static(part.as_bytes())).await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        });
        Ok::<_, Infallible>(Response::new(body))
    });
    let registered = register("Streams", ServiceModule::new(service));
    for mode in [Mode::Inline, Mode::Early, Mode::Late] {
        let world = World::new("GET", "/");
        world.with(|state| state.mode = mode);
        world.mount(&registered).run();
        assert_eq!(world.text(), "abc");
        assert!(world.state.lock().unwrap().unbuffered);
    }
}
