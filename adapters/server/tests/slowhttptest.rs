//! slowhttptest, a tool of attackers, in its four modes, on every driver: others are served all the time, and the slow ones
//! are cut.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bivalve_core::{Context, Flow, Handler, Module, Notification, Outcome, Pipeline, Registration};
use bivalve_static_files::StaticFiles;
use bytes::Bytes;
use support::{DRIVERS, exchange, server};

/// Slow connections, which the tool opens within two seconds or so.
const CONNECTIONS: usize = 400;

/// The server cuts within some seconds; a busy machine may need more.
const PATIENCE: Duration = Duration::from_secs(50);

#[test]
#[ignore = "needs slowhttptest: cargo xtask test conformance"]
fn slow_heads_are_cut() {
    attack("/", &["-H", "-i", "1", "-x", "10"]);
}

#[test]
#[ignore = "needs slowhttptest: cargo xtask test conformance"]
fn slow_bodies_are_cut() {
    attack("/", &["-B", "-i", "1", "-s", "100000", "-x", "10"]);
}

#[test]
#[ignore = "needs slowhttptest: cargo xtask test conformance"]
fn slow_readers_are_cut() {
    attack("/", &["-X", "-n", "1", "-w", "1", "-y", "512", "-z", "5", "-k", "3"]);
}

#[test]
#[ignore = "needs slowhttptest: cargo xtask test conformance"]
fn who_asks_for_a_thousand_ranges_of_a_file_costs_no_more_than_others() {
    attack("/files/large.bin", &["-R", "-t", "GET", "-a", "5", "-b", "1000"]);
}

/// More than the system holds between a server and a client that does not read.
const LARGE: usize = 16 << 20;

/// Answers with much.
struct Answers(Bytes);

impl Handler for Answers {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        if cx.request().url().path() == "/probe" {
            return Outcome::Ready(cx.response_mut().write("alive").map(|()| Flow::Continue));
        }
        Outcome::pending(async move {
            while !cx.read_entity(usize::MAX).await?.is_empty() {}
            cx.response_mut().write(self.0.clone())?;
            Ok(Flow::Continue)
        })
    }
}

/// Counts the requests that are not this test's own.
struct Counts(Arc<AtomicUsize>);

impl Module for Counts {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::BeginRequest)
    }

    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        if cx.request().url().path() != "/probe" {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Outcome::CONTINUE
    }
}

fn pipeline(folder: &Path, asked: &Arc<AtomicUsize>) -> Arc<Pipeline> {
    std::fs::write(folder.join("large.bin"), vec![b'x'; 1 << 20]).expect("a directory of the test");
    let files = StaticFiles::builder(folder).at("/files").build().expect("the folder is there");
    Pipeline::builder()
        .module("counts", Counts(Arc::clone(asked)))
        .mount(files)
        .handler(Answers(Bytes::from(vec![b'x'; LARGE])))
        .build()
        .expect("it builds")
}

fn attack(path: &str, mode: &[&str]) {
    let folder = tempfile::tempdir().expect("a directory");
    for driver in DRIVERS {
        let asked = Arc::new(AtomicUsize::new(0));
        let pipeline = pipeline(folder.path(), &asked);
        // As always, but sooner.
        let running = server(driver, &pipeline)
            .head_timeout(Duration::from_secs(4))
            .idle_timeout(Duration::from_secs(4))
            .stall_timeout(Duration::from_secs(4))
            .minimum_rate(64 << 10)
            .start()
            .expect("it starts");
        let address = running.addresses()[0];
        let mut tool = Tool(start_tool(mode, &format!("http://{address}{path}")));
        let begin = Instant::now();
        let mut seen = BTreeSet::new();
        loop {
            probe(driver, address);
            let ended = tool.0.try_wait().expect("our child").is_some();
            let open = established(address);
            seen.extend(open.iter().cloned());
            // One may be the tool's own look whether the server is there. A busy machine sees not all of them.
            let cut = seen.len() >= CONNECTIONS / 4 && open.len() <= 1;
            // Answered at once, they come and go too fast to be counted so.
            let answered = asked.load(Ordering::Relaxed) >= CONNECTIONS && ended && open.is_empty();
            if cut || answered {
                break;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "{driver}: {} of {} connections are still there",
                open.len(),
                seen.len()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The tool asks for more than this test waits.
fn start_tool(mode: &[&str], url: &str) -> Child {
    Command::new("slowhttptest")
        .args(["-c", &CONNECTIONS.to_string(), "-r", "200", "-l", "240", "-v", "0"])
        .args(mode)
        .args(["-u", url])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it is installed: cargo xtask test conformance")
}

/// The tool ends with the test.
struct Tool(Child);

impl Drop for Tool {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The clients whose connections the server has not closed, by the system's own table: the tool does not notice a reset.
fn established(address: SocketAddr) -> BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has it");
    let port = format!(":{:04X}", address.port());
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    // The second column is our address, the third the client's, the fourth the state: ESTABLISHED, or CLOSE_WAIT.
    lines
        .filter(|columns| {
            columns.len() > 3 && columns[1].ends_with(&port) && ["01", "08"].contains(&columns[3])
        })
        .map(|columns| columns[2].to_owned())
        .collect()
}

/// Another client meanwhile, on a connection of its own.
fn probe(driver: &str, address: SocketAddr) {
    let said = exchange(address, b"GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("alive"), "{driver}: {said}");
}
