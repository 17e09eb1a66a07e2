//! A completion driver in memory: real files, virtual time, completions at the test's command.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context as Task, Poll, Waker};

use super::completions::{Entry, Owner, Target, Verdict};
use super::{Completions, OperationId, OperationKind, Outstanding};
use crate::driver::{Slots, Usage};
use crate::{
    Completion, CompletionStatus, Driver, Finished, FinishedBuffer, Handle, Operation, OperationKey,
    Rejected, Resource,
};

/// A [`Driver`] whose operations complete when the test's [`Completions`] say so.
///
/// Files are real: a read or write happens at the moment it completes. Timers run in virtual time, and fire when nothing
/// else can go on. Streams and listeners are refused: they belong to the tests of a server.
///
/// It keeps account of every buffer that it was given, so that a test can assert that none was lost:
///
/// ```
/// use bivalve_core::testing::{Completions, MemoryDriver, block_on};
/// use bivalve_core::{Driver, DriverExt};
/// use std::sync::Arc;
///
/// # let path = std::env::temp_dir().join(format!("bivalve-doc-{}", std::process::id()));
/// let memory = Arc::new(MemoryDriver::new(&Completions::default()));
/// let driver: Arc<dyn Driver> = Arc::clone(&memory) as _;
/// let file = driver.attach(std::fs::File::create(&path)?)?;
/// let done = block_on(driver.write_at(&file, "Hello", 0));
/// assert_eq!(done.completion.into_result()?, 5);
/// assert_eq!(std::fs::read(&path)?, b"Hello");
/// memory.assert_idle();
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// IIS counterpart: the completion port behind `IHttpServer::AssociateWithThreadPool`.
pub struct MemoryDriver {
    number: u32,
    completions: Completions,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: Slots<Resource>,
    running: Slots<Running>,
    returned: u64,
    abandoned: u64,
    closed: bool,
}

struct Running {
    id: OperationId,
    /// Until it is performed.
    operation: Option<Operation>,
    finished: Option<Finished>,
    abandoned: bool,
    waker: Option<Waker>,
}

impl MemoryDriver {
    /// A driver whose operations are on this list.
    #[must_use]
    pub fn new(completions: &Completions) -> Self {
        Self { number: Handle::next_driver(), completions: completions.clone(), inner: Arc::default() }
    }

    /// The list of its operations.
    #[must_use]
    pub fn completions(&self) -> &Completions {
        &self.completions
    }

    /// Operations that were accepted and whose buffer has neither been handed back nor freed after a drop.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.inner.lock().running.len()
    }

    /// Buffers handed back with a completion.
    #[must_use]
    pub fn returned_buffers(&self) -> u64 {
        self.inner.lock().returned
    }

    /// Buffers freed by the driver, because the future of their operation was dropped.
    #[must_use]
    pub fn abandoned_buffers(&self) -> u64 {
        self.inner.lock().abandoned
    }

    /// Asserts that every buffer came back or was freed.
    ///
    /// # Panics
    ///
    /// When an operation is outstanding, or has completed and nobody took its buffer.
    #[track_caller]
    pub fn assert_idle(&self) {
        let state = self.inner.lock();
        let held: Vec<String> = state
            .running
            .iter()
            .map(|(_, _, running)| match (&running.operation, &running.finished) {
                (Some(operation), _) => format!("{} {operation:?} is outstanding", running.id),
                (None, _) => format!("{} has completed, and nobody took its result", running.id),
            })
            .collect();
        drop(state);
        assert!(held.is_empty(), "the driver still holds buffers:\n  {}", held.join("\n  "));
    }

    /// Cancels the operations that fit.
    fn end_where(&self, fits: impl Fn(&Operation) -> bool) {
        let state = self.inner.lock();
        let ids: Vec<OperationId> = state
            .running
            .iter()
            .map(|(_, _, running)| running)
            .filter(|running| running.operation.as_ref().is_some_and(&fits))
            .map(|running| running.id)
            .collect();
        drop(state);
        ids.into_iter().for_each(|id| self.completions.end(id, Verdict::CANCELLED));
    }
}

