//! What IIS tells a module that no request is about: its `CGlobalModule`.

use std::sync::Arc;

use bivalve_core::{
    Application, ApplicationProvider, ConfigurationChangeProvider, GlobalFlow, GlobalModule,
    GlobalNotification, Priority, Result, Server, StopListeningProvider,
};
use bivalve_iis_sys::codes::GLOBAL_NOTIFICATION_STATUS as Status;
use bivalve_iis_sys::hresult::{E_FAIL, S_OK, succeeded};
use bivalve_iis_sys::types::HRESULT;
use bivalve_iis_sys::{
    CGlobalModule, CGlobalModuleImpl, CGlobalModuleVtbl, IGlobalConfigurationChangeProvider,
    IGlobalStopListeningProvider, IHttpApplicationProvider, IHttpEventProvider, IHttpModuleRegistrationInfo,
    Is, upcast,
};

use crate::contain::contained;
use crate::event_log::{self, About};
use crate::registry::{Exported, alias};
use crate::{pin, place, runtime, text};

/// One for each module that asks for it; IIS owns it until `Terminate`.
#[repr(C)]
struct Global {
    class: CGlobalModule,
    exported: Arc<Exported>,
}

static VTABLE: CGlobalModuleVtbl = CGlobalModuleVtbl::of::<Global>();

/// Registers for the global notifications that the module asks for, if any.
///
/// # Safety
///
/// `info` is what IIS has called `RegisterModule` with, and that call has not returned.
pub(crate) unsafe fn announce(info: *mut IHttpModuleRegistrationInfo, exported: &Arc<Exported>) -> HRESULT {
    let Some(registration) = exported.module.global_module().map(GlobalModule::global_registration) else {
        return S_OK;
    };
    if registration.bits() == 0 {
        return S_OK;
    }
    let class = CGlobalModule::new(&VTABLE);
    let global = Box::into_raw(Box::new(Global { class, exported: Arc::clone(exported) }));
    // SAFETY: the registration is alive, says the caller, and IIS takes over the object until it terminates it.
    let result = unsafe {
        IHttpModuleRegistrationInfo::set_global_notifications(info, global.cast(), registration.bits())
    };
    if !succeeded(result) {
        // SAFETY: IIS has not taken it over.
        drop(unsafe { Box::from_raw(global) });
        return result;
    }
    for notification in GlobalNotification::ALL {
        let priority = registration.priority_at(notification);
        if !registration.wants(notification) || priority == Priority::default() {
            continue;
        }
        let bits = notification.bits();
        // SAFETY: the registration is alive, says the caller, and the alias for ever.
        let result = unsafe {
            IHttpModuleRegistrationInfo::set_priority_for_global_notification(info, bits, alias(priority))
        };
        if !succeeded(result) {
            return result;
        }
    }
    S_OK
}

impl Global {
    /// Asks the module. What it fails with is traced, and IIS is told.
    ///
    /// # Safety
    ///
    /// IIS has called a notification of a [`Global`] with these.
    unsafe fn tell<P: Is<IHttpEventProvider>>(
        this: *mut CGlobalModule,
        provider: *mut P,
        notification: GlobalNotification,
        call: impl FnOnce(&dyn GlobalModule) -> Result<GlobalFlow>,
    ) -> Status {
        if pin::is_process_ending() {
            // IIS says some of it after it has ended the process's other threads, and with them those of the module:
            // whatever one of them held when it ended is held for ever.
            return Status::CONTINUE;
        }
        let flow = contained(format_args!("CGlobalModule::OnGlobal{notification}"), None, || {
            // SAFETY: IIS keeps the object until `Terminate`, which follows every notification.
            let exported = unsafe { &(*this.cast::<Self>()).exported };
            let global = exported.module.global_module()?;
            let _runtime = runtime::handle().enter();
            call(global)
                .inspect_err(|error| {
                    let name = &*exported.name;
                    let text =
                        format!("Module {name} failed at the global notification {notification}: {error}");
                    event_log::report(About::Global, &text);
                    event_log::reported(|| {
                        tracing::error!(module = name, %notification, %error, "a module failed");
                    });
                })
                .ok()
        });
        if flow.is_none() && !provider.is_null() {
            // SAFETY: IIS's provider is alive during this call.
            unsafe { IHttpEventProvider::set_error_status(upcast(provider), E_FAIL) };
        }
        match flow {
            Some(GlobalFlow::Handled) => Status::HANDLED,
            _ => Status::CONTINUE,
        }
    }
}

