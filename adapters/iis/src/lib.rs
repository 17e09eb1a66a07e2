//! Bivalve modules, and any Tower service, as native modules of IIS.
//!
//! IIS is the pipeline: it raises the events, and this crate turns each into a call of the Rust module that registered for
//! it. A DLL is a `cdylib` with one line:
//!
//! ```
//! use bivalve_core::{Context, Flow, Module, Notification, Outcome, Registration};
//!
//! struct Hello;
//! impl Module for Hello {
//!     fn registration(&self) -> Registration {
//!         Registration::new().on(Notification::BeginRequest)
//!     }
//!     fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
//!         Outcome::Ready(cx.response_mut().write("Hello World!").map(|()| Flow::Finish))
//!     }
//! }
//!
//! bivalve_iis::export_modules! {
//!     "Hello" => Hello,
//! }
//! # fn main() {}
//! ```
//!
//! The name is that of the entry in `<globalModules>`. [`export_service!`] exports an axum `Router` as a handler.
//! The same sources build on Linux as a shared object, for a host that stands in for IIS.
//!
//! # What happens in a notification
//!
//! The context is brought in step with IIS; the module is called, on IIS's own thread; what it has changed is written
//! back. A method that returns no future costs no allocation for it. A method that waits is polled once; if it is not ready,
//! IIS gets `RQ_NOTIFICATION_PENDING` and its thread back. Operations of IIS come back through `OnAsyncCompletion`,
//! other wake-ups (a timer, a database) are polled on a Tokio runtime of the DLL, and the answer is posted once. Tokio's
//! timers and sockets are at hand in every method that may wait, on an IIS thread as well; in a method that was registered
//! as synchronous, and at MapPath, they are not.
//!
//! # Re-entrancy
//!
//! While a module is inside `flush`, `read_entity`, `map_path` or `notify_custom`, IIS may call the same module again, on
//! this thread or on another one. That call gets a context of its own, in step with IIS. State and shared values are one
//! for all of them, and no two have them at the same time. A module that holds a reference to its state while it waits for
//! something of its own makes an event on another thread that asks for it wait as well, for 10 seconds at most, after which
//! that event fails with 500.
//!
//! # Failures
//!
//! A panic is caught at the module's edge and answered with 500; the module is skipped for the rest of the request. If
//! IIS goes on all the same, as after a panic in a SendResponse that was not ours, the next event of the module is answered
//! with 500 (nested events pass), and so is a fault of this crate: nothing passes a module that could not be asked,
//! but LogRequest and EndRequest. The DLL stays in the process for ever.
//!
//! # Tracing
//!
//! Nobody sees what a worker process prints. So a DLL that has no subscriber when its first request comes gets one: errors go
//! to the Windows event log, and what is traced in a module's call goes to the failed-request trace of its request, where
//! that asks for it. It is the DLL's alone: each has its own `tracing`. Who wants another sets it in the expression of
//! [`export_modules!`], or when the application starts, and adds [`IisLayer`] for these two places; setting one later
//! fails. Panics, refused registrations and failed global notifications are in the event log in any case, as far as there is
//! room for them.
//!
//! # Limits
//!
//! - The response of a child request is buffered by IIS.
//! - [`Server::driver`](bivalve_core::Server::driver): what it posts itself (`Post`, a call on a file that cannot be opened for
//!   overlapped I/O) and timers run on two threads of the DLL, because `AssociateWithThreadPool` has no way to post.
//! - Global notifications are those of [`GlobalModule`](bivalve_core::GlobalModule). One that comes when the process has
//!   already ended its other threads does not reach the module.
//! - The event log takes 20 entries of each kind (panics, registrations, errors, warnings, global notifications) of a DLL in a
//!   minute, of 4,000 characters each; the next one says how many were left out. In a text, control characters are spaces, a
//!   line after the first is indented, and a percent sign before a digit has a space behind it, or Windows would fill it in.
//!   Its source `Bivalve` has to be registered (`bivalve iis package` does) for texts without an apology before them. Off
//!   Windows there is none.
//! - In a request's failed-request trace is what is traced on the thread of a module's call, while it runs; spans are not.
//! - Trailers need the `IHttpResponse4` of newer versions; elsewhere they are left out, and traced.
//! - Body chunks that IIS keeps in a form of its own (fragments of http.sys's cache) are not shown to modules. They leave
//!   with what a module adds behind chunks that it was shown. An error, a cleared head, or a body where none was shown
//!   replaces them: another response has nothing of them.
//! - What a module makes of the body in SendResponse is copied into memory of the request, which is used again for the next
//!   part: about as much as the largest part, until the request ends. What it leaves at the front is not copied. What
//!   a module makes of the body in ReadEntity is copied as well, and IIS frees it at the end of the request only.
//! - A header value has at most 65,535 bytes; a longer one is left out, with the one it replaces, and traced.
//! - A status that IIS refuses resets the connection.
//! - A request whose URL or method `http` cannot hold is answered with 400 before a module is asked. LogRequest and
//!   EndRequest are asked: there method and URL are what the client sent, percent-encoded, 4,096 bytes of it at most.
//! - After a module has failed in SendResponse while the head was leaving, its error page leaves in the part's place, and
//!   the request ends. Off IIS that page leaves at the end.
//! - A user can be set at AuthenticateRequest only, a handler at MapRequestHandler at the latest, as in IIS.
//! - Under IIS 7.0 a client that has gone is noticed by operations that fail.
//! - Connection, user and URL are IIS's; roles of a user that another DLL's module has set are not shown.
//!
//! What has been seen: the tests of this crate and those of `same-on-both` in `bivalve-iis-host`, on Linux, under Wine and
//! under AddressSanitizer; every probe of `same-on-both`, the axum example and modules at the edges also in a host in
//! C++ under Wine, which completes operations in five ways and traps what touches a request after its end. A panic
//! of a module in every event, and one of this crate in every slot that it implements, end their request and nothing else.
//! Clients that send broken heads and bodies, or leave in every event, harm nobody; bodies of 1 GiB in both directions cost
//! 11 MiB; 100,000 tiny writes and one of 300 MiB arrive. 100,000 requests in an order that a seed decides, with all that the
//! server can do to a module, break no rule, under AddressSanitizer (4 to 7 minutes) and under Wine (5 minutes). IIS itself
//! has not been asked. What a call costs next to a module in C++: `docs/decisions/0015-cost-inside-iis.md`.

