//! The modules that are measured, behind each server that has any.

use std::hint::black_box;

use bivalve::{Context, Flow, Module, Pipeline, PipelineBuilder, Result, Sending};

/// Middleware or modules, where there are any.
pub const UNITS: usize = 10;

/// Which modules a pipeline has.
#[derive(Clone, Copy, Debug)]
pub enum Modules {
    /// None.
    None,
    /// Ten that act before the handler.
    Before,
    /// Ten, half of which act after the handler and when the response leaves.
    All,
    /// Ten that each wait once.
    Waiting,
}

/// A pipeline that has these modules so far.
pub fn mount(modules: Modules) -> PipelineBuilder {
    let mut builder = Pipeline::builder();
    let count = if matches!(modules, Modules::None) { 0 } else { UNITS };
    for index in 0..count {
        builder = match modules {
            Modules::All if index % 2 == 0 => builder.module(format!("after{index}"), After::default()),
            Modules::Waiting => builder.module(format!("waits{index}"), Waits),
            _ => builder.module(format!("before{index}"), Before::default()),
        };
    }
    builder
}

/// Acts at two events before the handler.
#[derive(Debug, Default)]
struct Before(u64);

#[bivalve::module]
impl Module for Before {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        black_box((&self.0, cx.request().headers().len()));
        Ok(Flow::Continue)
    }
    fn on_authorize_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

/// Acts before and after the handler, and when the response leaves.
#[derive(Debug, Default)]
struct After(u64);

#[bivalve::module]
impl Module for After {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        black_box((&self.0, cx.request().headers().len()));
        Ok(Flow::Continue)
    }
    fn on_log_request(&self, cx: &mut Context) -> Result<Flow> {
        black_box((&self.0, cx.response().status()));
        Ok(Flow::Continue)
    }
    fn on_send_response(&self, cx: &mut Context, sending: &mut Sending) -> Result<Flow> {
        if sending.headers_being_sent() {
            black_box((&self.0, cx.response().entity_len()));
        }
        Ok(Flow::Continue)
    }
}

/// Is woken before it goes on.
struct Waits;

#[bivalve::module]
impl Module for Waits {
    async fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        tokio::task::yield_now().await;
        Ok(Flow::Continue)
    }
}
