//! What a module does with the body of a request.

use bivalve::prelude::*;

/// Reads all of the body, and answers with it.
#[derive(Debug)]
pub struct Echo;

#[bivalve::module]
impl Module for Echo {
    async fn on_execute_request_handler(&self, cx: &mut Context) -> Result<Flow> {
        let mut all = Vec::new();
        loop {
            let piece = cx.read_entity(16 * 1024).await?;
            if piece.is_empty() {
                break;
            }
            all.extend_from_slice(&piece);
        }
        cx.response_mut().write(all)?;
        Ok(Flow::Finish)
    }
}

/// Reads a part early and puts it back, for whoever reads later.
#[derive(Debug)]
pub struct PutsBack;

#[bivalve::module]
impl Module for PutsBack {
    async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        let piece = cx.read_entity(4).await?;
        cx.request_mut().insert_entity(piece);
        Ok(Flow::Continue)
    }

    async fn on_execute_request_handler(&self, cx: &mut Context) -> Result<Flow> {
        let mut all = Vec::new();
        loop {
            let piece = cx.read_entity(64 * 1024).await?;
            if piece.is_empty() {
                break;
            }
            all.extend_from_slice(&piece);
        }
        cx.response_mut().write(all)?;
        Ok(Flow::Finish)
    }
}

/// Changes the body while it is read, and what is sent while it is sent.
#[derive(Debug)]
pub struct Filters;

#[bivalve::module]
impl Module for Filters {
    fn on_read_entity(&self, _cx: &mut Context, entity: &mut EntityRead) -> Result<Flow> {
        let upper = entity.data().to_ascii_uppercase();
        entity.set_data(upper);
        Ok(Flow::Continue)
    }

    async fn on_execute_request_handler(&self, cx: &mut Context) -> Result<Flow> {
        let mut total = 0;
        let mut first = None;
        loop {
            let piece = cx.read_entity(16 * 1024).await?;
            if piece.is_empty() {
                break;
            }
            total += piece.len();
            first.get_or_insert(piece[0]);
        }
        cx.response_mut().write(format!("{total} bytes, first {first:?}"))?;
        Ok(Flow::Finish)
    }

    fn on_send_response(&self, cx: &mut Context, sending: &mut Sending) -> Result<Flow> {
        if sending.headers_being_sent() {
            cx.response_mut().set_header("x-filtered", "yes")?;
        }
        Ok(Flow::Continue)
    }
}