impl Global {
    /// # Safety
    ///
    /// IIS has called a notification of a [`Global`] with it.
    unsafe fn server(this: *mut CGlobalModule) -> Server {
        // SAFETY: IIS keeps the object until `Terminate`, which follows every notification.
        place::server(unsafe { &(*this.cast::<Self>()).exported }.dll)
    }
}

/// The application of a provider.
///
/// # Safety
///
/// IIS has called a notification with it.
unsafe fn application_of(provider: *mut IHttpApplicationProvider) -> Application {
    if provider.is_null() {
        return Application::default();
    }
    // SAFETY: the provider is alive during the notification, says the caller, and its application with it.
    unsafe { place::application_of(IHttpApplicationProvider::get_application(provider)) }
}

impl CGlobalModuleImpl for Global {
    unsafe fn on_global_stop_listening(
        this: *mut CGlobalModule,
        provider: *mut IGlobalStopListeningProvider,
    ) -> Status {
        let notification = GlobalNotification::StopListening;
        // SAFETY: IIS calls it with the object and the provider of this notification; so below.
        unsafe {
            Self::tell(this, provider, notification, |module| {
                // Before 7.5 there is no such choice; nor is there harm in asking: a provider has always had the slot.
                let graceful = provider.is_null()
                    || IGlobalStopListeningProvider::drain_requests_gracefully(provider) != 0;
                module.on_global_stop_listening(&StopListeningProvider::new(graceful))
            })
        }
    }

    unsafe fn on_global_configuration_change(
        this: *mut CGlobalModule,
        provider: *mut IGlobalConfigurationChangeProvider,
    ) -> Status {
        let notification = GlobalNotification::ConfigurationChange;
        // SAFETY: as above; the path is the provider's, alive as long.
        unsafe {
            Self::tell(this, provider, notification, |module| {
                let path = if provider.is_null() {
                    String::new()
                } else {
                    text::wide(IGlobalConfigurationChangeProvider::get_change_path(provider))
                };
                module.on_global_configuration_change(&ConfigurationChangeProvider::new(&path))
            })
        }
    }

    unsafe fn on_global_application_start(
        this: *mut CGlobalModule,
        provider: *mut IHttpApplicationProvider,
    ) -> Status {
        let notification = GlobalNotification::ApplicationStart;
        // SAFETY: as above.
        unsafe {
            Self::tell(this, provider, notification, |module| {
                let (application, server) = (application_of(provider), Self::server(this));
                module.on_global_application_start(&ApplicationProvider::new(&application, &server))
            })
        }
    }

    unsafe fn on_global_application_stop(
        this: *mut CGlobalModule,
        provider: *mut IHttpApplicationProvider,
    ) -> Status {
        let notification = GlobalNotification::ApplicationStop;
        // SAFETY: as above.
        unsafe {
            Self::tell(this, provider, notification, |module| {
                let (application, server) = (application_of(provider), Self::server(this));
                module.on_global_application_stop(&ApplicationProvider::new(&application, &server))
            })
        }
    }

    unsafe fn terminate(this: *mut CGlobalModule) {
        if pin::is_process_ending() {
            // The module's own destructor would run, and may wait for a thread that has been ended.
            return;
        }
        // SAFETY: IIS calls it once, and nothing of the object afterwards.
        let global = unsafe { Box::from_raw(this.cast::<Self>()) };
        contained("CGlobalModule::Terminate", (), move || drop(global));
    }
}

#[cfg(test)]
mod tests {
    use bivalve_iis_sys::flags;

    use super::*;

    #[test]
    fn notifications_have_the_bits_of_iis() {
        let bits = [
            flags::GL_STOP_LISTENING,
            flags::GL_CONFIGURATION_CHANGE,
            flags::GL_APPLICATION_START,
            flags::GL_APPLICATION_STOP,
        ];
        assert_eq!(GlobalNotification::ALL.map(GlobalNotification::bits), bits);
    }
}
