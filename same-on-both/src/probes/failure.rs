//! Modules that fail.

use bivalve::prelude::*;

use super::response::pause;

/// Fails in the event that the URL names.
#[derive(Debug)]
pub struct Fails;

#[bivalve::module]
impl Module for Fails {
    async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        match cx.request().url().path() {
            "/begin" => Err(Error::from_status(StatusCode::FORBIDDEN)),
            "/waiting" => {
                pause().await;
                Err(Error::new(StatusCode::BAD_GATEWAY, "after a while"))
            }
            _ => Ok(Flow::Continue),
        }
    }

    fn on_execute_request_handler(&self, cx: &mut Context) -> Result<Flow> {
        fail_at(cx, "/handler")
    }

    fn on_post_release_request_state(&self, cx: &mut Context) -> Result<Flow> {
        fail_at(cx, "/post")
    }

    fn on_log_request(&self, cx: &mut Context) -> Result<Flow> {
        fail_at(cx, "/log")
    }

    fn on_end_request(&self, cx: &mut Context) -> Result<Flow> {
        fail_at(cx, "/end")
    }
}

fn fail_at(cx: &mut Context, path: &str) -> Result<Flow> {
    if cx.request().url().path() == path {
        return Err(Error::new(StatusCode::CONFLICT, "as it was asked to"));
    }
    Ok(Flow::Continue)
}

/// Panics in the event that the URL names.
#[derive(Debug)]
pub struct Panics;

#[bivalve::module]
impl Module for Panics {
    async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        panic_at(cx, "/begin");
        if cx.request().url().path() == "/waiting" {
            pause().await;
            panic_at(cx, "/waiting");
        }
        Ok(Flow::Continue)
    }

    fn on_execute_request_handler(&self, cx: &mut Context) -> Result<Flow> {
        panic_at(cx, "/handler");
        Ok(Flow::Continue)
    }

    fn on_post_release_request_state(&self, cx: &mut Context) -> Result<Flow> {
        panic_at(cx, "/post");
        Ok(Flow::Continue)
    }

    fn on_log_request(&self, cx: &mut Context) -> Result<Flow> {
        panic_at(cx, "/log");
        Ok(Flow::Continue)
    }

    fn on_end_request(&self, cx: &mut Context) -> Result<Flow> {
        panic_at(cx, "/end");
        Ok(Flow::Continue)
    }
}

#[allow(clippy::panic, reason = "that is what it is for")]
fn panic_at(cx: &Context, path: &str) {
    if cx.request().url().path() == path {
        panic!("as it was asked to");
    }
}
