//! Where a request stops.

use crate::inferred::{FINAL_SEND, FinalSend};
use crate::{Event, Notification, Step};

/// Where [`run_until`](super::TestRequest::run_until) stops: before an event, or before one step.
///
/// From a [`Notification`], an [`Event`] (also a post-event) or a [`Step`].
///
/// ```
/// use bivalve_core::testing::Target;
/// use bivalve_core::{Event, Notification, Step};
///
/// let before_the_event = Target::from(Notification::LogRequest);
/// let after_it = Target::from(Event::post(Notification::LogRequest).unwrap());
/// let before_the_state_is_dropped = Target::from(Step::Done);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    place: Place,
}

/// How a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Between two steps: this one is next.
    Before(Step),
    /// Within a step: it waits for an operation that the test holds back, or for entity data that the test has not sent.
    /// In [`CompletionOrder::Manual`](super::CompletionOrder::Manual): it waits, for whatever.
    Waiting,
    /// The request is over.
    Finished,
}

impl Stopped {
    /// The event of the next step. `None` while the request waits, and before the last two steps:
    /// [`Step::Send`] and [`Step::Done`].
    #[must_use]
    pub fn event(self) -> Option<Event> {
        match self {
            Self::Before(step) => step.event(),
            Self::Waiting | Self::Finished => None,
        }
    }
}

/// Orders steps: event (each has two places, so that a send fits between), then position.
type Place = (usize, usize);

pub(super) fn place(step: Step) -> Place {
    let execute = of(Notification::ExecuteRequestHandler.into());
    match step {
        Step::Call { event, position } => (of(event), position),
        Step::Handler => (execute, usize::MAX),
        Step::Send => match FINAL_SEND {
            FinalSend::AfterEndRequest => (END, 0),
            FinalSend::BeforeLogRequest => (of(Notification::LogRequest.into()) - 1, 0),
        },
        Step::Done => (END + 1, 0),
    }
}

const END: usize = 4 * Notification::DETERMINISTIC.len();

fn of(event: Event) -> usize {
    4 * event.notification().index() + if event.is_post() { 2 } else { 0 }
}

impl Target {
    /// Before everything.
    pub(super) const START: Self = Self { place: (0, 0) };

    pub(super) fn is_reached(self, next: Step) -> bool {
        place(next) >= self.place
    }
}

impl From<Notification> for Target {
    #[track_caller]
    fn from(notification: Notification) -> Self {
        Self::from(Event::of(notification))
    }
}

impl From<Event> for Target {
    /// # Panics
    ///
    /// For the four notifications that are raised on demand: they are nested in a step, and a request stops between steps.
    #[track_caller]
    fn from(event: Event) -> Self {
        assert!(
            event.notification().is_deterministic(),
            "{event} is raised on demand, inside another event: a request cannot stop before it. \
             Hold the operation back instead, with CompletionOrder::Manual"
        );
        Self { place: (of(event), 0) }
    }
}

impl From<Step> for Target {
    #[track_caller]
    fn from(step: Step) -> Self {
        Self { place: place(step) }
    }
}
