//! The host: what all modules and requests of it share, and how it is made.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bivalve_iis_sys::callbacks::PFN_REGISTERMODULE;
use bivalve_iis_sys::version::{IIS_7_0, IIS_7_5, IIS_8_0, IIS_10_0};
use bivalve_iis_sys::{
    IHttpApplication2, IHttpCachePolicy2, IHttpCompletionInfo2, IHttpConnectionModuleContextContainer,
    IHttpContext2, IHttpContext3, IHttpContext4, IHttpRequest2, IHttpRequest3, IHttpRequest4, IHttpResponse2,
    IHttpResponse3, IHttpResponse4, IHttpServer2, IHttpServer3,
};

use crate::arena::Arena;
use crate::connection::Connections;
use crate::container::{Container, OF_CONNECTION};
use crate::face::{Face, Vtable};
use crate::faces;
use crate::faces::site::SiteObjects;
use crate::fault::{Fault, Faults};
use crate::globals::Globals;
use crate::loader::{self, LoadError};
use crate::module::NativeModule;
use crate::registration;
use crate::request::{Graveyard, Request};
use crate::threads::Threads;
use crate::trace::{TraceEvent, Traces};
use crate::violation::{OnViolation, Rule, Violation, Violations};

/// A stand-in for IIS: loads native modules, each of which is a [`Module`](bivalve_core::Module) then.
///
/// One host is for one pipeline: site and application are those of the first request.
///
/// ```no_run
/// use bivalve_core::Pipeline;
/// use bivalve_iis_host::{Fault, IisHost};
///
/// let host = IisHost::builder().fault(Fault::BeforeReturn).build();
/// let gate = host.load("gate.dll", "Gate")?;
/// let pipeline = Pipeline::builder().module("Gate", gate).build();
/// // … requests …
/// host.violations().assert_none();
/// # Ok::<(), bivalve_iis_host::LoadError>(())
/// ```
///
/// IIS counterpart: the worker process.
#[derive(Clone)]
pub struct IisHost {
    shared: Arc<Shared>,
    user: Arc<User>,
}

impl IisHost {
    /// Starts with IIS 10, no fault, and stacks of 256 KiB.
    pub fn builder() -> IisHostBuilder {
        IisHostBuilder {
            version: IIS_10_0,
            faults: Faults::default(),
            on_violation: OnViolation::default(),
            without_connection: false,
            stack_size: STACK_SIZE,
            app_pool: "DefaultAppPool".into(),
            verbosity: None,
        }
    }

    /// Loads a module's file and registers it under a name, the one that `<globalModules>` would give it.
    ///
    /// The file stays loaded until the process ends, as in IIS.
    ///
    /// # Errors
    ///
    /// [`LoadError`] says what is wrong, and what to do.
    pub fn load(&self, path: impl AsRef<Path>, name: &str) -> Result<NativeModule, LoadError> {
        let path = path.as_ref();
        let entry = loader::entry(path)?;
        let module = registration::register(&self.shared, entry, name);
        module.map(|module| module.of(&self.user)).map_err(|failure| failure.of(path))
    }

    /// Registers a module that is linked into this program: for tests of one, without a file.
    ///
    /// # Errors
    ///
    /// [`LoadError`], where registration fails.
    ///
    /// # Safety
    ///
    /// The function is a module's entry point, and keeps the contract of `RegisterModule`.
    pub unsafe fn register(&self, entry: PFN_REGISTERMODULE, name: &str) -> Result<NativeModule, LoadError> {
        let module = registration::register(&self.shared, entry, name);
        module.map(|module| module.of(&self.user)).map_err(|failure| failure.of(Path::new(name)))
    }

    /// What modules have raised for failed-request tracing since the last call, of all requests; 10,000 events at most.
    #[must_use]
    pub fn take_trace_events(&self) -> Vec<TraceEvent> {
        self.shared.traces.take()
    }

    /// What modules did that IIS does not allow.
    #[must_use]
    pub fn violations(&self) -> &Violations {
        &self.shared.violations
    }

