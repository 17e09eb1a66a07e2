//! The disk of the access log is full for a while: requests are answered, and the log says what it lacks.

#![cfg(target_os = "linux")]

#[path = "suite/common/mod.rs"]
mod common;

use std::fs;
use std::io::{self, Write};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use common::{PATIENCE, Running};

const BACKEND: &str = "auto";

/// What is traced.
#[derive(Clone, Default)]
struct Traced(Arc<Mutex<Vec<u8>>>);

impl Traced {
    fn count(&self, part: &str) -> usize {
        let traced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&traced).matches(part).count()
    }
}

impl Write for Traced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_costs_entries_and_no_request() {
    // A small file system of its own needs rights over mounts, which a namespace gives also to those who have none.
    let inside = |unshare: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(unshare).arg(std::env::current_exe().expect("a path"));
        command.args(["--ignored", "--exact", "in_a_namespace_of_its_own", "--nocapture"]).output()
    };
    let allowed = |unshare: &[&str]| {
        Command::new("unshare").args(unshare).arg("true").output().is_ok_and(|output| output.status.success())
    };
    let ways = [&["--mount"][..], &["--user", "--map-root-user", "--mount"]];
    let Some(way) = ways.into_iter().find(|way| allowed(way)) else {
        println!("skipped: this system lets nobody make a file system for a test");
        return;
    };
    let output = inside(way).expect("unshare");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
}

#[test]
#[ignore = "what the other test starts"]
fn in_a_namespace_of_its_own() {
    let traced = Traced::default();
    let writer = traced.clone();
    tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).init();
    let disk = tempfile::tempdir().expect("a folder");
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(disk.path()).status();
    assert!(mount.is_ok_and(|status| status.success()), "a file system of 64 KiB");
    let logs = disk.path().join("logs");
    let gate = Running::start(|config, folder| {
        fs::create_dir(folder.join("logs")).expect("where others look for it");
        config.access_log.directory.clone_from(&logs);
    });
    assert_eq!(gate.get("/?before").status, 200);
    let filler = disk.path().join("filler");
    let mut file = fs::File::create(&filler).expect("a file");
    while file.write_all(&[b'x'; 1024]).is_ok() {}
    // What is left of the log's last page takes some entries still.
    for n in 0..150 {
        assert_eq!(gate.get(&format!("/?full-{n}")).status, 200);
    }
    let until = |what: &dyn Fn() -> bool| {
        let begin = Instant::now();
        while !what() {
            assert!(begin.elapsed() < PATIENCE, "it does not happen");
            thread::sleep(Duration::from_millis(10));
        }
    };
    until(&|| traced.count("the access log cannot be written") > 0);
    // Once, however many entries it is.
    assert_eq!(traced.count("the access log cannot be written"), 1);
    fs::remove_file(&filler).expect("it is ours");
    drop(file);
    // It goes on by itself.
    for n in 0..10 {
        assert_eq!(gate.get(&format!("/?after-{n}")).status, 200);
    }
    until(&|| traced.count("entries are missing in the access log") > 0);
    drop(gate);
    let files = fs::read_dir(&logs).expect("a folder").map(|file| file.expect("a file").path());
    let text: String = files.map(|file| fs::read_to_string(file).expect("text")).collect();
    let unmounted = Command::new("umount").arg(disk.path()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    assert_eq!(text.matches(" after-").count(), 10, "{text}");
    let remarks = text
        .lines()
        .filter_map(|line| line.strip_prefix("#Remark: ")?.split(' ').next()?.parse::<usize>().ok());
    let missing: usize = remarks.sum();
    // What was written of a batch that did not fit is counted as missing too.
    let there = text.matches(" full-").count();
    assert!(
        missing > 0 && there < 150 && there + missing >= 150,
        "{there} of 150 are there, {missing} are missing"
    );
}
