use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        cx.no_such_method();
        Ok(Flow::Continue)
    }
}

fn main() {}
