//! The same files over real sockets: by the native server on each driver, and in a Tower layer on hyper, asked by curl and octet by octet.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bivalve::Pipeline;
use bivalve::backend::{Backend, Selection};
use bivalve::server::{Listener, Running};
use bivalve::tower::ModuleLayer;
use bivalve_static_files::{Coding, StaticFiles};
use http::{Request, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use support::Site;
use tower::{Layer, service_fn};

/// Where the files are served.
enum Host {
    Native(Running),
    Tower { address: SocketAddr, _runtime: tokio::runtime::Runtime },
}

impl Host {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Native(running) => running.addresses()[0],
            Self::Tower { address, .. } => *address,
        }
    }
}

const HOSTS: &[&str] =
    if cfg!(target_os = "linux") { &["uring", "tokio", "tower"] } else { &["tokio", "tower"] };

fn serve(host: &str, files: StaticFiles) -> Host {
    let pipeline = Pipeline::builder().mount(files).build().expect("it builds");
    let backend = match host {
        "uring" => Backend::Uring,
        "tokio" => Backend::Tokio,
        _ => return serve_by_hyper(pipeline),
    };
    let server = bivalve::serve_on(pipeline, Selection::only(backend)).expect("a driver");
    let listener = Listener::tcp("127.0.0.1:0").expect("a port");
    Host::Native(server.workers(1).listen(listener).start().expect("it starts"))
}

fn serve_by_hyper(pipeline: Arc<Pipeline>) -> Host {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let handler = service_fn(async |_: Request<bivalve::tower::Body>| {
        Ok::<_, std::convert::Infallible>(
            Response::builder().status(404).body(Full::<bytes::Bytes>::default()).expect("a response"),
        )
    });
    let service = TowerToHyperService::new(ModuleLayer::new(pipeline).layer(handler));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("it is bound");
    drop(runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone())));
        }
    }));
    Host::Tower { address, _runtime: runtime }
}

fn site() -> Site {
    let site = Site::new();
    site.write("digits.txt", "0123456789");
    site.write("medium.bin", &site.large()[..65_536]);
    site.write("large.bin", site.large().repeat(13));
    site.write("app.js", "plain");
    site.write("app.js.gz", [0x1f, 0x8b, 0, 1, 2, 3]);
    site
}

