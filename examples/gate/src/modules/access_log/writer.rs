//! The thread that writes, and the bounded queue before it.
//!
//! # Who may wait for whom
//!
//! A request puts its line into the queue or, when the queue is full, counts it as lost; it never waits. The thread
//! waits for lines and for the disk. The end of the server waits for the thread, with a bound.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::{AccessLogConfig, LogFile, RotatingFile};

/// The thread that writes the log. Close it at the end.
#[derive(Debug)]
pub struct LogWriter {
    sender: LogSender,
    done: Receiver<()>,
}

/// Puts lines into the queue. Cheap to clone.
#[derive(Clone)]
pub struct LogSender {
    queue: SyncSender<Message>,
    counts: Arc<Counts>,
}

enum Message {
    Line(String),
    /// Write what came before, then end.
    Close,
}

#[derive(Debug, Default)]
struct Counts {
    /// Lines that are not in the log and not yet confessed there.
    lost: AtomicU64,
    /// Lines that will never be in the log.
    lost_ever: AtomicU64,
    /// Bytes of the lines in the queue.
    queued: AtomicUsize,
    /// Lines that have been promised and not sent.
    promised: AtomicUsize,
}

/// A line that will be sent: closing the log waits until it was, or until this is dropped.
#[derive(Debug)]
pub(super) struct Promise(Arc<Counts>);

impl LogWriter {
    /// Opens the log's file and starts the thread.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, or the thread cannot be started.
    pub fn start(config: &AccessLogConfig) -> std::io::Result<Self> {
        Self::start_with(RotatingFile::open(config)?, config.queue_lines)
    }

    /// Starts the thread with another file. `queue_lines`: how many lines may wait.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub fn start_with(file: impl LogFile, queue_lines: usize) -> std::io::Result<Self> {
        let (queue, lines) = sync_channel(queue_lines.clamp(1, MAX_QUEUE));
        let (end, done) = mpsc::channel();
        let counts = Arc::new(Counts::default());
        let sender = LogSender { queue, counts: Arc::clone(&counts) };
        thread::Builder::new().name("access-log".into()).spawn(move || {
            Writer { file, counts, broken: false, reported: None }.run(&lines);
            // Nobody may be waiting any more.
            let _ = end.send(());
        })?;
        Ok(Self { sender, done })
    }

    /// For the module.
    #[must_use]
    pub fn sender(&self) -> LogSender {
        self.sender.clone()
    }

    /// Waits until everything that was promised or sent before is written, at most so long. `false`: the time was not
    /// enough, and the last lines may be missing.
    ///
    /// A request whose connection was cut is logged a moment later, by a task of its own: it has promised its line.
    #[must_use]
    pub fn close(self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        // Pairs with the drop of a promise: whoever sees it gone sees its line in the queue.
        while self.sender.counts.promised.load(Ordering::Acquire) > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        let mut message = Message::Close;
        while let Err(mpsc::TrySendError::Full(back)) = self.sender.queue.try_send(message) {
            if Instant::now() >= deadline {
                return false;
            }
            message = back;
            thread::sleep(POLL);
        }
        // A thread that has ended by itself is done, too.
        !matches!(
            self.done.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            Err(RecvTimeoutError::Timeout)
        )
    }
}

impl LogSender {
    /// Puts a line into the queue, or counts it as lost. Never waits.
    pub fn send(&self, line: String) {
        let length = line.len();
        let queued = self.counts.queued.fetch_add(length, Ordering::Relaxed);
        let fits = queued.saturating_add(length) <= MAX_QUEUE_BYTES;
        if fits && self.queue.try_send(Message::Line(line)).is_ok() {
            return;
        }
        self.counts.queued.fetch_sub(length, Ordering::Relaxed);
        if self.counts.lose(1) == 0 {
            // The first of its kind; the writer tells the number when it can write again.
            tracing::error!("the access log falls behind: lines are dropped until its disk has caught up");
        }
    }

    /// Says that a line will come.
    pub(super) fn promise(&self) -> Promise {
        self.counts.promised.fetch_add(1, Ordering::Relaxed);
        Promise(Arc::clone(&self.counts))
    }

