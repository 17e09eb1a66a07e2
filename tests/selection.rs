//! Which driver is chosen when the kernel refuses a ring: a seccomp filter on the test's thread makes it refuse.
#![cfg(all(target_os = "linux", feature = "backend"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::mpsc;
use std::thread;

use bivalve::backend::{Backend, Selection, survey};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// `io_uring_setup`, the same on every architecture.
const IO_URING_SETUP: i64 = 425;

/// What the selection says on a thread, and on those that it starts, where `io_uring_setup` fails with this errno.
fn refused(errno: i32, selection: Selection) -> Result<String, String> {
    let (answer, said) = mpsc::channel();
    thread::spawn(move || {
        let rules = [(IO_URING_SETUP, vec![])].into_iter().collect();
        let refuse = SeccompAction::Errno(errno.cast_unsigned());
        let arch = TargetArch::try_from(std::env::consts::ARCH).unwrap();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).unwrap();
        let program: BpfProgram = filter.try_into().unwrap();
        seccompiler::apply_filter(&program).unwrap();
        let chosen = selection.start();
        let said = chosen.map(|driver| driver.name().to_owned()).map_err(|error| error.to_string());
        answer.send(said).unwrap();
    });
    said.recv().unwrap()
}

const ENOSYS: i32 = 38;
const EPERM: i32 = 1;
const EINVAL: i32 = 22;
const ENOMEM: i32 = 12;
const EMFILE: i32 = 24;

#[test]
fn automatic_takes_the_ring_where_there_is_one() {
    assert_eq!(Selection::automatic().start().unwrap().name(), "io_uring");
}

#[test]
fn a_system_without_io_uring_falls_back_to_tokio() {
    for errno in [ENOSYS, EPERM, EINVAL] {
        assert_eq!(refused(errno, Selection::automatic()).as_deref(), Ok("tokio"), "errno {errno}");
    }
}

#[test]
fn a_limit_that_is_reached_is_an_error_that_names_it() {
    let memory = refused(ENOMEM, Selection::automatic()).unwrap_err();
    assert!(memory.contains("RLIMIT_MEMLOCK"), "{memory}");
    let descriptors = refused(EMFILE, Selection::automatic()).unwrap_err();
    assert!(descriptors.contains("RLIMIT_NOFILE"), "{descriptors}");
}

#[test]
fn a_demanded_driver_never_falls_back() {
    let error = refused(EPERM, Selection::only(Backend::Uring)).unwrap_err();
    assert!(error.starts_with("the driver uring cannot be had:"), "{error}");
    assert!(error.contains("seccomp") && error.contains("kernel.io_uring_disabled"), "{error}");
    let error = Selection::only(Backend::Iocp).start().unwrap_err();
    assert_eq!(error.to_string(), "the driver iocp cannot be had: there is none on linux");
}

#[test]
fn a_demanded_driver_is_started() {
    assert_eq!(Selection::only(Backend::Tokio).start().unwrap().name(), "tokio");
    assert_eq!(Selection::only(Backend::Uring).start().unwrap().name(), "io_uring");
}

#[test]
fn the_survey_says_what_was_found() {
    let found: Vec<_> = survey().into_iter().map(|(backend, found)| (backend, found.unwrap())).collect();
    assert_eq!(
        found.iter().map(|(backend, _)| *backend).collect::<Vec<_>>(),
        [Backend::Uring, Backend::Tokio]
    );
    assert!(found[0].1.starts_with("Linux ") && found[0].1.contains("SUBMIT_ALL"), "{}", found[0].1);
}
