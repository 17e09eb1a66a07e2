//! What waits for a disk: jobs in a queue, done by a bounded number of workers on the blocking pool.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use bivalve_core::driver::OperationTable;
use bivalve_core::{Completion, CompletionStatus, Handle, Operation, OperationKey};
use bytes::BytesMut;

use crate::attempt::{Work, completion};
use crate::endpoint::Endpoint;
use crate::send::WINDOW;
use crate::shared::{Aftermath, Shared};
use crate::state::{Detail, Place, State};
use crate::sys;

/// Workers at once, of one driver: a queue deep enough for a fast disk, and far fewer threads than operations.
const MOST_WORKERS: usize = 64;

/// A queue of jobs that is shorter may be full of spent keys.
const FIRST_SWEEP: usize = 256;

/// Memory for pieces of files that is kept: 1 MiB.
const KEPT_WINDOWS: usize = 8;

/// A read makes its room in steps of this size, so that a large buffer costs no more than what is in the file. It has
/// to be zeroed, which stays within the processor's cache this way.
const STEP: usize = 256 << 10;

/// Operations that wait for a worker: positioned ones, and sends that need a piece of a file.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    /// Keys that are spent are left here, passed over, and swept out when they may be the most.
    queue: VecDeque<OperationKey>,
    /// When the queue is as long as that, it is swept.
    sweep_at: usize,
    workers: usize,
    /// Number of the worker that was started last.
    started: u64,
    /// Workers that have not begun, and whether they are counted: not so when there was no thread for them.
    unborn: Vec<(u64, bool)>,
    windows: Vec<Box<[u8]>>,
    closed: bool,
}

impl Jobs {
    /// Queues an operation that has its work.
    fn push(&mut self, key: OperationKey, operations: &OperationTable<Detail>, after: &mut Aftermath) {
        if self.queue.len() >= self.sweep_at {
            self.queue.retain(|key| operations.get(*key).is_some());
            self.sweep_at = FIRST_SWEEP.max(2 * self.queue.len());
        }
        self.queue.push_back(key);
        if self.workers < MOST_WORKERS {
            self.workers += 1;
            after.start_worker();
        }
    }

    /// Positioned operations of a file that no worker has taken.
    pub(crate) fn of(
        &self,
        handle: Handle,
        operations: &OperationTable<Detail>,
    ) -> impl Iterator<Item = OperationKey> {
        self.queue.iter().copied().filter(move |key| {
            let place = operations.get(*key).map(|detail| detail.place);
            matches!(place, Some(Place::File(other)) if other == handle)
        })
    }

    /// Keeps memory for a later piece.
    pub(crate) fn keep(&mut self, window: Option<Box<[u8]>>) {
        if self.windows.len() < KEPT_WINDOWS && !self.closed {
            self.windows.extend(window);
        }
    }

    /// A worker begins, or will never. Whether it is counted.
    fn arrive(&mut self, worker: u64) -> bool {
        let place = self.unborn.iter().position(|(number, _)| *number == worker);
        place.is_none_or(|place| self.unborn.swap_remove(place).1)
    }

    /// Workers in Tokio's queue, for which it had no thread.
    fn stranded(&self) -> usize {
        self.unborn.iter().filter(|(_, counted)| !counted).count()
    }

    /// What was queued has been cancelled.
    pub(crate) fn shut_down(&mut self) {
        self.closed = true;
        self.queue = VecDeque::new();
        self.windows = Vec::new();
    }
}

/// Starts a worker that was counted already.
///
/// The system may have no thread for it. Tokio says so by a panic, and keeps the worker for a thread that comes later.
/// Other workers do its jobs; if there are none, the jobs end (rule 7).
pub(crate) fn start(shared: &Arc<Shared>) {
    let mut state = shared.lock();
    if state.jobs.stranded() >= MOST_WORKERS {
        drop(state);
        // Tokio keeps each one that it has no thread for. No more of them pile up: a thread of our own tells whether there
        // are threads again.
        if thread::Builder::new().spawn(|| {}).is_err() {
            shared.change(State::give_up_worker);
            return;
        }
        state = shared.lock();
    }
    state.jobs.started += 1;
    let number = state.jobs.started;
    state.jobs.unborn.push((number, true));
    drop(state);
    let worker = Worker { shared: Arc::clone(shared), number, begun: false };
    // Detached: it reports through the state.
    let spawn = AssertUnwindSafe(|| drop(shared.runtime.spawn_blocking(move || worker.run())));
    if catch_unwind(spawn).is_err() {
        tracing::error!("the system has no thread for file operations");
        shared.change(|state, after| state.strand(number, after));
    }
}

