//! Modules at the edges of what IIS may do, for a host that does it: `cargo xtask test cpp` runs them in one in C++.
#![allow(missing_docs, reason = "its interface is that of httpserv.h")]

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use bivalve_core::{
    CompletionHandle, CompletionInfo, Context, Error, Flow, Module, Notification, Notifications, Outcome,
    PostError, Registration, Scope,
};
use http::StatusCode;

/// Registers for every event that has an order, and answers each with nothing.
struct Everything;

impl Module for Everything {
    fn registration(&self) -> Registration {
        let all = Notifications::DETERMINISTIC;
        Registration::new().on(all).on_post(all)
    }
}

/// Sends the client elsewhere.
struct Redirects;

impl Module for Redirects {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::BeginRequest)
    }

    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::Ready(cx.response_mut().redirect("/elsewhere?from=here").map(|()| Flow::Finish))
    }
}

/// Counts at each scope.
struct Scopes;

impl Module for Scopes {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::AuthorizeRequest)
    }

    fn on_authorize_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        *cx.state_mut::<u32>() += 1;
        let request = *cx.state::<u32>();
        let [connection, application, site] =
            [Scope::Connection, Scope::Application, Scope::Site].map(|scope| {
                let count = cx.module_context_or_insert_with(scope, Mutex::<u32>::default);
                count.map_or(0, |count| {
                    let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
                    *count += 1;
                    *count
                })
            });
        let text =
            format!("request {request}, connection {connection}, application {application}, site {site}");
        Outcome::Ready(cx.response_mut().set_header("x-counts", &text).map(|()| Flow::Continue))
    }
}

/// Gives a read up, and reads again.
struct Cancels;

impl Module for Cancels {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::ExecuteRequestHandler)
    }

    fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(async move {
            let first = tokio::time::timeout(Duration::from_millis(10), cx.read_entity(64)).await;
            let first = if first.is_err() { "given up" } else { "there" };
            // A flush cannot start while the read is outstanding, which it therefore cancels.
            cx.write(format!("first {first}, ")).await?;
            cx.flush().await?;
            let body = cx.read_entity(64).await?;
            cx.response_mut().write(format!("then {} bytes", body.len()))?;
            Ok(Flow::Finish)
        })
    }
}

/// Posts before it has said that it waits, and then once more.
struct PostsTwice;

impl Module for PostsTwice {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::BeginRequest)
    }

    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let handle = cx.completion_handle();
        let posted = [handle.post_completion(1), handle.post_completion(2)];
        let text = posted.map(|posted| said(&posted)).join(", ");
        Outcome::Ready(cx.response_mut().set_header("x-posted", &text).map(|()| Flow::Pending))
    }

    fn on_async_completion<'a>(&'a self, cx: &'a mut Context, done: CompletionInfo) -> Outcome<'a> {
        let text = done.completion().bytes().to_string();
        Outcome::Ready(cx.response_mut().set_header("x-completed", &text).map(|()| Flow::Continue))
    }
}

fn said(posted: &Result<(), PostError>) -> String {
    posted.as_ref().map_or_else(ToString::to_string, |()| String::from("posted"))
}

/// Keeps the handle and the waker of a request beyond its end, and uses both in the next one.
#[derive(Default)]
struct Outlives {
    kept: Mutex<Option<(CompletionHandle, Waker)>>,
}

impl Module for Outlives {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::BeginRequest)
    }

    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(async move {
            let handle = cx.completion_handle();
            let waker = std::future::poll_fn(|task| Poll::Ready(task.waker().clone())).await;
            let before = self.kept.lock().unwrap_or_else(PoisonError::into_inner).replace((handle, waker));
            let text = before.map_or_else(
                || String::from("nothing kept"),
                |(handle, waker)| {
                    let posted = handle.post_completion(7);
                    // On a thread that is none of the request's, too.
                    let other = waker.clone();
                    let woken = thread::spawn(move || other.wake()).join();
                    waker.wake();
                    format!("{}, woken {}", said(&posted), woken.is_ok())
                },
            );
            cx.response_mut().set_header("x-before", &text)?;
            Ok(Flow::Continue)
        })
    }
}

/// Waits until the client has gone; nobody else ends it.
struct WaitsForTheClient {
    /// The future has it too.
    alive: Arc<()>,
}

impl Module for WaitsForTheClient {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::BeginRequest).on(Notification::LogRequest)
    }

    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let alive = Arc::clone(&self.alive);
        Outcome::pending(async move {
            std::future::pending::<()>().await;
            drop(alive);
            cx.response_mut().write("never")?;
            Ok(Flow::Finish)
        })
    }

    fn on_log_request<'a>(&'a self, _: &'a mut Context) -> Outcome<'a> {
        if Arc::strong_count(&self.alive) == 1 {
            return Outcome::CONTINUE;
        }
        Outcome::Ready(Err(Error::new(StatusCode::INTERNAL_SERVER_ERROR, "the future is still there")))
    }
}

bivalve_iis::export_modules! {
    "Everything" => Everything,
    "Redirects" => Redirects,
    "Scopes" => Scopes,
    "Cancels" => Cancels,
    "PostsTwice" => PostsTwice,
    "Outlives" => Outlives::default(),
    "WaitsForTheClient" => WaitsForTheClient { alive: Arc::new(()) },
}
