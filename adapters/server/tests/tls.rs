//! TLS, with clients that others have written: curl and OpenSSL.
#![cfg(unix)]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bivalve_core::{Context, EntityChunk, FileRange, Flow, Handler, Outcome, Pipeline, Result};
use bivalve_server::{ClientCertificates, Listener, Pem, Running, Tls};
use support::certificates::{Authority, Pair};
use support::{DRIVERS, connect, server};

/// Answers by path.
struct Answers(Arc<File>);

impl Handler for Answers {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        match cx.request().url().path() {
            "/echo" => Outcome::pending(async move {
                loop {
                    let part = cx.read_entity(usize::MAX).await?;
                    if part.is_empty() {
                        return Ok(Flow::Continue);
                    }
                    cx.write(part).await?;
                }
            }),
            "/file" => Outcome::Ready(self.file(cx)),
            "/cut" => Outcome::pending(async move {
                cx.write("half").await?;
                cx.flush().await?;
                cx.reset_connection();
                Ok(Flow::Finish)
            }),
            _ => Outcome::Ready(who(cx)),
        }
    }
}

impl Answers {
    fn file(&self, cx: &mut Context) -> Result<Flow> {
        cx.response_mut().write("<")?;
        let range = FileRange::new(Arc::clone(&self.0), 1, FILE as u64 - 1);
        cx.response_mut().write(EntityChunk::from(range))?;
        cx.response_mut().write(">")?;
        Ok(Flow::Continue)
    }
}

/// Who asks, and how.
fn who(cx: &mut Context) -> Result<Flow> {
    let connection = cx.connection();
    let certificate = connection.client_certificate().map(|certificate| {
        format!(
            " {}|{}|{}|{}",
            certificate.subject().unwrap_or("?"),
            certificate.issuer().unwrap_or("?"),
            certificate.serial_number().unwrap_or("?"),
            certificate.encoded().len() > 100,
        )
    });
    let text = format!("secure={}{}", connection.is_secure(), certificate.unwrap_or_default());
    cx.response_mut().write(text)?;
    Ok(Flow::Continue)
}

/// More than one piece of a file, and no whole number of them.
const FILE: usize = 700_001;

fn pipeline(directory: &Path) -> Arc<Pipeline> {
    let path = directory.join("file");
    std::fs::write(&path, content()).expect("a directory of the test");
    let file = Arc::new(File::open(path).expect("it was written"));
    Pipeline::builder().handler(Answers(file)).build().expect("it builds")
}

fn content() -> Vec<u8> {
    (0..FILE).map(|index| u8::try_from(index % 251).expect("below 251")).collect()
}

fn tls(pair: &Pair) -> bivalve_server::TlsBuilder {
    Tls::builder(Pem::bytes(pair.certificate.as_str()), Pem::bytes(pair.key.as_str()))
}

/// The first address is cleartext, the second one is encrypted.
fn start(driver: &str, directory: &Path, tls: &Tls) -> Running {
    let listener = Listener::tcp("127.0.0.1:0").expect("a port").tls(tls);
    server(driver, &pipeline(directory)).listen(listener).start().expect("it starts")
}

fn secure(running: &Running) -> SocketAddr {
    running.addresses()[1]
}

/// What curl prints, and whether it was content.
fn curl(directory: &Path, arguments: &[&str], url: &str) -> (bool, String) {
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "20", "--cacert", "ca.pem"])
        .args(arguments)
        .arg(url)
        .current_dir(directory)
        .output()
        .expect("curl is there");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn curl_is_answered_on_both_versions_and_keeps_its_connection() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ca", directory.path());
    let tls = tls(&authority.server(1)).build().expect("they are sound");
    for driver in DRIVERS {
        let running = start(driver, directory.path(), &tls);
        let url = format!("https://{}/", secure(&running));
        for version in ["1.2", "1.3"] {
            let arguments =
                ["--http1.1", "--tls-max", version, "-w", " %{http_version} %{num_connects};", &url];
            let got = curl(directory.path(), &arguments, &url);
            let twice = "secure=true 1.1 1;secure=true 1.1 0;".to_owned();
            assert_eq!(got, (true, twice), "{driver} {version}");
        }
        let plain = format!("http://{}/", running.addresses()[0]);
        assert_eq!(curl(directory.path(), &[], &plain), (true, "secure=false".into()), "{driver}");
    }
}