    /// How many lines will never be in the log.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.counts.lost_ever.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for LogSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSender").field("lost", &self.lost()).finish_non_exhaustive()
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.0.promised.fetch_sub(1, Ordering::Release);
    }
}

impl Counts {
    /// Counts lines as lost; how many were unconfessed before.
    fn lose(&self, lines: u64) -> u64 {
        self.lost_ever.fetch_add(lines, Ordering::Relaxed);
        self.lost.fetch_add(lines, Ordering::Relaxed)
    }
}

struct Writer<F> {
    file: F,
    counts: Arc<Counts>,
    /// The last write panicked.
    broken: bool,
    /// When a failure was last reported.
    reported: Option<Instant>,
}

impl<F: LogFile> Writer<F> {
    fn run(mut self, lines: &Receiver<Message>) {
        while self.write_next(lines) {}
    }

    /// Writes what there is, or waits for it; `false` at the end.
    fn write_next(&mut self, lines: &Receiver<Message>) -> bool {
        let Ok(message) = lines.recv() else { return false };
        let (mut batch, mut count, mut open) = (String::new(), 0, true);
        let mut next = Some(message);
        // As many lines as are there already go in one write.
        while let Some(message) = next {
            match message {
                Message::Line(line) => {
                    self.counts.queued.fetch_sub(line.len(), Ordering::Relaxed);
                    batch.push_str(&line);
                    count += 1;
                }
                Message::Close => {
                    open = false;
                    break;
                }
            }
            next = if batch.len() < MAX_BATCH { lines.try_recv().ok() } else { None };
        }
        // What panics, and be it the trace that tells of a failure, costs lines and not the log.
        let _ = catch_unwind(AssertUnwindSafe(|| self.write(&batch, count)));
        open
    }

    fn write(&mut self, batch: &str, count: u64) {
        let lost = self.counts.lost.swap(0, Ordering::Relaxed);
        let remark =
            if lost > 0 { format!("#Remark: {lost} entries are missing here\n") } else { String::new() };
        let text = if lost > 0 { &format!("{remark}{batch}") } else { batch };
        if text.is_empty() {
            return;
        }
        // The crate underneath panics where a folder vanishes under its hands; that costs lines, not the log.
        let written = catch_unwind(AssertUnwindSafe(|| {
            if self.broken {
                self.file.recover()?;
                self.broken = false;
            }
            self.file.append(text)
        }));
        let failure = match written {
            Ok(Ok(())) => {
                if lost > 0 {
                    tracing::warn!(lost, "entries are missing in the access log");
                }
                self.reported = None;
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                self.broken = true;
                "the writer panicked".to_owned()
            }
        };
        self.counts.lost.fetch_add(lost, Ordering::Relaxed);
        self.counts.lose(count);
        if self.reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
            self.reported = Some(Instant::now());
            let lost = self.counts.lost.load(Ordering::Relaxed);
            tracing::error!(
                lost,
                error = failure,
                "the access log cannot be written; requests go on without it"
            );
        }
    }
}

/// Lines in the queue, whatever is configured: each takes some hundred bytes.
const MAX_QUEUE: usize = 1 << 20;

/// Bytes of the lines in the queue.
const MAX_QUEUE_BYTES: usize = 8 * 1024 * 1024;

/// Bytes in one write.
const MAX_BATCH: usize = 64 * 1024;

/// Between two looks at what closing waits for.
const POLL: Duration = Duration::from_millis(5);

