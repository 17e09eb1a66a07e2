//! Per-request state: of one module, and shared between modules.

use std::any::{Any, TypeId};
use std::fmt;

use super::ModuleId;
use crate::contain::contained;

/// The state of each module for one request.
///
/// A slot's box outlives the request, only its value is dropped: a context that is used again allocates nothing.
#[derive(Default)]
pub(crate) struct StateStore {
    slots: Vec<Slot>,
}

struct Slot {
    module: ModuleId,
    type_id: TypeId,
    value: Box<dyn Value>,
}

trait Value: Any + Send + Sync {
    fn clear(&mut self);
}

impl<T: Any + Send + Sync> Value for Option<T> {
    fn clear(&mut self) {
        *self = None;
    }
}

impl StateStore {
    pub(crate) fn get_or_default<T: Any + Send + Sync + Default>(&mut self, module: ModuleId) -> &mut T {
        let type_id = TypeId::of::<T>();
        let found = self.slots.iter().position(|slot| slot.module == module && slot.type_id == type_id);
        let index = found.unwrap_or_else(|| {
            self.slots.push(Slot { module, type_id, value: Box::new(None::<T>) });
            self.slots.len() - 1
        });
        let value: &mut dyn Any = &mut *self.slots[index].value;
        value
            .downcast_mut::<Option<T>>()
            .expect("a slot is made for the type it is found by")
            .get_or_insert_with(T::default)
    }

    /// The live state of this type, whichever module owns it.
    pub(crate) fn find<T: Any + Send + Sync>(&self) -> Option<&T> {
        let type_id = TypeId::of::<T>();
        self.slots.iter().filter(|slot| slot.type_id == type_id).find_map(|slot| {
            let value: &dyn Any = &*slot.value;
            value.downcast_ref::<Option<T>>()?.as_ref()
        })
    }

    /// Drops every value: IIS's `Dispose`. A destructor that panics is contained.
    pub(crate) fn dispose(&mut self) {
        if self.slots.is_empty() {
            return;
        }
        self.slots.retain_mut(|slot| contained(|| slot.value.clear()).is_ok());
    }
}

impl fmt::Debug for StateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateStore({} slots)", self.slots.len())
    }
}

/// Values shared between the modules of one request, one of each type.
///
/// ```
/// use bivalve_core::TypeMap;
///
/// struct RequestId(u64);
///
/// let mut values = TypeMap::default();
/// values.insert(RequestId(7));
/// assert_eq!(values.get::<RequestId>().map(|id| id.0), Some(7));
/// ```
///
/// IIS counterpart: `IHttpContext::GetModuleContextContainer`, by type instead of module.
#[derive(Default)]
pub struct TypeMap {
    // A request shares a handful of values: a scan beats a hash.
    values: Vec<(TypeId, Box<dyn Any + Send + Sync>)>,
}

impl TypeMap {
    /// Puts a value in, and hands back the one of the same type that was there.
    pub fn insert<T: Any + Send + Sync>(&mut self, value: T) -> Option<T> {
        let old = self.remove();
        self.values.push((TypeId::of::<T>(), Box::new(value)));
        old
    }

    /// The value of this type.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.values.iter().find(|v| v.0 == TypeId::of::<T>())?.1.downcast_ref()
    }

    /// The value of this type, to be changed.
    #[must_use]
    pub fn get_mut<T: Any + Send + Sync>(&mut self) -> Option<&mut T> {
        self.values.iter_mut().find(|v| v.0 == TypeId::of::<T>())?.1.downcast_mut()
    }

    /// Takes the value of this type out.
    pub fn remove<T: Any + Send + Sync>(&mut self) -> Option<T> {
        let index = self.values.iter().position(|v| v.0 == TypeId::of::<T>())?;
        self.values.swap_remove(index).1.downcast().ok().map(|value| *value)
    }

    pub(crate) fn dispose(&mut self) {
        while let Some(value) = self.values.pop() {
            // A destructor that panics is the module's fault, and contained like any other panic of a module.
            let _ = contained(|| drop(value));
        }
    }
}

impl fmt::Debug for TypeMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypeMap({} values)", self.values.len())
    }
}
