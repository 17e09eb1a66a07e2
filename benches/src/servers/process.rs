//! A server that is measured: one of `bivalve_peers`, or nginx.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bivalve_peers::Work;

use super::plan::{Contender, Who};
use crate::server::Server;

/// A server that runs; killed when dropped.
pub(super) enum Process {
    Nginx(Nginx),
    Peer(Server),
}

impl Process {
    pub(super) fn start(contender: &Contender, work: &Work) -> io::Result<Self> {
        match contender.who {
            Who::Nginx { cache } => Nginx::start(work, cache).map(Self::Nginx),
            Who::Peer(peer) => {
                let work = work.arguments();
                let mut arguments = vec![peer.key()];
                arguments.extend(work.iter().map(String::as_str));
                Server::start(&contender.program, &arguments).map(Self::Peer)
            }
        }
    }

    /// The process whose CPU time counts.
    pub(super) fn id(&self) -> u32 {
        match self {
            Self::Nginx(nginx) => nginx.worker,
            Self::Peer(server) => server.id(),
        }
    }

    pub(super) fn port(&self) -> io::Result<u16> {
        match self {
            Self::Nginx(nginx) => Ok(nginx.port),
            Self::Peer(server) => server.port(),
        }
    }
}

/// nginx with one worker.
pub(super) struct Nginx {
    master: Child,
    worker: u32,
    port: u16,
    directory: PathBuf,
}

/// How long its worker may take to begin.
const PATIENCE: Duration = Duration::from_secs(10);

impl Nginx {
    /// Whether there is one.
    pub(super) fn is_installed() -> bool {
        let version = Command::new("nginx").arg("-v").stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    }

    fn start(work: &Work, cache: bool) -> io::Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bivalve-nginx-{}-{count}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory)?;
        // Free a moment ago, and asked for by nobody else.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        fs::write(directory.join("nginx.conf"), configuration(port, work, cache))?;
        let master = Command::new("taskset")
            .args(["-c", "0", "nginx", "-c", "nginx.conf", "-e", "error.log", "-p"])
            .arg(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let mut nginx = Self { worker: master.id(), master, port, directory };
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(worker) = child_of(nginx.master.id())?
                && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
            {
                nginx.worker = worker;
                return Ok(nginx);
            }
            if Instant::now() > until || nginx.master.try_wait()?.is_some() {
                let log = fs::read_to_string(nginx.directory.join("error.log")).unwrap_or_default();
                return Err(io::Error::other(format!("nginx does not begin: {log}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Told so, the master ends its worker; killed, it would leave it behind.
        let id = self.master.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.master.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The first child of a process, when there is one.
fn child_of(id: u32) -> io::Result<Option<u32>> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
    Ok(children.split_whitespace().next().and_then(|child| child.parse().ok()))
}

fn configuration(port: u16, work: &Work, cache: bool) -> String {
    let root = match work {
        Work::Files(root) => root.as_path(),
        _ => Path::new("/nowhere"),
    };
    let location = match work {
        Work::Files(_) => String::new(),
        _ => format!("location = / {{ default_type text/plain; return 200 \"{}\"; }}", bivalve_peers::HELLO),
    };
    // As the modules of ours do: a file that was looked at within the last second is not looked at again.
    let cache = if cache { "open_file_cache max=512; open_file_cache_valid 1s;" } else { "" };
    format!(
        "daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid nginx.pid;\n\
         events {{ worker_connections 15000; }}\n\
         http {{\n\
         access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; {cache}\n\
         keepalive_requests 1000000000; keepalive_timeout 3600s; types {{ text/plain txt; }}\n\
         server {{ listen 127.0.0.1:{port} backlog=4096; root {root}; {location} }}\n\
         }}\n",
        root = root.display(),
    )
}
