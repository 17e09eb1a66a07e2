//! Work that is done several at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::Result;

/// Does it for each item, `workers` at a time, and hands it the number of the worker. What comes of it is in the order of
/// the items; the first error, when all have ended.
pub(crate) fn each<T: Sync, R: Send>(
    workers: usize,
    items: &[T],
    work: impl Fn(usize, &T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let begun = AtomicUsize::new(0);
    let one = |worker: usize| {
        let mut done = Vec::new();
        loop {
            let index = begun.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            // What an error is made of may not leave its thread.
            done.push((index, work(worker, item).map_err(|error| error.to_string())));
        }
    };
    let one = &one;
    let ended = thread::scope(|scope| {
        let started: Vec<_> = (0..workers).map(|worker| scope.spawn(move || one(worker))).collect();
        started.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut all = Vec::new();
    for done in ended {
        all.extend(done.map_err(|_| "what does one thing of several has panicked")?);
    }
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, done)| Ok(done?)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn what_comes_of_it_is_in_order_and_done_at_the_same_time() {
        // Neither of a pair goes on before the other one has begun.
        let pair = Barrier::new(2);
        let done = each(2, &[1, 2, 3, 4, 5, 6], |worker, item| {
            pair.wait();
            Ok((worker < 2, item * 10))
        });
        assert_eq!(done.expect("no error"), [10, 20, 30, 40, 50, 60].map(|ten| (true, ten)));
    }

    #[test]
    fn an_error_stops_none_of_the_others() {
        let ended = AtomicUsize::new(0);
        let done = each(2, &[1, 2, 3, 4], |_, item| {
            ended.fetch_add(1, Ordering::Relaxed);
            if *item == 2 { Err("the second".into()) } else { Ok(*item) }
        });
        assert_eq!(done.expect_err("one failed").to_string(), "the second");
        assert_eq!(ended.load(Ordering::Relaxed), 4);
    }
}
