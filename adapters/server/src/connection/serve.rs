//! Requests of a connection, one after the other, until one side has had enough.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bivalve_core::{Connection, Context, Run};
use http::StatusCode;

use super::host::{Carrier, ServerHost, Shared, lock};
use super::life::{Next, Protocol};
use super::pool::{Serving, Stopping, Warm};
use super::watchdog::{Watchdog, first_of};
use super::wire::{After, Head, Other};
use crate::http1::heads::{Heads, Taken};
use crate::http1::reject::Reject;
use crate::limits::{DRAINED, LINGER, RESTLESS};
use crate::transport::Transport;

/// A connection on which requests come.
pub(super) struct Busy<'a, 's, 'n, T: Transport> {
    wire: &'a Arc<Shared<T>>,
    connection: &'a Arc<Connection>,
    serving: &'a Arc<Serving>,
    watchdog: &'a mut Watchdog<'s>,
    stopping: &'a mut Stopping<'s, 'n>,
    /// When the head that is coming began to come.
    head: Option<Instant>,
    /// What has come of the next head, if that is known.
    next: Option<Head>,
    /// Of the last request, for the next one, if that is here already.
    last: Option<Box<Context>>,
    /// For the host of the next request, unless `last` has it.
    carrier: Option<Arc<dyn Carrier>>,
    heads: Box<Heads>,
    /// Taken when a request is waited for the first time.
    warm: Option<Warm<'a>>,
    /// Dropped in the middle, unless it says otherwise: by a panic, or because the server's time is over.
    cut: bool,
}

impl<T: Transport> Drop for Busy<'_, '_, '_, T> {
    fn drop(&mut self) {
        self.let_go();
        let mut wire = lock(self.wire);
        if self.cut && wire.is_unfinished() {
            wire.reset_transport();
        }
    }
}

impl<'a, 's, 'n, T: Transport> Busy<'a, 's, 'n, T> {
    pub(super) fn new(
        wire: &'a Arc<Shared<T>>,
        connection: &'a Arc<Connection>,
        serving: &'a Arc<Serving>,
        watchdog: &'a mut Watchdog<'s>,
        stopping: &'a mut Stopping<'s, 'n>,
    ) -> Self {
        Self {
            wire,
            connection,
            serving,
            watchdog,
            stopping,
            head: None,
            next: None,
            last: None,
            carrier: None,
            heads: Box::default(),
            warm: None,
            cut: true,
        }
    }
}

