//! Panics wherever a module's code runs.

use std::panic::panic_any;

use bivalve::prelude::*;
use bivalve::{
    CompletionInfo, CustomNotification, EntityRead, Event, Notification, Outcome, PathMapping, Registration,
    Sending,
};

pub use super::response::pause;

/// Panics in the event that the first part of the URL names, in the way of the second: see [`HOW`]. It asks for all events,
/// and whoever names one that does not come by itself has it raised at ExecuteRequestHandler.
#[derive(Debug)]
pub struct Trips;

/// The ways:
///
/// - `ready`: in the method; `first`: at the first poll; `later`: on the runtime; `flushed`: after an operation of IIS
/// - `posted`: in `on_async_completion`
/// - `future`: while its future is dropped, which had its answer
/// - `state`: while its state is dropped, at the end of the request
/// - `payload`: in the method, with a payload that panics when it is dropped, and so on
/// - `held`, not among these: it does not panic, but holds IIS's thread until the port that the third part of the URL names
///   has closed the connection
/// - `abandoned`, not among these: while a future is dropped that waits until the client has gone. The third part of the
///   URL is a port, to which it connects when it waits.
pub const HOW: [&str; 8] = ["ready", "first", "later", "flushed", "posted", "future", "state", "payload"];

/// Every event.
#[must_use]
pub fn events() -> Vec<Event> {
    let both = |notification| [Some(Event::of(notification)), Event::post(notification)];
    Notification::ALL.into_iter().flat_map(both).flatten().collect()
}

/// A registration for every event.
#[must_use]
pub fn all() -> Registration {
    events().into_iter().fold(Registration::new(), |registration, event| {
        if event.is_post() {
            registration.on_post(event.notification())
        } else {
            registration.on(event.notification())
        }
    })
}

/// Panics when it is dropped.
#[derive(Debug, Default)]
struct Bomb;

#[allow(clippy::panic, reason = "that is what it is for")]
impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_any(Fuse(3));
        }
    }
}

/// A payload that panics in turn, for a while.
struct Fuse(u32);

#[allow(clippy::panic, reason = "that is what it is for")]
impl Drop for Fuse {
    fn drop(&mut self) {
        if self.0 > 0 && !std::thread::panicking() {
            panic_any(Self(self.0 - 1));
        }
    }
}

/// What is to be done in this event, and the port.
fn how(cx: &Context, event: Event) -> Option<(String, u16)> {
    let mut parts = cx.request().url().path().split('/').skip(1);
    let (at, how) = (parts.next()?, parts.next()?);
    let port = parts.next().and_then(|port| port.parse().ok()).unwrap_or_default();
    (at == event.to_string()).then(|| (how.to_owned(), port))
}

#[allow(clippy::panic, reason = "that is what it is for")]
fn trip<'a>(cx: &'a mut Context, event: Event) -> Outcome<'a> {
    let (how, port) = how(cx, event).unwrap_or_default();
    match &*how {
        "ready" => panic!("as it was asked to"),
        "payload" => panic_any(Fuse(3)),
        "first" => Outcome::Pending(Box::pin(async { panic!("as it was asked to") })),
        "later" => Outcome::Pending(Box::pin(async {
            pause().await;
            panic!("as it was asked to")
        })),
        "flushed" => Outcome::Pending(Box::pin(async {
            // Not everywhere may a module write; it panics all the same.
            let _ = cx.write("some of it").await;
            let _ = cx.flush().await;
            panic!("as it was asked to")
        })),
        "posted" => {
            let handle = cx.completion_handle();
            std::thread::spawn(move || handle.post_completion(1));
            Flow::Pending.into()
        }
        "future" => Outcome::Pending(Box::pin(async {
            let bomb = Bomb;
            pause().await;
            drop(bomb);
            Ok(Flow::Continue)
        })),
        "held" => {
            if let Ok(mut held) = std::net::TcpStream::connect(("127.0.0.1", port)) {
                let _ = std::io::Read::read(&mut held, &mut [0]);
            }
            Outcome::CONTINUE
        }
        "abandoned" => Outcome::Pending(Box::pin(async move {
            let _bomb = Bomb;
            let _waits = std::net::TcpStream::connect(("127.0.0.1", port));
            std::future::pending().await
        })),
        "state" => {
            let _: &mut Bomb = cx.state_mut();
            Outcome::CONTINUE
        }
        _ => Outcome::CONTINUE,
    }
}

