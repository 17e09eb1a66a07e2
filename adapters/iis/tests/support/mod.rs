//! A stand-in for IIS, as small as the tests need it: one request, its pipeline, and completions on demand.
//!
//! Not the host of `bivalve-iis-host`: this one exists so that a test can say exactly which thread comes in when.

#![allow(
    non_snake_case,
    clippy::semicolon_if_nothing_returned,
    clippy::panic,
    clippy::unwrap_used,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    unused_variables,
    unreachable_pub
)]
#![allow(missing_debug_implementations, clippy::cast_possible_truncation)]

mod classes;

use std::any::Any;
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bivalve_core::Module;
use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS as Status;
use bivalve_iis_sys::flags::*;
use bivalve_iis_sys::records::*;
use bivalve_iis_sys::types::*;
use bivalve_iis_sys::*;

/// How Flush, WriteEntityChunks and ReadEntityBody complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Done at once.
    Inline,
    /// Completed on another thread, which starts right away: it may be faster than the notification.
    Early,
    /// Completed on another thread once the notification has returned.
    Late,
}

/// One request.
pub struct World {
    pub context: classes::Context,
    pub request: classes::Request,
    pub response: classes::Response,
    pub container: classes::Container,
    pub connection: classes::Connection,
    pub state: Mutex<State>,
    pub changed: Condvar,
    pub raw: UnsafeCell<Raw>,
}

// SAFETY: a test hands it to one thread at a time, or behind the lock.
unsafe impl Send for World {}
// SAFETY: a test hands it to one thread at a time, or behind the lock.
unsafe impl Sync for World {}

pub struct Raw {
    pub request: HTTP_REQUEST,
    pub response: HTTP_RESPONSE,
    pub memory: Vec<Box<dyn Any>>,
}

pub struct State {
    pub method: String,
    pub url: String,
    pub url_changed: bool,
    pub request_headers: Vec<(String, String)>,
    pub status: (u16, u16),
    pub headers: Vec<(String, String)>,
    pub sent: bool,
    pub wire_head: Option<(u16, Vec<(String, String)>)>,
    pub wire: Vec<u8>,
    pub buffered: bool,
    pub mode: Mode,
    /// SendResponse comes on another thread than the flush.
    pub nest_elsewhere: bool,
    pub modules: Vec<Mounted>,
    pub answer: Option<Status>,
    pub returned: bool,
    pub current: Option<(usize, u32, bool)>,
    pub outstanding: usize,
    pub most_outstanding: usize,
    pub finals: usize,
    pub user: *mut IHttpUser,
    pub body: Vec<Vec<u8>>,
    pub reset: bool,
    pub log: Vec<String>,
    pub stored: Vec<(usize, *mut IHttpStoredContext)>,
    pub connection_stored: Vec<(usize, *mut IHttpConnectionStoredContext)>,
    pub cancelled: usize,
    /// Bytes that modules have asked for.
    pub requested: usize,
    /// As whom children were asked for.
    pub users: Vec<String>,
    pub hang_read: bool,
    pub threads: Vec<JoinHandle<()>>,
    pub unbuffered: bool,
    /// What a clone of this request is.
    pub child: Option<Arc<World>>,
    /// Which module waits in SendResponse, and its answer.
    pub nesting: Option<usize>,
    pub nested: Option<Status>,
    /// A custom notification is raised on another thread, and completed like anything else.
    pub custom_later: bool,
    /// IIS runs this request as another one's child.
    pub executing: bool,
}

#[derive(Clone, Copy)]
pub struct Mounted {
    pub object: *mut CHttpModule,
    pub mask: u32,
    pub post: u32,
}

/// A pointer that a thread of the fake takes along.
pub struct Carry<T>(pub T);
// SAFETY: a test hands it to one thread at a time, or behind the lock.
unsafe impl<T> Send for Carry<T> {}

impl<T> Carry<T> {
    pub fn get(&self) -> &T {
        &self.0
    }
}

/// What `RegisterModule` was told.
pub struct Registered {
    pub factory: *mut IHttpModuleFactory,
    pub mask: u32,
    pub post: u32,
    pub result: HRESULT,
    pub priorities: Vec<(u32, String)>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        if !self.factory.is_null() {
            // SAFETY: IIS makes no more objects with it.
            unsafe { IHttpModuleFactory::terminate(self.factory) };
        }
    }
}

/// Registers a module under a name, as IIS would.
pub fn register(name: &str, module: impl Module) -> Registered {
    register_with(name, |_| Some(Arc::new(module)))
}