mod batch;
mod child;
mod connection;
mod contain;
mod custom;
mod declared;
mod driver;
mod entry;
mod event_log;
mod factory;
mod failed_request;
#[doc(hidden)]
pub mod faults;
mod file;
mod foreign;
mod global;
mod host;
mod inward;
mod library;
#[cfg(all(test, bivalve_loom))]
mod models;
mod object;
mod outward;
mod parts;
mod pin;
mod place;
mod port;
mod provided;
mod raw;
mod record;
mod registry;
mod runtime;
mod script_map;
mod service;
mod step;
mod stored;
mod subscriber;
mod sync;
mod text;
mod user;
mod waiting;

pub use library::library_path;
pub use registry::register;
pub use service::ServiceModule;
pub use subscriber::IisLayer;

#[doc(hidden)]
pub mod macros {
    //! What the macros of this crate name.

    pub use crate::declared::{declare, declared_len};
    pub use bivalve_core::Module;
    pub use bivalve_iis_sys::types::HRESULT;
    pub use bivalve_iis_sys::{IHttpModuleRegistrationInfo, IHttpServer};
}

/// Exports modules from a DLL: writes `RegisterModule`, which makes the module whose name IIS asks for.
///
/// ```
/// # use bivalve_core::{Module, Registration};
/// # struct Gate;
/// # impl Module for Gate { fn registration(&self) -> Registration { Registration::new() } }
/// # struct Audit { file: &'static str }
/// # impl Module for Audit { fn registration(&self) -> Registration { Registration::new() } }
/// bivalve_iis::export_modules! {
///     "Gate" => Gate,
///     "Audit" => Audit { file: "audit.log" },
/// }
/// # fn main() {}
/// ```
///
/// An expression runs once, when IIS registers its name, while the worker process starts; a panic in it refuses the
/// module, and IIS then stops the application pool. A name that is not here is refused as well. Once in a DLL.
///
/// It also writes the names into the file, as `BIVALVE_MODULES`, where `bivalve iis doctor` and `bivalve iis package`
/// find them without running it.
///
/// IIS counterpart: `RegisterModule`.
#[macro_export]
macro_rules! export_modules {
    ($($name:literal => $module:expr),+ $(,)?) => {
        /// The names that this DLL registers modules under, for whoever reads the file.
        #[unsafe(no_mangle)]
        pub static BIVALVE_MODULES: [u8; $crate::macros::declared_len(&[$($name),+])] =
            $crate::macros::declare(&[$($name),+]);

        /// What IIS calls for every name in `globalModules`.
        ///
        /// # Safety
        ///
        /// For IIS alone.
        #[unsafe(no_mangle)]
        #[allow(non_snake_case)]
        pub unsafe extern "system" fn RegisterModule(
            version: u32,
            info: *mut $crate::macros::IHttpModuleRegistrationInfo,
            server: *mut $crate::macros::IHttpServer,
        ) -> $crate::macros::HRESULT {
            // SAFETY: these are IIS's own arguments, alive during the call.
            unsafe {
                $crate::register(version, info, server, |name| match name {
                    $($name => Some(
                        ::std::sync::Arc::new($module) as ::std::sync::Arc<dyn $crate::macros::Module>
                    ),)+
                    _ => None,
                })
            }
        }
    };
}

/// Exports a Tower service, an axum `Router` for one, as a handler module, under whatever name IIS registers the DLL.
///
/// ```
/// use bivalve_tower::Body;
///
/// bivalve_iis::export_service!(tower::service_fn(|request: http::Request<Body>| async move {
///     Ok::<_, std::convert::Infallible>(http::Response::new(Body::from(request.uri().path().to_owned())))
/// }));
/// # fn main() {}
/// ```
///
/// IIS counterpart: `RegisterModule`, and an entry of `<handlers>` that names the module.
#[macro_export]
macro_rules! export_service {
    ($service:expr $(,)?) => {
        /// That this DLL registers under any name, and for what, for whoever reads the file.
        #[unsafe(no_mangle)]
        pub static BIVALVE_MODULES: [u8; 47] = *b"bivalve-modules/1; *: execute_request_handler;\0";

        /// What IIS calls for every name in `globalModules`.
        ///
        /// # Safety
        ///
        /// For IIS alone.
        #[unsafe(no_mangle)]
        #[allow(non_snake_case)]
        pub unsafe extern "system" fn RegisterModule(
            version: u32,
            info: *mut $crate::macros::IHttpModuleRegistrationInfo,
            server: *mut $crate::macros::IHttpServer,
        ) -> $crate::macros::HRESULT {
            // SAFETY: these are IIS's own arguments, alive during the call.
            unsafe {
                $crate::register(version, info, server, |_| {
                    Some(::std::sync::Arc::new($crate::ServiceModule::new($service))
                        as ::std::sync::Arc<dyn $crate::macros::Module>)
                })
            }
        }
    };
}
