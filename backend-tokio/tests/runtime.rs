//! The driver and the runtime that it lives on: one that is missing, ends first, is another, or has many threads.

use std::fs::File;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

#[cfg(unix)]
use bivalve_core::Resource;
use bivalve_core::testing::block_on;
use bivalve_core::{Completed, CompletionStatus, Driver, DriverExt, OwnedHandle};
use bivalve_tokio::TokioDriver;
use bytes::BytesMut;
use tokio::runtime::{Builder, Runtime};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn room(bytes: usize) -> BytesMut {
    BytesMut::with_capacity(bytes)
}

fn ok<B>(done: Completed<B>) -> B {
    done.into_result().expect("it works").1
}

fn listener(driver: &Arc<TokioDriver>) -> OwnedHandle<TokioDriver> {
    driver.attach(TcpListener::bind("127.0.0.1:0").expect("a port is free")).expect("it can be associated")
}

async fn pair(driver: &Arc<TokioDriver>) -> [OwnedHandle<TokioDriver>; 2] {
    let listener = listener(driver);
    let connect = driver.connect(listener.local_address().expect("it is bound"));
    let accepted = ok(driver.accept(&listener).await).expect("success brings a handle");
    [ok(connect.await).expect("success brings a handle"), accepted]
}

async fn echo(driver: &Arc<TokioDriver>) {
    let [ours, theirs] = pair(driver).await;
    for _ in 0..100 {
        let receive = driver.receive(&theirs, room(64));
        ok(driver.send(&ours, vec!["Hello".into()]).await);
        assert_eq!(ok(receive.await), "Hello");
    }
}

#[test]
fn without_a_runtime_the_error_says_so() {
    let error = TokioDriver::new().expect_err("there is no runtime");
    assert!(error.to_string().contains("no current Tokio runtime"), "{error}");
}

#[test]
fn a_runtime_without_its_drivers_is_an_error() {
    let bare = Builder::new_current_thread().build().expect("a runtime");
    let error = TokioDriver::with_handle(bare.handle().clone()).expect_err("it has no drivers");
    assert!(error.to_string().contains("no time driver"), "{error}");
    let timers = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let error = TokioDriver::with_handle(timers.handle().clone()).expect_err("it has no I/O driver");
    assert!(error.to_string().contains("no I/O driver"), "{error}");
}

#[test]
fn what_is_in_flight_when_the_runtime_ends_is_cancelled() {
    let runtime = current_thread();
    let driver = TokioDriver::with_handle(runtime.handle().clone()).expect("a driver");
    let [ours, _theirs] = runtime.block_on(pair(&driver));
    let listener = listener(&driver);
    let accept = driver.accept(&listener);
    let mut connections = driver.accept_many(&listener);
    let receive = driver.receive(&ours, room(64));
    let timer = driver.timer(Duration::from_secs(3_600));
    let post = driver.post(1);
    drop(runtime);
    assert_eq!(block_on(accept).completion.status(), CompletionStatus::CANCELLED);
    assert_eq!(block_on(receive).completion.status(), CompletionStatus::CANCELLED);
    assert_eq!(block_on(timer).completion.status(), CompletionStatus::CANCELLED);
    assert_eq!(block_on(post).completion.status(), CompletionStatus::CANCELLED);
    let last = block_on(connections.next()).expect("an item").expect_err("it is cancelled");
    assert_eq!(CompletionStatus::from_io_error(&last), CompletionStatus::CANCELLED);
    assert!(block_on(connections.next()).is_none());
    assert!(driver.usage().is_idle(), "{:?}", driver.usage());
    let late = driver.post(1);
    assert_eq!(block_on(late).completion.status(), CompletionStatus::CANCELLED);
    assert!(driver.associate(tempfile::tempfile().expect("a file").into()).is_err());
}

/// The blocking pool has one thread, which is taken: the driver's worker never runs.
#[test]
fn a_file_operation_that_never_ran_is_cancelled_with_the_runtime() {
    let runtime =
        Builder::new_current_thread().enable_all().max_blocking_threads(1).build().expect("a runtime");
    let driver = TokioDriver::with_handle(runtime.handle().clone()).expect("a driver");
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (started, starts) = std::sync::mpsc::channel();
    drop(runtime.spawn_blocking(move || {
        started.send(()).expect("the test waits");
        let _ = wait.recv();
    }));
    starts.recv().expect("it starts");
    let file = driver.attach(tempfile::tempfile().expect("a file")).expect("it can be associated");
    let reads: Vec<_> = (0..100).map(|_| driver.read_at(&file, room(10), 0)).collect();
    reads[50].cancel();
    let waiter = thread::spawn(move || {
        reads.into_iter().map(|read| block_on(read).completion.status()).collect::<Vec<_>>()
    });
    runtime.shutdown_background();
    drop(release);
    let statuses = waiter.join().expect("it does not panic");
    assert!(statuses.iter().all(|status| *status == CompletionStatus::CANCELLED), "{statuses:?}");
    drop(file);
    assert!(driver.usage().is_idle(), "{:?}", driver.usage());
}

