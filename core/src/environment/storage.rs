//! What modules keep beyond a request: one value per module and container, as in IIS.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The module has stored a value in this container already.
///
/// IIS counterpart: `ERROR_ALREADY_ASSIGNED` from `SetModuleContext`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyAssigned;

impl fmt::Display for AlreadyAssigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "this module has stored a value in this scope already; change it through a lock inside it",
        )
    }
}

impl std::error::Error for AlreadyAssigned {}

/// By the name under which a module is mounted, `None` for the host: pipelines share a site, and number their modules
/// each for itself.
///
/// IIS counterpart: `IHttpModuleContextContainer`.
#[derive(Default)]
pub(crate) struct ModuleStorage {
    slots: Mutex<Vec<Slot>>,
}

type Slot = (Option<Arc<str>>, Arc<dyn Any + Send + Sync>);

impl ModuleStorage {
    pub(crate) fn get(&self, module: Option<&Arc<str>>) -> Option<Arc<dyn Any + Send + Sync>> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().find(|slot| slot.0.as_ref() == module).map(|slot| Arc::clone(&slot.1))
    }

    /// Stores unless something is stored; hands back what is there, and whether it was stored by this call.
    pub(crate) fn insert(
        &self,
        module: Option<&Arc<str>>,
        value: Arc<dyn Any + Send + Sync>,
    ) -> (Arc<dyn Any + Send + Sync>, bool) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.iter().find(|slot| slot.0.as_ref() == module) {
            return (Arc::clone(&slot.1), false);
        }
        slots.push((module.cloned(), Arc::clone(&value)));
        (value, true)
    }
}

impl fmt::Debug for ModuleStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ModuleStorage(..)")
    }
}
