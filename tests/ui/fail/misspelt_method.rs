use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_begin_requst(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
