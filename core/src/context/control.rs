//! What steers the rest of the pipeline: who is called, who handles, and what a failure does.

use super::{Context, ModuleId, Progress};
use crate::{Event, Flow, Notifications, Result};

/// What steers the rest of the pipeline.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// A nested event asked for a finish, or failed: the request finishes when the current event returns.
    pub(crate) finish: bool,
    /// Status and sub-status of a module that failed in a nested event: what the request answers, whatever the
    /// module around it makes of the error.
    pub(crate) failed: Option<(http::StatusCode, u16)>,
    /// Modules that panicked: skipped for the rest of the request.
    pub(crate) skipped: Vec<ModuleId>,
    /// What a module disabled for itself.
    disabled: Vec<(ModuleId, Notifications, Notifications)>,
    /// Who handles the request, once a module has said so.
    pub(crate) handler: Option<ModuleId>,
    /// Whether a module ran at ExecuteRequestHandler.
    pub(crate) executed: bool,
}

/// Host operations that were started and not yet waited for to the end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outstanding {
    pub(crate) send: bool,
    pub(crate) read: bool,
}

impl Control {
    /// For another request, in the same memory.
    pub(crate) fn restart(&mut self) {
        self.finish = false;
        self.failed = None;
        self.skipped.clear();
        self.disabled.clear();
        self.handler = None;
        self.executed = false;
    }
}

impl Context {
    /// This module will not be called for these notifications any more, in this request. As in IIS, only for the
    /// calling module, and only deterministic notifications; others are ignored.
    ///
    /// IIS counterpart: `DisableNotifications`.
    pub fn disable_notifications(
        &mut self,
        notifications: impl Into<Notifications>,
        post_notifications: impl Into<Notifications>,
    ) {
        let notifications = notifications.into().intersection(Notifications::DETERMINISTIC);
        let post = post_notifications.into().intersection(Notifications::DETERMINISTIC);
        let module = self.frame.module;
        if self.is_foreign() {
            self.with_foreign(|foreign| foreign.disable_notifications(notifications, post));
            return;
        }
        match self.control.disabled.iter_mut().find(|row| row.0 == module) {
            Some(row) => {
                row.1 |= notifications;
                row.2 |= post;
            }
            None => self.control.disabled.push((module, notifications, post)),
        }
    }

    /// Makes this module the handler: at ExecuteRequestHandler it is called, and no other module, nor the mounted
    /// service. Before that event at the latest.
    ///
    /// # Without a call
    ///
    /// A [handler mapping](crate::PipelineBuilder::handler_mapping) that fits decides. With none configured, every
    /// module registered for ExecuteRequestHandler runs in order, and then the mounted service.
    ///
    /// IIS counterpart: `IMapHandlerProvider::SetScriptMap`.
    pub fn set_handler(&mut self) {
        self.control.handler = Some(self.frame.module);
    }

    /// Whether a call has left nothing behind that [`leave`](crate::pipeline) would have to look at.
    pub(crate) fn has_nothing_to_settle(&self) -> bool {
        let frame = &self.frame;
        frame.arm.is_none()
            && frame.started.is_none()
            && !self.control.finish
            && self.trace.is_none()
            && self.meter.is_none()
    }

    /// Whether this module is to be called at this event.
    #[inline]
    pub(crate) fn wants(&self, module: ModuleId, event: Event) -> bool {
        let control = &self.control;
        (control.skipped.is_empty() && control.disabled.is_empty()) || !self.is_excluded(module, event)
    }

    #[cold]
    fn is_excluded(&self, module: ModuleId, event: Event) -> bool {
        let control = &self.control;
        control.skipped.contains(&module)
            || control.disabled.iter().any(|(id, notifications, post)| {
                let mask = if event.is_post() { post } else { notifications };
                *id == module && mask.contains(event.notification())
            })
    }

    /// A module failed in a nested event. It may have been a filter or a guard, so nothing passes it: the request
    /// answers with the error, also if the module around it looks away.
    pub(crate) fn fail_nested(&mut self, error: &crate::Error) {
        self.fail(error);
        self.control.failed = Some((error.status(), error.sub_status()));
        self.control.finish = true;
    }

    /// Nothing is read or sent any more by the module around a nested event that failed.
    pub(crate) fn check_passed(&self) -> Result<()> {
        match self.control.failed {
            None => Ok(()),
            Some((status, sub_status)) => Err(crate::Error::framework(
                crate::ErrorKind::RequestEnded,
                "a module has failed in a nested event: the request answers with that error",
            )
            .with_status(status)
            .with_sub_status(sub_status)),
        }
    }

    /// Wipes out what the module around a nested failure has written since.
    pub(crate) fn answer_failure(&mut self) {
        if let Some((status, sub_status)) = self.control.failed.take()
            && self.response.progress() == Progress::Unsent
        {
            self.response.fail(status, sub_status);
        }
    }

    /// Answers for an error: an error page while nothing has left, a reset afterwards.
    pub(crate) fn fail(&mut self, error: &crate::Error) {
        self.control.failed = None;
        match self.response.progress() {
            Progress::Unsent => self.response.fail(error.status(), error.sub_status()),
            Progress::HeadersSent => self.reset_connection(),
            Progress::Ended | Progress::Reset => {}
        }
    }

    /// A finish asked for by a nested event, taken when the event it was nested in returns.
    pub(crate) fn take_nested_finish(&mut self, flow: Flow) -> Flow {
        self.answer_failure();
        if std::mem::take(&mut self.control.finish) && flow == Flow::Continue { Flow::Finish } else { flow }
    }
}
