//! One concrete body type, for requests that go in and responses that come out.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Task, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Full};

use crate::BoxError;
use crate::entity::EntityBody;
use crate::exchange::{Chunks, Streaming};

/// The body of a request as the inner service gets it, and of a response as the layer gives it.
///
/// It passes data and trailers. One type for all, so that layers around and inside do not change with the pipeline.
#[derive(Default)]
pub struct Body {
    kind: Kind,
}

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    /// One frame, the common response.
    Full(Bytes),
    /// What was in memory, followed by another body.
    Prefixed(Vec<Bytes>, Box<Body>),
    /// Anybody's body.
    Boxed(Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>),
    /// A response that is complete: bytes, file ranges, trailers.
    Chunks(Box<Chunks>),
    /// A response that the pipeline is still making.
    Streaming(Box<Streaming>),
    /// A request's body, each part seen by the modules at ReadEntity.
    Entity(EntityBody),
    /// Nothing but an error: what broke off, or how a reset looks to whoever serves this response.
    Broken(BoxError),
}

impl Body {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Any body. A body that has ended is not boxed.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        // A body of this type again is not wrapped a second time, and the most common one is not boxed.
        let mut body = Some(body);
        let any: &mut dyn std::any::Any = &mut body;
        if let Some(same) = any.downcast_mut::<Option<Self>>() {
            return same.take().unwrap_or_default();
        }
        if let Some(Some(full)) = any.downcast_mut::<Option<Full<Bytes>>>()
            && let Poll::Ready(Some(Ok(frame))) =
                Pin::new(full).poll_frame(&mut Task::from_waker(Waker::noop()))
            && let Ok(bytes) = frame.into_data()
        {
            return Self::from(bytes);
        }
        match body {
            Some(body) => Self { kind: Kind::Boxed(Box::pin(body.map_err(Into::into))) },
            None => Self::empty(),
        }
    }

    pub(crate) fn chunks(mut chunks: Chunks) -> Self {
        match chunks.take_single() {
            Some(bytes) => Self::from(bytes),
            None => Self { kind: Kind::Chunks(Box::new(chunks)) },
        }
    }

    pub(crate) fn streaming(streaming: Streaming) -> Self {
        Self { kind: Kind::Streaming(Box::new(streaming)) }
    }

    pub(crate) fn entity(entity: EntityBody) -> Self {
        Self { kind: Kind::Entity(entity) }
    }

    /// No body, but this error.
    pub(crate) fn broken(error: impl Into<BoxError>) -> Self {
        Self { kind: Kind::Broken(error.into()) }
    }

    /// This body behind bytes that were put in front of it.
    pub(crate) fn after(self, mut inserted: Vec<Bytes>) -> Self {
        if inserted.is_empty() {
            return self;
        }
        // Taken from the back.
        inserted.reverse();
        Self { kind: Kind::Prefixed(inserted, Box::new(self)) }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        let bytes = bytes.into();
        Self { kind: if bytes.is_empty() { Kind::Empty } else { Kind::Full(bytes) } }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.kind = Kind::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::Prefixed(inserted, rest) => match inserted.pop() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => Pin::new(&mut **rest).poll_frame(task),
            },
            Kind::Boxed(body) => body.as_mut().poll_frame(task),
            Kind::Chunks(chunks) => chunks.poll_frame(task),
            Kind::Streaming(streaming) => streaming.poll_frame(task),
            Kind::Entity(entity) => entity.poll_frame(task),
            Kind::Broken(_) => match std::mem::take(&mut self.kind) {
                Kind::Broken(error) => Poll::Ready(Some(Err(error))),
                _ => Poll::Ready(None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Prefixed(inserted, rest) => inserted.is_empty() && rest.is_end_stream(),
            Kind::Boxed(body) => body.is_end_stream(),
            Kind::Chunks(chunks) => chunks.is_empty(),
            Kind::Streaming(streaming) => streaming.is_end_stream(),
            Kind::Full(_) | Kind::Entity(_) | Kind::Broken(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Prefixed(inserted, rest) => {
                let inserted = inserted.iter().map(|b| b.len() as u64).sum::<u64>();
                let rest = rest.size_hint();
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(inserted));
                if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(inserted)) {
                    hint.set_upper(upper);
                }
                hint
            }
            Kind::Boxed(body) => body.size_hint(),
            Kind::Chunks(chunks) => SizeHint::with_exact(chunks.remaining()),
            Kind::Streaming(streaming) => streaming.size_hint(),
            Kind::Entity(_) | Kind::Broken(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Empty => "empty",
            Kind::Full(_) => "full",
            Kind::Prefixed(..) => "prefixed",
            Kind::Boxed(_) => "boxed",
            Kind::Chunks(_) => "chunks",
            Kind::Streaming(_) => "streaming",
            Kind::Entity(_) => "entity",
            Kind::Broken(_) => "broken",
        };
        f.debug_tuple("Body").field(&kind).finish()
    }
}