#[test]
fn bodies_and_files_pass_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ca", directory.path());
    let tls = tls(&authority.server(1)).build().expect("they are sound");
    for driver in DRIVERS {
        let running = start(driver, directory.path(), &tls);
        let echo = format!("https://{}/echo", secure(&running));
        for coding in ["Transfer-Encoding: chunked", "Expect: 100-continue"] {
            let arguments = ["--http1.1", "--data-binary", "@file", "-H", coding, "-o", "back"];
            assert_eq!(curl(directory.path(), &arguments, &echo), (true, String::new()), "{driver}");
            assert!(
                std::fs::read(directory.path().join("back")).expect("curl wrote it") == content(),
                "{driver}"
            );
        }
        let url = format!("https://{}/file", secure(&running));
        assert!(curl(directory.path(), &["--http1.1", "-o", "back"], &url).0, "{driver}");
        let expected = [b"<", &content()[1..], b">"].concat();
        assert!(std::fs::read(directory.path().join("back")).expect("curl wrote it") == expected, "{driver}");
    }
}

#[test]
fn a_response_that_was_cut_is_not_taken_for_a_whole_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ca", directory.path());
    let tls = tls(&authority.server(1)).build().expect("they are sound");
    for driver in DRIVERS {
        let running = start(driver, directory.path(), &tls);
        // With HTTP/1.0 the end of the connection is the end of the response.
        let cut = format!("https://{}/cut", secure(&running));
        let (whole, said) = curl(directory.path(), &["--http1.0"], &cut);
        assert!(!whole, "{driver}: {said}");
        let echo = format!("https://{}/echo", secure(&running));
        let arguments = ["--http1.0", "--data-binary", "whole"];
        assert_eq!(curl(directory.path(), &arguments, &echo), (true, "whole".into()), "{driver}");
    }
}

#[test]
fn client_certificates_are_asked_for_checked_and_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ca", directory.path());
    let elsewhere = tempfile::tempdir().expect("a directory");
    let stranger = Authority::new("ca", elsewhere.path()).client("ada", 9);
    let known = authority.client("ada", 0x1b);
    for (name, pair) in [("known", &known), ("stranger", &stranger)] {
        authority.file(&format!("{name}.pem"), &format!("{}{}", pair.certificate, pair.key));
    }
    let roots = Pem::bytes(authority.certificate.as_str());
    let shown = "secure=true O=\"Bivalve, tests\", CN=ada|O=\"Bivalve, tests\", CN=ca|0a-1b|true";
    for (clients, without) in [
        (ClientCertificates::Optional(roots.clone()), Some("secure=true")),
        (ClientCertificates::Required(roots), None),
    ] {
        let tls = tls(&authority.server(1)).client_certificates(clients).build().expect("they are sound");
        let running = start("tokio", directory.path(), &tls);
        let url = format!("https://{}/", secure(&running));
        let (answered, said) = curl(directory.path(), &[], &url);
        assert_eq!(answered.then_some(said.as_str()), without, "{said}");
        assert_eq!(curl(directory.path(), &["--cert", "known.pem"], &url), (true, shown.to_owned()));
        let (answered, said) = curl(directory.path(), &["--cert", "stranger.pem"], &url);
        // With TLS 1.3 it has sent its request by then, and may see a reset in place of the alert.
        assert!(!answered && !said.contains("secure="), "{said}");
    }
}

