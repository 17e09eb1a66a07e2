//! The routes, without any server.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum_in_iis::router;
use http_body_util::BodyExt;
use tower::ServiceExt;

async fn ask(request: Request<Body>) -> (StatusCode, String) {
    let response = router().oneshot(request).await.expect("a router always answers");
    let status = response.status();
    let body = response.into_body().collect().await.expect("it comes to its end").to_bytes();
    (status, String::from_utf8(body.into()).expect("text"))
}

fn get(url: &str) -> Request<Body> {
    Request::get(url).body(Body::empty()).expect("a request")
}

#[tokio::test]
async fn json_comes_back() {
    assert_eq!(ask(get("/api/sum?a=1&b=2")).await, (StatusCode::OK, "{\"sum\":3}".into()));
    assert_eq!(ask(get("/api/sum?a=9223372036854775807&b=1")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(ask(get("/api/sum?a=one")).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn events_come_in_order_and_end() {
    let (status, text) = ask(get("/api/events")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(text, "id: 0\ndata: tick\n\nid: 1\ndata: tick\n\nid: 2\ndata: tick\n\n");
}

#[tokio::test]
async fn an_upload_is_counted() {
    let request = Request::post("/api/upload").body(Body::from(vec![1; 3_000_000])).expect("a request");
    assert_eq!(ask(request).await, (StatusCode::OK, "{\"bytes\":3000000}".into()));
}
