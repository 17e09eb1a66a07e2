//! Attributes mean on a method what they mean on any method.

#![deny(warnings)]

use bivalve::prelude::*;

struct Audit;

/// The docs of the impl.
#[bivalve::module(priority = Low, on_disconnect = cancel)]
#[allow(clippy::unused_self)]
impl Module for Audit {
    #![allow(unused_mut)]

    /// The docs of the method.
    #[inline]
    #[allow(unused_variables)]
    #[priority(First)]
    fn on_begin_request(&self, mut cx: &mut Context) -> Result<Flow> {
        let unused = 1;
        Ok(Flow::Continue)
    }

    #[cfg(any())]
    fn on_authenticate_request(&self, _cx: &mut Context) -> Result<Flow> {
        on_another_platform()
    }

    #[cfg(not(any()))]
    fn on_log_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    #[cfg(any())]
    #[priority(High)]
    async fn on_log_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Finish)
    }

    #[expect(unused_variables)]
    async fn on_end_request(&self, cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {
    use bivalve::{Event, Notification, Priority};

    let registration = Audit.registration();
    assert_eq!(registration.notifications().bits(), 0xC01);
    assert_eq!(registration.priority_at(Event::of(Notification::BeginRequest)), Priority::First);
    assert_eq!(registration.priority_at(Event::of(Notification::LogRequest)), Priority::Low);
}
