use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bivalve::prelude::*;
use bivalve::testing::{TestHost, block_on};

use super::{Audience, ServerTiming, ServerTimingConfig};

/// Takes 5 ms by the test's clock.
struct Slow;

static CLOCK: AtomicU64 = AtomicU64::new(0);

#[bivalve::module]
impl Module for Slow {
    fn on_authenticate_request(&self, cx: &mut Context) -> Result<Flow> {
        CLOCK.fetch_add(5, Ordering::Relaxed);
        if cx.request().url().path() == "/users" {
            cx.set_user(User::new("ann", "Basic"));
        }
        Ok(Flow::Continue)
    }
}

fn timing(audience: Audience, path: &str) -> Option<String> {
    let host = TestHost::new()
        .mount(ServerTiming::new(&ServerTimingConfig { audience }))
        .mount(Slow)
        .configure(|pipeline| pipeline.measure(|| Duration::from_millis(CLOCK.load(Ordering::Relaxed))));
    block_on(host.get(path).finish()).header("server-timing").map(ToOwned::to_owned)
}

#[test]
fn users_see_the_time_of_each_module() {
    let timing = timing(Audience::Users, "/users").expect("told");
    assert!(timing.starts_with("total;dur="), "{timing}");
    assert!(timing.contains(", slow;dur="), "{timing}");
}

#[test]
fn strangers_see_nothing() {
    assert_eq!(timing(Audience::Users, "/strangers"), None);
}

#[test]
fn the_audience_can_be_changed() {
    assert!(timing(Audience::All, "/strangers").is_some());
    assert_eq!(timing(Audience::Nobody, "/users"), None);
}
