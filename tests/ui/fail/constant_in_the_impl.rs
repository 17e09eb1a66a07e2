use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    const FLOW: Flow = Flow::Continue;

    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Self::FLOW)
    }
}

fn main() {}
