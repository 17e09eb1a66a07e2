//! What may not get past a module: bodies it was not shown, reads it has refused, a status that IIS has not taken.

#![allow(clippy::panic, clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_possible_wrap)]

mod support;

use std::any::Any;
use std::ffi::c_void;
use std::sync::{Arc, Mutex};

use bivalve_core::{
    Context, EntityChunk, EntityRead, Error, Flow, Module, Notification, Notifications, Outcome,
    Registration, Result, Sending, User,
};
use bivalve_iis_sys::codes::{
    HTTP_DATA_CHUNK_TYPE, HTTP_HEADER_ID, HTTP_RESPONSE_INFO_TYPE, REQUEST_NOTIFICATION_STATUS as Status,
};
use bivalve_iis_sys::headers::RESPONSE_HEADERS;
use bivalve_iis_sys::hresult::{E_FAIL, E_OUTOFMEMORY};
use bivalve_iis_sys::opaque::IAppHostConfigException;
use bivalve_iis_sys::records::{
    FROM_MEMORY, HTTP_DATA_CHUNK, HTTP_DATA_CHUNK_DATA, HTTP_KNOWN_HEADER, HTTP_MULTIPLE_KNOWN_HEADERS,
    HTTP_RESPONSE_INFO,
};
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
fn a_url_or_a_method_that_modules_cannot_be_shown_is_refused_and_logged() {
    static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    struct Logs;
    impl Module for Logs {
        fn registration(&self) -> Registration {
            Registration::new()
                .on(Notification::BeginRequest | Notification::SendResponse)
                .on(Notification::LogRequest | Notification::EndRequest)
        }
        fn on_begin_request<'a>(&'a self, _: &'a mut Context) -> Outcome<'a> {
            panic!("it decides on what nobody serves");
        }
        fn on_send_response<'a>(&'a self, _: &'a mut Context, _: &'a mut Sending) -> Outcome<'a> {
            panic!("it decides on what nobody serves");
        }
        fn on_log_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
            let (request, status) = (cx.request(), cx.response().status().as_u16());
            LOGGED.lock().unwrap().push(format!("{} {} {status}", request.method(), request.url()));
            Outcome::CONTINUE
        }
        fn on_end_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
            self.on_log_request(cx)
        }
    }
    let registered = register("Logs", Logs);
    let long = format!("a{}", "a".repeat(60_000) + "<");
    let cases = [
        ("G T", "/", "G%20T /"),
        ("", "/", "- /"),
        ("GET", "http://a b/admin?<x>=%00", "GET /http%3A//a%20b/admin?%3Cx%3E=%00"),
        ("GET", &long, &format!("GET /{}", &long[..4096])),
    ];
    for (method, url, logged) in cases {
        let world = World::new("GET", "/");
        world.mount(&registered);
        world.with(|state| (state.method, state.url) = (method.into(), url.into()));
        world.run();
        assert_eq!((world.status(), world.text()), (400, String::new()), "{method} {url}");
        assert_eq!(std::mem::take(&mut *LOGGED.lock().unwrap()), vec![format!("{logged} 400"); 2]);
    }
}

/// A part from this memory, which is another one each time.
fn part_of(world: &World, memory: &mut [u8], text: &str) {
    memory.copy_from_slice(text.as_bytes());
    let buffer = FROM_MEMORY { pBuffer: memory.as_mut_ptr().cast(), BufferLength: text.len() as u32 };
    let chunk = HTTP_DATA_CHUNK {
        DataChunkType: HTTP_DATA_CHUNK_TYPE::FROM_MEMORY,
        data: HTTP_DATA_CHUNK_DATA { FromMemory: buffer },
    };
    holds(world, &[chunk]);
    world.send(true);
}

struct Shouts;

impl Module for Shouts {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::SendResponse).synchronous(Notification::SendResponse)
    }
    fn on_send_response<'a>(&'a self, cx: &'a mut Context, _: &'a mut Sending) -> Outcome<'a> {
        for chunk in cx.response_mut().take_chunks() {
            let EntityChunk::Bytes(bytes) = chunk else { panic!("the parts are bytes") };
            cx.response_mut().write(bytes.to_ascii_uppercase()).unwrap();
        }
        Outcome::CONTINUE
    }
}

#[test]
fn a_filter_that_changes_a_thousand_parts_holds_bounded_memory() {
    let world = World::new("GET", "/");
    // Two of them: what the first has made is before the second.
    world.mount(&register("Shouts", Shouts)).mount(&register("ShoutsToo", Shouts));
    let mut memory = vec![0; 10_000];
    for part in 0..1000 {
        // Of several lengths, some of them again.
        let text = format!("part {part} ").repeat(100 + part % 7 * 100);
        part_of(&world, &mut memory[..text.len()], &text);
        let sent = std::mem::take(&mut world.state.lock().unwrap().wire);
        assert!(sent == text.to_ascii_uppercase().into_bytes(), "part {part}");
    }
    let requested = world.state.lock().unwrap().requested;
    assert!(requested < 200_000, "{requested} bytes of the request's memory");
    world.end();
}

