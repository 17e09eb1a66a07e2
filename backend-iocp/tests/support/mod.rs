//! What the tests share.

use std::future::Future;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bivalve_core::testing::block_on;
use bivalve_core::{Driver, OwnedHandle};
use bivalve_iocp::IocpDriver;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount};

/// Runs a test on a driver of its own, shuts it down and waits until it holds nothing and its threads have ended.
#[allow(dead_code, reason = "not every test uses it")]
pub(crate) fn run<F: Future<Output = ()>>(body: impl FnOnce(Arc<dyn Driver>) -> F) {
    let driver = Arc::new(IocpDriver::new().expect("a driver"));
    block_on(body(Arc::clone(&driver) as Arc<dyn Driver>));
    driver.shut_down();
    wait("the driver is idle", || driver.usage().is_idle());
    wait("the threads have ended", || driver.threads() == 0);
}

/// Waits for a condition, with a bound.
#[allow(dead_code, reason = "not every test uses it")]
#[track_caller]
pub(crate) fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "not within 10 s: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[allow(dead_code, reason = "not every test uses it")]
pub(crate) fn open_handles() -> usize {
    let mut count = 0;
    // SAFETY: `count` is ours and outlives the call; the pseudo handle needs no closing.
    let done = unsafe { GetProcessHandleCount(GetCurrentProcess(), &raw mut count) };
    assert!(done != 0, "the system counts the handles of a process");
    count as usize
}

/// A stream of the driver's, and its peer.
#[allow(dead_code, reason = "not every test uses it")]
pub(crate) fn pair(driver: &Arc<dyn Driver>) -> (OwnedHandle, TcpStream) {
    use bivalve_core::DriverExt;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let peer = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let (stream, _) = listener.accept().expect("its other end");
    (driver.attach(stream).expect("associated"), peer)
}

/// Whether this is Wine: it says so itself.
#[allow(dead_code, reason = "not every test uses it")]
pub(crate) fn is_wine() -> bool {
    use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
    // SAFETY: the names are constants that end with 0; ntdll stays loaded as long as the process.
    unsafe { GetProcAddress(GetModuleHandleA(c"ntdll".as_ptr().cast()), c"wine_get_version".as_ptr().cast()) }
        .is_some()
}
