//! What a module did that IIS does not allow.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which rule a module broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// `OnAsyncCompletion` ended the notification while its handler had not returned: in IIS the module may be freed
    /// under the handler.
    EndedBeforeReturn,
    /// A slot that this version of IIS does not have.
    NotInThisVersion,
    /// The notification ended while one of its operations was outstanding.
    OperationOutstanding,
    /// A method that needs the request was called while no notification of it was under way.
    OutsideNotification,
    /// A notification was completed twice, or completed although it did not wait. In IIS: an access violation
    /// (KB 2824214).
    SecondCompletion,
    /// An operation was started while another one was outstanding.
    SecondOperation,
    /// A notification returned a status that there is not.
    UnknownStatus,
    /// An object was used after its request had ended.
    UsedAfterEnd,
}

impl Rule {
    fn text(self) -> &'static str {
        match self {
            Self::EndedBeforeReturn => {
                "the notification was ended by OnAsyncCompletion while its handler had not returned: in IIS the module may be freed under the handler; hold a lock over both"
            }
            Self::NotInThisVersion => {
                "this version of IIS has no such slot: compare the version that RegisterModule was given first"
            }
            Self::OperationOutstanding => {
                "the notification ended while an operation was outstanding: return RQ_NOTIFICATION_PENDING and wait for it"
            }
            Self::OutsideNotification => {
                "the request was used while none of its notifications was under way: it is IIS's own then"
            }
            Self::SecondCompletion => {
                "the notification was completed a second time, or did not wait: in IIS this is an access violation (KB 2824214)"
            }
            Self::SecondOperation => {
                "an operation was started while another one was outstanding: one at a time for each request"
            }
            Self::UnknownStatus => "the notification returned a status that there is not",
            Self::UsedAfterEnd => "the object was used after its request had ended",
        }
    }
}

/// One thing that a module did and IIS does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    rule: Rule,
    interface: &'static str,
    slot: Option<usize>,
}

impl Violation {
    pub(crate) fn new(rule: Rule, interface: &'static str, slot: Option<usize>) -> Self {
        Self { rule, interface, slot }
    }

    /// The rule.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The interface whose method was called, or the method itself where it is known.
    #[must_use]
    pub fn interface(&self) -> &'static str {
        self.interface
    }

    /// The slot of the vtable, where a trap was called.
    #[must_use]
    pub fn slot(&self) -> Option<usize> {
        self.slot
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.interface)?;
        if let Some(slot) = self.slot {
            write!(f, " slot {slot}")?;
        }
        write!(f, ": {}", self.rule.text())
    }
}

/// What happens when a module breaks a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnViolation {
    /// The process ends, with the violation on standard error: the stack of a core dump shows the caller.
    Abort,
    /// It is kept, for [`Violations::take`]; the call returns zero.
    #[default]
    Record,
}

/// What modules did that IIS does not allow, so far.
#[derive(Clone, Debug, Default)]
pub struct Violations {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    policy: OnViolation,
    list: Mutex<Vec<Violation>>,
}

impl Violations {
    pub(crate) fn new(policy: OnViolation) -> Self {
        Self { inner: Arc::new(Inner { policy, list: Mutex::default() }) }
    }

    /// All of them, in order; from here on none is known.
    #[must_use]
    pub fn take(&self) -> Vec<Violation> {
        std::mem::take(&mut *self.lock())
    }

    /// For tests.
    ///
    /// # Panics
    ///
    /// When there is one.
    #[track_caller]
    pub fn assert_none(&self) {
        let list: Vec<String> = self.lock().iter().map(ToString::to_string).collect();
        assert!(list.is_empty(), "a module broke the rules of IIS:\n{}", list.join("\n"));
    }

    pub(crate) fn report(&self, violation: Violation) {
        tracing::error!(%violation, "a module broke a rule of IIS");
        if self.inner.policy == OnViolation::Abort {
            eprintln!("bivalve iis-host: {violation}");
            std::process::abort();
        }
        self.lock().push(violation);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Violation>> {
        self.inner.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
