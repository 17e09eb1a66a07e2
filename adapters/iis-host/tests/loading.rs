//! Files that are modules, and each way in which they are not.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bivalve_core::testing::{TestHost, block_on};
use bivalve_iis_host::{IisHost, LoadError};

/// What cargo has built beside the tests.
fn built(name: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let folder = program.parent().unwrap().parent().unwrap().join("examples");
    folder.join(format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}

fn refused(path: impl AsRef<Path>, name: &str) -> (LoadError, String) {
    let error = IisHost::builder().build().load(path, name).expect_err("it is refused");
    let text = error.to_string();
    (error, text)
}

/// A file that ends with its test.
struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("module.so");
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

#[test]
fn a_module_is_loaded_and_answers() {
    let host = IisHost::builder().build();
    let hello = host.load(built("hello_module"), "Hello").unwrap();
    let events: Vec<String> = hello.events().iter().map(ToString::to_string).collect();
    assert_eq!(events, ["ExecuteRequestHandler", "SendResponse"]);
    let response = block_on(TestHost::new().module("Hello", hello).post("/").body("And you.").finish());
    assert_eq!((response.text(), response.header("x-shell")), ("Hello World!\nAnd you.", Some("native")));
    host.violations().assert_none();
}

#[test]
fn a_file_that_is_not_there() {
    let (error, text) = refused("no/such/gate.so", "Gate");
    assert!(matches!(error, LoadError::NotFound { .. }), "{error:?}");
    assert!(text.contains("gate.so does not exist: build the module first"), "{text}");
}

#[test]
fn a_file_that_is_no_library() {
    let scratch = Scratch::new();
    let (error, text) = refused(scratch.file(b"MODULE"), "Gate");
    assert!(matches!(error, LoadError::NotALibrary { .. }), "{error:?}");
    assert!(text.contains("is no shared library at all"), "{text}");
}

#[test]
fn a_module_for_the_other_bitness() {
    let scratch = Scratch::new();
    let mut bytes = std::fs::read(built("hello_module")).unwrap();
    if cfg!(windows) {
        let at = u32::from_le_bytes(bytes[0x3C..0x40].try_into().unwrap()) as usize;
        bytes[at + 4..at + 6].copy_from_slice(&0x014C_u16.to_le_bytes());
    } else {
        // ELFCLASS32, EM_386.
        bytes[4] = 1;
        bytes[18] = 3;
    }
    let (error, text) = refused(scratch.file(&bytes), "Gate");
    assert!(matches!(error, LoadError::WrongMachine { .. }), "{error:?}");
    assert!(text.contains("is for x86 (32 bits), and this process is for "), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_module_that_lacks_a_library() {
    let scratch = Scratch::new();
    let mut bytes = std::fs::read(built("hello_module")).unwrap();
    let needed = b"libc.so.6\0";
    let at = bytes.windows(needed.len()).position(|window| window == needed).unwrap();
    bytes[at..at + 4].copy_from_slice(b"libq");
    let (error, text) = refused(scratch.file(&bytes), "Gate");
    assert!(matches!(error, LoadError::CannotLoad { .. }), "{error:?}");
    assert!(text.contains("libq.so.6") && text.contains("put the libraries it imports beside it"), "{text}");
}

#[test]
fn a_library_that_exports_no_register_module() {
    let (error, text) = refused(built("no_module"), "Gate");
    assert!(matches!(error, LoadError::NoEntryPoint { .. }), "{error:?}");
    assert!(text.contains("exports no RegisterModule"), "{text}");
}

#[test]
fn a_module_that_fails_to_register() {
    let (error, text) = refused(built("hello_module"), "Fails");
    assert!(matches!(error, LoadError::RegisterModuleFailed { .. }), "{error:?}");
    assert!(text.contains("failed with 0x80004005"), "{text}");
}

#[test]
fn a_module_that_registers_twice() {
    let (error, text) = refused(built("hello_module"), "Twice");
    assert!(matches!(error, LoadError::RegisteredTwice { .. }), "{error:?}");
    assert!(text.contains("call SetRequestNotifications once"), "{text}");
}

#[test]
fn a_module_that_registers_nothing() {
    let (error, text) = refused(built("hello_module"), "Nothing");
    assert!(matches!(error, LoadError::RegisteredNothing { .. }), "{error:?}");
    assert!(text.contains("registered for nothing"), "{text}");
}

/// The command, ended with its test.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bivalve-iis-host"))
            .arg("--module")
            .arg(built("hello_module"))
            .args(["--name", "Hello", "--root", ".", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "Hello: ExecuteRequestHandler, SendResponse");
        let line = lines.next().unwrap().unwrap();
        let address = line.strip_prefix("Listening at http://").unwrap().trim_end_matches('/').to_owned();
        Self { child, address }
    }

    /// Sends these bytes, and receives up to the end of the connection.
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_command_serves_a_module_whose_flushes_wait_for_the_client() {
    let served = Served::start();
    let answer = served.ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("x-shell: native\r\n") && answer.ends_with("\r\n\r\nHello World!\n"), "{answer}");

    let body = "x".repeat(100_000);
    let head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n";
    let answer = served.ask(&format!("{head}{body}"));
    assert!(answer.contains("transfer-encoding: chunked\r\n"), "{}", &answer[..300]);
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.matches('x').count(), 100_000);
}
