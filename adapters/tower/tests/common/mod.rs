//! What the adapter's tests share: a recording module, and responses collected.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "this is how tests fail")]

pub mod everywhere;
pub mod raw;
pub mod servers;

use std::sync::{Arc, Mutex};

use bivalve_core::{
    Context, EntityRead, Event, Flow, Module, Notification, Outcome, Pipeline, PipelineBuilder, Registration,
    Sending,
};
use bivalve_tower::{Body, BoxError, ModuleLayer, ModuleService};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_layer::Layer;

/// Notes every event it is registered for.
#[derive(Clone, Default)]
pub struct Recorder {
    log: Arc<Mutex<Vec<String>>>,
    registration: Registration,
}

impl Recorder {
    pub fn on(events: &[Notification]) -> Self {
        let registration = events.iter().fold(Registration::new(), |r, n| r.on(*n));
        Self { log: Arc::default(), registration }
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn note(&self, cx: &Context) -> Outcome<'static> {
        self.log.lock().unwrap().push(cx.event().to_string());
        Outcome::CONTINUE
    }
}

impl Module for Recorder {
    fn registration(&self) -> Registration {
        self.registration.clone()
    }
    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.note(cx)
    }
    fn on_log_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.note(cx)
    }
    fn on_end_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.note(cx)
    }
    fn on_send_response<'a>(&'a self, cx: &'a mut Context, sending: &'a mut Sending) -> Outcome<'a> {
        let chunks = cx.response().entity_len();
        let text = format!(
            "SendResponse headers={} more={} bytes={chunks}",
            sending.headers_being_sent(),
            sending.more_data()
        );
        self.log.lock().unwrap().push(text);
        Outcome::CONTINUE
    }
    fn on_read_entity<'a>(&'a self, _cx: &'a mut Context, entity: &'a mut EntityRead) -> Outcome<'a> {
        self.log.lock().unwrap().push(format!("ReadEntity {} end={}", entity.data().len(), entity.is_end()));
        Outcome::CONTINUE
    }
}

/// A module of one closure at one event.
pub struct At<F>(pub Event, pub F);

impl<F> At<F>
where
    F: Fn(&mut Context) -> bivalve_core::Result<Flow> + Send + Sync + 'static,
{
    fn run<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::Ready((self.1)(cx))
    }
}

impl<F> Module for At<F>
where
    F: Fn(&mut Context) -> bivalve_core::Result<Flow> + Send + Sync + 'static,
{
    fn registration(&self) -> Registration {
        Registration::new().on(self.0.notification())
    }
    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.run(cx)
    }
    fn on_authenticate_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.run(cx)
    }
    fn on_map_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.run(cx)
    }
    fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.run(cx)
    }
    fn on_release_request_state<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.run(cx)
    }
    fn on_log_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.run(cx)
    }
    fn on_end_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.run(cx)
    }
    fn on_send_response<'a>(&'a self, cx: &'a mut Context, _sending: &'a mut Sending) -> Outcome<'a> {
        self.run(cx)
    }
}

pub fn at<F>(notification: Notification, f: F) -> At<F>
where
    F: Fn(&mut Context) -> bivalve_core::Result<Flow> + Send + Sync + 'static,
{
    At(notification.into(), f)
}

pub fn wrap<S>(builder: PipelineBuilder, inner: S) -> ModuleService<S> {
    ModuleLayer::new(builder.build().expect("the pipeline builds")).layer(inner)
}

pub fn pipeline() -> PipelineBuilder {
    Pipeline::builder()
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

pub struct Collected {
    pub status: u16,
    pub headers: HeaderMap,
    pub frames: Vec<Bytes>,
    pub trailers: Option<HeaderMap>,
    pub error: Option<BoxError>,
}

impl Collected {
    pub fn text(&self) -> String {
        String::from_utf8(self.frames.concat()).unwrap()
    }
}

pub async fn collect(response: Response<Body>) -> Collected {
    let (parts, mut body) = response.into_parts();
    let mut collected = Collected {
        status: parts.status.as_u16(),
        headers: parts.headers,
        frames: Vec::new(),
        trailers: None,
        error: None,
    };
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => match frame.into_data() {
                Ok(data) => collected.frames.push(data),
                Err(frame) => collected.trailers = frame.into_trailers().ok(),
            },
            Err(error) => {
                collected.error = Some(error);
                break;
            }
        }
    }
    collected
}

pub async fn call<S>(service: S, request: Request<Body>) -> Collected
where
    S: tower_service::Service<Request<Body>, Response = Response<Body>>,
    S::Error: std::fmt::Debug,
{
    collect(service.oneshot(request).await.expect("a module service never fails")).await
}
