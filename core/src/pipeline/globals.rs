//! Global notifications of a pipeline that no IIS raises.

use std::sync::Once;

use super::{Mounted, Pipeline};
use crate::contain::contained;
use crate::context::ModuleId;
use crate::{
    ApplicationProvider, ConfigurationChangeProvider, GlobalFlow, GlobalModule, GlobalNotification, Result,
    StopListeningProvider,
};

/// Whom to tell, by notification, and what has been told.
pub(super) struct Globals {
    lists: [Box<[ModuleId]>; 4],
    any: bool,
    start: Once,
    stop_listening: Once,
}

impl Globals {
    /// FIRST to LAST, and then by registration.
    pub(super) fn new(modules: &[Mounted]) -> Self {
        let lists: [Box<[ModuleId]>; 4] = GlobalNotification::ALL.map(|notification| {
            let wanted = (0_u16..).zip(modules).filter_map(|(id, mounted)| {
                let registration = mounted.module.global_module()?.global_registration();
                registration.wants(notification).then(|| (registration.priority_at(notification), id))
            });
            let mut ids: Vec<_> = wanted.collect();
            ids.sort_by_key(|(priority, _)| *priority);
            ids.into_iter().map(|(_, id)| ModuleId(id)).collect()
        });
        let any = lists.iter().any(|list| !list.is_empty());
        Self { lists, any, start: Once::new(), stop_listening: Once::new() }
    }
}

impl Pipeline {
    /// The application starts: once, before the first request, unless a server wants it earlier. A second call, and one
    /// without a module that is concerned, does nothing; one that comes meanwhile waits for the first.
    ///
    /// IIS counterpart: `GL_APPLICATION_START`; see [`GlobalModule`].
    #[inline]
    pub fn start(&self) {
        if self.globals.any && !self.globals.start.is_completed() {
            self.globals.start.call_once(|| {
                let provider = ApplicationProvider::new(&self.application, &self.server);
                self.tell(GlobalNotification::ApplicationStart, |module| {
                    module.on_global_application_start(&provider)
                });
            });
        }
    }

    /// The server takes no more requests: for whoever runs it, before it drains. `graceful`: requests that have begun
    /// may end. A second call does nothing.
    ///
    /// IIS counterpart: `GL_STOP_LISTENING`; see [`GlobalModule`].
    pub fn stop_listening(&self, graceful: bool) {
        self.globals.stop_listening.call_once(|| {
            let provider = StopListeningProvider::new(graceful);
            self.tell(GlobalNotification::StopListening, |module| module.on_global_stop_listening(&provider));
        });
    }

    /// A file of the configuration was changed: for whoever reads one. `path` is what modules get.
    ///
    /// IIS counterpart: `GL_CONFIGURATION_CHANGE`; see [`GlobalModule`].
    pub fn configuration_changed(&self, path: &str) {
        let provider = ConfigurationChangeProvider::new(path);
        self.tell(GlobalNotification::ConfigurationChange, |module| {
            module.on_global_configuration_change(&provider)
        });
    }

    /// Everyone who wants to hear of it, until one has handled it.
    fn tell(&self, notification: GlobalNotification, call: impl Fn(&dyn GlobalModule) -> Result<GlobalFlow>) {
        for id in &self.globals.lists[notification.index()] {
            let module = &self.modules[id.index()];
            let Some(global) = module.module.global_module() else { continue };
            match contained(|| call(global)) {
                Ok(Ok(GlobalFlow::Handled)) => return,
                Ok(Ok(GlobalFlow::Continue)) => {}
                // The text of a module's own error is its code, and whoever writes the log calls it.
                Ok(Err(error)) => drop(contained(|| {
                    tracing::error!(module = &*module.name, %notification, %error, "a module failed");
                })),
                // Nor is the subscriber ours: what fails at the start would fail in every request.
                Err(()) => drop(contained(|| {
                    tracing::error!(module = &*module.name, %notification, "a module panicked");
                })),
            }
        }
    }
}

/// The application ends with the last request and the last owner of its pipeline.
impl Drop for Pipeline {
    fn drop(&mut self) {
        if !self.globals.start.is_completed() {
            return;
        }
        let provider = ApplicationProvider::new(&self.application, &self.server);
        self.tell(GlobalNotification::ApplicationStop, |module| module.on_global_application_stop(&provider));
    }
}
