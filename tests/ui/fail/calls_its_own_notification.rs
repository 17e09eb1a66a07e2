use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    fn on_log_request(&self, cx: &mut Context) -> Result<Flow> {
        self.on_begin_request(cx)
    }
}

fn main() {}