pub fn register_with(name: &str, choose: impl FnOnce(&str) -> Option<Arc<dyn Module>>) -> Registered {
    let mut info = classes::Info::new(name);
    let pointer = (&raw mut info).cast::<IHttpModuleRegistrationInfo>();
    // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
    let result = unsafe { bivalve_iis::register(version::IIS_10_0, pointer, null_mut(), choose) };
    let (factory, mask, post) = info.set;
    Registered { factory, mask, post, result, priorities: info.priorities }
}

impl World {
    pub fn new(method: &str, url: &str) -> Arc<Self> {
        let state = State {
            method: method.into(),
            url: url.into(),
            url_changed: false,
            request_headers: vec![("Host".into(), "example.com".into())],
            status: (200, 0),
            headers: Vec::new(),
            sent: false,
            wire_head: None,
            wire: Vec::new(),
            buffered: true,
            mode: Mode::Inline,
            nest_elsewhere: false,
            modules: Vec::new(),
            answer: None,
            returned: false,
            current: None,
            outstanding: 0,
            most_outstanding: 0,
            finals: 0,
            user: null_mut(),
            body: Vec::new(),
            reset: false,
            log: Vec::new(),
            stored: Vec::new(),
            connection_stored: Vec::new(),
            cancelled: 0,
            requested: 0,
            users: Vec::new(),
            hang_read: false,
            threads: Vec::new(),
            unbuffered: false,
            child: None,
            nesting: None,
            nested: None,
            custom_later: false,
            executing: false,
        };
        let raw =
            Raw { request: HTTP_REQUEST::zeroed(), response: HTTP_RESPONSE::zeroed(), memory: Vec::new() };
        Arc::new_cyclic(|world| Self {
            context: classes::Context::new(world),
            request: classes::Request::new(world),
            response: classes::Response::new(world),
            container: classes::Container::new(world),
            connection: classes::Connection::new(world),
            state: Mutex::new(state),
            changed: Condvar::new(),
            raw: UnsafeCell::new(raw),
        })
    }

    pub fn with(&self, f: impl FnOnce(&mut State)) -> &Self {
        f(&mut self.state.lock().unwrap());
        self
    }

    /// Mounts a module that was registered; IIS makes its object now.
    pub fn mount(&self, registered: &Registered) -> &Self {
        assert_eq!(registered.result, 0);
        let mut allocator = classes::Allocator::new(self);
        let mut object = null_mut();
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        let made = unsafe {
            IHttpModuleFactory::get_http_module(
                registered.factory,
                &raw mut object,
                (&raw mut allocator).cast(),
            )
        };
        assert_eq!(made, 0);
        let mounted = Mounted { object, mask: registered.mask, post: registered.post };
        self.with(|state| state.modules.push(mounted))
    }

    pub fn context(&self) -> *mut IHttpContext {
        (&raw const self.context).cast_mut().cast()
    }

    /// The whole pipeline, up to the end of every object.
    pub fn run(&self) {
        let mut bit = 1;
        while bit <= RQ_END_REQUEST {
            if self.raise(bit, false) == Status::FINISH_REQUEST && bit < RQ_LOG_REQUEST {
                bit = RQ_LOG_REQUEST;
                continue;
            }
            if self.raise(bit, true) == Status::FINISH_REQUEST && bit < RQ_LOG_REQUEST {
                bit = RQ_LOG_REQUEST;
                continue;
            }
            bit <<= 1;
        }
        self.send(false);
        self.end();
    }

    /// One event, for all modules.
    pub fn raise(&self, bit: u32, post: bool) -> Status {
        let modules = self.state.lock().unwrap().modules.clone();
        for (index, module) in modules.iter().enumerate() {
            let mask = if post { module.post } else { module.mask };
            if mask & bit != 0 {
                let status = self.notify(index, bit, post);
                if status == Status::FINISH_REQUEST && !(RQ_LOG_REQUEST..=RQ_END_REQUEST).contains(&bit) {
                    return status;
                }
            }
        }
        Status::CONTINUE
    }

    /// One event of one module, and its answer in the end.
    pub fn notify(&self, index: usize, bit: u32, post: bool) -> Status {
        let mut provider = classes::Provider::new(self);
        self.notify_with(index, bit, post, (&raw mut provider).cast())
    }

    /// A custom notification that another DLL has raised, for the first module.
    pub fn custom(&self, name: &str) -> Status {
        let mut provider = classes::Custom::new(name);
        self.notify_with(0, RQ_CUSTOM_NOTIFICATION, false, (&raw mut provider).cast())
    }

