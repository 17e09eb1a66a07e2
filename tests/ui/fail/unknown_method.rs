use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_shutdown(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
