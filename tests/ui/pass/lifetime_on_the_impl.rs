use bivalve::prelude::*;

// The names of the impl's parameters are the user's: nothing generated may collide with them.
struct Wrapper<T>(T);

#[bivalve::module]
impl<'a, T> Module for Wrapper<&'a T>
where
    'a: 'static,
    T: Sync + 'static,
{
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        let (_, _) = (self.0, cx);
        Ok(Flow::Continue)
    }
}

fn main() {}