macro_rules! trips {
    ($($method:ident $notification:ident $is_post:literal;)*) => {
        $(fn $method<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
            let event = if $is_post { Event::post(Notification::$notification) } else { None };
            trip(cx, event.unwrap_or(Event::of(Notification::$notification)))
        })*
    };
}

impl Module for Trips {
    fn registration(&self) -> Registration {
        all()
    }

    trips! {
        on_begin_request BeginRequest false; on_post_begin_request BeginRequest true;
        on_authenticate_request AuthenticateRequest false; on_post_authenticate_request AuthenticateRequest true;
        on_authorize_request AuthorizeRequest false; on_post_authorize_request AuthorizeRequest true;
        on_resolve_request_cache ResolveRequestCache false; on_post_resolve_request_cache ResolveRequestCache true;
        on_map_request_handler MapRequestHandler false; on_post_map_request_handler MapRequestHandler true;
        on_acquire_request_state AcquireRequestState false; on_post_acquire_request_state AcquireRequestState true;
        on_pre_execute_request_handler PreExecuteRequestHandler false;
        on_post_pre_execute_request_handler PreExecuteRequestHandler true;
        on_post_execute_request_handler ExecuteRequestHandler true;
        on_release_request_state ReleaseRequestState false; on_post_release_request_state ReleaseRequestState true;
        on_update_request_cache UpdateRequestCache false; on_post_update_request_cache UpdateRequestCache true;
        on_log_request LogRequest false; on_post_log_request LogRequest true;
        on_end_request EndRequest false; on_post_end_request EndRequest true;
    }

    fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let path = cx.request().url().path().to_owned();
        let at = path.split('/').nth(1).unwrap_or_default().to_owned();
        match &*at {
            "ReadEntity" => Outcome::Pending(Box::pin(async {
                while !cx.read_entity(1024).await?.is_empty() {}
                Ok(Flow::Continue)
            })),
            "MapPath" => Outcome::Ready(cx.map_path("/inside").map(|_| Flow::Continue)),
            "CustomRequestNotification" => Outcome::Pending(Box::pin(async {
                let mut custom = CustomNotification::new("Ask");
                cx.notify_custom(&mut custom).await
            })),
            _ => trip(cx, Event::of(Notification::ExecuteRequestHandler)),
        }
    }

    fn on_send_response<'a>(&'a self, cx: &'a mut Context, _: &'a mut Sending) -> Outcome<'a> {
        trip(cx, Event::of(Notification::SendResponse))
    }

    fn on_read_entity<'a>(&'a self, cx: &'a mut Context, _: &'a mut EntityRead) -> Outcome<'a> {
        trip(cx, Event::of(Notification::ReadEntity))
    }

    fn on_custom_request_notification<'a>(
        &'a self,
        cx: &'a mut Context,
        _: &'a mut CustomNotification,
    ) -> Outcome<'a> {
        trip(cx, Event::of(Notification::CustomRequestNotification))
    }

    /// It returns no future: what others do later, it does at once.
    #[allow(clippy::panic, reason = "that is what it is for")]
    fn on_map_path(&self, cx: &mut Context, _: &mut PathMapping) -> Result<Flow> {
        match trip(cx, Event::of(Notification::MapPath)) {
            Outcome::Ready(result) => result,
            Outcome::Pending(_) => panic!("as it was asked to"),
        }
    }

    #[allow(clippy::panic, reason = "that is what it is for")]
    fn on_async_completion<'a>(&'a self, _: &'a mut Context, _: CompletionInfo) -> Outcome<'a> {
        panic!("as it was asked to")
    }
}
