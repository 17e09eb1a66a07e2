//! The same over HTTP/2.

use std::time::Duration;

use super::common::{self, Running};
use gate::modules::access_log::Field;
use gate::server::Stopped;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn connect(gate: &Running) -> SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(gate.addr).await.expect("connected");
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    client
}

async fn get(client: &mut SendRequest<Empty<Bytes>>, path: &str) -> Response<Incoming> {
    let login = common::ann();
    let login = login.trim_end().split_once(": ").expect("a header").1;
    let request = Request::get(format!("http://g{path}")).header("authorization", login);
    let answer = client.send_request(request.body(Empty::new()).expect("a request"));
    timeout(common::PATIENCE, answer).await.expect("in time").expect("answered")
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_share_a_connection_and_nothing_else() {
    let gate = Running::start(|config, _| {
        config.access_log.fields =
            vec![Field::Version, Field::Host, Field::UriStem, Field::UserName, Field::Status];
    });
    let mut client = connect(&gate).await;
    let (mut one, mut two) = (client.clone(), client.clone());
    let (one, two) = tokio::join!(get(&mut one, "/api/time"), get(&mut two, "/api/time"));
    assert_eq!((one.status().as_u16(), two.status().as_u16()), (200, 200));
    assert_ne!(one.headers()["x-request-id"], two.headers()["x-request-id"]);
    let refused = client.send_request(Request::get("http://g/").body(Empty::new()).expect("a request"));
    assert_eq!(refused.await.expect("answered").status(), 401);
    let (_, log) = gate.stop();
    let mut entries = log.entries("cs-version cs-host cs-uri-stem cs-username sc-status");
    entries.sort();
    assert_eq!(
        entries,
        ["HTTP/2.0 g / - 401", "HTTP/2.0 g /api/time ann 200", "HTTP/2.0 g /api/time ann 200"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_one_by_one_and_end_with_the_server() {
    let gate = Running::plain();
    let mut client = connect(&gate).await;
    let mut events = get(&mut client, "/events").await.into_body();
    for _ in 0..2 {
        let frame =
            timeout(common::PATIENCE, events.frame()).await.expect("in time").expect("more").expect("whole");
        let text = frame.into_data().expect("data");
        assert_eq!(text.windows(5).filter(|w| w == b"data:").count(), 1, "{text:?}");
    }
    gate.order();
    let rest = timeout(Duration::from_secs(5), events.collect()).await.expect("in time");
    assert!(rest.is_ok(), "the stream is complete: {rest:?}");
    let (stopped, _) = tokio::task::spawn_blocking(|| gate.ended()).await.expect("no panic");
    assert_eq!(stopped, Stopped::default());
}
