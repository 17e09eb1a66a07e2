//! The PROXY protocol in front of everything that is spoken here, and what strangers make of it.
#![cfg(unix)]

mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bivalve_core::{Context, Flow, Pipeline, Result};
use bivalve_server::{Listener, Pem, Server, Tls, TrustedPeers};
use support::certificates::Authority;
use support::{DRIVERS, connect, exchange, read_to_end, server};

/// Says who asks, and whom.
fn who(cx: &mut Context) -> Result<Flow> {
    let text = format!(
        "{}:{} {:?}",
        cx.server_variable("REMOTE_ADDR").unwrap_or_default(),
        cx.server_variable("REMOTE_PORT").unwrap_or_default(),
        cx.connection().local_addr(),
    );
    cx.response_mut().write(text)?;
    Ok(Flow::Continue)
}

fn pipeline() -> Arc<Pipeline> {
    Pipeline::builder().handler(who).build().expect("it builds")
}

fn listener() -> Listener {
    Listener::tcp("127.0.0.1:0").expect("a port")
}

/// The first address is without, the second one wants a header.
fn proxied(driver: &str) -> Server {
    server(driver, &pipeline()).listen(listener().proxy_protocol(TrustedPeers::all()))
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const V1: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 12345 80\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x30\x39\x00\x50";
const SAID: &str = "192.0.2.1:12345 Some(192.0.2.2:80)";

/// Of version 2.
fn of_client(last: u8) -> Vec<u8> {
    let mut header = V2.to_vec();
    header[19] = last;
    header
}

#[test]
fn modules_see_the_addresses_that_a_header_says_however_it_is_cut() {
    for driver in DRIVERS {
        let running = proxied(driver).start().expect("it starts");
        for header in [V1, V2] {
            let all = [header, REQUEST].concat();
            for size in [1, 2, 3, 14, 15, 16, 17, header.len() - 1, header.len(), header.len() + 1, all.len()]
            {
                let mut stream = connect(running.addresses()[1]);
                for piece in all.chunks(size) {
                    stream.write_all(piece).expect("it is read");
                    if size < all.len() {
                        // So that it is received as it is cut, mostly.
                        thread::sleep(Duration::from_micros(500));
                    }
                }
                let answer = read_to_end(stream);
                assert!(answer.starts_with("HTTP/1.1 200 OK"), "{driver} {size}: {answer}");
                assert!(answer.ends_with(SAID), "{driver} {size}: {answer}");
            }
        }
    }
}

#[test]
fn a_header_that_names_no_client_leaves_the_addresses_of_the_socket() {
    let unix = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x31\x00\xd8"[..], &[0; 216]].concat();
    for driver in DRIVERS {
        let running = proxied(driver).start().expect("it starts");
        let address = running.addresses()[1];
        for header in [
            &b"PROXY UNKNOWN\r\n"[..],
            b"PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00",
            b"\r\n\r\n\0\r\nQUIT\n\x20\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x30\x39\x00\x50",
            &unix,
        ] {
            let mut stream = connect(address);
            let own = stream.local_addr().expect("a socket");
            stream.write_all(&[header, REQUEST].concat()).expect("it is read");
            let answer = read_to_end(stream);
            assert!(answer.ends_with(&format!("{own} Some({address})")), "{driver}: {answer}");
        }
    }
}

#[test]
fn what_is_no_header_is_closed_without_an_answer() {
    for driver in DRIVERS {
        let running = proxied(driver).start().expect("it starts");
        for octets in [
            REQUEST,
            b"PROXY TCP4 192.0.2.1 192.0.2.2 12345\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 12345 80\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"PROXY TCP4 ::1 ::1 12345 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            // As long as it can say.
            &[&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"[..], &[0; 4096]].concat(),
            &[&b"PROXY UNKNOWN "[..], &[b'a'; 5000]].concat(),
        ] {
            let answer = exchange(running.addresses()[1], octets);
            assert!(matches!(answer.as_str(), "" | "<reset>"), "{driver}: {answer}");
        }
        // It ends in the middle.
        for end in [0, 5, 15, 20] {
            let mut stream = connect(running.addresses()[1]);
            stream.write_all(&V2[..end]).expect("it is read");
            stream.shutdown(std::net::Shutdown::Write).expect("a socket");
            assert_eq!(read_to_end(stream), "", "{driver} {end}");
        }
    }
}

#[test]
fn a_header_to_a_listener_that_did_not_ask_for_one_is_a_bad_request() {
    for driver in DRIVERS {
        let running = proxied(driver).start().expect("it starts");
        for header in [V1, V2, b"PROXY UNKNOWN\r\n"] {
            let answer = exchange(running.addresses()[0], &[header, REQUEST].concat());
            assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{driver}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{driver}: {answer}");
        }
    }
}

#[test]
fn a_second_header_is_a_bad_request() {
    for driver in DRIVERS {
        let running = proxied(driver).start().expect("it starts");
        for (first, second) in [(V1, V1), (V1, V2), (V2, V1), (V2, V2)] {
            let answer = exchange(running.addresses()[1], &[first, second, REQUEST].concat());
            assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{driver}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{driver}: {answer}");
        }
    }
}

#[test]
fn a_header_that_never_comes_to_its_end_is_closed_after_the_head_timeout() {
    for driver in DRIVERS {
        let running = proxied(driver).head_timeout(Duration::from_millis(300)).start().expect("it starts");
        for begun in [&b""[..], &V1[..20], &V2[..14], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x10\x00"] {
            let mut stream = connect(running.addresses()[1]);
            stream.write_all(begun).expect("it is read");
            let mut drip = stream.try_clone().expect("a socket");
            let dripping = thread::spawn(move || {
                // Nothing is lost where the other side is slow: each octet is one that a header may have.
                let rest: &[u8] = if begun.len() == 20 { b"1111" } else { b"" };
                rest.iter().for_each(|octet| {
                    thread::sleep(Duration::from_millis(100));
                    let _ = drip.write_all(&[*octet]);
                });
            });
            let answer = read_to_end(stream);
            assert!(matches!(answer.as_str(), "" | "<reset>"), "{driver}: {answer}");
            dripping.join().expect("no panic");
        }
    }
}

#[test]
fn peers_that_are_not_trusted_are_closed_without_an_answer() {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for driver in DRIVERS {
        let running = server(driver, &pipeline())
            .listen(listener().proxy_protocol(TrustedPeers::addresses([address])))
            .listen(listener().proxy_protocol(TrustedPeers::matching(move |peer| peer != address)))
            .start()
            .expect("it starts");
        let request = [V1, REQUEST].concat();
        assert!(exchange(running.addresses()[1], &request).ends_with(SAID), "{driver}");
        for octets in [&request[..], REQUEST] {
            let answer = exchange(running.addresses()[2], octets);
            assert!(matches!(answer.as_str(), "" | "<reset>"), "{driver}: {answer}");
        }
    }
}

/// Whether a request on this connection is answered.
fn is_served(mut stream: &TcpStream, header: &[u8]) -> bool {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(&[header, request].concat()).is_ok() && stream.read(&mut [0; 512]).is_ok_and(|n| n > 0)
}

#[test]
fn the_connections_of_an_address_are_those_of_the_client_once_it_is_known() {
    for driver in DRIVERS {
        let running = proxied(driver).connections_per_address(1).start().expect("it starts");
        let address = running.addresses()[1];
        let unknown = connect(address);
        // Until a header has come, it is the proxy that has its share.
        assert!(!is_served(&connect(address), V1), "{driver}: two of one address");
        assert!(is_served(&unknown, &of_client(1)), "{driver}");
        // Other clients of the same proxy.
        let other = connect(address);
        assert!(is_served(&other, &of_client(7)), "{driver}");
        // And the first client once more.
        assert!(!is_served(&connect(address), &of_client(1)), "{driver}: two of one client");
        drop(unknown);
        // The server may hear of the end a moment later.
        let again = (0..100).any(|_| {
            thread::sleep(Duration::from_millis(20));
            is_served(&connect(address), &of_client(1))
        });
        assert!(again, "{driver}: its place was not given back");
    }
}

/// A proxy: says whose a connection is, and hands on what comes. Ends with the process.
fn proxy(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it listens");
    thread::spawn(move || {
        for client in listener.incoming().map_while(std::io::Result::ok) {
            let mut server = TcpStream::connect(to).expect("it listens");
            server.write_all(V2).expect("it is read");
            let (mut from, mut back) = (client.try_clone().expect("a socket"), client);
            let mut upstream = server.try_clone().expect("a socket");
            thread::spawn(move || std::io::copy(&mut from, &mut upstream));
            thread::spawn(move || std::io::copy(&mut server, &mut back));
        }
    });
    address
}

#[test]
fn tls_and_http2_begin_behind_the_header() {
    let directory = tempfile::tempdir().expect("a directory");
    let pair = Authority::new("ca", directory.path()).server(1);
    let tls =
        Tls::builder(Pem::bytes(pair.certificate), Pem::bytes(pair.key)).build().expect("they are sound");
    for driver in DRIVERS {
        let encrypted = listener().tls(&tls).proxy_protocol(TrustedPeers::all());
        let running = proxied(driver).listen(encrypted).start().expect("it starts");
        let (plain, secure) = (proxy(running.addresses()[1]), proxy(running.addresses()[2]));
        for (arguments, url, version) in [
            (&["--http1.1"][..], format!("http://{plain}/"), "1.1"),
            (&["--http2-prior-knowledge"], format!("http://{plain}/"), "2"),
            (&["--http1.1", "--cacert", "ca.pem"], format!("https://{secure}/"), "1.1"),
            (&["--http2", "--cacert", "ca.pem"], format!("https://{secure}/"), "2"),
        ] {
            let output = Command::new("curl")
                .args(["-sS", "--max-time", "20", "-w", " %{http_version}"])
                .args(arguments)
                .arg(url)
                .current_dir(directory.path())
                .output()
                .expect("curl is there");
            let got = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert_eq!(got, format!("{SAID} {version}"), "{driver} {arguments:?}");
        }
    }
}

#[test]
fn curl_says_for_whom_it_speaks() {
    for driver in DRIVERS {
        let running = proxied(driver).start().expect("it starts");
        let output = Command::new("curl")
            .args(["-sS", "--max-time", "20", "--haproxy-protocol"])
            .arg(format!("http://{}/", running.addresses()[1]))
            .output()
            .expect("curl is there");
        let got = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(got.starts_with("127.0.0.1:") && got.ends_with(')'), "{driver}: {got}");
    }
}

#[test]
fn a_proxy_at_a_unix_socket_names_its_clients() {
    use std::os::unix::net::UnixStream;
    let directory = tempfile::tempdir().expect("a directory");
    for driver in DRIVERS {
        let [all, some] = ["all", "some"].map(|name| directory.path().join(format!("{driver}-{name}")));
        let running = server(driver, &pipeline())
            .listen(Listener::unix(&all).expect("a path").proxy_protocol(TrustedPeers::all()))
            .listen(Listener::unix(&some).expect("a path").proxy_protocol(TrustedPeers::matching(|_| true)))
            .start()
            .expect("it starts");
        for (path, expected) in [(&all, SAID), (&some, "")] {
            let mut stream = UnixStream::connect(path).expect("it listens");
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
            // Who is not trusted has perhaps been closed already.
            let _ = stream.write_all(&[V1, REQUEST].concat());
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let answer = String::from_utf8_lossy(&answer);
            assert!(
                answer.ends_with(expected) && answer.is_empty() == expected.is_empty(),
                "{driver}: {answer}"
            );
        }
        drop(running);
    }
}
