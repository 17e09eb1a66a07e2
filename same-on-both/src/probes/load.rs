//! Much of everything: long bodies in both directions, and many small writes.

use bivalve::prelude::*;
use bytes::Bytes;

/// A piece of a body.
const PIECE: usize = 64 * 1024;

/// Answers with what the URL says:
///
/// - `/upload`: how many bytes the body had, which is read by pieces
/// - `/download/N`: N MiB, each piece flushed
/// - `/tiny/N`: N bytes, written one by one
/// - `/huge/N`: N MiB in one write
#[derive(Debug)]
pub struct Load;

#[bivalve::module]
impl Module for Load {
    async fn on_execute_request_handler(&self, cx: &mut Context) -> Result<Flow> {
        let path = cx.request().url().path().to_owned();
        let mut parts = path.split('/').skip(1);
        let what = parts.next().unwrap_or_default();
        let number: usize = parts.next().and_then(|number| number.parse().ok()).unwrap_or_default();
        match what {
            "upload" => {
                let mut total = 0;
                loop {
                    let piece = cx.read_entity(PIECE).await?;
                    if piece.is_empty() {
                        break;
                    }
                    total += piece.len();
                }
                cx.response_mut().write(total.to_string())?;
            }
            "download" => {
                let piece = Bytes::from(vec![b'd'; PIECE]);
                for _ in 0..number * (1024 * 1024 / PIECE) {
                    cx.write(piece.clone()).await?;
                    cx.flush().await?;
                }
            }
            "tiny" => {
                for _ in 0..number {
                    cx.write(&b"t"[..]).await?;
                }
            }
            "huge" => cx.response_mut().write(vec![b'h'; number * 1024 * 1024])?,
            _ => cx.response_mut().write("here")?,
        }
        Ok(Flow::Finish)
    }
}
