//! Bodies between hyper and the pipeline: bounded in size and in time.

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use bivalve_tower::Body;
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::Executor;
use tokio::runtime::Handle;
use tokio::time::Sleep;

use super::super::pace::Pace;
use super::super::pool::Serving;
use super::super::watchdog::Watchdog;
use super::watch::Guard;
use super::{TIMEOUT, Tasks, rules};
use crate::http1::reject::Reject;
use crate::limits::{DRAINED, LINGER};

/// What was wrong with a request's body, for who answers.
#[derive(Clone, Default)]
pub(super) struct Fault(Arc<OnceLock<Reject>>);

impl Fault {
    pub(super) fn get(&self) -> Option<Reject> {
        self.0.get().copied()
    }
}

/// A request's body, no longer than the limit, from a client that keeps sending.
pub(super) struct Bounded {
    /// Taken when this is dropped.
    body: Option<Incoming>,
    tasks: Tasks,
    left: u64,
    fault: Fault,
    pace: Pace,
    grace: Duration,
    rate: u64,
    /// Made when the client is waited for.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Bounded {
    pub(super) fn new(body: Incoming, serving: &Serving, fault: Fault, tasks: Tasks) -> Self {
        Self {
            body: Some(body),
            tasks,
            left: serving.limits.body_bytes(),
            fault,
            pace: Pace::default(),
            grace: serving.timeouts.stall,
            rate: serving.timeouts.octets_per_second,
            sleep: None,
        }
    }

    fn fail(&self, reject: Reject) -> BoxError {
        Box::new(Refused(*self.fault.0.get_or_init(|| reject)))
    }

    fn poll_late(&mut self, task: &mut Task<'_>) -> Poll<()> {
        self.pace.wait();
        let Some(deadline) = self.pace.deadline(self.grace, self.rate, 0) else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        Watchdog::new(sleep.as_mut()).poll_passed(deadline, task)
    }
}

type BoxError = Box<dyn StdError + Send + Sync>;

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(reject) = self.fault.get() {
            return Poll::Ready(Some(Err(Box::new(Refused(reject)))));
        }
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(body).poll_frame(task) else {
            return self.poll_late(task).map(|()| Some(Err(self.fail(TIMEOUT))));
        };
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => return Poll::Ready(None),
        };
        if let Some(data) = frame.data_ref() {
            let octets = data.len() as u64;
            let rate = self.rate;
            self.pace.moved(octets, rate);
            let Some(left) = self.left.checked_sub(octets) else {
                return Poll::Ready(Some(Err(self.fail(TOO_LARGE))));
            };
            self.left = left;
        }
        if frame.trailers_ref().is_some_and(|trailers| rules::check_fields(trailers).is_err()) {
            return Poll::Ready(Some(Err(self.fail(TRAILERS))));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

/// What nobody wanted is read for a while: some clients lose the response when their stream is reset while they send,
/// although RFC 9113 section 8.1 lets a server do so.
impl Drop for Bounded {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        if Handle::try_current().is_err() {
            return;
        }
        self.tasks.execute(async move {
            let mut left = DRAINED;
            let drained = poll_fn(|task| {
                while let Some(Ok(frame)) = ready!(Pin::new(&mut body).poll_frame(task)) {
                    let octets = frame.data_ref().map_or(0, Bytes::len) as u64;
                    match left.checked_sub(octets) {
                        Some(rest) => left = rest,
                        None => break,
                    }
                }
                Poll::Ready(())
            });
            let _ = tokio::time::timeout(LINGER, drained).await;
        });
    }
}

/// A response's body, which is watched until its last octet is with hyper.
pub(super) struct Outgoing {
    body: Body,
    guard: Guard,
}

impl Outgoing {
    pub(super) fn new(body: Body, guard: Guard) -> Self {
        Self { body, guard }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        // hyper asks for more when the client has room for it.
        self.guard.moved();
        let frame = Pin::new(&mut self.body).poll_frame(task);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.guard.wait(data.len() as u64);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a body cannot be read to its end.
#[derive(Debug)]
struct Refused(Reject);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Refused {}

const TOO_LARGE: Reject = Reject::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than the limit");
const TRAILERS: Reject = Reject::bad("a trailer that no field may be (RFC 9113 section 8.2)");
