//! Setting a ring up: from the flags that measured best down to none.

use std::fmt;
use std::io;

use io_uring::IoUring;

use crate::Config;
use crate::probe::{Feature, Features};

/// Why there is no ring.
///
/// [`is_unavailable`](Self::is_unavailable) tells a machine without io_uring from one that has run out of something.
#[derive(Debug)]
pub struct SetupError {
    step: &'static str,
    source: io::Error,
}

impl SetupError {
    pub(crate) fn new(step: &'static str, source: io::Error) -> Self {
        Self { step, source }
    }

    /// Whether this system has no io_uring for us: an older kernel (`ENOSYS`), a sandbox or the setting
    /// `kernel.io_uring_disabled` (`EPERM`), a kernel before 5.19 (`EINVAL`). Another driver can take its place.
    ///
    /// Anything else, `ENOMEM` or `EMFILE` say, is a limit to raise and nothing to be silent about.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self.source.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EINVAL))
    }

    fn advice(&self) -> &'static str {
        match self.source.raw_os_error() {
            Some(libc::ENOSYS) => {
                "this kernel has no io_uring; it came with Linux 5.1, and 5.19 is needed here"
            }
            Some(libc::EPERM) => {
                "a seccomp profile (the default one of containers does) or the setting kernel.io_uring_disabled \
                 forbids it"
            }
            Some(libc::EINVAL) => "this kernel is older than Linux 5.19",
            Some(libc::ENOMEM) => {
                "raise the limit of locked memory (RLIMIT_MEMLOCK, `ulimit -l`), or free memory"
            }
            Some(libc::EMFILE) => {
                "raise the limit of open files of this process (RLIMIT_NOFILE, `ulimit -n`)"
            }
            Some(libc::ENFILE) => "raise the limit of open files of the system (fs.file-max)",
            _ => "this is not expected; the errno says more",
        }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no io_uring: {} failed: {}: {}", self.step, self.source, self.advice())
    }
}

impl std::error::Error for SetupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl From<SetupError> for io::Error {
    fn from(error: SetupError) -> Self {
        Self::new(error.source.kind(), error)
    }
}

/// A ring that is not enabled yet, and what it can do.
///
/// It starts disabled so that it belongs to the thread that enables it, which is the one that drives it
/// (`SINGLE_ISSUER`), and not to the one that happened to make it.
pub(crate) fn set_up(config: &Config) -> Result<(IoUring, Features), SetupError> {
    let mut last = io::Error::from_raw_os_error(libc::EINVAL);
    for flags in LADDER {
        if !config.features.contains_all(flags) {
            continue;
        }
        match build(config, flags) {
            Ok(ring) => {
                let mut features = Features::of(flags);
                let direct = config.features.contains(Feature::DirectDescriptors);
                if direct && ring.submitter().register_files_sparse(DIRECT).is_ok() {
                    features = features.with(Feature::DirectDescriptors);
                }
                return Ok((ring, features.intersection(config.features)));
            }
            // A kernel that does not know a flag says EINVAL; the next rung asks for less.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => last = error,
            Err(error) => return Err(SetupError::new("io_uring_setup", error)),
        }
    }
    Err(SetupError::new("io_uring_setup", last))
}

/// Places in the ring's table of descriptors; a socket that finds none is used by its number. Eight bytes each.
pub(crate) const DIRECT: u32 = 4096;

/// From the flags that measured best down to those of Linux 5.19, without which nothing here works.
const LADDER: [&[Feature]; 3] = [
    &[Feature::DeferTaskrun, Feature::SingleIssuer, Feature::SubmitAll], // Linux 6.1
    &[Feature::CoopTaskrun, Feature::SingleIssuer, Feature::SubmitAll],  // Linux 6.0
    &[Feature::CoopTaskrun, Feature::SubmitAll],                         // Linux 5.19
];

fn build(config: &Config, flags: &[Feature]) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.dontfork().setup_clamp().setup_r_disabled().setup_taskrun_flag();
    // Each operation brings one completion, an operation that goes on brings many; what does not fit waits in the
    // kernel and costs a little more.
    builder.setup_cqsize((config.entries * 4).clamp(256, 65_536));
    for flag in flags {
        match flag {
            Feature::CoopTaskrun => builder.setup_coop_taskrun(),
            Feature::DeferTaskrun => builder.setup_defer_taskrun(),
            Feature::SingleIssuer => builder.setup_single_issuer(),
            Feature::SubmitAll => builder.setup_submit_all(),
            _ => &mut builder,
        };
    }
    builder.build(config.entries)
}
