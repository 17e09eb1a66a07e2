use bivalve::{Context as Request, Flow, Module, Sending as Part};

type Answer = bivalve::Result<Flow>;

mod names {
    pub use bivalve as host;
}

struct Audit;

#[bivalve::module(crate = crate::names::host)]
impl Module for Audit {
    fn on_begin_request(&self, _cx: &mut Request) -> Answer {
        Ok(Flow::Continue)
    }

    async fn on_send_response(&self, _cx: &mut Request, _: &mut Part) -> Result<Flow, bivalve::Error> {
        Ok(Flow::Continue)
    }
}

fn main() {}
