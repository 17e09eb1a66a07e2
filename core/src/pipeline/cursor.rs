//! The pure stepper: where a request is, and what comes next. No I/O, no clock, no module code.

use crate::context::ModuleId;
use crate::inferred::{FINAL_SEND, FinalSend};
use crate::{Event, Flow, Notification};

/// Twelve notifications, each followed by its post-notification.
pub(super) const SLOTS: usize = 24;

/// ExecuteRequestHandler: always visited, for the handler.
const EXECUTE: usize = 2 * Notification::ExecuteRequestHandler.index();

/// LogRequest: where a finish goes.
const LOG: usize = 2 * Notification::LogRequest.index();

/// Behind the last event.
const END: usize = SLOTS;

/// What a request does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// A module is called.
    Call {
        /// At this event.
        event: Event,
        /// Its position among the modules of the event.
        position: usize,
    },
    /// The handler runs: the mounted service, or the answer 404 where there is none.
    Handler,
    /// What is buffered leaves.
    Send,
    /// The request is over.
    Done,
}

impl Step {
    /// The event in which the step happens; `None` after the last one.
    #[must_use]
    pub fn event(self) -> Option<Event> {
        match self {
            Self::Call { event, .. } => Some(event),
            Self::Handler => Some(Event::of(Notification::ExecuteRequestHandler)),
            Self::Send | Self::Done => None,
        }
    }
}

/// A module at an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) module: ModuleId,
    /// It promised to return no future here.
    pub(crate) synchronous: bool,
}

/// The modules of each event, in the order in which they run.
#[derive(Debug)]
pub(crate) struct EventLists {
    /// Deterministic events by slot, then the four on-demand ones.
    lists: [Box<[Entry]>; SLOTS + 4],
    /// Slots with something to do.
    active: u32,
}

impl EventLists {
    pub(super) fn new(lists: [Box<[Entry]>; SLOTS + 4]) -> Self {
        let mut active = 1 << EXECUTE;
        for (slot, list) in lists[..SLOTS].iter().enumerate() {
            if !list.is_empty() {
                active |= 1 << slot;
            }
        }
        Self { lists, active }
    }

    pub(crate) fn at(&self, event: Event) -> &[Entry] {
        &self.lists[index(event)]
    }

    /// Whether anything but a send happens behind the handler.
    pub(super) fn any_after_handler(&self) -> bool {
        self.active >> (EXECUTE + 1) != 0
    }

    /// The first slot from `slot` on with something to do.
    fn next_active(&self, slot: usize) -> usize {
        let rest = self.active >> slot;
        if rest == 0 { END } else { slot + rest.trailing_zeros() as usize }
    }
}

/// The place of an event in [`EventLists`].
pub(super) const fn index(event: Event) -> usize {
    let index = event.notification().index();
    if event.notification().is_deterministic() {
        2 * index + if event.is_post() { 1 } else { 0 }
    } else {
        SLOTS + index - Notification::DETERMINISTIC.len()
    }
}

/// Every deterministic event by slot.
const EVENTS: [Event; SLOTS] = {
    let mut events = [Event::of(Notification::BeginRequest); SLOTS];
    let mut slot = 0;
    while slot < SLOTS {
        let notification = Notification::DETERMINISTIC[slot / 2];
        events[slot] = match (slot % 2, Event::post(notification)) {
            (1, Some(post)) => post,
            _ => Event::of(notification),
        };
        slot += 1;
    }
    events
};

/// Where one request is.
#[derive(Debug)]
pub(crate) struct Cursor {
    slot: usize,
    position: usize,
    handled: bool,
    sent: bool,
}

impl Cursor {
    pub(crate) fn new(lists: &EventLists) -> Self {
        Self { slot: lists.next_active(0), position: 0, handled: false, sent: false }
    }

    /// What comes next. Asking twice gives the same answer.
    pub(crate) fn next(&mut self, lists: &EventLists, wants: impl Fn(ModuleId, Event) -> bool) -> Step {
        if self.next_call(lists, wants).is_some() {
            return Step::Call { event: self.event(), position: self.position };
        }
        self.behind_calls()
    }

    /// What comes next where no call does.
    pub(crate) fn behind_calls(&self) -> Step {
        if !self.sent && self.slot >= send_slot() {
            Step::Send
        } else if self.slot >= END {
            Step::Done
        } else {
            Step::Handler
        }
    }

    /// The module to call, if a call comes next: at [`event`](Self::event), [`position`](Self::position).
    #[inline]
    pub(crate) fn next_call(
        &mut self,
        lists: &EventLists,
        wants: impl Fn(ModuleId, Event) -> bool,
    ) -> Option<Entry> {
        loop {
            if self.slot >= END || (!self.sent && self.slot >= send_slot()) {
                return None;
            }
            while let Some(entry) = lists.lists[self.slot].get(self.position) {
                if wants(entry.module, EVENTS[self.slot]) {
                    return Some(*entry);
                }
                self.position += 1;
            }
            if self.slot == EXECUTE && !self.handled {
                return None;
            }
            self.position = 0;
            self.slot = lists.next_active(self.slot + 1);
        }
    }

