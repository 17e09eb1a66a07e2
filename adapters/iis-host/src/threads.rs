//! The threads on which modules are called: IIS's own, with stacks as small.
//!
//! A thread that waits inside a synchronous operation still runs what that operation raises: nested notifications come on
//! the thread that caused them, whoever's thread it is. So every thread that waits has a mailbox.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::thread;

/// Something to do on a thread of the host.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// As many as are needed at a time; one that has nothing to do waits for the next call.
pub(crate) struct Threads {
    shared: Arc<Shared>,
}

struct Shared {
    /// None any more when the host is gone: a thread that comes then ends.
    idle: Mutex<Option<Vec<Arc<Mailbox>>>>,
    stack_size: usize,
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Option<Vec<Arc<Mailbox>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Threads {
    pub(crate) fn new(stack_size: usize) -> Self {
        Self { shared: Arc::new(Shared { idle: Mutex::new(Some(Vec::new())), stack_size }) }
    }

    /// Runs it on a thread that does nothing else meanwhile.
    pub(crate) fn run(&self, job: Job) {
        let idle = self.shared.idle().as_mut().and_then(Vec::pop);
        if let Some(mailbox) = idle {
            mailbox.post(job);
            return;
        }
        let mailbox = Arc::new(Mailbox::default());
        mailbox.post(job);
        let shared = Arc::downgrade(&self.shared);
        let started = thread::Builder::new()
            .name("iis-host".into())
            .stack_size(self.shared.stack_size)
            .spawn(move || {
                OWN.with(|own| drop(own.set(Arc::clone(&mailbox))));
                while let Some(job) = mailbox.next() {
                    job();
                    let Some(shared) = shared.upgrade() else { return };
                    let mut idle = shared.idle();
                    let Some(idle) = idle.as_mut() else { return };
                    idle.push(Arc::clone(&mailbox));
                }
            });
        if let Err(error) = started {
            // The job is lost with its mailbox, and its request would wait for it for ever.
            tracing::error!(%error, "no thread can be started for a module's call");
            std::process::abort();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let idle = self.shared.idle().take();
        idle.iter().flatten().for_each(|mailbox| mailbox.close());
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").field("stack_size", &self.shared.stack_size).finish_non_exhaustive()
    }
}

thread_local! {
    static OWN: OnceCell<Arc<Mailbox>> = const { OnceCell::new() };
}

/// What a thread is to do while it waits.
#[derive(Default)]
pub(crate) struct Mailbox {
    mail: Mutex<Mail>,
    arrived: Condvar,
}

#[derive(Default)]
struct Mail {
    jobs: VecDeque<Job>,
    closed: bool,
    /// Somebody has something to say since it was last looked at.
    rung: bool,
}

impl Mailbox {
    /// That of the current thread.
    pub(crate) fn own() -> Arc<Self> {
        OWN.with(|own| Arc::clone(own.get_or_init(Arc::default)))
    }

    pub(crate) fn post(&self, job: Job) {
        self.lock().jobs.push_back(job);
        self.arrived.notify_all();
    }

    /// Looks again at what it waits for.
    pub(crate) fn ring(&self) {
        self.lock().rung = true;
        self.arrived.notify_all();
    }

    /// Does jobs until there is an answer. On the mailbox's own thread.
    pub(crate) fn wait<T>(&self, mut answer: impl FnMut() -> Option<T>) -> T {
        let mut mail = self.lock();
        loop {
            if let Some(job) = mail.jobs.pop_front() {
                drop(mail);
                job();
                mail = self.lock();
                continue;
            }
            mail.rung = false;
            drop(mail);
            if let Some(answer) = answer() {
                return answer;
            }
            let nothing = |mail: &mut Mail| mail.jobs.is_empty() && !mail.rung;
            let waited = self.arrived.wait_while(self.lock(), nothing);
            mail = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn next(&self) -> Option<Job> {
        let mut mail = self.lock();
        loop {
            if let Some(job) = mail.jobs.pop_front() {
                return Some(job);
            }
            if mail.closed {
                return None;
            }
            mail = self.arrived.wait(mail).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A mailbox wakes the future that its thread polls.
impl Wake for Mailbox {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_thread_that_becomes_idle_while_its_host_goes_away_ends_as_well() {
        struct Ends(mpsc::Sender<()>);
        impl Drop for Ends {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        thread_local! {
            static ENDS: OnceCell<Ends> = const { OnceCell::new() };
        }
        let threads = Threads::new(256 * 1024);
        // As the thread has it for a moment when it is done.
        let shared = Arc::clone(&threads.shared);
        let (go, gone) = mpsc::channel::<()>();
        let (ends, ended) = mpsc::channel();
        threads.run(Box::new(move || {
            ENDS.with(|own| drop(own.set(Ends(ends))));
            let _ = gone.recv();
        }));
        drop(threads);
        let _ = go.send(());
        ended.recv_timeout(Duration::from_secs(10)).expect("it does not wait for ever");
        drop(shared);
    }

    #[test]
    fn a_thread_that_waits_does_what_it_is_sent() {
        let threads = Threads::new(256 * 1024);
        let (answer, answers) = mpsc::channel();
        let mailbox = Mailbox::own();
        let sent_to = Arc::clone(&mailbox);
        let here = thread::current().id();
        threads.run(Box::new(move || {
            let other = thread::current().id();
            sent_to.post(Box::new(move || {
                let _ = answer.send((thread::current().id(), other));
            }));
            sent_to.ring();
        }));
        let (ran_on, other) = mailbox.wait(|| answers.try_recv().ok());
        assert_eq!(ran_on, here);
        assert_ne!(other, here);
    }
}