    /// Tells modules that the configuration of a path has changed, such as `MACHINE/WEBROOT/APPHOST/Default Web Site`. IIS
    /// does so after a file was written; this host reads none.
    pub fn configuration_changed(&self, path: &str) {
        self.shared.globals.configuration_changed(path);
    }

    /// Tells modules that the application stops, and ends the objects of site and application: what modules keep there
    /// is cleaned up. No request may be under way.
    pub fn stop(&self) {
        self.shared.globals.stop();
        self.shared.site.end();
    }
}

impl fmt::Debug for IisHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IisHost")
            .field("version", &format_args!("0x{:08X}", self.shared.version))
            .field("faults", &self.shared.faults.0)
            .finish_non_exhaustive()
    }
}

/// Makes an [`IisHost`].
#[derive(Clone, Debug)]
#[must_use]
pub struct IisHostBuilder {
    version: u32,
    faults: Faults,
    on_violation: OnViolation,
    without_connection: bool,
    stack_size: usize,
    app_pool: String,
    verbosity: Option<u32>,
}

impl IisHostBuilder {
    /// The version of IIS that is played, of [`bivalve_iis_sys::version`]: interfaces that it does not have are not
    /// given out, and slots that it does not have are trapped. Default: 10.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// One more fault.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.0.push(fault);
        self
    }

    /// What happens when a module breaks a rule. Default: it is recorded.
    pub fn on_violation(mut self, on_violation: OnViolation) -> Self {
        self.on_violation = on_violation;
        self
    }

    /// Requests have no connection: `GetConnection` returns null, as for a warm-up.
    pub fn without_connection(mut self) -> Self {
        self.without_connection = true;
        self
    }

    /// Bytes of stack that a module is called with. Default: 256 KiB, as IIS on 64-bit Windows. Below what a call needs,
    /// the process ends by a stack overflow.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = bytes;
        self
    }

    /// The name of the application pool. Default: `DefaultAppPool`.
    pub fn app_pool(mut self, name: &str) -> Self {
        self.app_pool = name.into();
        self
    }

    /// Records what modules raise of this verbosity and below, from 0, General, to 5, Verbose, for every provider and area.
    /// Default: nothing is recorded, and modules are told so.
    pub fn failed_request_tracing(mut self, verbosity: u32) -> Self {
        self.verbosity = Some(verbosity);
        self
    }

    /// The host.
    #[must_use]
    pub fn build(self) -> IisHost {
        let violations = Violations::new(self.on_violation);
        let vtables = Vtables::new(self.version);
        let shared = Arc::new_cyclic(|this| Shared {
            version: self.version,
            faults: self.faults,
            without_connection: self.without_connection,
            app_pool: self.app_pool,
            traces: Traces::new(self.verbosity),
            server: Face::new("IHttpServer", vtables.server.as_ptr(), &violations, this.as_ptr()),
            trace: Face::new("IHttpTraceContext", &raw const faces::SERVER_TRACE, &violations, this.as_ptr()),
            site: SiteObjects::new(&vtables, &violations),
            globals: Globals::new(&violations, this.as_ptr()),
            threads: Threads::new(self.stack_size),
            graveyard: Graveyard::default(),
            connections: Mutex::new(HashMap::new()),
            arena: Arena::default(),
            vtables,
            violations,
        });
        let user = Arc::new(User(Arc::clone(&shared)));
        IisHost { shared, user }
    }
}

/// What all modules and requests of a host share.
pub(crate) struct Shared {
    pub(crate) version: u32,
    pub(crate) faults: Faults,
    pub(crate) without_connection: bool,
    pub(crate) app_pool: String,
    pub(crate) traces: Traces,
    pub(crate) server: Face<Self>,
    pub(crate) trace: Face<Self>,
    pub(crate) site: SiteObjects,
    pub(crate) globals: Globals,
    pub(crate) threads: Threads,
    pub(crate) connections: Connections,
    pub(crate) arena: Arena,
    pub(crate) vtables: Vtables,
    pub(crate) violations: Violations,
    graveyard: Graveyard,
}

