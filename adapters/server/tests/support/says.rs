//! The handler that the corpus expects: it says what it has understood.

use std::sync::Arc;

use bivalve_core::{Context, Flow, Handler, Outcome, Pipeline, Result};
use bivalve_http_corpus::text;

pub(crate) fn pipeline() -> Arc<Pipeline> {
    Pipeline::builder().handler(Says).build().expect("it builds")
}

/// Says what it has understood.
struct Says;

impl Handler for Says {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(says(cx))
    }
}

async fn says(cx: &mut Context) -> Result<Flow> {
    let mut body = Vec::new();
    loop {
        let part = cx.read_entity(1 << 16).await?;
        if part.is_empty() {
            break;
        }
        body.extend_from_slice(&part);
    }
    let request = cx.request();
    let target = request.url().path_and_query().map_or("*", |target| target.as_str());
    let said = text(request.method().as_str(), target, request.header("host").unwrap_or_default(), &body);
    let response = cx.response_mut();
    response.set_header("date", "now")?;
    response.write(said)?;
    Ok(Flow::Continue)
}
