//! What modules keep: for one request, and beyond it.

use std::any::Any;
use std::sync::Arc;

use super::{Context, ModuleId, TypeMap};
use crate::environment::ModuleStorage;
use crate::{AlreadyAssigned, Result};

/// How long something is kept for a module.
///
/// IIS counterpart: the `GetModuleContextContainer` of `IHttpConnection`, `IHttpApplication` and `IHttpSite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
// From the shortest to the longest.
pub enum Scope {
    /// As long as the client's connection.
    Connection,
    /// As long as the application.
    Application,
    /// As long as the site.
    Site,
}

impl Context {
    /// This module's state for this request, made by `Default` when first asked for.
    ///
    /// Each registration has its own: two instances of one module type do not share. It is dropped when the request ends.
    ///
    /// IIS counterpart: the fields of a `CHttpModule`, dropped by `Dispose`.
    pub fn state_mut<T: Any + Send + Sync + Default>(&mut self) -> &mut T {
        let module = self.frame.module;
        self.kept_mut().states.get_or_default(module)
    }

    /// This module's state for this request, to be read.
    pub fn state<T: Any + Send + Sync + Default>(&mut self) -> &T {
        self.state_mut()
    }

    /// The state of this type, whichever module owns it; `None` when no module has made one. Read-only.
    #[must_use]
    pub fn state_of<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.kept().states.find()
    }

    /// Values shared between the modules of this request, by type.
    #[must_use]
    pub fn shared(&self) -> &TypeMap {
        &self.kept().shared
    }

    /// Values shared between the modules of this request, to be changed.
    #[must_use]
    pub fn shared_mut(&mut self) -> &mut TypeMap {
        &mut self.kept_mut().shared
    }

    /// What this module keeps in a scope; `None` when it has stored nothing, or something of another type. Where
    /// several pipelines share a site or an application, a module is known there by its name.
    ///
    /// IIS counterpart: `GetModuleContext`.
    #[must_use]
    pub fn module_context<T: Any + Send + Sync>(&self, scope: Scope) -> Option<Arc<T>> {
        self.storage(scope).get(self.module_key())?.downcast().ok()
    }

    /// Keeps a value for this module in a scope. One value each, for good: what changes belongs in a lock inside it.
    ///
    /// # Errors
    ///
    /// [`AlreadyAssigned`], as IIS answers a second `SetModuleContext`.
    ///
    /// IIS counterpart: `SetModuleContext`.
    pub fn set_module_context<T: Any + Send + Sync>(
        &self,
        scope: Scope,
        value: Arc<T>,
    ) -> Result<(), AlreadyAssigned> {
        if self.storage(scope).insert(self.module_key(), value).1 { Ok(()) } else { Err(AlreadyAssigned) }
    }

    /// What this module keeps in a scope, made now if there is nothing. When two requests make one at the same time, one wins and both get it.
    ///
    /// # Errors
    ///
    /// [`AlreadyAssigned`] when the module keeps a value of another type there.
    pub fn module_context_or_insert_with<T: Any + Send + Sync>(
        &self,
        scope: Scope,
        make: impl FnOnce() -> T,
    ) -> Result<Arc<T>, AlreadyAssigned> {
        let storage = self.storage(scope);
        let module = self.module_key();
        let stored = storage.get(module).unwrap_or_else(|| storage.insert(module, Arc::new(make())).0);
        stored.downcast().map_err(|_| AlreadyAssigned)
    }

    /// By which a scope knows the current module.
    fn module_key(&self) -> Option<&Arc<str>> {
        (self.frame.module != ModuleId::HOST).then(|| self.pipeline.shared_name(self.frame.module))
    }

    fn storage(&self, scope: Scope) -> &ModuleStorage {
        match scope {
            Scope::Connection => &self.connection.storage,
            Scope::Application => &self.pipeline.application().storage,
            Scope::Site => &self.pipeline.site().storage,
        }
    }
}
