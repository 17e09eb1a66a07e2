use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_begin_request<'a>(&'a self, _cx: &'a mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    fn on_end_request(&self, _cx: &mut Context) -> Result<Flow>
    where
        Self: Sized,
    {
        Ok(Flow::Continue)
    }
}

fn main() {}
