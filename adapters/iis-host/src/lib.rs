//! A stand-in for IIS: loads a native module and runs it in Bivalve's pipeline, without IIS.
//!
//! The module is a DLL on Windows and under Wine, and a shared object on Linux: whatever exports `RegisterModule` and
//! speaks the interface of `httpserv.h`, in Rust or in C++. Each is a [`Module`](bivalve_core::Module) then, and runs
//! in any host of the pipeline: the test host, the Tower layer, [`serve()`].
//!
//! ```no_run
//! use bivalve_core::testing::{TestHost, block_on};
//! use bivalve_iis_host::{Fault, IisHost};
//!
//! let host = IisHost::builder().fault(Fault::Late).build();
//! let gate = host.load("target/debug/libgate.so", "Gate")?;
//! let test = TestHost::new().module("Gate", gate);
//! assert_eq!(block_on(test.get("/").finish()).status(), 401);
//! host.violations().assert_none();
//! # Ok::<(), bivalve_iis_host::LoadError>(())
//! ```
//!
//! # Threads
//!
//! Modules are called on threads of the host, with stacks as small as IIS's. A synchronous operation blocks the thread that
//! called it, and what it raises comes on that thread, as in IIS. The pipeline's own thread never waits for a module
//! (but for OnMapPath, which is synchronous).
//!
//! `IndicateCompletion` returns at once, and the rest of the request runs meanwhile. In IIS it runs before the call
//! returns; either way the caller must touch nothing afterwards.
//!
//! # Faults and violations
//!
//! A [`Fault`] is what IIS does to an unlucky module: a completion before the call has returned, a cancelled read, a
//! nested event on another thread. A [`Violation`] is what a module does to IIS: it is reported with interface and
//! slot, where IIS would crash, now or much later. Objects are trapped when their request has ended; the last 256
//! requests are kept for that.
//!
//! # Limits
//!
//! These answer `ERROR_NOT_SUPPORTED`: `NegotiateClientCertificate`,
//! `GetHeaderChanges`, `GetServerVarChanges`, `GetChannelBindingToken`, `PushPromise`, `GetExtendedInterface` of the
//! context; of the server `GetFileInfo`, its caches of files and fragments, `GetToken`,
//! `GetMetadata`, `RegisterFileChangeMonitor`, `QueryRequestProperty`, and on Linux `AssociateWithThreadPool`.
//!
//! These are there and do nothing, or little:
//!
//! - Child requests: the modules in a child see another context than the clone that was executed. `CLONE_FLAG_ENTITY`
//!   copies no body (`InsertEntityBody` gives one).
//! - Full duplex: one operation at a time, also after `EnableFullDuplex`.
//! - Of the global notifications only these are raised: `GL_APPLICATION_START` before the first request, `GL_STOP_LISTENING` and
//!   `GL_APPLICATION_STOP` by [`IisHost::stop`], and `GL_CONFIGURATION_CHANGE` by [`IisHost::configuration_changed`].
//! - `SetErrorStatus` fails a MapPath. Elsewhere it is what `GetStatus` tells, and no more: a ReadEntity goes on all the same.
//! - `GetReadyToLogData` is false and `GetLogData` null, whatever the module's priority.
//! - `GetNextNotification` merges nothing. Tick counts are zero. Kernel and output caches, performance counters, custom
//!   error pages and rules of failed-request tracing are not there (see [`IisHostBuilder::failed_request_tracing`]);
//!   `QuickTrace` goes to the log.
//! - Of what a module writes into the records by itself, these are read back: headers of both, and status and chunks of
//!   `HTTP_RESPONSE`; when its call returns with an answer, or calls a method that changes or sends something. Bytes that are
//!   changed where they are, are not.
//! - A handler mapping names every module. `SetScriptMap` with a mapping that names another module is ignored.
//! - The bytes of a chunk are copied when it is written, where IIS may keep the pointer.
//! - No impersonation: tokens are null. Text in 8 bits is UTF-8.
//! - Vtables that are cut, and traps, need a 64-bit target: on x86 they would leave arguments on the stack.

#![deny(clippy::missing_safety_doc)]

mod arena;
mod call;
mod child;
mod chunk;
mod command;
mod connection;
mod container;
mod face;
mod faces;
mod fault;
mod frame;
mod globals;
mod host;
mod loader;
mod loan;
mod module;
mod operation;
mod pool;
mod registration;
mod request;
mod serve;
mod text;
mod threads;
mod trace;
mod violation;

pub use self::command::HostArgs;
pub use self::fault::Fault;
pub use self::host::{IisHost, IisHostBuilder};
pub use self::loader::LoadError;
pub use self::module::NativeModule;
pub use self::serve::{listen, serve};
pub use self::trace::TraceEvent;
pub use self::violation::{OnViolation, Rule, Violation, Violations};
