//! A module that notes which events run.

use std::sync::{Arc, Mutex, PoisonError};

use bivalve::{
    Context, CustomNotification, EntityRead, Event, Flow, Module, Notification, Outcome, PathMapping,
    Registration, Result, Sending, User,
};

/// Notes every event, in order. Mounted behind the module that is looked at, in every host.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    notes: Arc<Mutex<Vec<String>>>,
}

impl Witness {
    /// What was noted, and forgets it.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the request has ended: EndRequest and the last part of the response were seen.
    #[must_use]
    pub fn has_seen_the_end(&self) -> bool {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.iter().any(|note| note.starts_with("PostEndRequest"))
            && notes.iter().any(|note| note.contains("more=false"))
    }

    fn note(&self, text: String) -> Outcome<'static> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        Outcome::CONTINUE
    }
}

/// Methods that note their event, with what the response is by then.
macro_rules! events {
    ($($method:ident)*) => {
        $(fn $method<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
            let user = cx.user().map_or("-", User::name).to_owned();
            let (status, sub) = (cx.response().status().as_u16(), cx.response().sub_status());
            self.note(format!("{} {status}.{sub} {user}", cx.event()))
        })*
    };
}

impl Module for Witness {
    fn registration(&self) -> Registration {
        let events = Notification::ALL.into_iter();
        events.fold(Registration::new(), |registration, notification| {
            let registration = registration.on(notification);
            if Event::post(notification).is_some() {
                registration.on_post(notification)
            } else {
                registration
            }
        })
    }

    events! {
        on_begin_request on_post_begin_request on_authenticate_request on_post_authenticate_request
        on_authorize_request on_post_authorize_request on_resolve_request_cache on_post_resolve_request_cache
        on_map_request_handler on_post_map_request_handler on_acquire_request_state on_post_acquire_request_state
        on_pre_execute_request_handler on_post_pre_execute_request_handler on_execute_request_handler
        on_post_execute_request_handler on_release_request_state on_post_release_request_state
        on_update_request_cache on_post_update_request_cache on_log_request on_post_log_request on_end_request
        on_post_end_request
    }

    fn on_send_response<'a>(&'a self, cx: &'a mut Context, sending: &'a mut Sending) -> Outcome<'a> {
        let (headers, more) = (sending.headers_being_sent(), sending.more_data());
        self.note(format!("SendResponse headers={headers} more={more} {} bytes", cx.response().entity_len()))
    }

    fn on_read_entity<'a>(&'a self, _cx: &'a mut Context, entity: &'a mut EntityRead) -> Outcome<'a> {
        // How the body is cut into pieces is the business of the host.
        let what = if entity.is_end() { "end" } else { "bytes" };
        self.note(format!("ReadEntity {what}"))
    }

    fn on_map_path(&self, _cx: &mut Context, mapping: &mut PathMapping) -> Result<Flow> {
        let _ = self.note(format!("MapPath {}", mapping.url()));
        Ok(Flow::Continue)
    }

    fn on_custom_request_notification<'a>(
        &'a self,
        _cx: &'a mut Context,
        custom: &'a mut CustomNotification,
    ) -> Outcome<'a> {
        self.note(format!("Custom {}", custom.unique_id()))
    }
}
