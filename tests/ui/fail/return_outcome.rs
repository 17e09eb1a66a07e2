use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_begin_request(&self, _cx: &mut Context) -> bivalve::Outcome<'_> {
        bivalve::Outcome::CONTINUE
    }
}

fn main() {}
