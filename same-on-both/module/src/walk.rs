//! The module of the panic walk: `same-on-both/tests/panics.rs` has the adapter panic around it, and asks it what has.

use bivalve::prelude::*;
use bivalve::{
    CustomNotification, GlobalModule, GlobalNotification, GlobalRegistration, Outcome, Registration,
};
use same_on_both::probes::trips;

/// Asks for all events, and uses all that the adapter does for a module. At `/armed` it says which slot panics next; at
/// `/flush` it waits for IIS, at `/pause` for another thread.
pub(crate) struct Walk;

/// The events that were counted.
#[derive(Default)]
struct Count(u32);

impl Module for Walk {
    fn registration(&self) -> Registration {
        trips::all()
    }

    fn global_module(&self) -> Option<&dyn GlobalModule> {
        Some(self)
    }

    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        if cx.request().url().path() != "/armed" {
            cx.state_mut::<Count>().0 += 1;
            return Outcome::CONTINUE;
        }
        let armed = armed().unwrap_or_else(|| "nothing".into());
        Outcome::Ready(cx.response_mut().write(armed).map(|()| Flow::Finish))
    }

    fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::Pending(Box::pin(async {
            cx.state_mut::<Count>().0 += 1;
            while !cx.read_entity(3).await?.is_empty() {}
            let _ = cx.map_path("/inside")?;
            cx.notify_custom(&mut CustomNotification::new("Ask")).await?;
            if cx.request().url().path() == "/pause" {
                trips::pause().await;
            }
            if cx.request().url().path() == "/flush" {
                cx.write("flushed").await?;
                cx.flush().await?;
            }
            cx.state_mut::<Count>().0 += 1;
            Ok(Flow::Continue)
        }))
    }

    /// What an event before has kept is at hand, whatever has panicked since.
    fn on_end_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        cx.state_mut::<Count>().0 += 1;
        Outcome::CONTINUE
    }
}

impl GlobalModule for Walk {
    fn global_registration(&self) -> GlobalRegistration {
        GlobalNotification::ALL.into_iter().fold(GlobalRegistration::new(), GlobalRegistration::on)
    }
}

#[cfg(debug_assertions)]
fn armed() -> Option<String> {
    bivalve_iis::faults::armed()
}

/// There are no faults in a release.
#[cfg(not(debug_assertions))]
fn armed() -> Option<String> {
    None
}
