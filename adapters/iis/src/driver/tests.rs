//! The suite that every driver passes, with completions from the threads behind the `IHttpServer` of `bivalve-iis-host`.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bivalve_conformance::{Backend, Body};
use bivalve_core::testing::block_on;
use bivalve_core::{CompletionStatus, Driver, DriverExt};
use bivalve_iis_host::IisHost;
use bivalve_iis_sys::types::HRESULT;
use bivalve_iis_sys::{IHttpModuleRegistrationInfo, IHttpServer};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount};

use super::pool;
use crate::registry::Dll;

const BACKEND: Backend = Backend { run, open_handles };

bivalve_conformance::suite!(BACKEND);

fn run(_queue: u32, body: Body) {
    let driver = Arc::new(pool::over(dll()).expect("a driver"));
    block_on(body(Arc::clone(&driver) as Arc<dyn Driver>));
    driver.shut_down();
    wait("the driver is idle", || driver.usage().is_idle());
    wait("the threads have ended", || driver.threads() == 0);
}

fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "not within 10 s: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn open_handles() -> usize {
    let mut count = 0;
    // SAFETY: `count` is ours and outlives the call; the pseudo handle needs no closing.
    let done = unsafe { GetProcessHandleCount(GetCurrentProcess(), &raw mut count) };
    assert!(done != 0, "the system counts the handles of a process");
    count as usize
}

/// The server of one host, which stays until the process ends.
fn dll() -> Dll {
    static HOST: OnceLock<(IisHost, Dll)> = OnceLock::new();
    HOST.get_or_init(|| {
        let host = IisHost::builder().build();
        // SAFETY: the function keeps the contract of `RegisterModule`.
        let refused = unsafe { host.register(remember, "Nobody") };
        assert!(refused.is_err(), "it registers for nothing, and only remembers the server");
        let dll = DLL.take().expect("it was called on this thread");
        (host, dll)
    })
    .1
}

thread_local! {
    static DLL: Cell<Option<Dll>> = const { Cell::new(None) };
}

unsafe extern "system" fn remember(
    version: u32,
    _info: *mut IHttpModuleRegistrationInfo,
    server: *mut IHttpServer,
) -> HRESULT {
    DLL.set(Some(Dll::new(std::ptr::null_mut(), version, server)));
    0
}

#[test]
fn completions_come_from_the_threads_of_the_server() {
    let driver: Arc<dyn Driver> = Arc::new(pool::over(dll()).expect("a driver"));
    assert_eq!(driver.name(), "iis");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let listener = driver.attach(listener).expect("associated");
    let (woken, threads) = std::sync::mpsc::channel();
    struct Tell(std::sync::mpsc::Sender<Option<String>>);
    impl std::task::Wake for Tell {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(std::thread::current().name().map(str::to_owned));
        }
    }
    let waker = Arc::new(Tell(woken)).into();
    let mut accepted = std::pin::pin!(driver.accept(&listener));
    let mut task = std::task::Context::from_waker(&waker);
    assert!(accepted.as_mut().poll(&mut task).is_pending());
    let _client = std::net::TcpStream::connect(address).expect("a connection");
    // Those of the driver's own have names.
    assert_eq!(threads.recv_timeout(Duration::from_secs(10)).expect("woken"), None);
    driver.shut_down();
}

#[test]
fn one_server_has_one_driver() {
    let first = super::of(dll()).expect("a driver");
    let second = super::of(dll()).expect("the same");
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(first.name(), "iis");
}

#[test]
fn a_handle_that_the_server_refuses_says_so() {
    let driver: Arc<dyn Driver> = Arc::new(pool::over(dll()).expect("a driver"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let again = listener.try_clone().expect("a second handle");
    let _first = driver.attach(listener).expect("associated");
    // One file object completes at one port.
    let error = driver.attach(again).expect_err("it is associated already");
    assert!(error.to_string().contains("thread pool of the server (iis) does not take"), "{error}");
    let status = CompletionStatus::from_io_error(&error);
    assert!(!status.is_success(), "{status}");
    driver.shut_down();
}

#[test]
fn a_server_that_was_not_given_has_no_driver() {
    let error = super::of(Dll::new(std::ptr::null_mut(), 0, std::ptr::null_mut())).expect_err("no server");
    assert!(error.to_string().contains("IHttpServer"), "{error}");
}
