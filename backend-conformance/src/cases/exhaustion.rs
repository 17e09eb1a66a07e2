//! No descriptor left. Only on Linux: a process there has its own limit, and running into it hurts nobody else.

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;

use bivalve_core::{CompletionStatus, DriverExt};

use crate::Trial;
use crate::support::{fails, listener, ok, pause, room};

const TOO_MANY: CompletionStatus = CompletionStatus::TOO_MANY_OPEN_FILES;

/// `TOO_MANY_OPEN_FILES` is an item of an accept that goes on; it does go on when it is asked again, and takes the
/// connection that waits as soon as there is room (rule 7).
pub async fn accept_many_goes_on_afterwards(trial: Trial) {
    let driver = &trial.driver;
    let (listening, address) = listener(driver);
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"patient").unwrap();
    let mut connections = driver.accept_many(&listening);
    drop(connections.next().await.unwrap().unwrap());
    // To its end, or it would take the next connection, and close it.
    connections.cancel();
    while connections.next().await.is_some() {}
    let mut client = TcpStream::connect(address).unwrap();
    // From here on nothing is asserted before the descriptors are free again: a panic needs some.
    let hoard = hoard().await;
    let mut connections = driver.accept_many(&listening);
    let first = connections.next().await;
    let again = connections.next().await;
    drop(hoard);
    for item in [first, again] {
        let error = item.expect("it goes on").expect_err("there was no descriptor");
        assert_eq!(CompletionStatus::from_io_error(&error), TOO_MANY);
    }
    client.write_all(b"patient").unwrap();
    loop {
        match connections.next().await.expect("it goes on") {
            Ok(stream) => {
                assert_eq!(&ok(driver.receive(&stream, room(10)).await).1[..], b"patient");
                return;
            }
            // Reported while there was none.
            Err(error) => assert_eq!(CompletionStatus::from_io_error(&error), TOO_MANY),
        }
    }
}

/// `TOO_MANY_OPEN_FILES` of a plain accept and of a connect; the next ones work.
pub async fn accept_and_connect_work_afterwards(trial: Trial) {
    let driver = &trial.driver;
    let (listening, address) = listener(driver);
    let client = TcpStream::connect(address).unwrap();
    let hoard = hoard().await;
    let accepted = driver.accept(&listening).await;
    let connected = driver.connect(address).await;
    drop(hoard);
    assert!(fails(accepted, TOO_MANY).is_none());
    assert!(fails(connected, TOO_MANY).is_none());
    let stream = ok(driver.accept(&listening).await).1.unwrap();
    assert_eq!(stream.peer_address().unwrap(), client.local_addr().unwrap());
    assert!(ok(driver.connect(address).await).1.is_some());
}

/// Every descriptor that is left.
async fn hoard() -> Vec<File> {
    // What the suite itself makes only once is made now.
    pause().await;
    let null = File::open("/dev/null").unwrap();
    let mut hoard = Vec::new();
    while let Ok(another) = null.try_clone() {
        hoard.push(another);
    }
    hoard.push(null);
    hoard
}
