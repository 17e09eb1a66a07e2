use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    #[allow(non_snake_case)]
    fn OnBeginRequest(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
