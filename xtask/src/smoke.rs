//! The smoke run: starts the gate example as a user would, on each of its backends, asks it with the real curl,
//! and ends it.
//!
//! Nothing waits without a bound, and the server never outlives the run. When a check fails, what the
//! server printed is shown after it.

mod curl;
mod server;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;
use crate::command::{Command, has_package};
use curl::{Curl, Reply};
use server::Server;

const PACKAGE: &str = "gate";
/// What carries its HTTP: the best driver that the system has, the one that every system has, and hyper.
const BACKENDS: [&str; 3] = ["auto", "tokio", "hyper"];
/// How long the shutdown may take while a client still reads: the example's own deadline, and some room.
const SHUTDOWN: Duration = Duration::from_secs(20);
/// How long a line of the log may take.
const LOGGED: Duration = Duration::from_secs(20);
/// A file in the folder that is served, and what is beside it.
const FILE: &str = "file.txt";
const SECRET: &str = "this lies outside";
/// Larger than any buffer on the way, so that the body is streamed.
const UPLOAD: usize = 300_000;

/// Builds, starts and checks the example; `true` when every check held.
pub(crate) fn run(log: &mut String) -> Result<bool> {
    if cfg!(not(unix)) {
        return Err("the smoke run ends the server with SIGTERM, so it needs Unix".into());
    }
    if !has_package(PACKAGE)? {
        return Err(format!("this workspace has no package `{PACKAGE}`").into());
    }
    let build = Command::new("cargo build --package").arg(PACKAGE);
    let built = build.captured()?;
    if !built.status.success() {
        return Err(format!("`{build}` failed:\n{}", String::from_utf8_lossy(&built.stderr)).into());
    }
    let directory = crate::scratch()?.join("smoke");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    let binary = crate::binaries()?.join(PACKAGE);
    for backend in BACKENDS {
        log.push_str(&format!("--backend {backend}\n"));
        let directory = directory.join(backend);
        if !asked(&binary, &directory, backend, log)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Asks the example on this backend; `true` when every check held.
fn asked(binary: &Path, directory: &Path, backend: &str, log: &mut String) -> Result<bool> {
    fs::create_dir_all(directory.join("files"))?;
    fs::write(directory.join("files").join(FILE), "inside")?;
    fs::write(directory.join("secret.txt"), SECRET)?;
    let program = || std::process::Command::new(binary);
    let mut server = Server::start(program(), directory, &["--backend", backend])?;
    let checked = check(&mut server, directory, log);
    if let Err(error) = &checked {
        log.push_str(&format!("FAILED: {error}\n\nThe server printed:\n{}", server.printed()));
        return Ok(false);
    }
    // A second one, with a folder of its own behind /files/.
    fs::write(directory.join("gate.toml"), "[app]\nfiles = \"files\"\n")?;
    link(directory)?;
    let mut server = Server::start(program(), directory, &["--config", "gate.toml", "--backend", backend])?;
    let checked = server.started().and_then(|started| check_folder(&Curl::new(started)));
    match &checked {
        Ok(()) => log.push_str("ok: a folder is served, and nothing from outside it\n"),
        Err(error) => log.push_str(&format!("FAILED: {error}\n\nThe server printed:\n{}", server.printed())),
    }
    Ok(checked.is_ok())
}

/// Asks an example that is for another system, and that `program` starts; `true` when every check held.
pub(crate) fn foreign(
    program: std::process::Command,
    directory: &Path,
    carrier: &str,
    log: &mut String,
) -> Result<bool> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    let mut server = Server::start(program, directory, &[])?;
    let checked = requests(&mut server, directory, log).and_then(|_| {
        if !server.printed().contains(carrier) {
            return Err(format!("HTTP is not served by {carrier}").into());
        }
        // Nothing tells it to stop, and then to write the rest.
        let deadline = Instant::now() + LOGGED;
        while check_access_log(&directory.join("logs")).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        check_access_log(&directory.join("logs"))
    });
    if let Err(error) = &checked {
        log.push_str(&format!("FAILED: {error}\n\nThe server printed:\n{}", server.printed()));
    }
    Ok(checked.is_ok())
}

fn check(server: &mut Server, directory: &Path, log: &mut String) -> Result<()> {
    let curl = requests(server, directory, log)?;
    let mut did = |what: &str| log.push_str(&format!("ok: {what}\n"));

    let listener = curl.bearer("/events").listen()?;
    let taken = server.terminate(SHUTDOWN)?;
    drop(listener);
    did(&format!("SIGTERM ends it with code 0 in {:.1} s, a client still listening", taken.as_secs_f64()));

    check_access_log(&directory.join("logs"))?;
    did("the W3C log has its fields and the requests");
    Ok(())
}

/// Every route, as each kind of client asks for it.
fn requests(server: &mut Server, directory: &Path, log: &mut String) -> Result<Curl> {
    let curl = Curl::new(server.started()?);
    let mut did = |what: &str| log.push_str(&format!("ok: {what}\n"));

    let printed = server.printed();
    let carrier = printed.lines().find_map(|line| line.strip_prefix("HTTP is served by "));
    did(carrier.ok_or("it does not say what carries HTTP")?);

    curl.open("/healthz").get()?.expect_status(200)?;
    did("/healthz is open to all");

    let refused = curl.open("/").get()?;
    refused.expect_status(401)?;
    refused.header("www-authenticate")?;
    curl.wrong("/").get()?.expect_status(401)?;
    did("/ asks for credentials, and refuses wrong ones");

    let page = curl.basic("/").get()?;
    page.expect_status(200)?;
    page.expect_type("text/html")?;
    did("the printed password opens /");

    for time in [curl.bearer("/api/time").get()?, curl.basic("/api/time").get()?] {
        time.expect_status(200)?;
        time.expect_type("application/json")?;
    }
    did("/api/time answers to the printed token, and to the password");

    check_headers(&page, &curl.basic("/").get()?)?;
    did("request id, Server-Timing and the security headers are there");

    check_upload(&curl, directory)?;
    did("POST /echo gives back what it got");

    check_static_file(&curl, &page)?;
    did("the static file that the page links to is there");

    let events = curl.bearer("/events").stream(Duration::from_millis(3500))?;
    events.expect_status(200)?;
    events.expect_type("text/event-stream")?;
    let count = events.text().lines().filter(|line| line.starts_with("data:")).count();
    if count < 2 {
        return Err(format!("/events: {count} events in 3.5 seconds\n{}", events.text()).into());
    }
    did("/events streams");
    Ok(curl)
}

/// A way out of the folder.
fn link(directory: &Path) -> Result<()> {
    // As a program: the standard library's call is one of Unix, and this file is compiled everywhere.
    let made = Command::new("ln -s ../secret.txt")
        .arg(directory.join("files/link.txt").display().to_string())
        .captured()?;
    if made.status.success() { Ok(()) } else { Err("no link could be made".into()) }
}

fn check_headers(first: &Reply, second: &Reply) -> Result<()> {
    if first.header("x-request-id")? == second.header("x-request-id")? {
        return Err("two requests got the same x-request-id".into());
    }
    first.header("server-timing")?;
    if first.header("x-content-type-options")? != "nosniff" {
        return Err("x-content-type-options is not nosniff".into());
    }
    first.header("content-security-policy")?;
    first.header("referrer-policy")?;
    Ok(())
}

fn check_upload(curl: &Curl, directory: &Path) -> Result<()> {
    let sent: Vec<u8> = (0..=255).cycle().take(UPLOAD).collect();
    let file = directory.join("upload");
    fs::write(&file, &sent)?;
    let echoed = curl.basic("/echo").post(&file)?;
    echoed.expect_status(200)?;
    if echoed.body != sent {
        return Err(format!("/echo: sent {} bytes, got {} others", sent.len(), echoed.body.len()).into());
    }
    Ok(())
}

/// Takes the file that the page links to, as a person would.
fn check_static_file(curl: &Curl, page: &Reply) -> Result<()> {
    let text = page.text();
    let link =
        text.split(['"', '\'']).find(|part| part.starts_with("/files/") && part.len() > "/files/".len());
    let file = curl.basic(link.ok_or("the page links to no file below /files/")?).get()?;
    file.expect_status(200)?;
    if file.body.is_empty() {
        return Err("the static file is empty".into());
    }
    Ok(())
}

/// A folder is served, and a secret beside it is not, however it is asked for.
fn check_folder(curl: &Curl) -> Result<()> {
    let inside = curl.basic(&format!("/files/{FILE}")).get()?;
    inside.expect_status(200)?;
    for outside in [
        "/files/../secret.txt",
        "/files/%2e%2e/secret.txt",
        "/files/..%2fsecret.txt",
        "/files/..%5csecret.txt",
        "/files//../secret.txt",
        "/files/./../secret.txt",
        "/files/link.txt",
    ] {
        let reply = curl.basic(outside).get()?;
        if !(400..500).contains(&reply.status) || reply.text().contains(SECRET) {
            return Err(format!("{outside}: status {}, {}", reply.status, reply.text()).into());
        }
    }
    Ok(())
}

/// Reads the log by its own `#Fields` line, as a log analyser would.
fn check_access_log(directory: &Path) -> Result<()> {
    let mut text = String::new();
    for entry in fs::read_dir(directory)? {
        text.push_str(&fs::read_to_string(entry?.path())?);
    }
    let fields =
        text.lines().find_map(|line| line.strip_prefix("#Fields: ")).ok_or("the log has no #Fields line")?;
    let column = |name: &str| {
        fields
            .split_whitespace()
            .position(|field| field == name)
            .ok_or(format!("the log has no field {name}"))
    };
    let (method, stem, status) = (column("cs-method")?, column("cs-uri-stem")?, column("sc-status")?);
    let entries: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_whitespace().collect())
        .collect();
    let width = fields.split_whitespace().count();
    if let Some(entry) = entries.iter().find(|entry| entry.len() != width) {
        return Err(format!("a log entry has {} values for {width} fields: {entry:?}", entry.len()).into());
    }
    for expected in
        [("GET", "/", "401"), ("GET", "/", "200"), ("GET", "/api/time", "200"), ("POST", "/echo", "200")]
    {
        if !entries.iter().any(|entry| (entry[method], entry[stem], entry[status]) == expected) {
            return Err(format!("the log has no entry {expected:?}:\n{text}").into());
        }
    }
    Ok(())
}