/// A disk that stays full is reported again after this time.
const REPORT_EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;
    use std::sync::mpsc::Sender;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// Writes to memory; each append waits for a word from the test, and does what it says.
    struct Disk {
        text: Arc<Mutex<String>>,
        words: Receiver<Word>,
    }

    enum Word {
        Full,
        Panic,
        Write,
    }

    impl LogFile for Disk {
        fn append(&mut self, lines: &str) -> io::Result<()> {
            match self.words.recv() {
                Ok(Word::Full) => Err(io::ErrorKind::StorageFull.into()),
                Ok(Word::Panic) => panic!("on purpose"),
                Ok(Word::Write) | Err(_) => {
                    self.text.lock().expect("not poisoned").push_str(lines);
                    Ok(())
                }
            }
        }
    }

    fn disk() -> (Disk, Arc<Mutex<String>>, Sender<Word>) {
        let (says, words) = mpsc::channel();
        let text = Arc::new(Mutex::new(String::new()));
        (Disk { text: Arc::clone(&text), words }, text, says)
    }

    #[test]
    fn lines_arrive_in_order_and_closing_waits_for_them() {
        let (disk, text, says) = disk();
        drop(says);
        let writer = LogWriter::start_with(disk, 1000).expect("started");
        let lines: Vec<String> = (0..500).map(|n| format!("{n}\n")).collect();
        lines.iter().for_each(|line| writer.sender().send(line.clone()));
        assert!(writer.close(LONG));
        assert_eq!(*text.lock().expect("not poisoned"), lines.concat());
    }

    #[test]
    fn a_hanging_disk_stops_nobody_and_the_gap_is_confessed() {
        let (disk, text, says) = disk();
        let writer = LogWriter::start_with(disk, 2).expect("started");
        let sender = writer.sender();
        // The disk hangs from the first line on: at most it, and two in the queue, are not lost.
        for n in 0..100 {
            sender.send(format!("{n}\n"));
        }
        assert!(sender.lost() >= 97, "{}", sender.lost());
        let lost = sender.lost();
        drop(says);
        assert!(writer.close(LONG));
        let text = text.lock().expect("not poisoned");
        assert!(text.contains(&format!("#Remark: {lost} entries are missing here\n")), "{text}");
    }

    #[test]
    fn the_queue_is_bounded_by_bytes_as_well() {
        let (disk, _text, _says) = disk();
        let writer = LogWriter::start_with(disk, 1000).expect("started");
        let sender = writer.sender();
        let line = "x".repeat(MAX_QUEUE_BYTES / 8);
        // One that is being written, and eight that wait.
        for _ in 0..20 {
            sender.send(line.clone());
        }
        assert!((11..=12).contains(&sender.lost()), "{}", sender.lost());
    }

    #[test]
    fn a_full_disk_costs_lines_and_the_log_goes_on_afterwards() {
        for word in [Word::Full, Word::Panic] {
            let (disk, text, says) = disk();
            let writer = LogWriter::start_with(disk, 10).expect("started");
            let sender = writer.sender();
            sender.send("a\n".into());
            says.send(word).expect("the disk listens");
            let deadline = Instant::now() + LONG;
            while sender.lost() == 0 && Instant::now() < deadline {
                thread::yield_now();
            }
            says.send(Word::Write).expect("the disk listens");
            sender.send("b\n".into());
            assert!(writer.close(LONG));
            assert_eq!(*text.lock().expect("not poisoned"), "#Remark: 1 entries are missing here\nb\n");
        }
    }

    #[test]
    fn closing_waits_for_lines_that_were_promised() {
        let (disk, text, says) = disk();
        drop(says);
        let writer = LogWriter::start_with(disk, 10).expect("started");
        let (sender, promise) = (writer.sender(), writer.sender().promise());
        let late = thread::spawn(move || {
            sender.send("late\n".into());
            drop(promise);
        });
        assert!(writer.close(LONG));
        late.join().expect("no panic");
        assert_eq!(*text.lock().expect("not poisoned"), "late\n");
    }

    #[test]
    fn a_promise_that_nobody_keeps_is_not_waited_for_without_end() {
        let (disk, _text, _says) = disk();
        let writer = LogWriter::start_with(disk, 1).expect("started");
        let _promise = writer.sender().promise();
        assert!(!writer.close(Duration::from_millis(50)));
    }

    #[test]
    fn closing_a_log_whose_disk_hangs_ends_in_time() {
        let (disk, _text, _says) = disk();
        let writer = LogWriter::start_with(disk, 1).expect("started");
        writer.sender().send("a\n".into());
        assert!(!writer.close(Duration::from_millis(50)));
    }
}
