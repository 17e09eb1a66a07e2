//! What may not get past a module: bodies it was not shown, reads it has refused, a status that IIS has not taken.

#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::any::Any;
use std::ffi::c_void;
use std::sync::{Arc, Mutex};

use bivalve_core::{
    Context, EntityRead, Error, Flow, Module, Notification, Notifications, Outcome, Registration, Result,
    Sending, User,
};
use bivalve_iis_sys::codes::{HTTP_DATA_CHUNK_TYPE, REQUEST_NOTIFICATION_STATUS as Status};
use bivalve_iis_sys::hresult::{E_FAIL, E_OUTOFMEMORY};
use bivalve_iis_sys::opaque::IAppHostConfigException;
use bivalve_iis_sys::records::{FROM_MEMORY, HTTP_DATA_CHUNK, HTTP_DATA_CHUNK_DATA};
use bivalve_iis_sys::types::{BOOL, HRESULT, PCSTR};
use bivalve_iis_sys::{
    CHttpModule, IHttpContext, IHttpEventProvider, IHttpEventProviderImpl, IHttpResponse,
    IReadEntityProvider, IReadEntityProviderImpl, IReadEntityProviderVtbl,
};
use http::StatusCode;
use support::{World, register};

type Step = Box<dyn Fn(&mut Context) -> Result<Flow> + Send + Sync>;

/// One function for all events that were asked for.
struct Steps(Notifications, Step);

macro_rules! methods {
    ($($method:ident)+) => {
        $(
            fn $method<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
                Outcome::Ready((self.1)(cx))
            }
        )+
    };
}

impl Module for Steps {
    fn registration(&self) -> Registration {
        Registration::new().on(self.0).synchronous(self.0)
    }

    methods! {
        on_begin_request on_authenticate_request on_authorize_request on_execute_request_handler
        on_update_request_cache
    }

    fn on_send_response<'a>(&'a self, cx: &'a mut Context, _: &'a mut Sending) -> Outcome<'a> {
        Outcome::Ready((self.1)(cx))
    }

    fn on_read_entity<'a>(&'a self, cx: &'a mut Context, read: &'a mut EntityRead) -> Outcome<'a> {
        let flow = (self.1)(cx);
        if flow.is_ok() {
            read.set_data("changed");
        }
        Outcome::Ready(flow)
    }
}

fn mounted(
    on: impl Into<Notifications>,
    step: impl Fn(&mut Context) -> Result<Flow> + Send + Sync + 'static,
) -> Arc<World> {
    let world = World::new("GET", "/");
    world.mount(&register("Steps", Steps(on.into(), Box::new(step))));
    world
}

fn forbidden(_: &mut Context) -> Result<Flow> {
    Err(Error::from_status(StatusCode::FORBIDDEN))
}

/// A chunk in memory that says it is of this kind. The fake sends whatever it is.
fn chunk(world: &World, text: &str, kind: HTTP_DATA_CHUNK_TYPE) -> HTTP_DATA_CHUNK {
    let (pointer, len) = world.keep(text);
    let memory = FROM_MEMORY { pBuffer: pointer.cast_mut().cast(), BufferLength: len.into() };
    HTTP_DATA_CHUNK { DataChunkType: kind, data: HTTP_DATA_CHUNK_DATA { FromMemory: memory } }
}

/// http.sys's fragment cache.
const FRAGMENT: HTTP_DATA_CHUNK_TYPE = HTTP_DATA_CHUNK_TYPE(2);

/// IIS has these chunks already.
fn holds(world: &World, chunks: &[HTTP_DATA_CHUNK]) {
    let array = world.allocate(size_of_val(chunks)).cast::<HTTP_DATA_CHUNK>();
    // SAFETY: the memory has room, and the records are the fake's, which nobody else uses now.
    unsafe {
        array.copy_from_nonoverlapping(chunks.as_ptr(), chunks.len());
        let raw = &mut *world.raw.get();
        raw.response.Base.pEntityChunks = array;
        raw.response.Base.EntityChunkCount = u16::try_from(chunks.len()).unwrap();
    }
}

/// Vtables of [`patch`], as long as the program lives.
static TABLES: Mutex<Vec<Box<dyn Any + Send>>> = Mutex::new(Vec::new());

/// Puts another vtable into an object of the fake.
fn patch<O, V: Copy + Send + 'static>(object: &O, change: impl FnOnce(&mut V)) {
    let place = std::ptr::from_ref(object).cast_mut().cast::<*const V>();
    // SAFETY: every object begins with the pointer to its vtable, which is static, and no call runs; the new one is kept.
    unsafe {
        let mut table = Box::new(*place.read_volatile());
        change(&mut table);
        place.write_volatile(&raw const *table);
        TABLES.lock().unwrap().push(table);
    }
}

