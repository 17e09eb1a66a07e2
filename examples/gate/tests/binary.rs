//! The program, as a person starts it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;

fn gate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gate"));
    command.current_dir(folder).env_remove("RUST_LOG").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(folder: &Path, args: &[&str], input: &str) -> Output {
    let mut child = gate(folder).args(args).stdin(Stdio::piped()).spawn().expect("started");
    let mut stdin = child.stdin.take().expect("piped");
    // One that wants no input may have ended already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("ended")
}

fn refused(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args, "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

/// A server that is ended with the test.
struct Server {
    child: Child,
    printed: Vec<String>,
}

impl Server {
    /// Starts it, and reads what it prints up to the line that begins like `last`.
    fn start(folder: &Path, args: &[&str], last: &str) -> Self {
        Self::start_with(folder, args, last, Stdio::null())
    }

    fn start_with(folder: &Path, args: &[&str], last: &str, stderr: Stdio) -> Self {
        let mut child = gate(folder)
            .args(["--listen", "127.0.0.1:0"])
            .args(args)
            .stderr(stderr)
            .spawn()
            .expect("started");
        let mut lines =
            BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("UTF-8"));
        let mut printed = Vec::new();
        for line in lines.by_ref() {
            printed.push(line);
            if printed.last().is_some_and(|line| line.starts_with(last)) {
                break;
            }
        }
        Self { child, printed }
    }

    fn url(&self) -> &str {
        self.printed[0].rsplit(' ').next().expect("an address")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn status(url: &str, credentials: &str) -> u16 {
    use base64::Engine;
    use std::io::Read;
    let addr = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(addr).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let login = base64::engine::general_purpose::STANDARD.encode(credentials);
    write!(stream, "GET / HTTP/1.1\r\nHost: g\r\nConnection: close\r\nAuthorization: Basic {login}\r\n\r\n")
        .expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("answered");
    reply.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status")
}

#[test]
fn the_version_with_v_tells_what_the_system_has() {
    let output = run(folder().path(), &["--version", "-v"], "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(concat!("gate ", env!("CARGO_PKG_VERSION"), "\n")), "{text}");
    assert!(text.contains("  tokio  yes  "), "{text}");
    assert!(!cfg!(target_os = "linux") || text.contains("  uring  "), "{text}");
}

#[test]
fn a_driver_that_is_not_here_is_not_replaced() {
    let absent = if cfg!(windows) { "uring" } else { "iocp" };
    let output = run(folder().path(), &["--backend", absent, "--listen", "127.0.0.1:0"], "");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{text}");
    assert!(text.contains(&format!("the driver {absent} cannot be had")), "{text}");
}

#[test]
fn the_version_is_told() {
    let output = run(folder().path(), &["--version"], "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("gate {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_mistake_in_the_configuration_is_shown_where_it_is() {
    let folder = folder();
    fs::write(folder.path().join("gate.toml"), "[server]\nshutdown = 5\n").expect("written");
    let told = refused(folder.path(), &["--config", "gate.toml"]);
    assert!(told.starts_with("gate: configuration gate.toml: "), "{told}");
    for part in ["line 2", "shutdown = 5", "unknown field `shutdown`", "shutdown_secs"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn what_is_missing_or_in_use_is_named() {
    let folder = folder();
    assert!(
        refused(folder.path(), &["--config", "none.toml"]).starts_with("gate: configuration none.toml: ")
    );
    assert!(refused(folder.path(), &["--users", "none"]).starts_with("gate: password file none: "));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("an address").to_string();
    let told = refused(folder.path(), &["--listen", &addr, "--log-dir", "logs"]);
    assert!(told.starts_with(&format!("gate: cannot listen at {addr}: ")), "{told}");
    assert!(!folder.path().join("logs").exists(), "no log is begun");
    fs::write(folder.path().join("file"), "").expect("written");
    let told = refused(folder.path(), &["--listen", "127.0.0.1:0", "--log-dir", "file"]);
    assert!(told.starts_with("gate: cannot write the access log in file: "), "{told}");
}

#[test]
fn the_printed_guest_comes_in() {
    let folder = folder();
    let server = Server::start(folder.path(), &[], "  curl -H ");
    let curl = server.printed.iter().find_map(|line| line.strip_prefix("  curl -u ")).expect("a curl line");
    let (credentials, url) = curl.split_once(' ').expect("credentials and a URL");
    assert_eq!(url, server.url());
    assert_eq!(status(url, credentials), 200);
    assert_eq!(status(url, "guest:other"), 401);
    assert!(folder.path().join("gate-logs").is_dir(), "the default folder");
}

#[test]
fn a_user_of_the_password_file_comes_in_and_no_guest_is_made() {
    let folder = folder();
    let line = run(folder.path(), &["user", "ann"], "open sesame\n");
    assert!(line.status.success() && line.stdout.starts_with(b"ann:$argon2id$v=19$"), "{line:?}");
    fs::write(folder.path().join("users"), &line.stdout).expect("written");
    let server = Server::start(folder.path(), &["--users", "users"], "The access log");
    assert_eq!(status(server.url(), "ann:open sesame"), 200);
    assert_eq!(status(server.url(), "guest:guest"), 401);
    assert!(!server.printed.concat().contains("guest"), "{:?}", server.printed);
}

#[test]
fn no_password_is_no_user() {
    let told = refused(folder().path(), &["user", "ann"]);
    assert_eq!(told, "gate: no password came from standard input\n");
}

#[test]
fn a_made_token_fits_into_the_configuration() {
    let folder = folder();
    let made = run(folder.path(), &["token", "c\"i"], "");
    assert!(made.status.success(), "{made:?}");
    let text = String::from_utf8(made.stdout).expect("UTF-8");
    let token = text.lines().next().and_then(|line| line.rsplit(' ').next()).expect("a token");
    assert_eq!(token.len(), 43);
    fs::write(folder.path().join("gate.toml"), &text).expect("written");
    let config = gate::config::Config::read(&folder.path().join("gate.toml")).expect("well formed");
    assert_eq!(config.authentication.tokens[0].name, "c\"i");
    assert_eq!(config.authentication.tokens[0].sha256, gate::modules::authentication::TokenHash::of(token));
}

#[test]
fn the_start_says_what_carries_http_and_why() {
    let folder = folder();
    for (backend, told) in
        [("hyper", "hyper on Tokio, because it was demanded"), ("tokio", "Bivalve's server on Tokio (")]
    {
        let server = Server::start(folder.path(), &["--backend", backend], "  curl -H ");
        let line = &server.printed[1];
        assert!(line.starts_with(&format!("HTTP is served by {told}")), "{line}");
    }
}

/// A certificate and its key, as `gate.pem` and `gate.key`.
#[cfg(unix)]
fn certify(folder: &Path) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    fs::write(folder.join("gate.pem"), cert.pem()).expect("written");
    fs::write(folder.join("gate.key"), signing_key.serialize_pem()).expect("written");
}

/// What curl prints; it trusts this certificate only.
#[cfg(unix)]
fn curl(folder: &Path, trusted: &str, url: &str) -> Output {
    let mut curl = Command::new("curl");
    curl.args(["--disable", "--silent", "--show-error", "--include", "--noproxy", "*", "--cacert"]);
    curl.args([trusted, url]).current_dir(folder).output().expect("curl is installed")
}

#[cfg(unix)]
fn signal(server: &Server, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", server.child.id())]).status();
    assert!(sent.expect("a shell").success());
}

#[cfg(unix)]
#[test]
fn with_a_certificate_it_speaks_https_and_says_so_to_browsers() {
    let folder = folder();
    certify(folder.path());
    let tls = ["--tls-certificate", "gate.pem", "--tls-key", "gate.key"];
    let server = Server::start(folder.path(), &tls, "  curl -H ");
    let url = server.url();
    assert!(url.starts_with("https://"), "{url}");
    let output = curl(folder.path(), "gate.pem", &format!("{url}healthz"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("HTTP/2 200"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("strict-transport-security: ") && text.ends_with("ok\n"), "{text}");
    let told = refused(folder.path(), &["--tls-certificate", "none", "--tls-key", "gate.key"]);
    assert!(told.contains("none"), "{told}");
}

#[cfg(unix)]
#[test]
fn a_hangup_reads_a_renewed_certificate_and_keeps_the_old_one_where_it_is_broken() {
    let folder = folder();
    certify(folder.path());
    let tls = ["--tls-certificate", "gate.pem", "--tls-key", "gate.key"];
    let server = Server::start(folder.path(), &tls, "  curl -H ");
    let url = format!("{}healthz", server.url());
    fs::rename(folder.path().join("gate.pem"), folder.path().join("old.pem")).expect("renamed");
    certify(folder.path());
    assert!(curl(folder.path(), "old.pem", &url).status.success(), "nobody has told it");
    signal(&server, "HUP");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !curl(folder.path(), "gate.pem", &url).status.success() {
        assert!(Instant::now() < deadline, "the renewed certificate is not shown");
    }
    assert!(!curl(folder.path(), "old.pem", &url).status.success());
    fs::copy(folder.path().join("gate.pem"), folder.path().join("good.pem")).expect("copied");
    fs::write(folder.path().join("gate.pem"), "none").expect("written");
    signal(&server, "HUP");
    assert!(curl(folder.path(), "good.pem", &url).status.success());
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_with_code_0() {
    let folder = folder();
    for name in ["TERM", "INT"] {
        let mut server = Server::start(folder.path(), &[], "  curl -H ");
        signal(&server, name);
        let deadline = Instant::now() + Duration::from_secs(20);
        let status = loop {
            match server.child.try_wait().expect("waited") {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "still running after SIG{name}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(status.code(), Some(0), "SIG{name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_error_does_not_end_the_log() {
    let folder = folder();
    fs::write(folder.path().join("gate.toml"), "[access_log]\nmax_bytes = 1\n").expect("written");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    let args = ["--config", "gate.toml"];
    let server = Server::start_with(folder.path(), &args, "  curl -H ", full.into());
    let logs = folder.path().join("gate-logs");
    let logged = || {
        let files = fs::read_dir(&logs).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_to_string(file.path()).ok()).any(|text| text.contains(" 401 "))
    };
    // A file where the folder was: no line can be written, and the trace is told.
    fs::remove_dir_all(&logs).expect("removed");
    fs::write(&logs, "").expect("written");
    assert_eq!(status(server.url(), "guest:other"), 401);
    // Until the line has been tried: the log is out of sight here.
    std::thread::sleep(Duration::from_millis(300));
    fs::remove_file(&logs).expect("removed");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !logged() && Instant::now() < deadline {
        assert_eq!(status(server.url(), "guest:other"), 401);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(logged());
}