/// What curl writes to its output.
fn curl(host: &Host, path: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60", "--path-as-is"])
        .args(arguments)
        .arg(format!("http://{}{path}", host.address()))
        .output()
        .expect("curl runs");
    assert!(output.status.success(), "{path} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn curl_gets_files_of_any_size_whole_and_in_parts() {
    let site = site();
    for name in HOSTS {
        let host = serve(name, site.build(|files| files));
        for (file, ranges) in [
            ("digits.txt", &["0-0", "3-", "-4"][..]),
            ("medium.bin", &["0-65534", "1-", "-65535", "65535-70000"]),
            ("large.bin", &["0-0", "131000-133000", "5000000-", "-1", "0-10399999"]),
        ] {
            let content = fs::read(site.path(file)).expect("there");
            assert!(curl(&host, &format!("/{file}"), &[]) == content, "{file} by {name}");
            for range in ranges {
                let (first, last) = range.split_once('-').expect("a range");
                let size = content.len();
                let (first, end) = match (first.parse::<usize>(), last.parse::<usize>()) {
                    (Ok(first), last) => (first, last.map_or(size, |last| last + 1).min(size)),
                    (Err(_), Ok(suffix)) => (size - suffix, size),
                    (Err(_), Err(_)) => unreachable!("no range"),
                };
                let part = curl(&host, &format!("/{file}"), &["-r", range]);
                assert!(part == content[first..end], "{range} of {file} by {name}");
            }
        }
    }
}

#[test]
fn curl_goes_on_where_it_was_cut_off() {
    let site = site();
    let content = fs::read(site.path("large.bin")).expect("there");
    for name in HOSTS {
        let host = serve(name, site.build(|files| files));
        let begun = site.path("begun");
        fs::write(&begun, &content[..1_234_567]).expect("written");
        curl(&host, "/large.bin", &["-C", "-", "-o", begun.to_str().expect("UTF-8")]);
        assert!(fs::read(&begun).expect("there") == content, "{name}");
        fs::remove_file(&begun).expect("removed");
    }
}

#[test]
fn every_host_answers_the_same() {
    let site = site();
    site.write("docs/index.html", "<p>");
    for arguments in [
        &["-i", "/digits.txt"][..],
        &["-I", "/digits.txt"],
        &["-I", "/large.bin"],
        &["-i", "-r", "2-3", "/digits.txt"],
        &["-i", "-r", "10-", "/digits.txt"],
        &["-i", "-H", "accept-encoding: gzip", "-r", "0-1", "/app.js"],
        &["-i", "-H", "if-none-match: *", "/digits.txt"],
        &["-i", "-H", "if-match: \"x\"", "/digits.txt"],
        &["-i", "-d", "x", "/digits.txt"],
        &["-i", "-X", "OPTIONS", "/docs/"],
        &["-i", "/docs?a=b"],
        &["-I", "/docs"],
        &["-i", "/docs/"],
        &["-i", "/web.config"],
        &["-i", "/docs/../digits.txt"],
        &["-i", "/..%2f..%2fetc/passwd"],
        &["-i", "/nothing.txt"],
    ] {
        let (path, arguments) = arguments.split_last().expect("a path");
        let mut answers: Vec<(&str, BTreeSet<String>)> = Vec::new();
        for name in HOSTS {
            let host = serve(name, site.build(|files| files.precompressed([Coding::Gzip]).shared_tags(true)));
            let answer = String::from_utf8_lossy(&curl(&host, path, arguments)).into_owned();
            let lines = answer.lines().filter(|line| !line.starts_with("date: "));
            answers.push((name, lines.map(str::to_owned).collect()));
        }
        for (name, answer) in &answers[1..] {
            assert_eq!(*answer, answers[0].1, "{path} {arguments:?}: {name} and {}", answers[0].0);
        }
    }
}

/// RFC 9110 section 14.6, as octets.
#[test]
fn several_ranges_of_an_open_file_arrive_as_parts() {
    let site = site();
    let content = fs::read(site.path("large.bin")).expect("there");
    for name in HOSTS {
        let host = serve(name, site.build(|files| files));
        let mut stream = TcpStream::connect(host.address()).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
        stream
            .write_all(b"GET /large.bin HTTP/1.1\r\nHost: h\r\nConnection: close\r\nRange: bytes=0-9,1000000-1299999,-7\r\n\r\n")
            .expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("received");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let (_, boundary) = head.split_once("boundary=").expect("of several parts");
        let boundary = boundary.lines().next().unwrap_or_default();
        let size = content.len();
        let mut expected = Vec::new();
        for (first, last) in [(0, 9), (1_000_000, 1_299_999), (size - 7, size - 1)] {
            let part = format!(
                "\r\n--{boundary}\r\ncontent-type: application/octet-stream\r\ncontent-range: bytes {first}-{last}/{size}\r\n\r\n"
            );
            expected.extend_from_slice(part.as_bytes());
            expected.extend_from_slice(&content[first..=last]);
        }
        expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        assert!(head.contains(&format!("content-length: {}\r\n", expected.len())), "{head}");
        assert!(answer[end..] == expected, "{name}");
    }
}

/// What was promised cannot be sent, and the client must not take what it got for all of it.
#[test]
fn a_file_that_becomes_shorter_ends_the_connection() {
    let site = site();
    for name in HOSTS {
        site.write("large.bin", site.large());
        let host = serve(name, site.build(|files| files.valid_for(Duration::from_secs(3600))));
        assert_eq!(curl(&host, "/large.bin", &["-r", "0-0"]).len(), 1);
        let file = fs::File::options().write(true).open(site.path("large.bin")).expect("there");
        file.set_len(1000).expect("cut");
        let output = Command::new("curl")
            .args(["--silent", "--max-time", "60", &format!("http://{}/large.bin", host.address())])
            .output()
            .expect("curl runs");
        // CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, or CURLE_GOT_NOTHING where the head has not left either.
        assert!(matches!(output.status.code(), Some(18 | 52 | 56)), "{name}: {:?}", output.status);
        assert!(output.stdout.len() <= 1000, "{name}");
    }
}
