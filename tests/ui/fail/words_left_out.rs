use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_execute_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Finish)
    }
}

fn main() {}