impl Driver for MemoryDriver {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn associate(&self, resource: Resource) -> io::Result<Handle> {
        if !matches!(resource, Resource::File(_)) {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the memory driver takes files only: for sockets, test with the driver that will serve them",
            ));
        }
        let mut state = self.inner.lock();
        if state.closed {
            return Err(io::Error::other("the memory driver was shut down"));
        }
        let (index, generation) = state.files.insert(resource);
        Ok(Handle::new(self.number, index, generation))
    }

    fn inspect(&self, handle: Handle, look: &mut dyn FnMut(&Resource)) -> io::Result<()> {
        let state = self.inner.lock();
        match state.files.get(handle.index(), handle.generation()).filter(|_| handle.driver() == self.number)
        {
            Some(resource) => look(resource),
            None => return Err(io::Error::other("the handle is closed, or of another driver")),
        }
        Ok(())
    }

    fn submit(&self, operation: Operation) -> Result<OperationKey, Rejected> {
        let id = self.completions.next_id();
        let now = self.completions.now();
        let mut state = self.inner.lock();
        if let Err(status) = state.check(&operation, self.number) {
            return Err(Rejected::new(operation, status));
        }
        let (kind, description) = describe(&operation);
        let deadline = match &operation {
            Operation::Timer { after } => Some(now.saturating_add(*after)),
            _ => None,
        };
        let (index, generation) = state.running.insert(Running {
            id,
            operation: Some(operation),
            finished: None,
            abandoned: false,
            waker: None,
        });
        drop(state);
        let inner: Weak<Inner> = Arc::downgrade(&self.inner);
        self.completions.add(Entry {
            public: Outstanding::new(id, kind, description),
            owner: Owner::Driver,
            deadline,
            target: inner,
        });
        // A shutdown may have come between the check and the list.
        if self.inner.lock().closed {
            self.completions.end(id, Verdict::CANCELLED);
        }
        Ok(OperationKey::new(index, generation))
    }

    fn poll(&self, key: OperationKey, task: &mut Task<'_>) -> Poll<Finished> {
        let mut state = self.inner.lock();
        let Some(running) = state.running.get_mut(key.index(), key.generation()) else {
            return Poll::Ready(Finished {
                completion: Completion::failure(CompletionStatus::INVALID_PARAMETER),
                buffer: FinishedBuffer::None,
            });
        };
        let Some(finished) = running.finished.take() else {
            running.waker = Some(task.waker().clone());
            return Poll::Pending;
        };
        state.running.remove(key.index(), key.generation());
        state.returned += u64::from(!matches!(finished.buffer, FinishedBuffer::None));
        Poll::Ready(finished)
    }

    fn poll_next(&self, _key: OperationKey, _task: &mut Task<'_>) -> Poll<Option<Finished>> {
        // There are no sockets, so nothing that goes on was ever accepted.
        Poll::Ready(None)
    }

    fn cancel(&self, key: OperationKey) {
        let mut state = self.inner.lock();
        let id = state.running.get_mut(key.index(), key.generation()).map(|running| running.id);
        drop(state);
        if let Some(id) = id {
            self.completions.request_cancel(id, false);
        }
    }

    fn abandon(&self, key: OperationKey) {
        let mut state = self.inner.lock();
        let Some(running) = state.running.get_mut(key.index(), key.generation()) else { return };
        let id = running.id;
        running.abandoned = true;
        running.waker = None;
        if running.finished.is_some() {
            state.free(key.index(), key.generation());
            return;
        }
        drop(state);
        self.completions.request_cancel(id, true);
    }

    fn close(&self, handle: Handle) {
        if handle.driver() == self.number {
            self.end_where(|operation| operation.handle() == Some(handle));
            self.inner.lock().files.remove(handle.index(), handle.generation());
        }
    }

    /// Cancels everything that is outstanding, closes every handle and refuses whatever comes later.
    fn shut_down(&self) {
        self.inner.lock().closed = true;
        self.end_where(|_| true);
        self.inner.lock().files = Slots::default();
    }

    fn usage(&self) -> Usage {
        let state = self.inner.lock();
        Usage::new(state.running.len(), state.files.len(), 0)
    }
}

