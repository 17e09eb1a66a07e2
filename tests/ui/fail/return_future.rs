use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_begin_request(&self, _cx: &mut Context) -> impl Future<Output = Result<Flow>> + Send {
        async { Ok(Flow::Continue) }
    }
}

fn main() {}
