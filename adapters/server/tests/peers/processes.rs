//! Other servers as processes, each with a handler that reads the whole request and answers 200.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Until a server listens, which takes it some milliseconds.
const START: Duration = Duration::from_secs(20);

/// A server that runs until this is dropped.
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// nginx with the echo module: nothing in nginx itself answers every method, and reads the body first.
    pub(crate) fn nginx(directory: &Path) -> Self {
        Self::start(directory, |address| {
            let mut command = Command::new("nginx");
            let file = directory.join("nginx.conf");
            fs::write(&file, nginx_settings(directory, address)).expect("a directory of the test");
            command.arg("-p").arg(directory).arg("-e").arg(directory.join("error.log")).arg("-c").arg(file);
            command
        })
    }

    /// Apache httpd with a file for every path: its handler for files reads the body first.
    pub(crate) fn apache(directory: &Path) -> Self {
        let served = directory.join("served");
        fs::create_dir_all(&served).expect("a directory of the test");
        fs::write(served.join("answer"), "answer\n").expect("a directory of the test");
        fs::write(served.join("probe"), "/probe\n").expect("a directory of the test");
        readable(&served);
        Self::start(directory, |address| {
            let file = directory.join("apache.conf");
            fs::write(&file, apache_settings(directory, address)).expect("a directory of the test");
            let mut command = Command::new("apache2");
            // In the foreground, one process, so that none is left behind.
            command.arg("-X").arg("-d").arg(directory).arg("-f").arg(file);
            command
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    #[expect(clippy::panic, reason = "a test that cannot run says why")]
    /// Another process may take the port before the server does; then another one is tried.
    fn start(directory: &Path, command: impl Fn(SocketAddr) -> Command) -> Self {
        let log = directory.join("output");
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = free.local_addr().expect("it is bound");
            drop(free);
            let out = fs::File::create(&log).expect("a directory of the test");
            let err = out.try_clone().expect("a file");
            let mut child = command(address)
                .stdin(Stdio::null())
                .stdout(out)
                .stderr(err)
                .spawn()
                .expect("it is installed: cargo xtask test conformance");
            let begin = Instant::now();
            while child.try_wait().expect("our child").is_none() {
                if TcpStream::connect(address).is_ok() {
                    return Self { child, address };
                }
                if begin.elapsed() > START {
                    let _ = child.kill();
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let said = fs::read_to_string(&log).unwrap_or_default();
        let errors = fs::read_to_string(directory.join("error.log")).unwrap_or_default();
        panic!("it does not start: {said}{errors}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server calls its version: `nginx version: nginx/1.22.1`, `Server version: Apache/2.4.62 (Debian)`.
pub(crate) fn version(program: &str) -> String {
    let output =
        Command::new(program).arg("-v").output().expect("it is installed: cargo xtask test conformance");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let version = said.lines().next().and_then(|line| line.split_once('/')).map(|(_, version)| version);
    let version = version.and_then(|version| version.split_whitespace().next());
    version.expect("it says its version").to_owned()
}

fn nginx_settings(directory: &Path, address: SocketAddr) -> String {
    let directory = directory.display();
    format!(
        "load_module /usr/lib/nginx/modules/ngx_http_echo_module.so;
        daemon off;
        master_process off;
        pid {directory}/nginx.pid;
        error_log {directory}/error.log;
        events {{ worker_connections 512; }}
        http {{
            access_log off;
            client_body_temp_path {directory}/bodies;
            proxy_temp_path {directory}/proxy;
            fastcgi_temp_path {directory}/fastcgi;
            uwsgi_temp_path {directory}/uwsgi;
            scgi_temp_path {directory}/scgi;
            server {{
                listen {address};
                location / {{ echo_read_request_body; echo answer; }}
                location = /probe {{ echo /probe; }}
            }}
        }}\n"
    )
}

fn apache_settings(directory: &Path, address: SocketAddr) -> String {
    let directory = directory.display();
    format!(
        "Listen {address}
        ServerName localhost
        PidFile {directory}/apache.pid
        ErrorLog {directory}/error.log
        LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
        LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
        LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
        ThreadsPerChild 64
        User www-data
        Group www-data
        DefaultRuntimeDir {directory}
        AliasMatch ^/probe$ {directory}/served/probe
        AliasMatch ^ {directory}/served/answer
        <Directory {directory}>
            Require all granted
        </Directory>\n"
    )
}

/// Apache reads files as another user.
fn readable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for path in [path, path.parent().expect("the test's directory")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our directory");
    }
}
