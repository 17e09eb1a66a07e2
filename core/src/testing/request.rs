//! One request that a test runs step by step.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Task, Poll};

use super::background::Background;
use super::completions::Advance;
use super::exchange::Exchange;
use super::wake::{Alarm, ROUNDS};
use super::{Control, Stopped, Target, TestResponse};
use crate::{Context, Pipeline, Run, Step, Trace};

/// Where a connection keeps the context of its last request for the next one.
pub(super) type Reuse = Arc<Mutex<Option<Box<Context>>>>;

/// One request: made by a [`TestHost`](super::TestHost), run step by step, inspected in between.
///
/// It exists, and can be inspected and changed, from the beginning; nothing runs until a test says so. A future of
/// [`run_until`](Self::run_until), [`step`](Self::step) or [`finish`](Self::finish) that is dropped cancels nothing: the
/// module goes on waiting, and the next call goes on with it. Dropping the request itself drops what waits in it, and
/// LogRequest and EndRequest do not run.
///
/// ```
/// use bivalve_core::Step;
/// use bivalve_core::testing::{Stopped, TestHost, block_on};
///
/// block_on(async {
///     let mut req = TestHost::new().get("/missing").header("accept", "text/html");
///     assert_eq!(req.peek(), Some(Step::Handler));
///     assert_eq!(req.step().await, Stopped::Before(Step::Send));
///     assert_eq!(req.context().response().status(), 404);
///     assert!(req.finish().await.is_complete());
/// });
/// ```
#[must_use = "nothing runs until run_until, step or finish is awaited"]
pub struct TestRequest {
    state: State,
    pub(super) control: Control,
    background: Arc<Background>,
    pipeline: Arc<Pipeline>,
    trace: Trace,
    reuse: Option<Reuse>,
}

enum State {
    Between(Run),
    /// The step owns the run, so that it survives whoever awaits it. `None`: everything up to the end, as a server
    /// runs it.
    Within(Option<Step>, Stepping),
    Over,
}

type Stepping = Pin<Box<dyn Future<Output = (Step, Run)> + Send>>;

/// How far to go.
#[derive(Clone, Copy)]
enum Until {
    Target(Target),
    /// The end of the step that is next, or is waiting.
    Step,
    /// The end, holding nothing back.
    End,
}

impl TestRequest {
    pub(super) fn new(
        cx: Box<Context>,
        exchange: Arc<Exchange>,
        background: Arc<Background>,
        reuse: Option<Reuse>,
    ) -> Self {
        let control = Control { exchange, disconnector: cx.disconnector() };
        let pipeline = Arc::clone(cx.pipeline());
        let state = State::Between(Run::new(cx));
        Self { state, control, background, pipeline, trace: Trace::default(), reuse }
    }

    /// Runs up to an event or step, and stops before its first call. Where no module is registered for the event, it stops in its
    /// place, before whatever comes next; when the request was finished earlier, it stops before LogRequest. The answer says
    /// what is next. What has been passed already is not run again: nothing happens then.
    ///
    /// # Panics
    ///
    /// For an event that is raised on demand (SendResponse, ReadEntity, MapPath, custom).
    pub async fn run_until(&mut self, target: impl Into<Target>) -> Stopped {
        self.run(Until::Target(target.into())).await
    }

    /// Does the next step, or goes on with the one that waits.
    pub async fn step(&mut self) -> Stopped {
        self.run(Until::Step).await
    }

    /// Runs to the end and gives what the client has received. From here on nothing is held back, also in manual
    /// order: the operations of this request and of the driver complete, the oldest first.
    ///
    /// From where it is the request runs as on a server, in one go. Should the future be dropped, no later call stops it
    /// before the end.
    ///
    /// It waits for a completion handle that nobody has posted, and for entity data that nobody has sent: if need be,
    /// forever. Where a test wants to know, [`run_until`](Self::run_until) says [`Stopped::Waiting`].
    ///
    /// IIS counterpart: none; a worker process does this for every request.
    pub async fn finish(&mut self) -> TestResponse {
        self.run(Until::End).await;
        self.control.exchange.completions.end_abandoned();
        self.control.received()
    }

    /// What the next step is; `None` while one waits, and after the end.
    #[must_use]
    pub fn peek(&mut self) -> Option<Step> {
        match &mut self.state {
            State::Between(run) => Some(run.peek()),
            State::Within(..) | State::Over => None,
        }
    }

    /// The request as modules see it, between two steps.
    ///
    /// # Panics
    ///
    /// While a module waits, because it has the context then, and after the end, because everything has been dropped.
    /// `run_until(Step::Done)` stops at the last moment.
    #[must_use]
    #[track_caller]
    pub fn context(&self) -> &Context {
        match &self.state {
            State::Between(run) => run.context(),
            State::Within(step, _) => panic!("{}", self.occupied(*step)),
            State::Over => panic!("{OVER}"),
        }
    }