#[test]
fn a_driver_of_its_own_thread_needs_no_runtime() {
    let driver = TokioDriver::start().expect("a driver");
    block_on(echo(&driver));
    let file = driver.attach(tempfile::tempfile().expect("a file")).expect("it can be associated");
    ok(block_on(driver.write_at(&file, "abc", 0)));
    assert_eq!(ok(block_on(driver.read_at(&file, room(10), 1))), "bc");
    ok(block_on(driver.timer(Duration::from_millis(5))));
}

/// Its thread keeps nothing alive: a pipe that was associated is closed, seen from its other end.
#[cfg(unix)]
#[test]
fn the_driver_of_its_own_thread_ends_when_it_is_shut_down_or_dropped() {
    use std::io::Write;

    for end in [TokioDriver::shut_down as fn(&TokioDriver), |_: &TokioDriver| {}] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let driver = TokioDriver::start().expect("a driver");
        driver.associate(Resource::from(reader)).expect("it can be associated");
        end(&driver);
        drop(driver);
        wait_until("the pipe to be closed", || (&writer).write(b"x").is_err());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn its_own_thread_ends_with_the_driver() {
    let count = || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("threads are listed");
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.trim() == "bivalve-tokio").count()
    };
    let drivers: Vec<_> = (0..8).map(|_| TokioDriver::start().expect("a driver")).collect();
    wait_until("the threads to have their name", || count() >= 8);
    drop(drivers);
    // Another test may have one of its own at this moment.
    wait_until("the threads to end", || count() < 8);
}

#[cfg(unix)]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(std::time::Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Submitted on one runtime, driven by another, polled without any.
#[test]
fn operations_are_submitted_and_polled_anywhere() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let driver = TokioDriver::with_handle(runtime.handle().clone()).expect("a driver");
    let other = current_thread();
    other.block_on(echo(&driver));
    drop(other);
    block_on(echo(&driver));
}

#[test]
fn many_threads_share_a_driver() {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let driver = TokioDriver::new().expect("a driver");
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let driver = Arc::clone(&driver);
                tokio::spawn(async move { echo(&driver).await })
            })
            .collect();
        for task in tasks {
            task.await.expect("it does not panic");
        }
        driver.shut_down();
        assert!(driver.usage().is_idle(), "{:?}", driver.usage());
    });
}

/// One stream, four threads that send on it at once: no send is torn apart (rule 3).
#[test]
fn sends_of_many_threads_stay_whole() {
    const LEN: usize = 100_000;
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let driver = TokioDriver::new().expect("a driver");
        let [ours, theirs] = pair(&driver).await;
        let ours = Arc::new(ours);
        for mark in 0..64_u8 {
            let (driver, ours) = (Arc::clone(&driver), Arc::clone(&ours));
            drop(tokio::spawn(async move {
                let half = vec![mark; LEN / 2];
                ok(driver.send(&ours, vec![half.clone().into(), half.into()]).await);
            }));
        }
        let mut left = 64 * LEN;
        let mut current = (0, 0);
        let mut stream = driver.receive_many(&theirs);
        while left > 0 {
            let lease = stream.next().await.expect("more comes").expect("it works");
            left -= lease.len();
            for mark in &*lease {
                if current.1 == 0 {
                    current = (*mark, LEN);
                }
                assert_eq!(*mark, current.0, "{} bytes before the end of a send", current.1);
                current.1 -= 1;
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn timers_follow_the_clock_of_the_runtime() {
    let driver = TokioDriver::new().expect("a driver");
    let long = driver.timer(Duration::from_secs(3_600));
    let short = driver.timer(Duration::from_secs(60));
    let never = driver.timer(Duration::MAX);
    let start = tokio::time::Instant::now();
    ok(short.await);
    assert_eq!(start.elapsed().as_secs(), 60);
    ok(long.await);
    assert_eq!(start.elapsed().as_secs(), 3_600);
    never.cancel();
    assert_eq!(never.await.completion.status(), CompletionStatus::CANCELLED);
}

/// A task that is never made to wait lets others have their turn, as one that uses Tokio's sockets does.
#[tokio::test]
async fn outcomes_count_against_the_budget_of_a_task() {
    let driver = TokioDriver::new().expect("a driver");
    let [ours, _theirs] = pair(&driver).await;
    let other = tokio::spawn(async {});
    let mut sends = 0;
    while !other.is_finished() {
        ok(driver.send(&ours, vec![]).await);
        sends += 1;
        assert!(sends < 10_000, "the other task never had its turn");
    }
}

#[tokio::test]
async fn a_file_that_is_not_open_for_it_is_access_denied() {
    let driver = TokioDriver::new().expect("a driver");
    let named = tempfile::NamedTempFile::new().expect("a file");
    let reading =
        driver.attach(File::open(named.path()).expect("it is there")).expect("it can be associated");
    let done = driver.write_at(&reading, "abc", 0).await;
    assert_eq!(done.completion.status(), CompletionStatus::ACCESS_DENIED);
    let writing = File::options().write(true).open(named.path()).expect("it is there");
    let writing = driver.attach(writing).expect("it can be associated");
    let done = driver.read_at(&writing, room(10), 0).await;
    assert_eq!(done.completion.status(), CompletionStatus::ACCESS_DENIED);
}
