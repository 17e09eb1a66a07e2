//! Handles that are not what they say: `INVALID_HANDLE`, and the buffer comes back.

use std::sync::Arc;
use std::sync::mpsc::channel;

use bivalve_core::{CompletionStatus, Driver, DriverExt, FileRange, Handle};

use crate::Trial;
use crate::support::{Signal, content, fails, listener, ok, pair, peer, room};

/// A handle of the wrong kind, for each operation.
pub async fn of_the_wrong_kind(trial: Trial) {
    let driver = &trial.driver;
    let file = driver.attach(tempfile::tempfile().unwrap()).unwrap();
    let (stream, _peer) = pair(driver);
    let (listening, _) = listener(driver);
    for handle in [*stream, *listening] {
        rejects_files(driver, handle).await;
    }
    for handle in [*file, *listening] {
        rejects_streams(driver, handle).await;
    }
    for handle in [*file, *stream] {
        rejects_accepts(driver, handle).await;
    }
}

/// A handle that was closed; its place may have been taken since, many times over.
pub async fn of_a_spent_generation(trial: Trial) {
    let driver = &trial.driver;
    let mut spent = Vec::new();
    for _ in 0..50 {
        let file = driver.attach(tempfile::tempfile().unwrap()).unwrap();
        spent.push(*file);
        drop(file);
    }
    let file = driver.attach(tempfile::tempfile().unwrap()).unwrap();
    ok(driver.write_at(&file, "mine", 0).await);
    for handle in spent {
        rejects_everything(driver, handle).await;
        assert!(driver.inspect(handle, &mut |_| {}).is_err());
        driver.close(handle);
    }
    assert_eq!(&ok(driver.read_at(&file, room(10), 0).await).1[..], b"mine");
}

/// A handle that no driver ever gave out.
pub async fn of_nobody(trial: Trial) {
    let driver = &trial.driver;
    let file = driver.attach(tempfile::tempfile().unwrap()).unwrap();
    for handle in [
        Handle::new((*file).driver(), u32::MAX, 0),
        Handle::new((*file).driver(), file.index(), file.generation().wrapping_add(1)),
        Handle::new(0, file.index(), file.generation()),
    ] {
        rejects_everything(driver, handle).await;
        assert!(driver.inspect(handle, &mut |_| {}).is_err());
        driver.close(handle);
    }
    ok(driver.write_at(&file, "mine", 0).await);
}

/// A handle of another driver of the same kind, which knows it by the same numbers.
pub async fn of_another_driver(trial: Trial) {
    let backend = trial.backend;
    let (sender, receiver) = channel();
    let (opened, done) = (Arc::new(Signal::default()), Arc::new(Signal::default()));
    let (theirs_opened, ours_done) = (Arc::clone(&opened), Arc::clone(&done));
    let other = peer(move || {
        let body = |driver: Arc<dyn Driver>| async move {
            let file = driver.attach(tempfile::tempfile().unwrap()).unwrap();
            ok(driver.write_at(&file, content(0, 100), 0).await);
            sender.send(*file).unwrap();
            theirs_opened.set();
            ours_done.wait().await;
            // The other driver's close was not for this handle.
            assert_eq!(ok(driver.read_at(&file, room(100), 0).await).0, 100);
        };
        (backend.run)(8, Box::new(move |driver| Box::pin(body(driver))));
    });
    opened.wait().await;
    let foreign = receiver.recv().unwrap();
    let driver = &trial.driver;
    let ours = driver.attach(tempfile::tempfile().unwrap()).unwrap();
    assert_ne!(foreign.driver(), (*ours).driver());
    rejects_everything(driver, foreign).await;
    assert!(driver.inspect(foreign, &mut |_| {}).is_err());
    driver.close(foreign);
    done.set();
    other.join().await;
    ok(driver.write_at(&ours, "mine", 0).await);
}

async fn rejects_everything(driver: &Arc<dyn Driver>, handle: Handle) {
    rejects_files(driver, handle).await;
    rejects_streams(driver, handle).await;
    rejects_accepts(driver, handle).await;
}

const INVALID: CompletionStatus = CompletionStatus::INVALID_HANDLE;

async fn rejects_files(driver: &Arc<dyn Driver>, handle: Handle) {
    assert_eq!(fails(driver.read_at(&handle, room(10), 0).await, INVALID).capacity(), 10);
    assert_eq!(&fails(driver.write_at(&handle, "x", 0).await, INVALID)[..], b"x");
}

async fn rejects_streams(driver: &Arc<dyn Driver>, handle: Handle) {
    assert_eq!(fails(driver.receive(&handle, room(10)).await, INVALID).capacity(), 10);
    assert_eq!(fails(driver.send(&handle, vec!["x".into()]).await, INVALID).len(), 1);
    let range = FileRange::new(tempfile::tempfile().unwrap(), 0, 1);
    assert_eq!(fails(driver.send_file(&handle, range).await, INVALID).len(), 1);
    fails(driver.shutdown(&handle).await, INVALID);
    let mut leases = driver.receive_many(&handle);
    let error = leases.next().await.unwrap().unwrap_err();
    assert_eq!(CompletionStatus::from_io_error(&error), INVALID);
    assert!(leases.next().await.is_none());
}

async fn rejects_accepts(driver: &Arc<dyn Driver>, handle: Handle) {
    assert!(fails(driver.accept(&handle).await, INVALID).is_none());
    let mut connections = driver.accept_many(&handle);
    let error = connections.next().await.unwrap().unwrap_err();
    assert_eq!(CompletionStatus::from_io_error(&error), INVALID);
    assert!(connections.next().await.is_none());
}
