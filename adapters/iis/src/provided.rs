//! What IIS gives with a notification, and what becomes of it.

use std::ffi::c_void;

use bivalve_core::{
    CustomNotification, EntityRead, Error, Event, Flow, Given, Notification, PathMapping, Result, Sending,
};
use bivalve_iis_sys::flags::HTTP_SEND_RESPONSE_FLAG_MORE_DATA;
use bivalve_iis_sys::hresult::{E_FAIL, E_OUTOFMEMORY, succeeded};
use bivalve_iis_sys::{
    ICustomNotificationProvider, IHttpContext, IHttpEventProvider, IMapPathProvider, IReadEntityProvider,
    ISendResponseProvider,
};
use bytes::Bytes;

use crate::custom::Custom;
use crate::{outward, text};

/// What a module is given, read off a provider.
pub(crate) enum Provided {
    Custom(CustomNotification),
    EntityRead(EntityRead, Bytes),
    MapPath(PathMapping, String),
    Nothing,
    Sending(Sending),
}

impl Provided {
    /// # Safety
    ///
    /// `provider` is that of a notification of this event, which has not been answered.
    pub(crate) unsafe fn of(event: Event, provider: *mut c_void) -> Self {
        if provider.is_null() {
            return Self::Nothing;
        }
        // SAFETY: the provider is alive, says the caller, of the class that belongs to the event, and so are its texts.
        unsafe {
            match event.notification() {
                Notification::SendResponse => {
                    let provider = provider.cast::<ISendResponseProvider>();
                    let headers = ISendResponseProvider::get_headers_being_sent(provider) != 0;
                    let flags = ISendResponseProvider::get_flags(provider);
                    Self::Sending(Sending::new(headers, flags & HTTP_SEND_RESPONSE_FLAG_MORE_DATA != 0))
                }
                Notification::ReadEntity => {
                    let (mut buffer, mut len, mut size) = (std::ptr::null_mut(), 0, 0);
                    IReadEntityProvider::get_entity(
                        provider.cast::<IReadEntityProvider>(),
                        &raw mut buffer,
                        &raw mut len,
                        &raw mut size,
                    );
                    let data = Bytes::copy_from_slice(text::bytes(buffer.cast(), len as usize));
                    Self::EntityRead(EntityRead::new(data.clone(), data.is_empty()), data)
                }
                Notification::MapPath => {
                    let provider = provider.cast::<IMapPathProvider>();
                    let path = text::wide(IMapPathProvider::get_physical_path(provider));
                    let url = text::wide(IMapPathProvider::get_url(provider));
                    Self::MapPath(PathMapping::new(url, path.clone()), path)
                }
                Notification::CustomRequestNotification => {
                    let provider = provider.cast::<ICustomNotificationProvider>();
                    Self::Custom(match Custom::ours(provider) {
                        Some(custom) => custom.take(),
                        None => CustomNotification::new(text::wide(
                            ICustomNotificationProvider::query_notification_type(provider),
                        )),
                    })
                }
                _ => Self::Nothing,
            }
        }
    }

    pub(crate) fn given(&mut self) -> Given<'_> {
        match self {
            Self::Custom(custom) => Given::Custom(custom),
            Self::EntityRead(read, _) => Given::EntityRead(read),
            Self::MapPath(mapping, _) => Given::MapPath(mapping),
            Self::Nothing => Given::Nothing,
            Self::Sending(sending) => Given::Sending(sending),
        }
    }

    /// Whether an error is for whoever has raised the event, not for the client.
    pub(crate) fn is_callers(&self) -> bool {
        matches!(self, Self::Custom(_) | Self::MapPath(..))
    }

    /// Whether a module of this DLL has raised the event, and waits for what comes of it.
    ///
    /// # Safety
    ///
    /// As for [`of`](Self::of).
    pub(crate) unsafe fn is_raised_here(&self, provider: *mut c_void) -> bool {
        // SAFETY: the provider is alive, says the caller, and of the class that belongs to the event.
        matches!(self, Self::Custom(_)) && unsafe { Custom::ours(provider.cast()) }.is_some()
    }

    /// Gives back what the module has changed, and its answer.
    ///
    /// # Safety
    ///
    /// As for [`of`](Self::of), and the context is that of the notification.
    pub(crate) unsafe fn give_back(
        self,
        context: *mut IHttpContext,
        provider: *mut c_void,
        result: &Result<Flow>,
    ) {
        // SAFETY: the provider is alive, says the caller, and of the class that belongs to the event; what it is given
        // it copies, or it is the request's own memory.
        unsafe {
            match self {
                Self::EntityRead(read, before) => {
                    if provider.is_null() {
                        return;
                    }
                    let (data, provider) = (read.data(), provider.cast::<IReadEntityProvider>());
                    let is_same = data.as_ptr() == before.as_ptr() && data.len() == before.len();
                    if result.is_ok() && is_same {
                        return;
                    }
                    let copy = if result.is_ok() { outward::copied(context, data) } else { None };
                    if let Some(copy) = copy {
                        let len = u32::try_from(data.len()).unwrap_or(0);
                        IReadEntityProvider::set_entity(provider, copy.cast(), len, len);
                        return;
                    }
                    // Nobody reads what a module has refused, or has made something else of.
                    let (mut buffer, mut len, mut size) = (std::ptr::null_mut(), 0, 0);
                    IReadEntityProvider::get_entity(provider, &raw mut buffer, &raw mut len, &raw mut size);
                    IReadEntityProvider::set_entity(provider, buffer, 0, size);
                    if result.is_ok() {
                        tracing::error!(
                            "IIS has no memory for what a module makes of the entity: the read fails"
                        );
                        let provider = provider.cast::<IHttpEventProvider>();
                        IHttpEventProvider::set_error_status(provider, E_OUTOFMEMORY);
                        return;
                    }
                }
                Self::MapPath(mapping, before) => {
                    let path = mapping.physical_path().to_string_lossy();
                    if path != before {
                        let wide = text::to_wide(&path);
                        let len = u32::try_from(wide.len() - 1).unwrap_or(0);
                        let provider = provider.cast::<IMapPathProvider>();
                        IMapPathProvider::set_physical_path(provider, wide.as_ptr(), len);
                    }
                }
                Self::Custom(custom) => {
                    if let Some(ours) = Custom::ours(provider.cast()) {
                        ours.answer(custom, result);
                        return;
                    }
                }
                Self::Nothing | Self::Sending(_) => return,
            }
            if let Err(error) = result {
                Self::report(provider, error);
            }
        }
    }

    /// # Safety
    ///
    /// As for [`of`](Self::of).
    unsafe fn report(provider: *mut c_void, error: &Error) {
        let status = match error.kind() {
            bivalve_core::ErrorKind::Io(status) if !succeeded(status.hresult()) => status.hresult(),
            _ => E_FAIL,
        };
        // SAFETY: the provider is alive, says the caller; every class of them begins with this one.
        unsafe { IHttpEventProvider::set_error_status(provider.cast::<IHttpEventProvider>(), status) };
    }
}