    fn notify_with(&self, index: usize, bit: u32, post: bool, provider: *mut IHttpEventProvider) -> Status {
        let module = self.state.lock().unwrap().modules[index];
        self.with(|state| {
            state.current = Some((index, bit, post));
            state.returned = false;
            state.answer = None;
        });
        let status =
            // SAFETY: the object lives until `end`, and what it is given during the call.
            unsafe { classes::call(module.object, self.context(), bit, post, provider) };
        let mut state = self.state.lock().unwrap();
        state.returned = true;
        self.changed.notify_all();
        if status != Status::PENDING {
            assert_eq!(state.outstanding, 0, "answered {status:?} with an operation outstanding");
            return status;
        }
        let waited = self.changed.wait_timeout_while(state, Duration::from_secs(20), |s| s.answer.is_none());
        let (mut state, timeout) = waited.unwrap();
        assert!(!timeout.timed_out(), "the notification was never answered: {:?}", state.log);
        state.finals += 1;
        let answer = state.answer.take().unwrap();
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        answer
    }

    /// IIS completes an operation, or a post, on a thread of its own.
    pub fn complete(&self, mode: Mode, bytes: u32, status: HRESULT) {
        let mut state = self.state.lock().unwrap();
        let nesting = state.nesting;
        let current = nesting.map(|index| (index, RQ_SEND_RESPONSE, false)).or(state.current);
        let (index, bit, post) = current.expect("a notification runs");
        let object = state.modules[index].object;
        let carry = Carry((object, std::ptr::from_ref(self)));
        let thread = std::thread::spawn(move || {
            let (object, world) = *carry.get();
            // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
            let world = unsafe { &*world };
            if mode == Mode::Late {
                let state = world.state.lock().unwrap();
                drop(world.changed.wait_while(state, |state| !state.returned).unwrap());
            }
            let mut info = classes::Info2::new(bytes, status);
            let context = world.context();
            world.with(|state| {
                state.outstanding = state.outstanding.saturating_sub(1);
                if let Some(child) = &state.child {
                    child.with(|child| child.executing = false);
                }
            });
            // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
            let answer = unsafe {
                CHttpModule::on_async_completion(
                    object,
                    context,
                    bit,
                    post.into(),
                    null_mut(),
                    (&raw mut info).cast(),
                )
            };
            if answer != Status::PENDING && nesting.is_some() {
                world.with(|state| state.nested = Some(answer));
                world.changed.notify_all();
            } else if answer != Status::PENDING {
                // The notification may be on its last instructions: only IIS can see it return.
                let state = world.state.lock().unwrap();
                let mut state = world.changed.wait_while(state, |state| !state.returned).unwrap();
                assert!(state.answer.is_none(), "answered twice");
                state.answer = Some(answer);
                drop(state);
                world.changed.notify_all();
            }
        });
        state.threads.push(thread);
    }

    /// Raises a custom notification on a thread of its own, and completes it.
    pub fn notify_later(&self, mode: Mode, custom: *mut ICustomNotificationProvider) {
        let carry = Carry((custom, std::ptr::from_ref(self)));
        let thread = std::thread::spawn(move || {
            let (custom, world) = *carry.get();
            // SAFETY: what the shim passes lives until this is completed, and the world until the end of the test.
            let (world, name) = unsafe {
                let mut name = ICustomNotificationProvider::query_notification_type(custom);
                let mut text = Vec::new();
                while *name != 0 {
                    text.push(*name);
                    name = name.add(1);
                }
                (&*world, String::from_utf16(&text).unwrap())
            };
            if mode == Mode::Late {
                let state = world.state.lock().unwrap();
                drop(world.changed.wait_while(state, |state| !state.returned).unwrap());
                // Long enough for somebody to do what he must not.
                std::thread::sleep(Duration::from_millis(5));
            }
            world.with(|state| state.log.push(format!("custom {name}")));
            let modules = world.state.lock().unwrap().modules.clone();
            for module in modules.iter().filter(|module| module.mask & RQ_CUSTOM_NOTIFICATION != 0) {
                // SAFETY: as above.
                let status = unsafe {
                    CHttpModule::on_custom_request_notification(module.object, world.context(), custom)
                };
                assert_ne!(status, Status::PENDING);
            }
            world.complete(mode, 0, 0);
        });
        self.with(|state| state.threads.push(thread));
    }

    /// Counts an operation that will be completed.
    pub fn started(&self) {
        self.with(|state| {
            state.outstanding += 1;
            state.most_outstanding = state.most_outstanding.max(state.outstanding);
        });
    }

