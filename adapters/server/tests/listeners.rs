//! Where a server listens: several addresses, both families, and sockets that it was given.
#![cfg(target_os = "linux")]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bivalve_core::{Context, Flow, Pipeline, Result};
use bivalve_server::{Listener, Server};
use support::{DRIVERS, connect, exchange, server};

/// Says who asks.
fn who(cx: &mut Context) -> Result<Flow> {
    let remote = cx.server_variable("REMOTE_ADDR").unwrap_or_default().into_owned();
    let text = format!("{remote} at {:?}", cx.connection().local_addr());
    cx.response_mut().write(text)?;
    Ok(Flow::Continue)
}

fn pipeline() -> Arc<Pipeline> {
    Pipeline::builder().handler(who).build().expect("it builds")
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[test]
fn the_unspecified_address_of_ipv6_takes_both_families_and_modules_see_plain_ipv4() {
    for driver in DRIVERS {
        let listener = Listener::tcp("[::]:0").expect("this machine has IPv6");
        let running = server(driver, &pipeline()).listen(listener).start().expect("it starts");
        let port = running.addresses()[1].port();
        for (to, from) in [("127.0.0.1", "127.0.0.1"), ("[::1]", "::1")] {
            let address: SocketAddr = format!("{to}:{port}").parse().expect("an address");
            let answer = exchange(address, REQUEST);
            assert!(answer.ends_with(&format!("\r\n\r\n{from} at Some({address})")), "{driver}: {answer}");
        }
    }
}

#[test]
fn the_clients_of_ipv4_behind_one_of_ipv6_are_counted_as_such() {
    for driver in DRIVERS {
        let both = Listener::tcp("[::]:0").expect("this machine has IPv6");
        let server = server(driver, &pipeline()).listen(both).connections_per_address(1);
        let running = server.start().expect("it starts");
        let (plain, both) = (running.addresses()[0], running.addresses()[1].port());
        let first = connect(plain);
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        (&first).write_all(request).expect("it is read");
        assert!((&first).read(&mut [0; 100]).expect("an answer") > 0);
        // The same client, at the other listener; and another one.
        let answer = exchange(([127, 0, 0, 1], both).into(), REQUEST);
        assert!(!answer.contains("200 OK"), "{driver}: {answer}");
        let answer = exchange(format!("[::1]:{both}").parse().expect("an address"), REQUEST);
        assert!(answer.contains("200 OK"), "{driver}: {answer}");
    }
}

#[test]
fn a_name_is_listened_at_with_all_its_addresses_and_one_port() {
    let addresses = |text: &[&str]| -> Vec<SocketAddr> {
        text.iter().map(|text| text.parse().expect("an address")).collect()
    };
    let several = addresses(&["127.0.0.1:0", "127.0.0.2:0", "[::1]:0", "127.0.0.1:0", "192.0.2.1:0"]);
    for driver in DRIVERS {
        let listener = Listener::tcp(&several[..]).expect("a port");
        let running = server(driver, &pipeline()).listen(listener).start().expect("it starts");
        let listening = &running.addresses()[1..];
        let port = listening[0].port();
        let expected = ["127.0.0.1", "127.0.0.2", "[::1]"].map(|ip| format!("{ip}:{port}"));
        let listening: Vec<_> = listening.iter().map(ToString::to_string).collect();
        assert_eq!(listening, expected, "{driver}: no address twice, and none that this machine has not");
        for address in expected {
            let answer = exchange(address.parse().expect("an address"), REQUEST);
            assert!(answer.ends_with(&format!("at Some({address})")), "{driver}: {answer}");
        }
    }
    // Both families' unspecified addresses, beside each other.
    let both = Listener::tcp(&addresses(&["[::]:0", "0.0.0.0:0"])[..]).expect("a port");
    assert_eq!(both.addresses().len(), 2);
}

#[test]
fn an_address_that_is_taken_is_an_error_also_where_another_is_free() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("it listens");
    let several = ["127.0.0.2:0".parse().expect("an address"), address];
    let error = Listener::tcp(&several[..]).expect_err("it is taken");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&format!("cannot listen at {address}: ")), "{error}");
    let nowhere = Listener::tcp("192.0.2.1:0").expect_err("it is nobody's");
    assert_eq!(nowhere.kind(), std::io::ErrorKind::AddrNotAvailable);
    assert!(nowhere.to_string().contains("192.0.2.1:0"), "{nowhere}");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    drop(UnixListener::bind(&path).expect("a path"));
    let left = Listener::unix(&path).expect_err("the path is still there");
    assert!(left.to_string().contains(&path.display().to_string()), "{left}");
}

/// Starts the other half of a test, below, with these as descriptors 3 and 4.
fn activated(first: OwnedFd, second: OwnedFd, variables: &str) -> Child {
    let script = format!("exec 3<&0 4>&1 </dev/null >&2; {variables} exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().expect("a test"))
        .args(["--ignored", "--exact", "--nocapture", "serve_what_systemd_hands_over"])
        .stdin(Stdio::from(first))
        .stdout(Stdio::from(second))
        .stderr(Stdio::piped())
        .spawn()
        .expect("there is a shell")
}

/// What the other half says when it does not serve.
fn complaint(child: Child) -> String {
    let output = child.wait_with_output().expect("it ends");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "a child of the tests below, started with sockets"]
fn serve_what_systemd_hands_over() {
    let listeners = Listener::from_systemd().expect("they listen");
    assert!(!listeners.is_empty(), "nothing was handed over");
    for name in ["LISTEN_FDS", "LISTEN_PID"] {
        assert!(std::env::var_os(name).is_none(), "{name} is left");
    }
    assert!(Listener::from_systemd().expect("nothing is wrong").is_empty(), "they are taken twice");
    let server = listeners.into_iter().fold(server("tokio", &pipeline()), Server::listen);
    let _running = server.start().expect("it starts");
    loop {
        std::thread::park();
    }
}

#[test]
fn sockets_of_systemd_are_served() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let unix = UnixListener::bind(&path).expect("a path");
    let address = tcp.local_addr().expect("it listens");
    // The system takes connections before anybody serves them.
    let mut early = connect(address);
    early.write_all(REQUEST).expect("the system takes it");
    let mut child = activated(tcp.into(), unix.into(), "LISTEN_FDS=2 LISTEN_PID=$$");
    let answer = support::read_to_end(early);
    assert!(answer.ends_with(&format!("127.0.0.1 at Some({address})")), "{answer}");
    let mut stream = UnixStream::connect(&path).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    stream.write_all(REQUEST).expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(" at None"), "{answer}");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

#[test]
fn sockets_that_are_somebody_elses_or_do_not_listen_are_not_served() {
    let listener = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").expect("a port"));
    let null =
        || OwnedFd::from(File::options().read(true).write(true).open("/dev/null").expect("it is there"));
    let to = TcpListener::bind("127.0.0.1:0").expect("a port");
    let connected = TcpStream::connect(to.local_addr().expect("it listens")).expect("it listens");
    for (first, second, variables, said) in [
        (listener(), listener(), "LISTEN_FDS=1 LISTEN_PID=1", "nothing was handed over"),
        (listener(), listener(), "", "nothing was handed over"),
        (
            listener(),
            null(),
            "LISTEN_FDS=2 LISTEN_PID=$$",
            "socket 1 of LISTEN_FDS cannot be served: it is neither",
        ),
        (connected.into(), null(), "LISTEN_FDS=1 LISTEN_PID=$$", "it does not listen"),
    ] {
        let complaint = complaint(activated(first, second, variables));
        assert!(complaint.contains(said), "{variables}: {complaint}");
    }
}
