//! What the kernel has, in words.

use std::fmt;

use crate::{Config, SetupError, setup};

/// Something of io_uring that not every kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feature {
    /// Completions are made when the thread asks for them, not by interrupting it (`COOP_TASKRUN`, Linux 5.19).
    CoopTaskrun,
    /// Completions are made in the call that asks for them (`DEFER_TASKRUN`, Linux 6.1).
    DeferTaskrun,
    /// Sockets are in the ring's own table, which spares the lookup of each operation (`IORING_REGISTER_FILES2`,
    /// Linux 5.19 for a table that is filled as it goes).
    DirectDescriptors,
    /// One submission brings connection after connection (Linux 5.19).
    MultishotAccept,
    /// One submission brings buffer after buffer (Linux 6.0).
    MultishotReceive,
    /// One thread submits (`SINGLE_ISSUER`, Linux 6.0).
    SingleIssuer,
    /// A bad submission does not hold up those behind it (`SUBMIT_ALL`, Linux 5.18).
    SubmitAll,
}

/// A set of [`Feature`]s.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Features(u32);

impl Features {
    /// Everything that the driver knows to use.
    pub const ALL: Self = Self((1 << Feature::NAMES.len()) - 1);

    /// What Linux 5.19 has.
    pub const LINUX_5_19: Self =
        Self(Feature::CoopTaskrun.bit() | Feature::SubmitAll.bit() | Feature::MultishotAccept.bit());

    /// Whether the feature is in the set.
    #[must_use]
    pub const fn contains(self, feature: Feature) -> bool {
        self.0 & feature.bit() != 0
    }

    /// The set without a feature.
    #[must_use]
    pub const fn without(self, feature: Feature) -> Self {
        Self(self.0 & !feature.bit())
    }

    /// What a kernel has that took these flags.
    pub(crate) fn of(flags: &[Feature]) -> Self {
        let mut features =
            Self(flags.iter().fold(Feature::MultishotAccept.bit(), |bits, flag| bits | flag.bit()));
        // It came in the same release, and no probe tells.
        if features.contains(Feature::SingleIssuer) {
            features.0 |= Feature::MultishotReceive.bit();
        }
        features
    }

    /// The set with a feature.
    pub(crate) const fn with(self, feature: Feature) -> Self {
        Self(self.0 | feature.bit())
    }

    pub(crate) fn contains_all(self, features: &[Feature]) -> bool {
        features.iter().all(|feature| self.contains(*feature))
    }

    pub(crate) const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Feature {
    const NAMES: [(Self, &'static str); 7] = [
        (Self::CoopTaskrun, "COOP_TASKRUN"),
        (Self::DeferTaskrun, "DEFER_TASKRUN"),
        (Self::SingleIssuer, "SINGLE_ISSUER"),
        (Self::SubmitAll, "SUBMIT_ALL"),
        (Self::DirectDescriptors, "direct descriptors"),
        (Self::MultishotAccept, "multishot accept"),
        (Self::MultishotReceive, "multishot receive"),
    ];

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            Feature::NAMES.iter().filter(|(feature, _)| self.contains(*feature)).map(|(_, name)| *name);
        f.write_str(&names.collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Features({self})")
    }
}

/// What was found on this machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Probe {
    /// `uname -r`.
    pub kernel: String,
    /// What the ring was set up with.
    pub features: Features,
    /// Entries of the submission queue.
    pub submission_entries: u32,
    /// Entries of the completion queue.
    pub completion_entries: u32,
}

/// Sets a ring up, says what it can do, and drops it.
///
/// # Errors
///
/// As [`UringDriver::start`](crate::UringDriver::start).
pub fn probe(config: &Config) -> Result<Probe, SetupError> {
    let (ring, features) = setup::set_up(config)?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_else(|_| "unknown".into());
    Ok(Probe {
        kernel: kernel.trim().into(),
        features,
        submission_entries: ring.params().sq_entries(),
        completion_entries: ring.params().cq_entries(),
    })
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Linux {}, {} + {} entries, {}",
            self.kernel, self.submission_entries, self.completion_entries, self.features
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_prints_what_is_in_it() {
        assert_eq!(Features::LINUX_5_19.to_string(), "COOP_TASKRUN, SUBMIT_ALL, multishot accept");
        assert!(!Features::ALL.without(Feature::DeferTaskrun).contains(Feature::DeferTaskrun));
    }

    #[test]
    fn this_kernel_has_a_ring() {
        let probe = probe(&Config::default()).expect("the tests need io_uring");
        assert!(probe.features.contains(Feature::SubmitAll), "{probe}");
    }
}
