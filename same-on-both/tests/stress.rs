//! Everything that the server can do to a module at once, in an order that a seed decides.
//!
//! `BIVALVE_STRESS_REQUESTS` says how many requests, `BIVALVE_STRESS_SEED` repeats a run that failed.

mod support;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bivalve::prelude::*;
use bivalve::testing::{TestHost, block_on};
use bivalve::{Event, Notification};
use bivalve_iis_host::{Fault, IisHost};
use bivalve_iis_sys::version;
use same_on_both::{Ask, HANDLER, probes};

/// Requests of one server, before another one takes its place.
const SERVED: usize = 50;

/// Threads that ask at the same time.
const CLIENTS: usize = 4;

#[test]
fn no_order_of_events_breaks_a_rule_of_iis() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let requests = number("BIVALVE_STRESS_REQUESTS").unwrap_or(4_000);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| u64::from(time.subsec_nanos()));
    let seed = number("BIVALVE_STRESS_SEED").unwrap_or(now);
    println!("BIVALVE_STRESS_SEED={seed} BIVALVE_STRESS_REQUESTS={requests}");
    let library = support::library("same-on-both-module");
    let servers = usize::try_from(requests).expect("a number of requests").div_ceil(SERVED);
    let next = AtomicUsize::new(0);
    let broken: Vec<String> = thread::scope(|scope| {
        let client = || {
            let mut broken = Vec::new();
            loop {
                let server = next.fetch_add(1, Ordering::Relaxed);
                if server >= servers {
                    return broken;
                }
                // Each server's own, so that a run can be repeated whoever comes first.
                broken.extend(serve(
                    &library,
                    Dice(seed ^ (server as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                ));
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client ends")).collect()
    });
    assert!(broken.is_empty(), "seed {seed}, {} servers:\n{}", broken.len(), broken.join("\n\n"));
    // All servers have gone, and their threads go with them.
    let patience = Instant::now() + Duration::from_secs(30);
    while threads_of_servers() > 0 && Instant::now() < patience {
        thread::yield_now();
    }
    assert_eq!(threads_of_servers(), 0, "threads that wait for ever");
}

/// Where the system tells.
fn threads_of_servers() -> usize {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.trim() == "iis-host").count()
}

/// One server with one probe; what went wrong there.
fn serve(library: &Path, mut dice: Dice) -> Option<String> {
    let cases = probes::cases();
    let name = cases[dice.below(cases.len())].name;
    let mut builder = IisHost::builder();
    let versions =
        [version::IIS_7_0, version::IIS_7_5, version::IIS_8_0, version::IIS_8_5, version::IIS_10_0];
    builder = builder.version(versions[dice.below(versions.len())]);
    for fault in
        [Fault::AlwaysPosted, Fault::BeforeReturn, Fault::Inline, Fault::Late, Fault::NestedElsewhere]
    {
        // Late costs time, and finds less.
        if dice.below(if fault == Fault::Late { 20 } else { 3 }) == 0 {
            builder = builder.fault(fault);
        }
    }
    if dice.below(4) == 0 {
        builder = builder.fault(Fault::Cancelled(dice.below(3)));
    }
    if dice.below(4) == 0 {
        let at = Notification::ALL[dice.below(Notification::ALL.len())];
        builder = builder.fault(Fault::DisconnectAt(Event::of(at)));
    }
    if dice.below(10) == 0 {
        builder = builder.without_connection();
    }
    let host = builder.build();
    let native = host.load(library, name).expect("the module loads");
    let handler = |cx: &mut Context| {
        cx.response_mut().write(HANDLER)?;
        Ok(Flow::Finish)
    };
    let server = TestHost::new().without_trace().module(name, native).handler(handler);
    let mut asks: Vec<&Ask> = cases.iter().filter(|case| case.name == name).map(|case| &case.ask).collect();
    // A long body is a matter of its own.
    asks.retain(|ask| ask.body.len() < 100_000);
    let result = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..SERVED {
            request(&server, asks[dice.below(asks.len())], &mut dice);
        }
    }));
    drop(server);
    let mut told: Vec<String> = host.violations().take().iter().map(ToString::to_string).collect();
    if result.is_err() {
        told.push("a request did not end as it should".into());
    }
    (!told.is_empty()).then(|| format!("{name} in {host:?}:\n{}", told.join("\n")))
}

/// The client leaves at some moment, or stays.
fn request(server: &TestHost, ask: &Ask, dice: &mut Dice) {
    let mut request = server.request(ask.method.clone(), &ask.url).body(ask.body.clone());
    for (name, value) in &ask.headers {
        request = request.header(*name, *value);
    }
    let leaves = dice.below(4) == 0;
    let after = Duration::from_micros(dice.below(300) as u64);
    let control = request.control();
    thread::scope(|scope| {
        if leaves {
            scope.spawn(move || {
                thread::sleep(after);
                control.disconnect();
            });
        }
        let response = block_on(request.finish());
        assert!(leaves || response.was_answered() || response.parts().is_empty());
    });
}

/// Numbers that a seed decides: splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) % end as u64).expect("less than a usize")
    }
}