/// OpenSSL's own client; what it is told to say, and what it says.
fn openssl(address: SocketAddr, arguments: &[&str], input: &[u8]) -> String {
    // A client that is told nothing would wait for ever.
    let mut client = Command::new("timeout")
        .args(["10", "openssl", "s_client", "-connect", &address.to_string()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is there");
    // It may have given up already.
    let _ = client.stdin.take().expect("a pipe").write_all(input);
    let output = client.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn no_renegotiation_no_old_version_and_alpn_as_the_rfc_says() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ca", directory.path());
    let tls = tls(&authority.server(1)).build().expect("they are sound");
    let running = start("tokio", directory.path(), &tls);
    let address = secure(&running);
    // "R" alone on a line asks OpenSSL to renegotiate.
    let said = openssl(address, &["-tls1_2"], b"R\n");
    assert!(said.contains("RENEGOTIATING") && said.contains("no renegotiation"), "{said}");
    let said = openssl(address, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], b"");
    assert!(said.contains("Cipher is (NONE)") && said.contains("alert"), "{said}");
    let said = openssl(address, &["-alpn", "http/1.1"], b"");
    assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
    // RFC 7301 section 3.2.
    let said = openssl(address, &["-alpn", "spdy/1"], b"");
    assert!(said.contains("no application protocol"), "{said}");
}

#[test]
fn an_idle_connection_ends_with_close_notify() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ca", directory.path());
    let tls = tls(&authority.server(1)).build().expect("they are sound");
    for driver in DRIVERS {
        let listener = Listener::tcp("127.0.0.1:0").expect("a port").tls(&tls);
        let server = server(driver, &pipeline(directory.path())).idle_timeout(Duration::from_millis(300));
        let running = server.listen(listener).start().expect("it starts");
        // It waits for the server to close, and then says whether that was an end.
        let said = openssl(secure(&running), &["-ign_eof"], b"");
        assert!(said.contains("closed") && !said.contains("unexpected eof"), "{driver}: {said}");
    }
}

#[test]
fn what_is_no_handshake_is_closed_and_a_slow_one_has_its_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ca", directory.path());
    let tls = tls(&authority.server(1)).handshake_timeout(Duration::from_millis(300)).build();
    let running = start("tokio", directory.path(), &tls.expect("they are sound"));
    let garbage: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\xff\xff", &[0xff; 4096], b""];
    for octets in garbage {
        let mut stream = connect(secure(&running));
        let _ = stream.write_all(octets);
        let mut said = Vec::new();
        // Closed or reset; a client that is waited for without end would run into the test's own timeout.
        if let Err(error) = stream.read_to_end(&mut said) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        assert!(!String::from_utf8_lossy(&said).contains("HTTP"), "{said:?}");
    }
    let url = format!("https://{}/", secure(&running));
    assert_eq!(curl(directory.path(), &[], &url), (true, "secure=true".into()));
}

#[test]
fn a_reload_is_for_those_who_come_later_and_a_broken_file_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ca", directory.path());
    let serve = |pair: &Pair| {
        authority.file("server.pem", &pair.certificate);
        authority.file("server.key", &pair.key)
    };
    let key = serve(&authority.server(0x11));
    let chain = directory.path().join("server.pem");
    let tls = Tls::builder(Pem::file(&chain), Pem::file(&key)).build().expect("they are sound");
    let running = start("tokio", directory.path(), &tls);
    let shown = || openssl(secure(&running), &["-showcerts", "-tls1_2"], b"");
    let serial = |said: &str| {
        let begin = said.find("-----BEGIN CERTIFICATE").expect("one is shown");
        let pem = &said[begin..begin + said[begin..].find("-----END").expect("it ends")];
        pem.to_owned()
    };
    let first = serial(&shown());

    // A connection that stays, over the reload.
    let mut stays = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &secure(&running).to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is there");
    let (mut to, mut from) = (stays.stdin.take().expect("a pipe"), stays.stdout.take().expect("a pipe"));
    let mut ask = |request: &[u8]| {
        to.write_all(request).expect("it takes it");
        let mut answer = Vec::new();
        while !answer.ends_with(b"secure=true") {
            let mut octet = [0];
            from.read_exact(&mut octet).expect("an answer");
            answer.push(octet[0]);
        }
    };
    ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");

    serve(&authority.server(0x22));
    tls.reload().expect("they are sound");
    ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let second = serial(&shown());
    assert_ne!(first, second);

    for (file, text, why) in [
        ("server.pem", "", "there is no CERTIFICATE in it"),
        ("server.key", "", "there is no PRIVATE KEY in it"),
        (
            "server.key",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "it is encrypted",
        ),
        ("server.key", &authority.server(3).key, "keys may not be consistent"),
        ("server.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "server.pem"),
    ] {
        let path = directory.path().join(file);
        let before = std::fs::read_to_string(&path).expect("it is there");
        authority.file(file, text);
        let error = tls.reload().expect_err(why).to_string();
        assert!(error.contains(why) && error.contains(directory.path().to_str().expect("UTF-8")), "{error}");
        assert_eq!(serial(&shown()), second, "{error}");
        authority.file(file, &before);
    }
    std::fs::remove_file(&key).expect("it is there");
    let error = tls.reload().expect_err("it has gone").to_string();
    assert!(error.contains("the private key (") && error.contains("server.key"), "{error}");
    ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    drop(running);
    let _ = stays.kill();
    let _ = stays.wait();
}

