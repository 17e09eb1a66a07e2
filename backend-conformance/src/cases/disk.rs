//! Full disks. Only on Linux, which has a device that is always full and small file systems in memory; elsewhere a
//! full disk needs a disk.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Command;

use bivalve_core::{CompletionStatus, DriverExt};

use crate::Trial;
use crate::support::{Content, content, fails, ok, room};

/// `DISK_FULL` with 0 bytes where nothing went in.
pub async fn a_full_device_takes_nothing(trial: Trial) {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let file = trial.driver.attach(full).unwrap();
    for _ in 0..3 {
        let buffer = fails(trial.driver.write_at(&file, "lost", 0).await, CompletionStatus::DISK_FULL);
        assert_eq!(&buffer[..], b"lost");
    }
}

/// `DISK_FULL` with the bytes that went in; what went in can be read.
pub async fn a_disk_that_fills_up_reports_what_went_in(trial: Trial) {
    const SIZE: usize = 64 << 10;
    let directory = tempfile::tempdir().unwrap();
    let Some(_mounted) = Mounted::of_size(directory.path(), SIZE) else { return };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(directory.path().join("file"))
        .unwrap();
    let file = trial.driver.attach(file).unwrap();
    let done = trial.driver.write_at(&file, content(0, 2 * SIZE), 0).await;
    assert_eq!((done.completion.status(), done.buffer.len()), (CompletionStatus::DISK_FULL, 2 * SIZE));
    assert_eq!(done.completion.bytes(), SIZE);
    let (bytes, buffer) = ok(trial.driver.read_at(&file, room(2 * SIZE), 0).await);
    assert_eq!(bytes, SIZE);
    Content::default().feed(&buffer);
}

/// A small file system, until it is dropped.
struct Mounted<'d>(&'d Path);

impl<'d> Mounted<'d> {
    /// `None` where the process may not mount; in continuous integration it has to.
    fn of_size(directory: &'d Path, bytes: usize) -> Option<Self> {
        let options = format!("size={bytes}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "bivalve"]).arg(directory);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        assert!(mounted || std::env::var_os("CI").is_none(), "a file system of {bytes} bytes can be mounted");
        mounted.then_some(Self(directory))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // Lazily: after a panic the driver still has the file.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
