use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    async fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        let shared = std::rc::Rc::new(1);
        std::future::ready(()).await;
        drop(shared);
        Ok(Flow::Continue)
    }
}

fn main() {}
