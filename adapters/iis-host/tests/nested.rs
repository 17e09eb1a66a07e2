//! What is raised inside an operation: SendResponse, ReadEntity, MapPath, custom; and the providers.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::io::Write as _;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use bivalve_core::Application;
use bivalve_core::testing::block_on;
use bivalve_iis_host::{Fault, IisHost};
use bivalve_iis_sys::codes::{HTTP_DATA_CHUNK_TYPE, REQUEST_NOTIFICATION_STATUS as Status};
use bivalve_iis_sys::hresult::{ERROR_INSUFFICIENT_BUFFER, S_OK, from_win32};
use bivalve_iis_sys::records::{
    FROM_FILE_HANDLE, HTTP_BYTE_RANGE, HTTP_BYTE_RANGE_TO_EOF, HTTP_DATA_CHUNK, HTTP_DATA_CHUNK_DATA,
};
use bivalve_iis_sys::types::{HANDLE, PCWSTR};
use bivalve_iis_sys::*;

use common::{Call, Script, mounted, utf16, wide};

fn flush(call: &Call, more: bool) -> i32 {
    let mut sent = 0;
    // SAFETY: the host keeps the response alive during the notification. So for all of this file.
    unsafe { IHttpResponse::flush(call.response(), 0, more.into(), &raw mut sent, null_mut()) }
}

/// Flushes twice, and at SendResponse says on which thread it is and what goes.
fn flusher(threads: &'static Mutex<Vec<ThreadId>>) -> Script {
    Script::default()
        .on("execute_request_handler", |call| {
            threads.lock().unwrap().push(thread::current().id());
            call.write("one");
            assert_eq!(flush(call, true), S_OK);
            call.write("two");
            assert_eq!(flush(call, false), S_OK);
            assert_ne!(call.write("three"), S_OK, "the response has ended");
            Status::CONTINUE
        })
        .on("send_response", move |call| {
            threads.lock().unwrap().push(thread::current().id());
            let provider = call.provider::<ISendResponseProvider>();
            // SAFETY: as above.
            let (headers, flags) = unsafe {
                (
                    ISendResponseProvider::get_headers_being_sent(provider),
                    ISendResponseProvider::get_flags(provider),
                )
            };
            assert_eq!(
                (headers, flags),
                if call.server_variable(c"X_SEEN").is_ok() { (0, 0) } else { (1, 2) }
            );
            // SAFETY: as above.
            unsafe {
                IHttpContext::set_server_variable(call.cx(), c"X_SEEN".as_ptr().cast(), utf16("1").as_ptr());
            }
            Status::CONTINUE
        })
}

#[test]
fn a_flush_raises_send_response_on_the_same_module_and_thread() {
    static THREADS: Mutex<Vec<ThreadId>> = Mutex::new(Vec::new());
    let host = IisHost::builder().build();
    let (test, script) = mounted(&host, "nested", flusher(&THREADS));
    let response = block_on(test.get("/").finish());
    let parts: Vec<_> = response.parts().iter().map(|part| part.body().to_vec()).collect();
    assert_eq!(parts, [b"one", b"two"]);
    assert!(response.is_complete());
    let threads = THREADS.lock().unwrap();
    assert_eq!((threads.len(), threads[0] == threads[1]), (3, true));
    assert_eq!(script.made.load(Ordering::SeqCst), 1);
    host.violations().assert_none();
}

#[test]
fn nested_elsewhere_raises_it_on_another_thread() {
    static THREADS: Mutex<Vec<ThreadId>> = Mutex::new(Vec::new());
    let host = IisHost::builder().fault(Fault::NestedElsewhere).build();
    let (test, _) = mounted(&host, "nested elsewhere", flusher(&THREADS));
    assert_eq!(block_on(test.get("/").finish()).text(), "onetwo");
    let threads = THREADS.lock().unwrap();
    assert_ne!(threads[0], threads[1]);
    host.violations().assert_none();
}