    /// The modules of the event of the call that comes next.
    #[inline]
    pub(crate) fn entries<'l>(&self, lists: &'l EventLists) -> &'l [Entry] {
        &lists.lists[self.slot.min(END - 1)]
    }

    /// One module further, in the same event.
    #[inline]
    pub(crate) fn skip(&mut self) {
        self.position += 1;
    }

    /// The event of the call that comes next.
    pub(crate) fn event(&self) -> Event {
        EVENTS[self.slot.min(END - 1)]
    }

    /// Where the module of the call that comes next stands in its event.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Whether LogRequest has been reached.
    pub(crate) fn is_finishing(&self) -> bool {
        self.slot >= LOG
    }

    /// A module or the handler has answered.
    pub(crate) fn advance(&mut self, lists: &EventLists, flow: Flow) {
        match flow {
            // LogRequest and EndRequest "never return a status of FinishRequest" (System.Web).
            Flow::Finish if self.slot < LOG => self.finish(lists),
            _ => self.position += 1,
        }
    }

    /// The handler has run.
    pub(crate) fn handled(&mut self, lists: &EventLists, flow: Flow) {
        self.handled = true;
        if flow == Flow::Finish {
            self.finish(lists);
        }
    }

    /// The rest up to LogRequest is skipped.
    pub(crate) fn finish(&mut self, lists: &EventLists) {
        if self.slot < LOG {
            self.position = 0;
            self.slot = lists.next_active(LOG);
        }
    }

    /// The rest of the response has left.
    pub(crate) fn sent(&mut self) {
        self.sent = true;
    }
}

const fn send_slot() -> usize {
    match FINAL_SEND {
        FinalSend::AfterEndRequest => END,
        FinalSend::BeforeLogRequest => LOG,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(slots: &[(usize, &[u16])]) -> EventLists {
        let mut lists: [Box<[Entry]>; SLOTS + 4] = Default::default();
        for (slot, ids) in slots {
            lists[*slot] = ids.iter().map(|id| Entry { module: ModuleId(*id), synchronous: true }).collect();
        }
        EventLists::new(lists)
    }

    /// Runs to the end, answering with `answer`; the names of the steps.
    fn run(lists: &EventLists, answer: impl Fn(Event, u16) -> Flow) -> Vec<String> {
        let mut cursor = Cursor::new(lists);
        let mut steps = Vec::new();
        loop {
            let module = cursor.next_call(lists, |_, _| true).map(|entry| entry.module.0);
            match (cursor.next(lists, |_, _| true), module) {
                (Step::Call { event, .. }, Some(module)) => {
                    steps.push(format!("{event}:{module}"));
                    cursor.advance(lists, answer(event, module));
                }
                (Step::Handler, None) => {
                    steps.push("Handler".into());
                    cursor.handled(lists, Flow::Continue);
                }
                (Step::Send, None) => {
                    steps.push("Send".into());
                    cursor.sent();
                }
                (Step::Done, None) => return steps,
                (step, module) => panic!("{step:?} for module {module:?}"),
            }
        }
    }

    #[test]
    fn each_event_runs_for_all_modules_and_then_its_post_event() {
        let lists = lists(&[(0, &[0, 1]), (1, &[1]), (EXECUTE, &[0]), (EXECUTE + 1, &[0]), (22, &[0])]);
        assert_eq!(
            run(&lists, |_, _| Flow::Continue),
            [
                "BeginRequest:0",
                "BeginRequest:1",
                "PostBeginRequest:1",
                "ExecuteRequestHandler:0",
                "Handler",
                "PostExecuteRequestHandler:0",
                "EndRequest:0",
                "Send"
            ]
        );
    }

    #[test]
    fn finish_skips_the_rest_of_the_event_its_post_event_and_all_up_to_log_request() {
        let lists = lists(&[(0, &[0, 1]), (1, &[0]), (2, &[0]), (LOG, &[0, 1]), (LOG + 1, &[1]), (22, &[0])]);
        assert_eq!(
            run(&lists, |_, _| Flow::Finish),
            ["BeginRequest:0", "LogRequest:0", "LogRequest:1", "PostLogRequest:1", "EndRequest:0", "Send"]
        );
    }

    #[test]
    fn an_empty_pipeline_has_a_handler_and_a_send() {
        assert_eq!(run(&lists(&[]), |_, _| Flow::Continue), ["Handler", "Send"]);
    }
}
