//! A Tower service answers a request of the pipeline.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use bivalve_core::{Context, EntityChunk, Error, Flow, Notification, Result};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use tower_service::Service;

use crate::entity::{self, EntitySource};
use crate::exchange::TowerHost;
use crate::headers::{self, Asked};
use crate::{Body, BoxError};

/// What one read for a handler asks for.
const READ: usize = 64 * 1024;

/// Gives the request to the service and its response to the context: buffered if it fits, else streamed.
pub(crate) async fn serve<S, B>(cx: &mut Context, mut service: S) -> Result<Flow>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    ready(&mut service).await?;
    let asked = Asked::of(cx.request().method());
    let (request, source) = request(cx);
    let mut response = pin!(service.call(request));
    let response = poll_fn(|task| response.as_mut().poll(task).map_err(failed));
    let response = drive(cx, source.as_ref(), response).await?;
    let (parts, body) = response.into_parts();
    let bodiless = !asked.allows_body(parts.status);
    take_head(cx, parts);
    write_body(cx, source.as_ref(), body, bodiless).await?;
    Ok(Flow::Continue)
}

/// As `serve`, for a pipeline in which nothing acts after the handler: the response itself, its body untouched.
pub(crate) async fn pass<S, B>(cx: &mut Context, mut service: S) -> Result<Response<B>>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    ready(&mut service).await?;
    let body = request_body(cx);
    let request = cx.handler_request(false).map(|()| body);
    let mut response = service.call(request).await.map_err(failed)?;
    let head = cx.take_response_head();
    let handler = std::mem::take(response.headers_mut());
    *response.headers_mut() = headers::merge(head.headers, handler);
    let handler = std::mem::replace(response.extensions_mut(), head.extensions);
    response.extensions_mut().extend(handler);
    Ok(response)
}

/// A clone of a ready service need not be ready itself.
async fn ready<S, B>(service: &mut S) -> Result<()>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    poll_fn(|task| service.poll_ready(task)).await.map_err(failed)
}

fn failed(error: impl Into<BoxError>) -> Error {
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, error)
}

/// The request for the service. With modules at ReadEntity, or a host that is not Tower's, its body asks back.
fn request(cx: &mut Context) -> (Request<Body>, Option<EntitySource>) {
    let is_ours = TowerHost::of(cx).is_some();
    // A host that is a pipeline itself has modules that this one does not know.
    let keep = cx.pipeline().acts_after_handler() || !is_ours;
    let direct = !cx.pipeline().raises(Notification::ReadEntity) && is_ours;
    let (body, source) = if direct {
        (request_body(cx), None)
    } else {
        let (source, body) = entity::channel();
        (Body::entity(body), Some(source))
    };
    (cx.handler_request(keep).map(|()| body), source)
}

/// What is left of the request's body, behind what modules have put back.
fn request_body(cx: &mut Context) -> Body {
    let inserted = cx.request_mut().take_inserted();
    match TowerHost::of(cx) {
        Some(host) => host.take_body().after(inserted),
        None => Body::empty().after(inserted),
    }
}

fn take_head(cx: &mut Context, parts: http::response::Parts) {
    let response = cx.response_mut();
    response.set_status(parts.status);
    let modules = std::mem::take(response.headers_mut());
    *response.headers_mut() = headers::merge(modules, parts.headers);
    response.extensions_mut().extend(parts.extensions);
}

async fn write_body<B>(cx: &mut Context, source: Option<&EntitySource>, body: B, bodiless: bool) -> Result<()>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let exact = body.size_hint().exact();
    let limit = cx.application().response_buffer_limit() as u64;
    let body = pin!(body);
    if exact.is_some_and(|size| size <= limit) && cx.response().is_buffering() {
        return buffer(cx, source, body).await;
    }
    if bodiless {
        // The rest would be thrown away, and may have no end.
        return Ok(());
    }
    // Boxed, and so the flushes below: a request whose response is buffered shall not carry their size.
    Box::pin(stream(cx, source, body)).await
}

async fn buffer<B>(cx: &mut Context, source: Option<&EntitySource>, mut body: Pin<&mut B>) -> Result<()>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    while let Some(frame) = drive(cx, source, poll_fn(|task| next_frame(body.as_mut(), task))).await? {
        if let Some(data) = data(cx, frame) {
            let chunk = EntityChunk::from(data);
            if cx.response().fits(&chunk) {
                cx.response_mut().write(chunk)?;
            } else {
                // Beside what modules wrote before: the handler's length is too short.
                if !cx.response().headers_sent() {
                    cx.response_mut().headers_mut().remove(CONTENT_LENGTH);
                }
                Box::pin(cx.write(chunk)).await?;
            }
        }
    }
    Ok(())
}

async fn stream<B>(cx: &mut Context, source: Option<&EntitySource>, mut body: Pin<&mut B>) -> Result<()>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    if !cx.response().chunks().is_empty() {
        // What modules wrote goes in front: the handler's length is too short.
        cx.response_mut().headers_mut().remove(CONTENT_LENGTH);
    }
    cx.response_mut().disable_buffering();
    cx.flush().await?;
    while let Some(frame) = drive(cx, source, poll_fn(|task| next_frame(body.as_mut(), task))).await? {
        if let Some(data) = data(cx, frame) {
            cx.write(data).await?;
        }
    }
    Ok(())
}

/// The data of a frame; trailers are kept for the end.
fn data(cx: &mut Context, frame: Frame<Bytes>) -> Option<Bytes> {
    frame
        .into_data()
        .map_err(|frame| {
            if let Ok(trailers) = frame.into_trailers() {
                cx.response_mut().trailers_mut().extend(trailers);
            }
        })
        .ok()
}

type MaybeFrame = Option<Frame<Bytes>>;

fn next_frame<B>(body: Pin<&mut B>, task: &mut std::task::Context<'_>) -> Poll<Result<MaybeFrame>>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    body.poll_frame(task).map(|frame| frame.transpose().map_err(failed))
}

/// Polls a part of the handler, and reads the request's body for it whenever it asks.
///
/// A read that is under way when the handler is done is dropped; what it brings stays in the context.
async fn drive<T>(
    cx: &mut Context,
    source: Option<&EntitySource>,
    mut handler: impl Future<Output = Result<T>> + Unpin,
) -> Result<T> {
    let Some(source) = source else { return handler.await };
    loop {
        let done = poll_fn(|task| match Pin::new(&mut handler).poll(task) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if source.is_wanted(task) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
        if let Some(done) = done {
            return done;
        }
        let step = {
            let mut read = Box::pin(cx.read_entity(READ));
            poll_fn(|task| {
                if let Poll::Ready(done) = Pin::new(&mut handler).poll(task) {
                    return Poll::Ready(Err(done));
                }
                read.as_mut().poll(task).map(Ok)
            })
            .await
        };
        match step {
            Ok(Ok(part)) => source.give(Ok(part)),
            Ok(Err(error)) => {
                // A layer around this one may have set a limit, and the handler answers 413 for its error only.
                let cause = TowerHost::of(cx).and_then(TowerHost::take_error);
                source.give(Err(cause.unwrap_or_else(|| error.into_boxed())));
            }
            Err(done) => return done,
        }
    }
}