#[test]
fn a_nested_event_that_waits_holds_the_flush_up() {
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("execute_request_handler", |call| {
            call.write("body");
            assert_eq!(flush(call, true), S_OK);
            Status::CONTINUE
        })
        .on("send_response", |call| {
            // SAFETY: as above.
            unsafe {
                if ISendResponseProvider::get_headers_being_sent(call.provider::<ISendResponseProvider>())
                    == 0
                {
                    return Status::CONTINUE;
                }
                IHttpContext::post_completion(call.cx(), 0);
            }
            Status::PENDING
        })
        .on("completion", |call| {
            assert_eq!(call.notification, 0x2000_0000);
            let name = c"x-late".as_ptr().cast();
            // SAFETY: as above.
            unsafe { IHttpResponse::set_header_by_name(call.response(), name, c"yes".as_ptr().cast(), 3, 1) };
            Status::CONTINUE
        });
    let (test, _) = mounted(&host, "nested pending", script);
    let response = block_on(test.get("/").finish());
    assert_eq!((response.text(), response.header("x-late")), ("body", Some("yes")));
    host.violations().assert_none();
}

#[test]
fn read_entity_sees_and_changes_what_is_read() {
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("execute_request_handler", |call| {
            let (mut buffer, mut bytes) = ([0_u8; 16], 0);
            let memory = buffer.as_mut_ptr().cast();
            // SAFETY: as above.
            let result = unsafe {
                IHttpRequest::read_entity_body(call.request(), memory, 16, 0, &raw mut bytes, null_mut())
            };
            assert_eq!(result, S_OK);
            call.write(std::str::from_utf8(&buffer[..bytes as usize]).unwrap());
            Status::CONTINUE
        })
        .on("read_entity", |call| {
            let provider = call.provider::<IReadEntityProvider>();
            let (mut buffer, mut len, mut room) = (null_mut(), 0, 0);
            // SAFETY: as above; the host's buffer is writable, and memory of the request lives as long as it.
            unsafe {
                IReadEntityProvider::get_entity(provider, &raw mut buffer, &raw mut len, &raw mut room);
                let data = std::slice::from_raw_parts_mut(buffer.cast::<u8>(), len as usize);
                data.make_ascii_uppercase();
                let own = IHttpContext::allocate_request_memory(call.cx(), len + 1).cast::<u8>();
                own.copy_from_nonoverlapping(data.as_ptr(), data.len());
                own.add(data.len()).write(b'!');
                IReadEntityProvider::set_entity(provider, own.cast(), len + 1, len + 1);
            }
            Status::CONTINUE
        });
    let (test, _) = mounted(&host, "read entity", script);
    assert_eq!(block_on(test.post("/").body("quiet").finish()).text(), "QUIET!");
    host.violations().assert_none();
}

#[test]
fn map_path_asks_the_module_and_says_how_much_room_it_needs() {
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("begin_request", |call| {
            let url = utf16("/page.html");
            let (mut buffer, mut bytes) = ([0_u16; 64], 4);
            // SAFETY: as above; the buffer is as long as it says.
            unsafe {
                let small =
                    IHttpContext::map_path(call.cx(), url.as_ptr(), buffer.as_mut_ptr(), &raw mut bytes);
                assert_eq!((small, bytes), (from_win32(ERROR_INSUFFICIENT_BUFFER), 2 * 11));
                bytes = 128;
                let result =
                    IHttpContext::map_path(call.cx(), url.as_ptr(), buffer.as_mut_ptr(), &raw mut bytes);
                assert_eq!((result, wide(buffer.as_ptr())), (S_OK, "/elsewhere".into()));
            }
            Status::FINISH_REQUEST
        })
        .on("map_path", |call| {
            let provider = call.provider::<IMapPathProvider>();
            let path = utf16("/elsewhere");
            // SAFETY: as above.
            unsafe {
                assert_eq!(wide(IMapPathProvider::get_url(provider)), "/page.html");
                assert!(wide(IMapPathProvider::get_physical_path(provider)).starts_with("/srv"));
                assert_eq!(IMapPathProvider::set_physical_path(provider, path.as_ptr(), 10), S_OK);
            }
            Status::CONTINUE
        });
    let (test, _) = mounted(&host, "map path", script);
    let test = test.application(Application::builder().root("/srv/site").build());
    block_on(test.get("/").finish());
    host.violations().assert_none();
}

/// A custom notification of a module.
#[repr(C)]
struct Own {
    class: ICustomNotificationProvider,
    name: Vec<u16>,
    answered: AtomicUsize,
}

