use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_async_completion(&self, _cx: &mut Context, _info: &CompletionInfo) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