/// A method of a class, in the convention of its vtable.
macro_rules! method {
    (fn $($rest:tt)*) => {
        #[cfg(target_arch = "x86")]
        unsafe extern "thiscall" fn $($rest)*
        #[cfg(not(target_arch = "x86"))]
        unsafe extern "C" fn $($rest)*
    };
}

method! {
    fn nothing(_: *mut IHttpContext, _: u32) -> *mut c_void {
        std::ptr::null_mut()
    }
}

method! {
    fn refuse(
        _: *mut IHttpResponse,
        _: u16,
        _: PCSTR,
        _: u16,
        _: HRESULT,
        _: *mut IAppHostConfigException,
        _: BOOL,
    ) -> HRESULT {
        E_FAIL
    }
}

#[test]
fn an_error_takes_a_hidden_body_away() {
    let world = mounted(Notification::UpdateRequestCache, forbidden);
    holds(&world, &[chunk(&world, "SECRET", FRAGMENT)]);
    world.run();
    assert_eq!((world.status(), world.text().as_str()), (403, "Forbidden"));
}

#[test]
fn an_error_in_send_response_takes_a_hidden_body_away() {
    let world = mounted(Notification::SendResponse, forbidden);
    holds(&world, &[chunk(&world, "SECRET", FRAGMENT)]);
    world.run();
    assert_eq!((world.status(), world.text().as_str()), (403, "Forbidden"));
}

#[test]
fn an_error_status_without_a_body_takes_a_hidden_body_away() {
    for event in [Notification::UpdateRequestCache, Notification::SendResponse] {
        let world = mounted(event, |cx| {
            cx.response_mut().clear();
            cx.response_mut().set_status(StatusCode::NOT_FOUND);
            Ok(Flow::Continue)
        });
        holds(&world, &[chunk(&world, "SECRET", FRAGMENT)]);
        world.run();
        assert_eq!((world.status(), world.text().as_str()), (404, ""), "{event:?}");
    }
}

#[test]
fn what_is_added_to_a_body_leaves_its_hidden_part_there() {
    for event in [Notification::UpdateRequestCache, Notification::SendResponse] {
        let world = mounted(event, |cx| {
            assert_eq!(cx.response().chunks().len(), 1);
            cx.response_mut().write(" end")?;
            cx.response_mut().set_header("x-a", "b")?;
            Ok(Flow::Continue)
        });
        let seen = chunk(&world, "seen ", HTTP_DATA_CHUNK_TYPE::FROM_MEMORY);
        holds(&world, &[seen, chunk(&world, "hidden", FRAGMENT)]);
        world.run();
        assert_eq!(world.text(), "seen hidden end", "{event:?}");
    }
}

#[test]
fn a_header_alone_leaves_a_hidden_body_there() {
    let world = mounted(Notification::UpdateRequestCache, |cx| {
        cx.response_mut().set_header("x-a", "b")?;
        Ok(Flow::Continue)
    });
    holds(&world, &[chunk(&world, "hidden", FRAGMENT)]);
    world.run();
    assert_eq!((world.status(), world.text().as_str()), (200, "hidden"));
}

/// What somebody else's read has brought, and what becomes of it.
#[repr(C)]
struct Reading {
    class: IReadEntityProvider,
    state: Mutex<(Vec<u8>, u32, HRESULT)>,
}

impl IHttpEventProviderImpl for Reading {
    unsafe fn set_error_status(this: *mut IHttpEventProvider, error: HRESULT) {
        // SAFETY: the test has it during the call.
        unsafe { &*this.cast::<Self>() }.state.lock().unwrap().2 = error;
    }
}

impl IReadEntityProviderImpl for Reading {
    unsafe fn get_entity(
        this: *mut IReadEntityProvider,
        buffer: *mut *mut c_void,
        len: *mut u32,
        size: *mut u32,
    ) {
        // SAFETY: the test has it during the call, and the places may be written to.
        unsafe {
            let mut state = (*this.cast::<Self>()).state.lock().unwrap();
            (*buffer, *len, *size) = (state.0.as_mut_ptr().cast(), state.1, 6);
        }
    }
    unsafe fn set_entity(this: *mut IReadEntityProvider, _: *mut c_void, len: u32, _: u32) {
        // SAFETY: the test has it during the call.
        unsafe { &*this.cast::<Self>() }.state.lock().unwrap().1 = len;
    }
}

/// Length and error that the reader gets.
fn read(world: &World) -> (u32, HRESULT) {
    static VTABLE: IReadEntityProviderVtbl = IReadEntityProviderVtbl::of::<Reading>();
    let state = Mutex::new((b"secret".to_vec(), 6, 0));
    let mut reading = Reading { class: IReadEntityProvider::new(&VTABLE), state };
    let object = world.state.lock().unwrap().modules[0].object;
    // SAFETY: object, context and provider live during the call.
    unsafe { CHttpModule::on_read_entity(object, world.context(), (&raw mut reading).cast()) };
    let state = reading.state.lock().unwrap();
    (state.1, state.2)
}

