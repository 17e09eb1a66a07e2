//! Who comes in, and what the application behind sees of them.

use argon2::{Argon2, Params, PasswordHasher};

use super::common::{self, Running, basic};

fn as_user(gate: &Running, credentials: &str, path: &str) -> common::Reply {
    let login = basic(credentials);
    gate.send(format!("GET {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{login}\r\n"))
}

#[test]
fn every_route_but_healthz_asks_who_is_there() {
    let gate = Running::plain();
    for path in ["/", "/style.css", "/api/time", "/events", "/files/hello.txt", "/nothing", "/healthz/"] {
        let reply = gate.send(format!("GET {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n"));
        assert_eq!(reply.status, 401, "{path}");
        assert_eq!(
            reply.header("www-authenticate"),
            Some(r#"Basic realm="gate", charset="UTF-8""#),
            "{path}"
        );
        assert!(reply.header("x-request-id").is_some() && reply.header("server-timing").is_none(), "{path}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    let open = gate.send("GET /healthz HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n");
    assert_eq!((open.status, open.text()), (200, "ok\n"));
    let (_, log) = gate.stop();
    assert_eq!(log.entries("sc-status sc-substatus sc-win32-status cs-username")[0], "401 2 5 -");
}

#[test]
fn an_absolute_url_is_no_way_around_the_open_paths() {
    let gate = Running::plain();
    let reply = gate.send("GET http://g/api/time?/healthz HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n");
    assert_eq!(reply.status, 401);
}

#[test]
fn the_application_sees_the_user_and_the_request_id() {
    let gate = Running::plain();
    let reply = as_user(&gate, "ann:secret", "/api/time");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert!(reply.text().contains(r#""user":"ann""#), "{}", reply.text());
    let page = as_user(&gate, "<b>zoë lee</b>:pässword", "/");
    let id = page.header("x-request-id").expect("an id");
    assert!(page.text().contains(&format!("<code>{id}</code>")), "{}", page.text());
    assert!(page.text().contains("<strong>&lt;b&gt;zoë lee&lt;/b&gt;</strong>"), "{}", page.text());
    let (_, log) = gate.stop();
    assert_eq!(log.entries("cs-uri-stem cs-username sc-status")[1], "/ <b>zo%C3%AB+lee</b> 200");
}

#[test]
fn a_wrong_password_is_refused_and_its_name_is_not_logged() {
    let gate = Running::plain();
    for credentials in ["ann:wrong", "nobody:secret", "x\r\n#Fields: y:z"] {
        assert_eq!(as_user(&gate, credentials, "/").status, 401, "{credentials}");
    }
    let (_, log) = gate.stop();
    assert_eq!(log.entries("cs-username sc-status sc-substatus"), ["- 401 1"; 3]);
    assert!(!format!("{log:?}").contains("wrong"));
}

#[test]
fn users_see_the_time_of_each_module() {
    let gate = Running::plain();
    let reply = as_user(&gate, "ann:secret", "/");
    let timing = reply.header("server-timing").expect("told");
    for name in ["total", "request-id", "authentication", "security-headers"] {
        assert!(timing.contains(&format!("{name};dur=")), "{timing}");
    }
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let gate = Running::plain();
    let login = common::ann();
    for path in ["/", "/api/time", "/files/hello.txt"] {
        let head = gate.send(format!("HEAD {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{login}\r\n"));
        let get = gate.get(path);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        if path != "/api/time" {
            assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        }
    }
    // A stream without an end has an end for HEAD.
    let events = gate.send(format!("HEAD /events HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{login}\r\n"));
    assert_eq!((events.status, events.body.len()), (200, 0));
}

#[test]
fn two_requests_on_one_connection_have_two_ids_and_two_users() {
    let gate = Running::plain();
    let (ann, zoe) = (common::ann(), basic("<b>zoë lee</b>:pässword"));
    let reply = gate.send(format!(
        "GET /api/time HTTP/1.1\r\nHost: g\r\n{ann}\r\nGET /api/time HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{zoe}\r\n"
    ));
    let second = String::from_utf8(reply.body).expect("UTF-8");
    assert!(second.contains(r#""user":"ann""#) && second.contains(r#""user":"<b>zoë lee</b>""#), "{second}");
    let (_, log) = gate.stop();
    assert_eq!(log.entries("cs-username"), ["ann", "<b>zo%C3%AB+lee</b>"]);
}

#[test]
fn a_flood_of_wrong_passwords_locks_nobody_else_out() {
    use std::io::Write;
    use std::net::{SocketAddr, TcpStream};
    let gate = Running::start(|config, folder| {
        // Dear enough that the flood is still there when somebody else comes; one at a time: it is as long as the queue.
        let cost = Params::new(1024, 2, 1, None).expect("a cost");
        let hash = Argon2::from(cost).hash_password(b"secret").expect("a hash");
        let users = folder.join("users");
        let text = std::fs::read_to_string(&users).expect("the users") + &format!("dear:{hash}\n");
        std::fs::write(users, text).expect("written");
        config.authentication.concurrent_verifications = 1;
        // How fast this machine is decides nothing.
        config.authentication.verification_wait_secs = 600;
    });
    let login = basic("nobody:x");
    // Connecting may take longer than verifying; what connections that are there send comes at once.
    let mut flood: Vec<TcpStream> = (0..90).map(|_| gate.connect()).collect();
    for stream in &mut flood {
        write!(stream, "GET / HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{login}\r\n").expect("sent");
    }
    // Linux has the whole of 127.0.0.0/8; elsewhere there may be one address, and nothing to compare.
    let another = from("127.0.0.2".parse().expect("an address"), gate.addr);
    let compared = another.is_some();
    if let Some(mut other) = another {
        let login = basic("ann:secret");
        write!(other, "GET / HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{login}\r\n").expect("sent");
        let reply = common::Reply::read(&mut other);
        assert_eq!(reply.status, 200);
    }
    let mut statuses: Vec<u16> =
        flood.into_iter().map(|mut stream| common::Reply::read(&mut stream).status).collect();
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, [401, 503], "the flood itself has bounds");
    let (_, log) = gate.stop();
    let entries = log.entries("c-ip sc-status");
    let ours = entries.iter().position(|entry| entry == "127.0.0.2 200");
    assert_eq!(ours.is_some(), compared);
    if let Some(ours) = ours {
        let behind = entries[ours..].iter().filter(|entry| *entry == "127.0.0.1 401").count();
        assert!(behind > 0, "whoever came last has waited for the whole flood: {entries:?}");
    }

    fn from(ip: std::net::IpAddr, to: SocketAddr) -> Option<TcpStream> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
            socket.bind(SocketAddr::new(ip, 0)).ok()?;
            Some(socket.connect(to).await.expect("connected").into_std().expect("a socket"))
        })?;
        stream.set_nonblocking(false).expect("blocking");
        stream.set_read_timeout(Some(common::PATIENCE)).expect("a timeout");
        Some(stream)
    }
}

#[test]
fn every_route_can_be_opened_to_all() {
    let gate = Running::start(|config, _| {
        config.authentication.open_paths = vec!["/".into(), "/api/time".into(), "/events".into()];
    });
    let send = |method: &str, path: &str| {
        gate.send(format!("{method} {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n"))
    };
    let page = send("GET", "/");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("<strong>nobody</strong>"), "{}", page.text());
    let time = send("GET", "/api/time");
    assert!(time.status == 200 && time.text().contains(r#""user":null"#), "{}", time.text());
    assert_eq!(send("HEAD", "/events").status, 200);
}