impl Drop for MemoryDriver {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl fmt::Debug for MemoryDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDriver")
            .field("outstanding", &self.outstanding())
            .field("returned_buffers", &self.returned_buffers())
            .field("abandoned_buffers", &self.abandoned_buffers())
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target for Inner {
    fn is_ready(&self, _id: OperationId) -> bool {
        true
    }

    fn perform(&self, id: OperationId, verdict: Verdict) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let found = state.running.iter().find(|(_, _, running)| running.id == id);
        let Some((index, generation)) = found.map(|(index, generation, _)| (index, generation)) else {
            return;
        };
        let Some(running) = state.running.get_mut(index, generation) else { return };
        let Some(operation) = running.operation.take() else { return };
        running.finished = Some(perform(operation, verdict, &state.files));
        let waker = running.waker.take();
        if running.abandoned {
            state.free(index, generation);
        }
        drop(guard);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn check(&self, operation: &Operation, driver: u32) -> Result<(), CompletionStatus> {
        if self.closed {
            return Err(CompletionStatus::CANCELLED);
        }
        let Some(handle) = operation.handle() else {
            return match operation {
                Operation::Timer { .. } | Operation::Post { .. } => Ok(()),
                _ => Err(CompletionStatus::NOT_SUPPORTED),
            };
        };
        let resource = self.files.get(handle.index(), handle.generation());
        match resource.filter(|resource| handle.driver() == driver && resource.kind().can(operation)) {
            Some(_) => operation.check(),
            None => Err(CompletionStatus::INVALID_HANDLE),
        }
    }

    /// Its future is gone: the buffer ends here.
    fn free(&mut self, index: u32, generation: u32) {
        if let Some(running) = self.running.remove(index, generation) {
            let buffer = running.finished.map(|finished| finished.buffer);
            self.abandoned += u64::from(!matches!(buffer, None | Some(FinishedBuffer::None)));
        }
    }
}

fn describe(operation: &Operation) -> (OperationKind, String) {
    match operation {
        Operation::ReadAt { buffer, offset, .. } => {
            let spare = buffer.capacity() - buffer.len();
            (OperationKind::ReadAt, format!("up to {spare} bytes at {offset}"))
        }
        Operation::WriteAt { buffer, offset, .. } => {
            (OperationKind::WriteAt, format!("{} bytes at {offset}", buffer.len()))
        }
        Operation::Timer { after } => (OperationKind::Timer, format!("{after:?}")),
        Operation::Post { bytes } => (OperationKind::Post, format!("{bytes} bytes")),
        _ => (OperationKind::Post, "refused".into()),
    }
}

fn perform(operation: Operation, verdict: Verdict, files: &Slots<Resource>) -> Finished {
    // The most that the verdict lets happen, and what it reports.
    let (limit, instead) = match verdict {
        Verdict::Real => (usize::MAX, None),
        Verdict::Instead(completion) if completion.is_success() => (completion.bytes(), Some(completion)),
        Verdict::Instead(completion) => (0, Some(completion)),
    };
    let failed = instead.is_some_and(|completion| !completion.is_success());
    let (real, buffer) = match operation {
        Operation::ReadAt { handle, mut buffer, offset } => {
            let spare = (buffer.capacity() - buffer.len()).min(limit);
            let read = if failed { Ok(0) } else { read_at(files, &handle, &mut buffer, spare, offset) };
            (read, FinishedBuffer::Read(buffer))
        }
        Operation::WriteAt { handle, buffer, offset } => {
            let bytes = &buffer[..buffer.len().min(limit)];
            let written = if failed { Ok(0) } else { write_at(files, &handle, bytes, offset) };
            (written, FinishedBuffer::Write(buffer))
        }
        Operation::Post { bytes } => (Ok(bytes), FinishedBuffer::None),
        _ => (Ok(0), FinishedBuffer::None),
    };
    let completion = match (real, instead) {
        (Err(error), _) => Completion::failure(CompletionStatus::from_io_error(&error)),
        (Ok(_), Some(completion)) => completion,
        (Ok(bytes), None) => Completion::success(bytes),
    };
    Finished { completion, buffer }
}

fn seek<'f>(files: &'f Slots<Resource>, handle: &Handle, offset: u64) -> io::Result<&'f File> {
    let Some(Resource::File(file)) = files.get(handle.index(), handle.generation()) else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let mut cursor = file;
    cursor.seek(SeekFrom::Start(offset))?;
    Ok(file)
}

fn read_at(
    files: &Slots<Resource>,
    handle: &Handle,
    buffer: &mut bytes::BytesMut,
    most: usize,
    offset: u64,
) -> io::Result<usize> {
    let mut file = seek(files, handle, offset)?;
    let start = buffer.len();
    buffer.resize(start + most, 0);
    let read = file.read(&mut buffer[start..]);
    buffer.truncate(start + *read.as_ref().unwrap_or(&0));
    read
}

fn write_at(files: &Slots<Resource>, handle: &Handle, bytes: &[u8], offset: u64) -> io::Result<usize> {
    let mut file = seek(files, handle, offset)?;
    file.write_all(bytes)?;
    Ok(bytes.len())
}
