use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    unsafe fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    const fn on_log_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    extern "C" fn on_end_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