    /// Raises SendResponse, last module first, and puts on the wire what is buffered.
    pub fn send(&self, more: bool) {
        let (modules, current, elsewhere, headers) = {
            let state = self.state.lock().unwrap();
            (state.modules.clone(), state.current, state.nest_elsewhere, !state.sent)
        };
        for (index, module) in modules.iter().enumerate().rev() {
            if module.mask & RQ_SEND_RESPONSE == 0 {
                continue;
            }
            let carry = Carry((module.object, std::ptr::from_ref(self)));
            let nested = move || {
                let (object, world) = *carry.get();
                // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
                let world = unsafe { &*world };
                let mut sending = classes::Sending::new(headers, more);
                // SAFETY: the object lives until `end`, and what it is given during the call.
                unsafe { CHttpModule::on_send_response(object, world.context(), (&raw mut sending).cast()) }
            };
            self.with(|state| state.nesting = Some(index));
            let status = if elsewhere { std::thread::spawn(nested).join().unwrap() } else { nested() };
            if status == Status::PENDING {
                // Ours to complete, as IIS would: a post comes for this event while it waits.
                let state = self.state.lock().unwrap();
                let waited =
                    self.changed.wait_timeout_while(state, Duration::from_secs(20), |s| s.nested.is_none());
                let (mut state, timeout) = waited.unwrap();
                assert!(!timeout.timed_out(), "SendResponse was never answered");
                state.nested = None;
            }
            self.with(|state| state.nesting = None);
        }
        self.with(|state| {
            // SAFETY: the raw records are the fake's, and its calls follow each other.
            let raw = unsafe { &mut *self.raw.get() };
            if !state.sent {
                state.sent = true;
                state.wire_head = Some((state.status.0, state.headers.clone()));
            }
            let base = &mut raw.response.Base;
            for index in 0..usize::from(base.EntityChunkCount) {
                // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
                let chunk = unsafe { &*base.pEntityChunks.add(index) };
                // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
                let memory = unsafe { chunk.data.FromMemory };
                // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
                let bytes = unsafe {
                    std::slice::from_raw_parts(memory.pBuffer.cast::<u8>(), memory.BufferLength as usize)
                };
                state.wire.extend_from_slice(bytes);
            }
            base.EntityChunkCount = 0;
        });
    }

    /// Disposes of every object, and of what was stored.
    pub fn end(&self) {
        let (modules, stored, connections) = {
            let mut state = self.state.lock().unwrap();
            (
                std::mem::take(&mut state.modules),
                std::mem::take(&mut state.stored),
                std::mem::take(&mut state.connection_stored),
            )
        };
        let user = std::mem::replace(&mut self.state.lock().unwrap().user, null_mut());
        if !user.is_null() {
            // SAFETY: the fake has the reference that it was given.
            unsafe { IHttpUser::dereference_user(user) };
        }
        for module in modules {
            // SAFETY: the object lives until `end`, and what it is given during the call.
            unsafe { CHttpModule::dispose(module.object) };
        }
        for (_, stored) in stored {
            // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
            unsafe { IHttpStoredContext::cleanup_stored_context(stored) };
        }
        for (_, stored) in connections {
            // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
            unsafe { IHttpStoredContext::cleanup_stored_context(stored) };
        }
    }

    /// The client has gone.
    pub fn disconnect(&self) {
        let stored = self.state.lock().unwrap().connection_stored.clone();
        for (_, stored) in stored {
            // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
            unsafe { IHttpConnectionStoredContext::notify_disconnect(stored) };
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.state.lock().unwrap().wire.clone()).unwrap()
    }

    pub fn status(&self) -> u16 {
        self.state.lock().unwrap().wire_head.as_ref().map_or(0, |head| head.0)
    }

    pub fn header(&self, name: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let Some((_, headers)) = &state.wire_head else { return Vec::new() };
        headers.iter().filter(|h| h.0.eq_ignore_ascii_case(name)).map(|h| h.1.clone()).collect()
    }

    /// Memory of the request.
    pub fn allocate(&self, len: usize) -> *mut c_void {
        let mut memory = vec![0_u64; len.div_ceil(8).max(1)];
        let pointer = memory.as_mut_ptr().cast();
        // SAFETY: the raw records are the fake's, and its calls follow each other.
        unsafe { (*self.raw.get()).memory.push(Box::new(memory)) };
        pointer
    }

    /// Zero-terminated text in memory of the request.
    pub fn keep(&self, text: &str) -> (*const u8, u16) {
        let pointer = self.allocate(text.len() + 1).cast::<u8>();
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        unsafe { pointer.copy_from_nonoverlapping(text.as_ptr(), text.len()) };
        (pointer, text.len() as u16)
    }

    pub fn unknown(&self, headers: &[(String, String)]) -> (*mut HTTP_UNKNOWN_HEADER, u16) {
        let array =
            self.allocate(headers.len() * size_of::<HTTP_UNKNOWN_HEADER>()).cast::<HTTP_UNKNOWN_HEADER>();
        for (index, (name, value)) in headers.iter().enumerate() {
            let ((pName, NameLength), (pRawValue, RawValueLength)) = (self.keep(name), self.keep(value));
            // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
            unsafe {
                array.add(index).write(HTTP_UNKNOWN_HEADER { NameLength, RawValueLength, pName, pRawValue })
            };
        }
        (array, headers.len() as u16)
    }
}
