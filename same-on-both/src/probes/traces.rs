//! A module that traces.

use bivalve::prelude::*;

use super::response::pause;

/// Traces in a plain method and in one that waits, at several levels; panics where the URL asks for it.
#[derive(Debug)]
pub struct Traces;

#[bivalve::module]
impl Module for Traces {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        tracing::info!(path = cx.request().url().path(), answer = 42, "begins");
        tracing::trace!("nobody shall see it");
        if cx.request().url().path() == "/long" {
            tracing::warn!("{}", "\u{e9}".repeat(100_000));
        }
        Ok(Flow::Continue)
    }

    async fn on_execute_request_handler(&self, _: &mut Context) -> Result<Flow> {
        tracing::debug!("before");
        pause().await;
        tracing::warn!("after");
        std::thread::spawn(|| tracing::warn!("elsewhere")).join().expect("it ends");
        Ok(Flow::Continue)
    }

    fn on_log_request(&self, cx: &mut Context) -> Result<Flow> {
        let path = cx.request().url().path();
        assert_ne!(path, "/panic", "on demand");
        Ok(Flow::Continue)
    }
}