/// What a client was under roots that are trusted no more, it is not by a session of that time.
#[test]
fn a_session_does_not_outlive_the_roots_that_its_client_was_checked_against() {
    for (version, required) in [("-tls1_2", false), ("-tls1_2", true), ("-tls1_3", false), ("-tls1_3", true)]
    {
        let directory = tempfile::tempdir().expect("a directory");
        let elsewhere = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name).display().to_string();
        let (before, after) =
            (Authority::new("before", directory.path()), Authority::new("after", elsewhere.path()));
        let client = before.client("ada", 0x1b);
        before.file("client.pem", &format!("{}{}", client.certificate, client.key));
        let roots = Pem::file(before.file("roots.pem", &before.certificate));
        let clients =
            if required { ClientCertificates::Required(roots) } else { ClientCertificates::Optional(roots) };
        let tls = tls(&before.server(1)).client_certificates(clients).build().expect("they are sound");
        let running = start("tokio", directory.path(), &tls);
        let (certificate, session) = (path("client.pem"), path("session.pem"));
        let ask = |arguments: &[&str]| {
            let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            openssl(secure(&running), &[&[version, "-ign_eof"][..], arguments].concat(), request)
        };
        let known = |said: &str| said.contains("secure=true O=\"Bivalve, tests\", CN=ada|");

        let said = ask(&["-cert", &certificate, "-sess_out", &session]);
        assert!(known(&said) && said.contains("New, TLS"), "{version}: {said}");
        let said = ask(&["-sess_in", &session]);
        assert!(known(&said) && said.contains("Reused, TLS"), "{version}: {said}");
        // A ticket of TLS 1.3 is good for once.
        let said = ask(&["-cert", &certificate, "-sess_out", &session]);
        assert!(known(&said), "{version}: {said}");

        before.file("roots.pem", &after.certificate);
        tls.reload().expect("they are sound");
        let said = ask(&["-sess_in", &session]);
        assert!(!said.contains("Reused, TLS") && !known(&said), "{version}: {said}");
        assert_eq!(said.contains("secure=true"), !required, "{version}: {said}");
        let said = ask(&["-sess_in", &session, "-cert", &certificate]);
        assert!(!said.contains("secure=true"), "{version}: {said}");
    }
}

#[test]
fn a_key_in_memory_is_never_shown() {
    let key = Pem::bytes("-----BEGIN PRIVATE KEY-----\nsecret");
    assert_eq!(format!("{key} {key:?}"), "34 bytes in memory Pem(34 bytes in memory)");
    let error = Tls::builder(key.clone(), key).build().expect_err("it is none").to_string();
    assert!(error.starts_with("the certificate (34 bytes in memory) cannot be used: "), "{error}");
}