impl<T: Transport> Busy<'_, '_, '_, T> {
    /// Serves requests until none comes for a while.
    pub(super) async fn requests(&mut self) -> Next {
        let next = self.until_none_comes().await;
        self.cut = false;
        next
    }

    async fn until_none_comes(&mut self) -> Next {
        let mut in_a_row = 0_u32;
        loop {
            let head = self.next.take().unwrap_or_else(|| lock(self.wire).next_head(&mut self.heads));
            match head {
                Head::Request => self.head = None,
                Head::Partial => match self.more().await {
                    Came::More => continue,
                    // Who still takes a response is not idle.
                    Came::Nothing if self.flushed().await => return Next::Idle,
                    Came::Nothing | Came::Stalled => return self.abort(),
                    Came::End => return self.close(false).await,
                    Came::TooLate => {
                        self.refuse(TIMEOUT);
                        return self.close(true).await;
                    }
                },
                Head::Other(other) => match *other {
                    Other::Upgrade(head) if self.flushed().await => {
                        return Next::Other(Protocol::Upgraded, head);
                    }
                    Other::Upgrade(_) => return self.abort(),
                    Other::Http2(preface) => return Next::Other(Protocol::Http2, preface),
                    Other::Refused(reject) => {
                        self.refuse(reject);
                        return self.close(true).await;
                    }
                },
            }
            match self.request().await {
                After::Next => {}
                After::Drain if self.drained().await => {}
                After::Close | After::Drain => return self.close(true).await,
                After::Abort => {
                    // Responses before this one are whole, and leave.
                    let _ = self.flushed().await;
                    return self.abort();
                }
            }
            in_a_row += 1;
            if in_a_row.is_multiple_of(FAIR) {
                // What is finished leaves, and its memory is free for the others, whose turn it is.
                poll_fn(|task| {
                    lock(self.wire).push_out(task);
                    Poll::Ready(())
                })
                .await;
                tokio::task::yield_now().await;
            }
            if self.next.is_none() && lock(self.wire).is_full() && !self.flushed().await {
                return self.abort();
            }
        }
    }

    /// Answers what no module sees.
    fn refuse(&self, reject: Reject) {
        self.serving.refusals.note(reject, self.connection);
        lock(self.wire).answer(reject);
    }

    /// Runs one request through the pipeline.
    async fn request(&mut self) -> After {
        let refused = self.heads.refused();
        let Some(cx) = self.context() else { return After::Abort };
        let mut run = match refused {
            None => Run::new(cx),
            Some(reject) => Run::refused(cx, &reject.into()),
        };
        // Nobody needs to listen for a client that goes away before something waits, nor to count what is over by then.
        if !run.run_at_once() {
            let _underway = self.serving.begin();
            let disconnector = run.context().disconnector();
            let mut end = pin!(run.run_to_end());
            let watchdog = &mut *self.watchdog;
            poll_fn(|task| {
                if end.as_mut().poll(task).is_ready() {
                    return Poll::Ready(());
                }
                let mut wire = lock(self.wire);
                // Earlier responses do not wait for this one.
                wire.push_out(task);
                let stalled = wire
                    .deadline(&self.serving.timeouts)
                    .is_some_and(|deadline| watchdog.poll_passed(deadline, task).is_ready());
                if self.serving.was_cut() {
                    wire.give_up();
                } else if stalled {
                    tracing::debug!(target: "bivalve::server", "the client gives or takes too little");
                    wire.give_up();
                }
                let gone = wire.poll_gone(task).is_ready();
                drop(wire);
                if gone && disconnector.disconnect() {
                    task.waker().wake_by_ref();
                }
                Poll::Pending
            })
            .await;
        }
        let (after, next) = lock(self.wire).finish(&mut self.heads);
        self.next = next;
        self.last = Some(run.into_context());
        after
    }

    /// One in which the request begins.
    fn context(&mut self) -> Option<Box<Context>> {
        let Some(mut cx) = self.last.take() else {
            let request = self.heads.take()?;
            // It comes back with the context: an `Arc` is counted by all threads.
            let carrier = self.carrier.take().unwrap_or_else(|| Arc::clone(self.wire) as Arc<dyn Carrier>);
            return Some(self.serving.context(request, self.connection, carrier));
        };
        if !(self.heads.was_taken() && cx.start_next_again()) {
            match self.heads.take()? {
                Taken::Unread(head) => cx.start_next_unread(head),
                Taken::Read(parts) => cx.start_next(*parts),
            }
        }
        Some(cx)
    }

    /// Others need the memory of the last request, while none is here.
    fn let_go(&mut self) {
        if let Some(mut cx) = self.last.take() {
            self.carrier = ServerHost::unset(&mut cx);
            self.serving.recycle(cx);
        }
    }

    /// Waits for more of a request, and meanwhile sends what is finished.
    async fn more(&mut self) -> Came {
        self.let_go();
        let Self { wire, serving, watchdog, stopping, head, next, heads, warm, .. } = self;
        let mut deadline = None;
        poll_fn(|task| {
            let mut wire = lock(wire);
            let begun = wire.has_begun();
            let written = wire.written();
            wire.push_out(task);
            match wire.poll_more(task) {
                Poll::Ready(true) => {
                    *next = Some(wire.next_head(heads));
                    return Poll::Ready(Came::More);
                }
                Poll::Ready(false) => return Poll::Ready(Came::End),
                Poll::Pending if !begun && serving.is_stopping(stopping, task) => {
                    return Poll::Ready(Came::End);
                }
                Poll::Pending => {}
            }
            if !begun && warm.is_none() {
                *warm = serving.keep_warm();
                if warm.is_none() {
                    return Poll::Ready(Came::Nothing);
                }
            }
            let deadline = *deadline.get_or_insert_with(|| match begun {
                // Not from the last octet: who sends one now and then gets no more time than others.
                true => {
                    // It comes in pieces, and holds more already.
                    heads.forget();
                    *head.get_or_insert_with(Instant::now) + serving.timeouts.head
                }
                false => written.unwrap_or_else(Instant::now) + RESTLESS.min(serving.timeouts.idle),
            });
            let stalled = wire.send_deadline(&serving.timeouts).filter(|stalled| *stalled < deadline);
            let deadline = match begun && serving.is_stopping(stopping, task) {
                // What has begun to come may come, and is not waited for as long as a request is.
                true => deadline.min(serving.stopped_at() + LINGER),
                false => deadline,
            };
            let passed = watchdog.poll_passed(stalled.unwrap_or(deadline), task);
            passed.map(|()| match (stalled, begun) {
                (Some(_), _) => Came::Stalled,
                (None, true) => Came::TooLate,
                (None, false) => Came::Nothing,
            })
        })
        .await
    }

    /// Reads what is left of a body that nobody wanted, if it is short.
    async fn drained(&mut self) -> bool {
        self.let_go();
        let Self { wire, serving, watchdog, .. } = self;
        let deadline = Instant::now() + serving.timeouts.stall;
        let mut left = DRAINED;
        let drained = poll_fn(|task| {
            let mut wire = lock(wire);
            wire.push_out(task);
            let drained = loop {
                match wire.poll_read(usize::MAX, task) {
                    Poll::Ready(Ok(data)) if data.is_empty() => break Poll::Ready(true),
                    Poll::Ready(Ok(data)) if data.len() as u64 <= left => left -= data.len() as u64,
                    Poll::Ready(_) => break Poll::Ready(false),
                    Poll::Pending => break Poll::Pending,
                }
            };
            first_of(drained, watchdog, deadline, task)
        });
        drained.await == Some(true)
    }

    /// Waits until everything has left. `false`: it cannot.
    async fn flushed(&mut self) -> bool {
        self.let_go();
        let Self { wire, serving, watchdog, .. } = self;
        poll_fn(|task| {
            let mut wire = lock(wire);
            if wire.poll_flush(task).is_ready() {
                return Poll::Ready(!wire.has_failed());
            }
            let passed = wire
                .deadline(&serving.timeouts)
                .is_some_and(|deadline| watchdog.poll_passed(deadline, task).is_ready());
            if passed { Poll::Ready(false) } else { Poll::Pending }
        })
        .await
    }

    /// Closes in a way that tells the client that something is missing.
    fn abort(&mut self) -> Next {
        lock(self.wire).reset_transport();
        Next::Closed
    }

    /// Sends what is left and closes. What the client still sends is read for a while: if it were not, TCP would reset
    /// the connection, and the client might lose the response (RFC 9112 section 9.6).
    async fn close(&mut self, linger: bool) -> Next {
        if !self.flushed().await {
            return self.abort();
        }
        if linger {
            let deadline = Instant::now() + LINGER;
            let Self { wire, watchdog, .. } = self;
            poll_fn(|task| first_of(lock(wire).poll_discard(task), watchdog, deadline, task)).await;
        } else {
            lock(self.wire).farewell();
        }
        Next::Closed
    }
}

/// What came of waiting for a request.
enum Came {
    End,
    More,
    Nothing,
    /// The client does not take what is sent.
    Stalled,
    TooLate,
}

const TIMEOUT: Reject =
    Reject::new(StatusCode::REQUEST_TIMEOUT, "the head has not come in time (RFC 9110 section 15.5.9)");

/// Requests of one connection before others get a turn.
const FAIR: u32 = 32;
