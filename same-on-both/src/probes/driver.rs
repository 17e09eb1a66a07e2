//! The server's completion driver.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bivalve::bytes::{Bytes, BytesMut};
use bivalve::prelude::*;
use thread_pool::HelloFile;

use super::response::Users;
use crate::{Ask, Case};

/// The example, with a file that this process has for itself.
#[must_use]
pub fn hello_file() -> HelloFile {
    HelloFile::new(path("hello"))
}

/// Uses everything that a driver has: a file, a connection to itself, a timer, a post. Tells what came of each.
#[derive(Debug)]
pub struct Drives;

#[bivalve::module]
impl Module for Drives {
    async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        let driver = Arc::clone(cx.server().driver()?);
        let posted = driver.post(7).await.completion.into_result()?;
        driver.timer(Duration::from_millis(2)).await.completion.into_result()?;

        // Read and written through one handle; requests at the same time have files of their own.
        let named = tempfile::NamedTempFile::new()?;
        let file = driver.attach(named.reopen()?)?;
        let (written, _) =
            driver.write_at(&file, Bytes::from_static(b"skip from disk"), 0).await.into_result()?;
        let (_, read) = driver.read_at(&file, BytesMut::with_capacity(9), 5).await.into_result()?;

        let listener = driver.attach(std::net::TcpListener::bind("127.0.0.1:0")?)?;
        let client = driver.connect(listener.local_address()?);
        let server = driver.accept(&listener).await.into_result()?.1;
        let (Some(server), Some(client)) = (server, client.await.into_result()?.1) else {
            return Err(Error::new(StatusCode::BAD_GATEWAY, "success brings a handle"));
        };
        let received = driver.receive(&server, BytesMut::with_capacity(64));
        let (sent, _) = driver.send(&client, vec!["over a ".into(), "socket".into()]).await.into_result()?;
        let (_, mut heard) = received.await.into_result()?;
        while heard.len() < sent {
            heard = driver.receive(&server, heard).await.into_result()?.1;
        }
        cx.response_mut().write(format!(
            "posted {posted}, wrote {written}, read {:?}, heard {:?}",
            String::from_utf8_lossy(&read),
            String::from_utf8_lossy(&heard)
        ))?;
        Ok(Flow::Finish)
    }
}

/// Of somebody who is known, and of a stranger.
pub(super) fn cases() -> Vec<Case> {
    let known = Case { others: vec![("Users", Arc::new(Users))], ..file_case(Ask::get("/known")) };
    vec![known.clone(), Case { ask: Ask::post("/known", "body"), ..known }, file_case(Ask::get("/stranger"))]
}

fn file_case(ask: Ask) -> Case {
    let left = || {
        let path = path("hello");
        let text = std::fs::read_to_string(&path);
        let _ = std::fs::remove_file(path);
        text.unwrap_or_else(|error| error.kind().to_string())
    };
    Case { left: Some(Arc::new(left)), ..Case::new("HelloFile", Arc::new(hello_file()), ask) }
}

/// The same for the program and for a library that it loads.
fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("bivalve-same-on-both-{name}-{}.txt", std::process::id()))
}
