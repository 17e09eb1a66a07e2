//! A whole connection: what is served does not depend on how the octets come, and is what a simpler reader finds in them.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::Poll;

use bivalve_core::{Connection, Context, Flow, Handler, Outcome, Pipeline, Result};

use super::memory::{Client, House, Memory};
use super::reference::{self, Seen};
use crate::Limits;
use crate::connection::{Serving, Timeouts, serve};

/// The first three octets say how the others come, and whether they come again.
pub fn connection(data: &[u8]) {
    let Some(([choice, seed @ ..], octets)) = data.split_first_chunk::<3>() else { return };
    let limits = super::limits(*choice);
    // Many clients say the same again, which is not read again.
    let octets = &octets.repeat(if seed[1] & 0x80 == 0 { 1 } else { 3 });
    let whole = run(&Ways::ONE_PIECE, octets, &limits);
    let expected = reference::connection(octets, &limits);
    assert_eq!(whole.seen, expected.seen, "another reader finds other requests");
    let statuses = statuses(&whole.sent);
    assert_eq!((&statuses, whole.reset, whole.handed), (&expected.statuses, expected.reset, expected.handed));
    let ways = Ways {
        at_once: choice & 1 != 0,
        slow: choice & 2 != 0,
        eager: choice & 4 != 0,
        longest: if choice & 8 != 0 { 1 } else { 1 + usize::from(choice >> 4 & 7) * 9 },
        seed: u16::from_le_bytes(*seed),
    };
    let cut = run(&ways, octets, &limits);
    assert_eq!(cut.seen, whole.seen, "how octets are cut changes the requests");
    let texts = [&cut, &whole].map(|served| plain(&served.sent));
    assert_eq!(texts[0], texts[1], "how octets are cut changes the answers");
    assert_eq!((cut.reset, cut.handed), (whole.reset, whole.handed));
}

/// How the octets come.
struct Ways {
    at_once: bool,
    slow: bool,
    eager: bool,
    longest: usize,
    seed: u16,
}

impl Ways {
    const ONE_PIECE: Self = Self { at_once: true, slow: false, eager: true, longest: usize::MAX, seed: 0 };

    fn cut(&self, octets: &[u8]) -> Vec<Vec<u8>> {
        let (mut pieces, mut rest, mut random) = (Vec::new(), octets, u32::from(self.seed) | 1 << 16);
        while !rest.is_empty() {
            // Marsaglia's xorshift.
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            let length = (1 + random as usize % self.longest).min(rest.len());
            let length = if self.longest == usize::MAX { rest.len() } else { length };
            let (piece, others) = rest.split_at(length);
            pieces.push(piece.to_vec());
            rest = others;
        }
        pieces
    }
}

/// What came of a connection.
struct Served {
    seen: Vec<Seen>,
    sent: Vec<u8>,
    reset: bool,
    handed: bool,
}

fn run(ways: &Ways, octets: &[u8], limits: &Limits) -> Served {
    let pieces = ways.cut(octets);
    let turns = 1000 + 8 * pieces.len();
    let client = Client::new(pieces.into_iter(), ways.at_once, ways.slow);
    SEEN.take();
    KEPT.with(|kept| {
        // Timers are made and never run out: no time passes.
        let _runtime = kept.runtime.enter();
        let pipeline = Arc::clone(&kept.pipeline);
        let serving = Arc::new(Serving::new(pipeline, limits.clone(), Timeouts::default()));
        let peer = Arc::new(Connection::builder().build());
        let house = House::default();
        if ways.eager {
            serve(Memory::<true>::new(&client), peer, serving, house.enter());
        } else {
            serve(Memory::<false>::new(&client), peer, serving, house.enter());
        }
        house.run(&client, turns);
    });
    let (sent, reset, handed) = client.outcome();
    Served { seen: SEEN.take(), sent, reset, handed }
}

thread_local! {
    static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(Vec::new()) };
    static KEPT: Kept = Kept {
        runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"),
        pipeline: Pipeline::builder().handler(Notes).build().expect("it builds"),
    };
}

struct Kept {
    runtime: tokio::runtime::Runtime,
    pipeline: Arc<Pipeline>,
}

/// Notes what it was asked; reads the body as the path says.
struct Notes;

impl Handler for Notes {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(answer(cx))
    }
}

async fn answer(cx: &mut Context) -> Result<Flow> {
    let request = cx.request();
    let target = request.url().path_and_query().map_or("*", |target| target.as_str());
    let way = target.as_bytes().get(1).copied().unwrap_or_default();
    let seen = Seen {
        method: request.method().as_str().as_bytes().to_vec(),
        target: target.as_bytes().to_vec(),
        host: request.headers().get("host").map(|host| host.as_bytes().to_vec()).unwrap_or_default(),
        body: Vec::new(),
    };
    SEEN.with_borrow_mut(|all| all.push(seen));
    match way {
        reference::UNREAD => {}
        reference::HALF => {
            let part = cx.read_entity(3).await?;
            // How much of it is there may differ.
            note(&part[..part.len().min(1)]);
        }
        _ => {
            if way == reference::YIELDS {
                yield_now().await;
            }
            loop {
                let part = cx.read_entity(1 << 16).await?;
                if part.is_empty() {
                    break;
                }
                let first = note(&part);
                if way == reference::STREAMS && first {
                    cx.response_mut().set_header("date", "now")?;
                    cx.write("streamed").await?;
                    cx.flush().await?;
                }
            }
        }
    }
    if !cx.response().headers_sent() {
        cx.response_mut().set_header("date", "now")?;
        cx.response_mut().write("ok")?;
    }
    Ok(Flow::Continue)
}

/// Adds to the body of the last request; whether it is the first of it.
fn note(part: &[u8]) -> bool {
    SEEN.with_borrow_mut(|all| {
        let Some(seen) = all.last_mut() else { return false };
        let first = seen.body.is_empty();
        seen.body.extend_from_slice(part);
        first
    })
}

/// Others would get a turn.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|task| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Of each answer: whether it was served. No body has anything that looks like a status line.
fn statuses(sent: &[u8]) -> Vec<bool> {
    let text = plain(sent);
    text.match_indices("HTTP/1.1 ").map(|(at, found)| text[at + found.len()..].starts_with("200")).collect()
}

/// Without the word to go on, which depends on how much of a body is there, and without the time.
fn plain(sent: &[u8]) -> String {
    let text = String::from_utf8_lossy(sent).replace("HTTP/1.1 100 Continue\r\n\r\n", "");
    text.split_inclusive("\r\n").filter(|line| !line.starts_with("date: ")).collect()
}
