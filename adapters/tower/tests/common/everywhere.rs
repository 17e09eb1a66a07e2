//! A module at every event of a request that changes nothing.

use std::task::Poll;

use bivalve_core::{
    Context, EntityRead, Flow, Module, Notification, Notifications, Outcome, Registration, Sending,
};

/// Continues at the twelve events, their post-events, SendResponse and ReadEntity.
pub struct Everywhere {
    /// Whether each method waits once before it continues: the way of an `async fn`.
    pub waits: bool,
    pub events: Notifications,
    pub post_events: Notifications,
}

impl Everywhere {
    /// At everything, with methods that answer at once.
    pub fn ready() -> Self {
        let on_demand = Notifications::DETERMINISTIC;
        let events = on_demand.with(Notification::SendResponse).with(Notification::ReadEntity);
        Self { waits: false, events, post_events: Notifications::DETERMINISTIC }
    }

    /// At everything, with methods that wait.
    pub fn waiting() -> Self {
        Self { waits: true, ..Self::ready() }
    }

    /// Up to the last event before the handler, and nowhere else.
    pub fn before_the_handler() -> Self {
        let events = Notification::DETERMINISTIC
            .into_iter()
            .take_while(|n| *n != Notification::ExecuteRequestHandler)
            .fold(Notifications::NONE, Notifications::with);
        Self { waits: true, events, post_events: events }
    }

    fn go_on(&self) -> Outcome<'static> {
        if !self.waits {
            return Outcome::CONTINUE;
        }
        Outcome::pending(async {
            let mut waited = false;
            std::future::poll_fn(|task| {
                if std::mem::replace(&mut waited, true) {
                    return Poll::Ready(());
                }
                task.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            Ok(Flow::Continue)
        })
    }
}

macro_rules! continue_at {
    ($($method:ident)*) => {
        $(fn $method<'a>(&'a self, _cx: &'a mut Context) -> Outcome<'a> {
            self.go_on()
        })*
    };
}

impl Module for Everywhere {
    fn registration(&self) -> Registration {
        Registration::new().on(self.events).on_post(self.post_events)
    }

    continue_at! {
        on_begin_request on_post_begin_request
        on_authenticate_request on_post_authenticate_request
        on_authorize_request on_post_authorize_request
        on_resolve_request_cache on_post_resolve_request_cache
        on_map_request_handler on_post_map_request_handler
        on_acquire_request_state on_post_acquire_request_state
        on_pre_execute_request_handler on_post_pre_execute_request_handler
        on_execute_request_handler on_post_execute_request_handler
        on_release_request_state on_post_release_request_state
        on_update_request_cache on_post_update_request_cache
        on_log_request on_post_log_request
        on_end_request on_post_end_request
    }

    fn on_send_response<'a>(&'a self, _cx: &'a mut Context, _sending: &'a mut Sending) -> Outcome<'a> {
        self.go_on()
    }

    fn on_read_entity<'a>(&'a self, _cx: &'a mut Context, _entity: &'a mut EntityRead) -> Outcome<'a> {
        self.go_on()
    }
}
