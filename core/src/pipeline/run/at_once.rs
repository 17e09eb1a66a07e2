//! A request that waits for nothing: driven without a future.

use super::super::Step;
use super::super::call::invoke_handler;
use super::super::cursor::Entry;
use super::{Calls, Run, Waits, without_waiting};
use crate::contain::contained;
use crate::context::{Driven, ModuleId};
use crate::{Flow, Notification};

impl Run {
    /// Runs what is left as far as nothing has to wait. `true`: that was all; otherwise [`run_to_end`](Self::run_to_end) goes on.
    ///
    /// Most requests need no more than this, and a host that calls it by itself has no client to listen for meanwhile.
    pub fn run_at_once(&mut self) -> bool {
        while self.waits == Waits::No {
            if self.cx.frame.is_open() {
                // Left by the host, which has the context between two steps.
                self.cx.close_frame();
            }
            let Self { cx, cursor, driven: Driven { pipeline, .. }, .. } = self;
            match cursor.next_call(pipeline.lists(), |module, event| pipeline.calls(cx, module, event)) {
                Some(Entry { synchronous: true, .. }) => match self.synchronous_calls(Calls::All) {
                    None => {}
                    Some(Ok(Flow::Pending)) => self.waits = Waits::Call,
                    Some(result) => self.settled(result),
                },
                Some(_) => return false,
                None => match self.cursor.behind_calls() {
                    Step::Handler if self.handle_at_once() => {}
                    Step::Send if self.send_at_once() => {}
                    Step::Done => {
                        self.cx.dispose();
                        return true;
                    }
                    _ => return false,
                },
            }
        }
        false
    }

    /// `false`: the service may wait.
    fn handle_at_once(&mut self) -> bool {
        let service = self.wants_service();
        let Self { cx, driven: Driven { pipeline, .. }, .. } = self;
        let result = match pipeline.handler().filter(|_| service) {
            Some(_) if !pipeline.has_synchronous_handler() => return false,
            handler => {
                cx.frame.enter(ModuleId::HOST, Notification::ExecuteRequestHandler.into());
                match handler {
                    Some(handler) => {
                        cx.response_mut().set_answered();
                        invoke_handler(&**handler, cx).map_or(Ok(Flow::Continue), without_waiting)
                    }
                    None => cx.nobody_handled(),
                }
            }
        };
        if matches!(result, Ok(Flow::Continue)) && self.cx.has_nothing_to_settle() {
            // As `handled` does it.
            self.cursor.handled(self.driven.pipeline.lists(), Flow::Continue);
            self.notice_disconnect();
        } else {
            self.handled(result);
        }
        true
    }

    /// `false`: something is to be waited for.
    fn send_at_once(&mut self) -> bool {
        if !self.cx.sends_at_once() {
            return false;
        }
        let cx = &mut self.cx;
        cx.frame.reset();
        match contained(|| cx.start_final()) {
            Ok(true) => {}
            Ok(false) => {
                self.waits = Waits::Send;
                return false;
            }
            Err(()) => self.broken_off(),
        }
        self.cursor.sent();
        true
    }
}