impl Shared {
    pub(crate) fn report(&self, rule: Rule, interface: &'static str) {
        self.violations.report(Violation::new(rule, interface, None));
    }

    /// Keeps the objects of a request that is over, for a while.
    pub(crate) fn bury(&self, request: Arc<Request>) {
        self.graveyard.bury(request);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// The vtables whose length depends on the version.
#[derive(Debug)]
pub(crate) struct Vtables {
    pub(crate) application: Vtable,
    pub(crate) cache_policy: Vtable,
    pub(crate) completion: Vtable,
    pub(crate) connection_contexts: Vtable,
    pub(crate) context: Vtable,
    pub(crate) registration: Vtable,
    pub(crate) request: Vtable,
    pub(crate) response: Vtable,
    pub(crate) server: Vtable,
}

impl Vtables {
    fn new(version: u32) -> Self {
        // The slots of the newest class that the version has: since when, and how many there are.
        let slots = |rows: &[(u32, usize)]| {
            rows.iter().rev().find(|(since, _)| *since <= version).map_or(0, |(_, slots)| *slots)
        };
        Self {
            application: Vtable::new(
                &faces::site::APPLICATION,
                slots(&[(IIS_7_0, 4), (IHttpApplication2::SINCE, 7)]),
            ),
            cache_policy: Vtable::new(
                &faces::CACHE_POLICY,
                slots(&[(IIS_7_0, 14), (IHttpCachePolicy2::SINCE, 16)]),
            ),
            completion: Vtable::new(
                &faces::completion::INFO,
                slots(&[(IIS_7_0, 2), (IHttpCompletionInfo2::SINCE, 3)]),
            ),
            connection_contexts: Vtable::new(
                &OF_CONNECTION,
                slots(&[(IIS_7_0, 2), (IHttpConnectionModuleContextContainer::SINCE, 4)]),
            ),
            context: Vtable::new(
                &faces::context::CONTEXT,
                slots(&[
                    (IIS_7_0, 39),
                    (IHttpContext2::SINCE, 40),
                    (IHttpContext3::SINCE, 44),
                    (IHttpContext4::SINCE, 46),
                ]),
            ),
            registration: Vtable::new(&registration::INFO, slots(&[(IIS_7_0, 6), (IIS_8_0, 7)])),
            request: Vtable::new(
                &faces::request::REQUEST,
                slots(&[
                    (IIS_7_0, 24),
                    (IHttpRequest2::SINCE, 25),
                    (IHttpRequest3::SINCE, 26),
                    (IHttpRequest4::SINCE, 27),
                ]),
            ),
            response: Vtable::new(
                &faces::response::RESPONSE,
                slots(&[
                    (IIS_7_0, 28),
                    (IHttpResponse2::SINCE, 30),
                    (IHttpResponse3::SINCE, 31),
                    (IHttpResponse4::SINCE, 36),
                ]),
            ),
            server: Vtable::new(
                &faces::server::SERVER,
                slots(&[(IIS_7_0, 26), (IHttpServer2::SINCE, 29), (IIS_8_0, 31), (IHttpServer3::SINCE, 32)]),
            ),
        }
    }
}

const _: () = assert!(IIS_7_5 == IHttpServer2::SINCE);

/// What IIS gives its threads on 64-bit Windows.
const STACK_SIZE: usize = 256 * 1024;

/// Whoever may ask the host for something: it and its modules. The host and its ended requests hold each other, until the
/// last of them is gone.
pub(crate) struct User(Arc<Shared>);

impl Drop for User {
    fn drop(&mut self) {
        self.0.graveyard.close();
    }
}

/// A container for a module that asks for one.
pub(crate) fn dispense(shared: &Shared) -> *mut bivalve_iis_sys::IDispensedHttpModuleContextContainer {
    Container::dispensed(&shared.violations)
}