/// Does jobs until there are none. Taking them from our own queue, and not one task of Tokio's for each, is what lets
/// a job that has not begun be cancelled, and spares the allocations.
struct Worker {
    shared: Arc<Shared>,
    number: u64,
    begun: bool,
}

impl Worker {
    fn run(mut self) {
        let mut after = Aftermath::default();
        let mut state = self.shared.lock();
        if !state.jobs.arrive(self.number) {
            state.jobs.workers += 1;
        }
        drop(state);
        self.begun = true;
        loop {
            let mut state = self.shared.lock();
            let Some(mut job) = state.next_job() else {
                // Under the same lock: whoever queues a job from now on starts another worker.
                state.jobs.workers -= 1;
                return;
            };
            drop(state);
            let result = job.perform();
            // The driver is done with the file before it says so.
            drop(job.endpoint.take());
            self.shared.lock().report(job, result, &mut after);
            after.run(&self.shared);
        }
    }
}

/// The runtime drops a worker that it never ran, when it ends.
impl Drop for Worker {
    fn drop(&mut self) {
        if !self.begun {
            let mut state = self.shared.lock();
            if state.jobs.arrive(self.number) {
                state.jobs.workers -= 1;
            }
        }
    }
}

struct Job {
    key: OperationKey,
    work: Work,
    place: Place,
    endpoint: Option<Arc<Endpoint>>,
    window: Option<Box<[u8]>>,
}

/// How a job has ended.
enum Performed {
    /// So does its operation.
    End(Completion),
    /// The piece is there; a send goes on with it, or ends.
    Piece(Result<(), CompletionStatus>),
}

impl Job {
    fn perform(&mut self) -> Performed {
        let file = self.endpoint.as_ref().and_then(|endpoint| endpoint.io.file());
        match (&mut self.work.operation, file) {
            (Operation::ReadAt { buffer, offset, .. }, Some(file)) => {
                Performed::End(completion(read(file, buffer, *offset)))
            }
            (Operation::WriteAt { buffer, offset, .. }, Some(file)) => {
                Performed::End(write(file, buffer, *offset))
            }
            (operation, _) => {
                let progress = &mut self.work.progress;
                let mut window = self
                    .window
                    .take()
                    .or_else(|| progress.take_window())
                    .unwrap_or_else(|| vec![0; WINDOW].into_boxed_slice());
                let read = match progress.piece(operation) {
                    Some(piece) => piece.read(&mut window),
                    None => Err(io::ErrorKind::InvalidInput.into()),
                };
                Performed::Piece(progress.fill(window, read))
            }
        }
    }
}

impl State {
    /// Queues an operation that has its work.
    pub(crate) fn queue_job(&mut self, key: OperationKey, after: &mut Aftermath) {
        self.jobs.push(key, &self.operations, after);
    }

    /// There was no thread for a worker.
    fn strand(&mut self, worker: u64, after: &mut Aftermath) {
        // Unless a thread came for it meanwhile.
        let Some((_, counted)) = self.jobs.unborn.iter_mut().find(|(number, _)| *number == worker) else {
            return;
        };
        *counted = false;
        self.give_up_worker(after);
    }

    /// A worker that was counted is not there. Other workers do its jobs; if there are none, the jobs end.
    fn give_up_worker(&mut self, after: &mut Aftermath) {
        self.jobs.workers -= 1;
        if self.jobs.workers > 0 {
            return;
        }
        let status = CompletionStatus::OUT_OF_MEMORY;
        while let Some(job) = self.next_job() {
            let performed = match job.place {
                Place::Lane(..) => Performed::Piece(Err(status)),
                _ => Performed::End(Completion::failure(status)),
            };
            self.report(job, performed, after);
        }
    }

