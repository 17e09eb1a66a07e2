//! What a hostile review found open, one rule each.

#![allow(clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bivalve_core::{Context, Flow, Module, Notification, Outcome, Registration};
use bivalve_tower::{Body, BoxError};
use bytes::Bytes;
use common::{Recorder, call, pipeline, wrap};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower::service_fn;

type Answer = dyn for<'a> Fn(&'a mut Context) -> Outcome<'a> + Send + Sync;

/// A module of one closure that may wait.
struct Waits(Notification, Box<Answer>);

fn waits(
    at: Notification,
    f: impl for<'a> Fn(&'a mut Context) -> Outcome<'a> + Send + Sync + 'static,
) -> Waits {
    Waits(at, Box::new(f))
}

impl Module for Waits {
    fn registration(&self) -> Registration {
        Registration::new().on(self.0)
    }
    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        (self.1)(cx)
    }
    fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        (self.1)(cx)
    }
    fn on_release_request_state<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        (self.1)(cx)
    }
    fn on_log_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        (self.1)(cx)
    }
}

/// Half a body, then an error, and then it says that it has ended.
struct Half(u8);

impl futures_core::Stream for Half {
    type Item = Result<Frame<Bytes>, BoxError>;
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        self.0 += 1;
        Poll::Ready(match self.0 {
            1 => Some(Ok(Frame::data(Bytes::from_static(b"half")))),
            2 => Some(Err("the client broke off".into())),
            _ => None,
        })
    }
}

/// Reads all there is and puts it back, whatever the end was.
fn waf() -> Waits {
    waits(Notification::BeginRequest, |cx| {
        Outcome::pending(async move {
            let mut all = Vec::new();
            while let Ok(part) = cx.read_entity(64 * 1024).await {
                if part.is_empty() {
                    break;
                }
                all.extend_from_slice(&part);
            }
            assert!(cx.read_entity(1).await.is_err(), "the error is told again");
            cx.request_mut().insert_entity(all);
            Ok(Flow::Continue)
        })
    })
}

#[tokio::test]
async fn a_request_body_that_broke_off_is_never_complete_for_the_handler() {
    let directly = pipeline().module("waf", waf());
    let buffered = pipeline().module("waf", waf()).module("log", Recorder::on(&[Notification::LogRequest]));
    let asking = pipeline().module("waf", waf()).module("log", Recorder::on(&[Notification::ReadEntity]));
    for builder in [directly, buffered, asking] {
        let service = wrap(
            builder,
            service_fn(|request: Request<Body>| async move {
                let mut body = request.into_body();
                let mut text = String::new();
                while let Some(frame) = body.frame().await {
                    match frame {
                        Ok(frame) => text += std::str::from_utf8(&frame.into_data().unwrap()).unwrap(),
                        Err(error) => text += &format!(" and then {error}"),
                    }
                }
                Ok::<_, Infallible>(Response::new(Body::from(text)))
            }),
        );
        let response = call(service, Request::new(Body::new(StreamBody::new(Half(0))))).await;
        assert_eq!(response.text(), "half and then the client broke off");
    }
}
