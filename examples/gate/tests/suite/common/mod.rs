//! What the tests share: a gate in this process, and a client that shows its bytes.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(unreachable_pub, reason = "a module of a test is nobody's API")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc as std_mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use argon2::{Argon2, Params, PasswordHasher};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gate::Gate;
use gate::config::Config;
use gate::server::Stopped;
use tempfile::TempDir;
use tokio::sync::mpsc;

/// For everything that should be quick.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A gate that runs in a thread of its own, at a free port, with a folder of its own.
pub struct Running {
    pub addr: SocketAddr,
    orders: mpsc::Sender<()>,
    thread: Option<JoinHandle<Stopped>>,
    folder: TempDir,
}

impl Running {
    /// With the users `ann:secret` and `<b>zoë lee</b>:pässword`.
    pub fn start(change: impl FnOnce(&mut Config, &Path)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Config::default() };
        config.access_log.directory = folder.path().join("logs");
        config.authentication.users = Some(users(folder.path()));
        config.backend = crate::BACKEND.parse().expect("a backend");
        change(&mut config, folder.path());
        let (orders, order) = mpsc::channel(2);
        let (tell, told) = std_mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let gate = Gate::start(config).await.expect("started");
                tell.send(gate.addr()).expect("the test waits");
                gate.run(order).await
            })
        });
        let addr = told.recv_timeout(PATIENCE).expect("it listens");
        Self { addr, orders, thread: Some(thread), folder }
    }

    pub fn plain() -> Self {
        Self::start(|_, _| {})
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The first order stops it, the second ends its patience.
    pub fn order(&self) {
        self.orders.try_send(()).expect("at most two orders");
    }

    /// Waits for the end; what was cut, and the log.
    pub fn ended(mut self) -> (Stopped, Log) {
        let stopped = self.thread.take().expect("not ended yet").join().expect("no panic");
        (stopped, Log::read(&self.folder.path().join("logs")))
    }

    /// Stops it; what was cut, and the log.
    pub fn stop(self) -> (Stopped, Log) {
        self.order();
        self.ended()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// Sends bytes on a connection of their own, and reads until it is closed.
    pub fn send(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut stream = self.connect();
        stream.write_all(request.as_ref()).expect("sent");
        Reply::read(&mut stream)
    }

    /// `GET` by ann.
    pub fn get(&self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{}\r\n", ann()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = self.orders.try_send(());
            let _ = self.orders.try_send(());
            let _ = thread.join();
        }
    }
}

/// The header with which ann comes in.
pub fn ann() -> String {
    basic("ann:secret")
}

pub fn basic(credentials: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(credentials))
}

fn users(folder: &Path) -> PathBuf {
    let cheap = Argon2::from(Params::new(8, 1, 1, None).expect("the lowest cost"));
    let hash = |password: &str| cheap.hash_password(password.as_bytes()).expect("a hash").to_string();
    let path = folder.join("users");
    let text = format!("ann:{}\n<b>zoë lee</b>:{}\n", hash("secret"), hash("pässword"));
    fs::write(&path, text).expect("written");
    path
}

/// A response: with `Connection: close`, so that its end is that of the connection.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("an end within the patience");
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("the end of the head");
        let head = String::from_utf8(bytes[..end].to_vec()).expect("UTF-8");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let mut reply = Self { status, head, body: bytes[end + 4..].to_vec() };
        if reply.header("transfer-encoding") == Some("chunked") {
            reply.body = unchunked(&reply.body);
        }
        reply
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (n, value) = line.split_once(": ")?;
            n.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|w| w == b"\r\n").expect("a chunk size");
        let size = std::str::from_utf8(&bytes[..line]).expect("ASCII");
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&bytes[line + 2..line + 2 + size]);
        bytes = &bytes[line + 4 + size..];
    }
}

/// The access log, read by its own `#Fields`.
#[derive(Debug)]
pub struct Log {
    /// Names and texts of the files, in order.
    pub files: Vec<(String, String)>,
}

impl Log {
    fn read(folder: &Path) -> Self {
        let mut files: Vec<(String, String)> = fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry"))
            .map(|entry| {
                let text = fs::read_to_string(entry.path()).expect("ASCII");
                (entry.file_name().into_string().expect("UTF-8"), text)
            })
            .collect();
        files.sort();
        Self { files }
    }

    /// The entries: these fields of each.
    pub fn entries(&self, names: &str) -> Vec<String> {
        let mut entries = Vec::new();
        for (name, text) in &self.files {
            assert!(text.starts_with("#Software: "), "{name}: {text}");
            let mut fields: Vec<&str> = Vec::new();
            for line in text.lines() {
                assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line:?}");
                if let Some(directive) = line.strip_prefix("#Fields: ") {
                    fields = directive.split(' ').collect();
                }
                if line.starts_with('#') {
                    continue;
                }
                let values: Vec<&str> = line.split(' ').collect();
                assert_eq!(values.len(), fields.len(), "{line}");
                let value =
                    |name: &str| values[fields.iter().position(|field| *field == name).expect("a field")];
                entries.push(names.split(' ').map(value).collect::<Vec<_>>().join(" "));
            }
        }
        entries
    }
}