    fn next_job(&mut self) -> Option<Job> {
        while let Some(key) = self.jobs.queue.pop_front() {
            let Some(detail) = self.operations.get_mut(key) else { continue };
            let (place, Some(work)) = (detail.place, detail.work.take()) else { continue };
            let (mut endpoint, mut window) = (None, None);
            match place {
                Place::File(handle) => {
                    if let Some(entry) = self.entry(handle) {
                        entry.queued -= 1;
                        entry.users += 1;
                        endpoint = Some(Arc::clone(&entry.endpoint));
                    }
                }
                Place::Lane(handle, _) => {
                    if let Some(entry) = self.entry(handle) {
                        entry.users += 1;
                    }
                    window = work.progress.has_no_window().then(|| self.jobs.windows.pop()).flatten();
                }
                Place::Post | Place::Timer(_) => {}
            }
            return Some(Job { key, work, place, endpoint, window });
        }
        None
    }

    fn report(&mut self, job: Job, performed: Performed, after: &mut Aftermath) {
        let Job { key, work, place, .. } = job;
        match (place, performed) {
            (Place::File(handle), Performed::End(completion)) => {
                self.finish(key, work, completion, after);
                self.release(handle, 1, after);
            }
            (Place::Lane(handle, direction), Performed::Piece(result)) => {
                self.lane(handle, direction, |lane| lane.reading = false);
                let cancelled = self.operations.get(key).is_some_and(|detail| detail.cancel);
                match result {
                    Ok(()) if !cancelled => self.put_back(key, work),
                    Ok(()) => {
                        self.leave_lane(handle, direction, key);
                        self.finish_cancelled(key, work, after);
                    }
                    Err(status) => {
                        self.leave_lane(handle, direction, key);
                        let completion = work.progress.ended(status);
                        self.finish(key, work, completion, after);
                    }
                }
                self.signal_next(handle, direction, after);
                self.release(handle, 1, after);
            }
            // There are no jobs of other kinds.
            (_, Performed::End(completion)) => self.finish(key, work, completion, after),
            (_, Performed::Piece(_)) => self.finish_cancelled(key, work, after),
        }
    }
}

/// Fills the spare capacity, up to the end of the file. An error after the first byte is left to the next read.
fn read(file: &File, buffer: &mut BytesMut, offset: u64) -> io::Result<usize> {
    let start = buffer.len();
    let end = buffer.capacity();
    loop {
        let from = buffer.len();
        let to = end.min(from + STEP);
        buffer.resize(to, 0);
        let read = loop {
            match sys::read_at(file, &mut buffer[from..], offset + (from - start) as u64) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        buffer.truncate(from + *read.as_ref().unwrap_or(&0));
        let total = buffer.len() - start;
        match read {
            Err(error) if total == 0 => return Err(error),
            Ok(_) if buffer.len() == to && to < end => {}
            _ => return Ok(total),
        }
    }
}

/// Writes all of it, or says how much went in.
fn write(file: &File, bytes: &[u8], offset: u64) -> Completion {
    let mut done = 0;
    while done < bytes.len() {
        match sys::write_at(file, &bytes[done..], offset + done as u64) {
            // No system says so when there is something to write; going on would not end.
            Ok(0) => return Completion::new(done, CompletionStatus::UNSPECIFIED),
            Ok(written) => done += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Completion::new(done, sys::status(&error)),
        }
    }
    Completion::success(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spent_keys_do_not_pile_up() {
        let mut state = State::new(1);
        state.jobs.workers = MOST_WORKERS; // busy, all of them
        let mut after = Aftermath::default();
        let handle = Handle::new(1, 0, 0);
        let read = || {
            let buffer = BytesMut::with_capacity(1);
            Some(Work::new(Operation::ReadAt { handle, buffer, offset: 0 }))
        };
        let live = state.start(Place::File(handle), read());
        state.queue_job(live, &mut after);
        for _ in 0..100_000 {
            let key = state.start(Place::File(handle), read());
            state.queue_job(key, &mut after);
            state.abandon(key, &mut after);
        }
        assert!(state.jobs.queue.len() <= FIRST_SWEEP, "{}", state.jobs.queue.len());
        assert_eq!(state.next_job().map(|job| job.key), Some(live));
    }
}