static OWN: ICustomNotificationProviderVtbl = ICustomNotificationProviderVtbl::of::<Own>();

impl IHttpEventProviderImpl for Own {
    unsafe fn set_error_status(_: *mut IHttpEventProvider, _: i32) {}
}

impl ICustomNotificationProviderImpl for Own {
    unsafe fn query_notification_type(this: *mut ICustomNotificationProvider) -> PCWSTR {
        // SAFETY: the module keeps it alive.
        unsafe { (*this.cast::<Self>()).name.as_ptr() }
    }
}

#[test]
fn a_custom_notification_reaches_modules_with_the_object_that_was_raised() {
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("begin_request", |call| {
            let class = ICustomNotificationProvider::new(&OWN);
            let own = Own { class, name: utf16("test/own"), answered: AtomicUsize::new(0) };
            let object = (&raw const own).cast_mut().cast::<ICustomNotificationProvider>();
            let mut expected = 9;
            // SAFETY: the object lives until the end of this function.
            unsafe {
                let raised = IHttpContext::notify_custom_notification(call.cx(), object, &raw mut expected);
                assert_eq!((raised, expected), (S_OK, 0));
            }
            assert_eq!(own.answered.load(Ordering::SeqCst), 1);
            Status::FINISH_REQUEST
        })
        .on("custom", |call| {
            let own = call.provider::<ICustomNotificationProvider>();
            // SAFETY: the host hands on the object that was raised, which lives.
            unsafe {
                assert_eq!(wide(ICustomNotificationProvider::query_notification_type(own)), "test/own");
                (*own.cast::<Own>()).answered.fetch_add(1, Ordering::SeqCst);
            }
            Status::CONTINUE
        });
    let (test, _) = mounted(&host, "custom", script);
    block_on(test.get("/").finish());
    host.violations().assert_none();
}

/// A user of a module.
#[repr(C)]
struct Ada {
    class: IHttpUser,
    name: Vec<u16>,
    references: &'static AtomicUsize,
}

static ADA: IHttpUserVtbl = IHttpUserVtbl::of::<Ada>();

impl IHttpUserImpl for Ada {
    unsafe fn get_remote_user_name(this: *mut IHttpUser) -> PCWSTR {
        // SAFETY: the user lives until its last reference is given back. So below.
        unsafe { (*this.cast::<Self>()).name.as_ptr() }
    }
    unsafe fn get_user_name(this: *mut IHttpUser) -> PCWSTR {
        // SAFETY: as above.
        unsafe { (*this.cast::<Self>()).name.as_ptr() }
    }
    unsafe fn get_authentication_type(this: *mut IHttpUser) -> PCWSTR {
        // SAFETY: as above.
        unsafe { (*this.cast::<Self>()).name.as_ptr() }
    }
    unsafe fn get_password(_: *mut IHttpUser) -> PCWSTR {
        std::ptr::null()
    }
    unsafe fn get_impersonation_token(_: *mut IHttpUser) -> HANDLE {
        null_mut()
    }
    unsafe fn get_primary_token(_: *mut IHttpUser) -> HANDLE {
        null_mut()
    }
    unsafe fn reference_user(this: *mut IHttpUser) {
        // SAFETY: as above.
        unsafe { (*this.cast::<Self>()).references.fetch_add(1, Ordering::SeqCst) };
    }
    unsafe fn dereference_user(this: *mut IHttpUser) {
        // SAFETY: as above, and this was the last one.
        unsafe {
            if (*this.cast::<Self>()).references.fetch_sub(1, Ordering::SeqCst) == 1 {
                drop(Box::from_raw(this.cast::<Self>()));
            }
        }
    }
    unsafe fn supports_is_in_role(_: *mut IHttpUser) -> i32 {
        0
    }
    unsafe fn is_in_role(_: *mut IHttpUser, _: PCWSTR, _: *mut i32) -> i32 {
        0
    }
    unsafe fn get_user_variable(_: *mut IHttpUser, _: *const u8) -> *mut std::ffi::c_void {
        null_mut()
    }
}