#[test]
fn a_read_that_a_module_refuses_brings_nothing_and_fails() {
    let world = mounted(Notification::ReadEntity, forbidden);
    assert_eq!(read(&world), (0, E_FAIL));
    world.end();
}

#[test]
fn a_read_fails_when_there_is_no_memory_for_what_a_module_makes_of_it() {
    let world = mounted(Notification::ReadEntity, |_| Ok(Flow::Continue));
    assert_eq!(read(&world), (7, 0));
    patch(&world.context, |table: &mut bivalve_iis_sys::IHttpContextVtbl| {
        table.allocate_request_memory = nothing;
    });
    assert_eq!(read(&world), (0, E_OUTOFMEMORY));
    world.end();
}

#[test]
fn a_status_that_iis_refuses_resets_the_connection() {
    for event in [Notification::BeginRequest, Notification::SendResponse] {
        let world = mounted(event, forbidden);
        let memory = chunk(&world, "secret", HTTP_DATA_CHUNK_TYPE::FROM_MEMORY);
        holds(&world, &[memory]);
        patch(&world.response, |table: &mut bivalve_iis_sys::IHttpResponseVtbl| table.set_status = refuse);
        world.run();
        assert!(world.state.lock().unwrap().reset, "{event:?}");
        assert_eq!(world.text(), "", "{event:?}");
    }
}

#[test]
fn roles_are_there_at_the_next_event() {
    let world = mounted(Notification::AuthenticateRequest | Notification::AuthorizeRequest, |cx| {
        if cx.event().notification() == Notification::AuthenticateRequest {
            cx.set_user(User::new("ada", "Basic").with_roles(["admin"]));
        } else {
            let admin = cx.user().is_some_and(|user| user.is_in_role("admin"));
            cx.response_mut().write(admin.to_string())?;
        }
        Ok(Flow::Continue)
    });
    world.run();
    assert_eq!(world.text(), "true");
}

#[test]
fn a_header_value_that_is_too_long_leaves_no_old_one_behind() {
    let world = mounted(Notification::BeginRequest | Notification::AuthorizeRequest, |cx| {
        if cx.event().notification() == Notification::BeginRequest {
            cx.response_mut().set_header("x-alone", "old")?;
            cx.response_mut().set_header("x-first", "old")?;
        } else {
            let long = "a".repeat(70_000);
            cx.response_mut().set_header("x-alone", &long)?;
            cx.response_mut().set_header("x-first", &long)?;
            cx.response_mut().append_header("x-first", "new")?;
        }
        Ok(Flow::Continue)
    });
    world.run();
    assert!(world.header("x-alone").is_empty());
    assert_eq!(world.header("x-first"), ["new"]);
}

#[cfg(unix)]
#[test]
fn a_file_to_its_end_is_as_long_as_the_file() {
    use bivalve_iis_sys::records::{FROM_FILE_HANDLE, HTTP_BYTE_RANGE, HTTP_BYTE_RANGE_TO_EOF};
    use std::os::fd::AsRawFd;
    let path = std::env::temp_dir().join(format!("bivalve-mend-{}", std::process::id()));
    std::fs::write(&path, "0123456789").unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let world = mounted(Notification::ExecuteRequestHandler, |cx| {
        assert_eq!(cx.response().entity_len(), 11);
        Ok(Flow::Continue)
    });
    let part = |offset| {
        let range = HTTP_BYTE_RANGE { StartingOffset: offset, Length: HTTP_BYTE_RANGE_TO_EOF };
        let handle = std::ptr::without_provenance_mut(usize::try_from(file.as_raw_fd()).unwrap());
        HTTP_DATA_CHUNK {
            DataChunkType: HTTP_DATA_CHUNK_TYPE::FROM_FILE_HANDLE,
            data: HTTP_DATA_CHUNK_DATA {
                FromFileHandle: FROM_FILE_HANDLE { ByteRange: range, FileHandle: handle },
            },
        }
    };
    holds(&world, &[part(0), part(9), part(11)]);
    assert_eq!(world.raise(0x80, false), Status::CONTINUE);
    world.end();
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_url_or_a_method_that_modules_cannot_be_shown_is_refused() {
    for (method, url) in [("G T", "/"), ("GET", "http://a b/admin")] {
        let world = mounted(Notification::BeginRequest, |_| Ok(Flow::Continue));
        world.with(|state| (state.method, state.url) = (method.into(), url.into()));
        assert_eq!(world.raise(1, false), Status::FINISH_REQUEST, "{method} {url}");
        assert_eq!(world.state.lock().unwrap().status.0, 500);
        world.end();
    }
}
