use bivalve::prelude::*;

macro_rules! answering {
    ($name:ident, $flow:expr, $context:ty, $answer:ty, $body:block) => {
        struct $name;

        #[bivalve::module]
        impl Module for $name {
            fn on_begin_request(&self, _cx: $context) -> $answer {
                Ok($flow)
            }

            async fn on_log_request(&self, _cx: $context) -> $answer $body
        }
    };
}

answering!(Finisher, Flow::Finish, &mut Context, Result<Flow>, { Ok(Flow::Continue) });

macro_rules! whole {
    ($item:item) => {
        #[bivalve::module]
        $item
    };
}

struct Whole;

whole! {
    impl Module for Whole {
        fn on_end_request(&self, _cx: &mut Context) -> Result<Flow> {
            Ok(Flow::Continue)
        }
    }
}

fn main() {
    assert_eq!(Finisher.registration().notifications().bits(), 0x401);
    assert_eq!(Whole.registration().notifications().bits(), 0x800);
}