#[test]
fn a_user_that_a_module_sets_is_everybodys_and_is_given_back_once() {
    static REFERENCES: AtomicUsize = AtomicUsize::new(1);
    let host = IisHost::builder().build();
    let script = Script::default().on("authenticate_request", |call| {
        let class = IHttpUser::new(&ADA);
        let user = Box::into_raw(Box::new(Ada { class, name: utf16("ada"), references: &REFERENCES }));
        // SAFETY: as above; the reference is the host's from here on.
        unsafe {
            assert!(IHttpContext::get_user(call.cx()).is_null());
            IAuthenticationProvider::set_user(call.provider::<IAuthenticationProvider>(), user.cast());
            assert_eq!(IHttpContext::get_user(call.cx()), user.cast());
        }
        assert_eq!(call.server_variable(c"REMOTE_USER").unwrap(), "ada");
        Status::CONTINUE
    });
    let (test, _) = mounted(&host, "user", script);
    block_on(test.get("/").finish());
    assert_eq!(REFERENCES.load(Ordering::SeqCst), 0);
    host.violations().assert_none();
}

#[test]
fn a_module_maps_itself_as_the_handler() {
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("map_request_handler", |call| {
            let mut map = null_mut();
            let url = utf16("/");
            // SAFETY: as above.
            unsafe {
                let (name, verb) = (std::ptr::null(), c"GET".as_ptr().cast());
                IHttpContext::map_handler(call.cx(), 1, name, url.as_ptr(), verb, &raw mut map, 0);
                IMapHandlerProvider::set_script_map(call.provider::<IMapHandlerProvider>(), map);
            }
            Status::CONTINUE
        })
        .on("execute_request_handler", |call| {
            call.write("mine");
            Status::CONTINUE
        });
    let (module, _) = common::module(&host, "mapper", script);
    let service = |cx: &mut bivalve_core::Context| -> bivalve_core::Result<bivalve_core::Flow> {
        cx.response_mut().write("the service's")?;
        Ok(bivalve_core::Flow::Continue)
    };
    let test = bivalve_core::testing::TestHost::new().module("mapper", module).handler(service);
    assert_eq!(block_on(test.get("/").finish()).text(), "mine");
    host.violations().assert_none();
}

#[cfg(unix)]
fn handle(file: &File) -> HANDLE {
    use std::os::fd::AsRawFd;
    std::ptr::without_provenance_mut(file.as_raw_fd() as usize)
}

#[cfg(windows)]
fn handle(file: &File) -> HANDLE {
    use std::os::windows::io::AsRawHandle;
    file.as_raw_handle()
}

#[test]
fn a_chunk_of_a_file_outlives_the_handle_that_it_was_written_with() {
    let host = IisHost::builder().build();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    File::create(&path).unwrap().write_all(b"0123456789").unwrap();
    let script = Script::default().on("execute_request_handler", move |call| {
        let file = File::open(&path).unwrap();
        let from = |start, len| {
            let mut chunk = HTTP_DATA_CHUNK::zeroed();
            chunk.DataChunkType = HTTP_DATA_CHUNK_TYPE::FROM_FILE_HANDLE;
            let range = HTTP_BYTE_RANGE { StartingOffset: start, Length: len };
            let data = FROM_FILE_HANDLE { ByteRange: range, FileHandle: handle(&file) };
            chunk.data = HTTP_DATA_CHUNK_DATA { FromFileHandle: data };
            chunk
        };
        let mut chunks = [from(2, 3), from(8, HTTP_BYTE_RANGE_TO_EOF)];
        let mut sent = 0;
        // SAFETY: as above; chunks and file live during the call.
        unsafe {
            let result = IHttpResponse::write_entity_chunks(
                call.response(),
                chunks.as_mut_ptr(),
                2,
                0,
                0,
                &raw mut sent,
                null_mut(),
            );
            assert_eq!((result, sent), (S_OK, 5));
            let mut first = from(0, 1);
            let result = IHttpResponse::write_entity_chunk_by_reference(call.response(), &raw mut first, 0);
            assert_eq!(result, S_OK);
        }
        Status::CONTINUE
    });
    let (test, _) = mounted(&host, "file", script);
    assert_eq!(block_on(test.get("/").finish()).text(), "023489");
    host.violations().assert_none();
}
