use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    #[priority(High)]
    fn on_async_completion(&self, _cx: &mut Context, _done: CompletionInfo) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
