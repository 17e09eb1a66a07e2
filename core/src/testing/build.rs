//! The request's side of [`TestRequest`]: what it carries, and its share of [`Control`].

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Extensions, Version};

use super::entity::Entity;
use super::{OperationId, Outstanding, TestRequest, TestResponse};
use crate::{Completion, CompletionStatus, User};

/// What the request carries.
impl TestRequest {
    /// With a header, beside those of the same name; `Host` takes the place of the default, `localhost`.
    ///
    /// # Panics
    ///
    /// When name or value are none.
    #[track_caller]
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let name = match name.try_into() {
            Ok(name) => name,
            Err(error) => panic!("the test gave a header no name: {}", error.into()),
        };
        let value = match value.try_into() {
            Ok(value) => value,
            Err(error) => panic!("the test gave header {name} no value: {}", error.into()),
        };
        let headers = self.context_mut().request_mut().headers_mut();
        if name == header::HOST {
            headers.insert(name, value);
        } else {
            headers.append(name, value);
        }
        self
    }

    /// With another protocol version; HTTP/1.1 unless set.
    #[track_caller]
    pub fn version(mut self, version: Version) -> Self {
        let request = self.context_mut().request_mut();
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = request.method().clone();
        parts.uri = request.url().clone();
        parts.headers = std::mem::take(request.headers_mut());
        parts.extensions = std::mem::take(request.extensions_mut());
        parts.version = version;
        request.start(parts);
        self
    }

    /// With a value in the request's extensions, as a Rust host attaches one.
    #[track_caller]
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        let extensions: &mut Extensions = self.context_mut().request_mut().extensions_mut();
        extensions.insert(value);
        self
    }

    /// As a user whom somebody has authenticated before the pipeline.
    #[track_caller]
    pub fn user(mut self, user: User) -> Self {
        self.context_mut().set_user(user);
        self
    }

    /// With an entity body, and `Content-Length`. A read gets as much as it asks for.
    #[track_caller]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let headers = self.context_mut().request_mut().headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        self.entity([body], false);
        self
    }

    /// With an entity body that arrives in these pieces: a read gets at most one. Without `Content-Length`.
    #[track_caller]
    pub fn chunks<B: Into<Bytes>>(self, chunks: impl IntoIterator<Item = B>) -> Self {
        self.entity(chunks.into_iter().map(Into::into), false);
        self
    }

    /// With an entity body that the test sends bit by bit: [`push_entity`](Self::push_entity), [`end_entity`](Self::end_entity).
    /// A read for which there is nothing yet is outstanding, and [`run_until`](Self::run_until) says
    /// [`Waiting`](super::Stopped::Waiting).
    #[track_caller]
    pub fn open_entity(self) -> Self {
        self.entity([], true);
        self
    }

    fn entity(&self, parts: impl IntoIterator<Item = Bytes>, open: bool) {
        let mut entity = Entity::default();
        if open {
            entity.open();
        }
        parts.into_iter().for_each(|part| entity.push(part));
        self.control.exchange.set_entity(entity);
    }
}

/// The same as [`Control`](super::Control) has.
impl TestRequest {
    /// What has started and not completed, of this request and of the driver, the oldest first.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Outstanding> {
        self.control.outstanding()
    }

    /// Completes an operation: what it asked for happens.
    ///
    /// # Panics
    ///
    /// When it is not outstanding, and when it is a read for which there is no data.
    #[track_caller]
    pub fn complete(&self, id: OperationId) {
        self.control.complete(id);
    }

    /// Completes an operation with a result of the test's choice: see
    /// [`Completions::complete_with`](super::Completions::complete_with).
    ///
    /// # Panics
    ///
    /// When it is not outstanding.
    #[track_caller]
    pub fn complete_with(&self, id: OperationId, completion: Completion) {
        self.control.complete_with(id, completion);
    }

    /// Completes an operation as cancelled.
    ///
    /// # Panics
    ///
    /// When it is not outstanding.
    #[track_caller]
    pub fn cancel(&self, id: OperationId) {
        self.control.cancel(id);
    }

    /// Completes the oldest operation of the whole host that can; timers last, by their time. `None` when there is none.
    pub fn complete_next(&self) -> Option<OperationId> {
        self.control.complete_next()
    }

    /// Sends more of the entity body.
    ///
    /// # Panics
    ///
    /// When the body has ended: a request has none unless it was made with [`open_entity`](Self::open_entity).
    #[track_caller]
    pub fn push_entity(&self, bytes: impl Into<Bytes>) {
        self.control.push_entity(bytes);
    }

    /// Ends the entity body.
    ///
    /// # Panics
    ///
    /// As [`push_entity`](Self::push_entity).
    #[track_caller]
    pub fn end_entity(&self) {
        self.control.end_entity();
    }

    /// Breaks the entity body: once what was pushed has been read, every read fails with this status.
    ///
    /// # Panics
    ///
    /// As [`push_entity`](Self::push_entity).
    #[track_caller]
    pub fn fail_entity(&self, status: CompletionStatus) {
        self.control.fail_entity(status);
    }

    /// The client goes away: see [`Control::disconnect`](super::Control::disconnect).
    pub fn disconnect(&self) -> bool {
        self.control.disconnect()
    }

    /// What the client has received so far.
    #[must_use]
    pub fn received(&self) -> TestResponse {
        self.control.received()
    }
}
