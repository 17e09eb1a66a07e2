//! WebSocket with a client that others have written: PyPI's `websockets`, against axum's extractor, on every driver.
#![cfg(target_os = "linux")]

mod support;

use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use bivalve_core::Pipeline;
use bivalve_tower::ServiceHandler;
use support::{DRIVERS, start};

#[test]
#[ignore = "needs a Python with websockets: cargo xtask test conformance"]
fn a_client_of_others_gets_back_all_that_it_can_send() {
    let python = std::env::var_os("BIVALVE_PYTHON").expect("cargo xtask test conformance sets it");
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let output = Command::new(&python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/websocket_client.py"))
            .arg(format!("ws://{}/ws", server.addresses()[0]))
            .output()
            .expect("it was made");
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("all echoed"), "{driver}: {said}{complained}");
    }
}

fn pipeline() -> Arc<Pipeline> {
    let upgrade = |upgrade: WebSocketUpgrade| async { upgrade.on_upgrade(echo) };
    let router = Router::new().route("/ws", get(upgrade)).route("/plain", get(|| async { "no WebSocket" }));
    Pipeline::builder().handler(ServiceHandler::new(router)).build().expect("it builds")
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let message = match &message {
            Message::Text(text) if text.starts_with("close ") => {
                let mut words = text.split(' ').skip(1);
                let code = words.next().and_then(|code| code.parse().ok()).expect("the test sends one");
                Message::Close(Some(CloseFrame { code, reason: words.next().unwrap_or_default().into() }))
            }
            Message::Text(_) | Message::Binary(_) => message,
            // axum answers them.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => continue,
        };
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
