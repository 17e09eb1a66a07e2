//! A native module as a module of the pipeline.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use bivalve_core::{
    Context, CustomNotification, EntityRead, Error, Event, Flow, Module, Outcome, PathMapping, Registration,
    Result, Sending,
};

use crate::call::{Call, Instance};
use crate::faces::provider::{Data, Provider};
use crate::host::{Shared, User};
use crate::operation::Custom;
use crate::registration::{self, Keep, Registered};
use crate::request::Request;
use crate::threads::Mailbox;

/// A native module, loaded by an [`IisHost`](crate::IisHost): mount it in a pipeline under the name it was loaded with.
///
/// Its calls run on threads of the host; the pipeline's own thread never waits for the module, so any runtime will do.
/// (OnMapPath is the exception: it is synchronous, as in IIS.)
#[derive(Clone)]
pub struct NativeModule {
    host: Arc<Shared>,
    module: Arc<Registered>,
    /// What the module was registered with: its name and identifier.
    _info: Arc<dyn Keep>,
    user: Option<Arc<User>>,
}

impl NativeModule {
    pub(crate) fn new(host: &Arc<Shared>, module: Registered, info: Arc<dyn Keep>) -> Self {
        let module = Arc::new(module);
        host.globals.add(&module);
        Self { host: Arc::clone(host), module, _info: info, user: None }
    }

    /// Keeps what the host keeps for its modules.
    pub(crate) fn of(mut self, user: &Arc<User>) -> Self {
        self.user = Some(Arc::clone(user));
        self
    }

    /// The name it was loaded with.
    #[must_use]
    pub fn name(&self) -> &str {
        self.module.name()
    }

    /// The events that it registered for, in IIS's order.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        registration::events(&self.module.registration)
    }

    /// The global notifications that it registered for (`GL_*`). The host raises those of start and stop, and of a change
    /// of the configuration.
    #[must_use]
    pub fn global_notifications(&self) -> u32 {
        self.module.global_notifications
    }

    /// Lends the context to a call of the module.
    fn begin(&self, cx: &mut Context, data: Data) -> (Call, Arc<Provider>) {
        self.host.globals.start(&self.host.site, cx);
        let event = cx.event();
        let request = Request::of(&self.host, cx);
        let instance = Arc::clone(&cx.state_mut::<State>().0);
        if self.host.faults.disconnects_at(event) {
            request.disconnector.disconnect();
        }
        let provider = Provider::new(&self.host, &request, &self.module, event, data);
        // SAFETY: the caller's `&mut` is not used again while the call lives, which is dropped before it.
        let call = unsafe { Call::begin(cx, &request, event, &self.module, instance, Arc::clone(&provider)) };
        (call, provider)
    }

    fn notify<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let (call, _) = self.begin(cx, Data::Event);
        Outcome::pending(call.drive())
    }
}

/// The module's object for this request, as the pipeline keeps it.
#[derive(Default)]
struct State(Arc<Instance>);

impl Drop for State {
    fn drop(&mut self) {
        self.0.dispose();
    }
}

macro_rules! notifications {
    ($($method:ident)+) => {
        $(
            fn $method<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
                self.notify(cx)
            }
        )+
    };
}

impl Module for NativeModule {
    fn registration(&self) -> Registration {
        self.module.registration.clone()
    }

    notifications! {
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

    fn on_send_response<'a>(&'a self, cx: &'a mut Context, sending: &'a mut Sending) -> Outcome<'a> {
        let data = Data::Sending { headers: sending.headers_being_sent(), more: sending.more_data() };
        let (call, _) = self.begin(cx, data);
        Outcome::pending(call.drive())
    }

    fn on_map_path(&self, cx: &mut Context, mapping: &mut PathMapping) -> Result<Flow> {
        let path = mapping.physical_path().to_string_lossy().into_owned();
        let (call, provider) = self.begin(cx, Data::Path { url: mapping.url().into(), path });
        let flow = wait(call);
        if let Some(path) = provider.changed_path() {
            mapping.set_physical_path(path);
        }
        if let Some(error) = provider.error() {
            let text = format!("OnMapPath: SetErrorStatus(0x{error:08X})");
            return Err(Error::new(http::StatusCode::INTERNAL_SERVER_ERROR, text));
        }
        flow
    }

    fn on_read_entity<'a>(&'a self, cx: &'a mut Context, entity: &'a mut EntityRead) -> Outcome<'a> {
        let (call, provider) = self.begin(cx, Data::Entity(entity.data().clone()));
        Outcome::pending(async move {
            let flow = call.drive().await?;
            if let Some(data) = provider.changed_entity() {
                entity.set_data(data);
            }
            Ok(flow)
        })
    }

    fn on_custom_request_notification<'a>(
        &'a self,
        cx: &'a mut Context,
        custom: &'a mut CustomNotification,
    ) -> Outcome<'a> {
        let own = custom.data::<Custom>().copied();
        let (call, _) = self.begin(cx, Data::Custom { own, unique_id: custom.unique_id().into() });
        Outcome::pending(call.drive())
    }
}

/// Drives a call on this thread, which does its jobs meanwhile.
fn wait(call: Call) -> Result<Flow> {
    let mailbox = Mailbox::own();
    let request = Arc::clone(call.request());
    let waker = Waker::from(Arc::clone(&mailbox));
    request.block(&mailbox);
    let mut driving = pin!(call.drive());
    let flow = mailbox.wait(|| match driving.as_mut().poll(&mut Task::from_waker(&waker)) {
        Poll::Ready(flow) => Some(flow),
        Poll::Pending => None,
    });
    request.unblock(&mailbox);
    flow
}

impl fmt::Debug for NativeModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativeModule").field(&self.module).finish()
    }
}