#[test]
fn a_part_that_is_where_the_last_one_was_is_another_part() {
    static SEEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    let world = mounted(Notification::SendResponse, |cx| {
        for chunk in cx.response().chunks() {
            let EntityChunk::Bytes(bytes) = chunk else { panic!("the parts are bytes") };
            SEEN.lock().unwrap().extend_from_slice(bytes);
        }
        Ok(Flow::Continue)
    });
    let mut memory = [0; 3];
    for text in ["one", "two", "six"] {
        part_of(&world, &mut memory, text);
    }
    assert_eq!(*SEEN.lock().unwrap(), b"onetwosix");
    world.end();
}

#[test]
fn a_chunk_that_has_taken_the_place_of_another_is_seen() {
    let world = mounted(Notification::BeginRequest | Notification::AuthorizeRequest, |cx| {
        let EntityChunk::Bytes(bytes) = &cx.response().chunks()[0] else { panic!("it is bytes") };
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        cx.response_mut().set_header("x-seen", &text)?;
        Ok(Flow::Continue)
    });
    let mut memory = *b"one";
    let buffer = FROM_MEMORY { pBuffer: memory.as_mut_ptr().cast(), BufferLength: 3 };
    holds(
        &world,
        &[HTTP_DATA_CHUNK {
            DataChunkType: HTTP_DATA_CHUNK_TYPE::FROM_MEMORY,
            data: HTTP_DATA_CHUNK_DATA { FromMemory: buffer },
        }],
    );
    world.raise(1, false);
    // Another DLL has cleared the response and written as much again, and IIS has put it there.
    // SAFETY: nobody else uses the memory now.
    unsafe { buffer.pBuffer.cast::<u8>().copy_from_nonoverlapping(b"two".as_ptr(), 3) };
    world.raise(4, false);
    assert_eq!(world.state.lock().unwrap().headers, [("x-seen".to_string(), "two".to_string())]);
    world.end();
}

#[test]
fn values_that_iis_keeps_apart_are_seen_kept_and_taken_away() {
    let vary = RESPONSE_HEADERS.iter().position(|name| *name == "Vary").unwrap() as i32;
    for (changes, left) in [(false, 2), (true, 0)] {
        let world = World::new("GET", "/");
        static CHANGES: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
        CHANGES.store(changes, std::sync::atomic::Ordering::Relaxed);
        struct Sees;
        impl Module for Sees {
            fn registration(&self) -> Registration {
                Registration::new().on(Notification::BeginRequest).synchronous(Notification::BeginRequest)
            }
            fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
                let vary = cx.response().headers().get_all("vary").iter().collect::<Vec<_>>();
                assert_eq!(vary, ["accept", "origin"]);
                cx.response_mut().set_header("x-seen", "yes").unwrap();
                if CHANGES.load(std::sync::atomic::Ordering::Relaxed) {
                    cx.response_mut().headers_mut().remove("vary");
                }
                Outcome::CONTINUE
            }
        }
        world.mount(&register("Sees", Sees));
        let values = ["accept", "origin"]
            .map(|text| HTTP_KNOWN_HEADER { RawValueLength: text.len() as u16, pRawValue: text.as_ptr() });
        let mut several = HTTP_MULTIPLE_KNOWN_HEADERS {
            HeaderId: HTTP_HEADER_ID(vary),
            Flags: 0,
            KnownHeaderCount: 2,
            KnownHeaders: values.as_ptr().cast_mut(),
        };
        let mut info = HTTP_RESPONSE_INFO {
            Type: HTTP_RESPONSE_INFO_TYPE::MULTIPLE_KNOWN_HEADERS,
            Length: size_of::<HTTP_MULTIPLE_KNOWN_HEADERS>() as u32,
            pInfo: (&raw mut several).cast(),
        };
        // SAFETY: nobody else has the world; the record is not looked at when this has ended.
        let raw = unsafe { &mut (*world.raw.get()).response };
        (raw.pResponseInfo, raw.ResponseInfoCount) = (&raw mut info, 1);
        assert_eq!(world.raise(1, false), Status::CONTINUE);
        // SAFETY: as above.
        let raw = unsafe { &(*world.raw.get()).response };
        assert_eq!((raw.ResponseInfoCount * several.KnownHeaderCount, changes), (left, changes));
        assert_eq!(world.state.lock().unwrap().headers, [("x-seen".to_string(), "yes".to_string())]);
        world.end();
    }
}
