use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_read_entity(&self, _cx: &mut Context, _: EntityRead) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