    /// The request as modules see it, to be changed between two steps.
    ///
    /// # Panics
    ///
    /// As [`context`](Self::context).
    #[must_use]
    #[track_caller]
    pub fn context_mut(&mut self) -> &mut Context {
        if let State::Within(step, _) = self.state {
            panic!("{}", self.occupied(step));
        }
        match &mut self.state {
            State::Between(run) => run.context_mut(),
            _ => panic!("{OVER}"),
        }
    }

    /// What happened so far, event by event. Empty with [`TestHost::without_trace`](super::TestHost::without_trace).
    ///
    /// # Panics
    ///
    /// While a module waits, because it has the context then.
    #[must_use]
    #[track_caller]
    pub fn trace(&self) -> &Trace {
        match &self.state {
            State::Between(run) => run.context().trace().unwrap_or(&self.trace),
            State::Within(step, _) => panic!("{}", self.occupied(*step)),
            State::Over => &self.trace,
        }
    }

    /// A handle that feeds the entity, completes operations and disconnects: from another thread, or while a future
    /// borrows this request.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    fn occupied(&self, step: Option<Step>) -> String {
        let who = match step {
            Some(Step::Call { event, position }) => {
                let name = self.pipeline.modules_of(event).nth(position).unwrap_or("a module");
                format!("module {name} is waiting in {event}")
            }
            Some(Step::Handler) => "the handler is waiting".into(),
            Some(Step::Send | Step::Done) => "the last part of the response is being sent".into(),
            None => "the request is on its way to the end".into(),
        };
        let outstanding: Vec<String> = self.outstanding().iter().map(ToString::to_string).collect();
        let outstanding = if outstanding.is_empty() { "nothing".into() } else { outstanding.join("; ") };
        format!(
            "{who} and has the context: look at it between two steps. Complete what it waits for, or disconnect. Outstanding: {outstanding}"
        )
    }

    async fn run(&mut self, until: Until) -> Stopped {
        let mut until = until;
        poll_fn(|task| self.poll_run(&mut until, task)).await
    }

    fn poll_run(&mut self, until: &mut Until, task: &Task<'_>) -> Poll<Stopped> {
        let alarm = Alarm::new(task.waker());
        let release = matches!(until, Until::End);
        for _ in 0..ROUNDS {
            if let State::Over = self.state {
                self.background.poll(&alarm);
                return Poll::Ready(Stopped::Finished);
            }
            if let State::Between(run) = &mut self.state {
                let next = run.peek();
                if let Until::Target(target) = until
                    && target.is_reached(next)
                {
                    self.background.poll(&alarm);
                    return Poll::Ready(Stopped::Before(next));
                }
                self.go(if release { None } else { Some(next) });
            }
            let State::Within(_, step) = &mut self.state else { continue };
            let done = alarm.poll(step.as_mut());
            self.background.poll(&alarm);
            if let Poll::Ready((step, run)) = done {
                self.end_step(step, run);
                if let Until::Step = until {
                    // Stops where it is now.
                    *until = Until::Target(Target::START);
                }
                continue;
            }
            if alarm.rang() {
                continue;
            }
            let exchange = &self.control.exchange;
            match exchange.completions.advance(Some(exchange.owner), release) {
                Advance::Progress => {}
                Advance::Held => return Poll::Ready(Stopped::Waiting),
                Advance::Nothing => return Poll::Pending,
            }
        }
        // It wakes itself again and again: the executor gets its turn.
        task.waker().wake_by_ref();
        Poll::Pending
    }

    fn go(&mut self, next: Option<Step>) {
        if let State::Between(mut run) = std::mem::replace(&mut self.state, State::Over) {
            let step: Stepping = match next {
                Some(_) => Box::pin(async move {
                    let step = run.step().await;
                    (step, run)
                }),
                None => Box::pin(async move {
                    run.run_to_end().await;
                    (Step::Done, run)
                }),
            };
            self.state = State::Within(next, step);
        }
    }

    fn end_step(&mut self, step: Step, run: Run) {
        if step != Step::Done {
            self.state = State::Between(run);
            return;
        }
        self.state = State::Over;
        self.control.exchange.close();
        let cx = run.into_context();
        if let Some(trace) = cx.trace() {
            self.trace = trace.clone();
        }
        if let Some(reuse) = &self.reuse {
            *reuse.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx);
        }
    }
}

const OVER: &str = "the request is over and its context is gone: run_until(Step::Done) stops before that";

impl Drop for TestRequest {
    fn drop(&mut self) {
        // First what waits, with the operations it still polls.
        self.state = State::Over;
        self.control.exchange.close();
    }
}

impl fmt::Debug for TestRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Between(run) => format!("{:?}", run.context().request()),
            State::Within(step, _) => self.occupied(*step),
            State::Over => "over".into(),
        };
        f.debug_struct("TestRequest").field("state", &state).finish_non_exhaustive()
    }
}
