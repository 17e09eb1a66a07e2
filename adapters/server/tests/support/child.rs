//! A server in a process of its own, whose limits and costs are its own too.

#![cfg(target_os = "linux")]
#![allow(dead_code, reason = "each test uses its part")]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bivalve_server::Server;

/// The process, killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    traced: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts the ignored test `serves` of this binary, with at most so many descriptors. It has to call [`serve`].
    pub(crate) fn start(driver: &str, descriptors: usize) -> Self {
        let own = std::env::current_exe().expect("a path");
        let mut child = Command::new("sh")
            .args(["-c", r#"ulimit -n "$1" && exec "$0" --ignored --exact serves --nocapture"#])
            .arg(own)
            .arg(descriptors.to_string())
            .env(DRIVER, driver)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let said = lines.map_while(Result::ok).find_map(|line| {
            let (_, address) = line.split_once("serves at ")?;
            address.parse().ok()
        });
        let traced = Arc::new(Mutex::new(Vec::new()));
        let (errors, lines) = (child.stderr.take().expect("piped"), Arc::clone(&traced));
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let Some(address) = said else { unreachable!("it does not start: {traced:?}") };
        Self { child, address, traced }
    }

    /// What it has traced that contains this.
    pub(crate) fn traced(&self, part: &str) -> Vec<String> {
        let lines = self.traced.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|line| line.contains(part)).cloned().collect()
    }

    /// Processor time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let text = self.proc("stat");
        let fields: Vec<_> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // proc(5): utime and stime, in ticks of 10 ms.
        let ticks: u64 = [fields[11], fields[12]].iter().filter_map(|field| field.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Bytes of its own memory that it has touched.
    pub(crate) fn memory(&self) -> usize {
        let text = self.proc("status");
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("proc(5)");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("it runs")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the process: serves until the one that has started it is gone.
pub(crate) fn serve(server: impl FnOnce(&str) -> Server) {
    let Ok(driver) = std::env::var(DRIVER) else { return };
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let server = server(&driver).start().expect("it starts");
    println!("serves at {}", server.addresses()[0]);
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

const DRIVER: &str = "BIVALVE_DRIVER_OF_THE_PROCESS";
