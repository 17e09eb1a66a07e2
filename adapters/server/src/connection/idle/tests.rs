//! Connections over a line that a test holds in its hand.

use std::collections::VecDeque;
use std::time::Duration;

use bivalve_core::driver::LeasePool;
use bivalve_core::{CompletionStatus, Context, EntityChunk, Flow, Pipeline, Result};
use bytes::BytesMut;

use super::super::pool::Warm;
use super::super::{Timeouts, serve};
use super::*;
use crate::Limits;
use crate::limits::WARM;
use crate::server::{Entered, OpenConnections};
use crate::transport::{BoxStream, Driven};

/// The client's end.
#[derive(Clone, Default)]
struct Client(Arc<Mutex<Said>>);

#[derive(Default)]
struct Said {
    /// Requests that are on their way.
    asked: usize,
    finished: bool,
    answered: usize,
    waker: Option<Waker>,
    /// How often the connection has been put to sleep.
    slept: usize,
    /// Whoever asks next for what has come is woken at once, and hears nothing.
    startles: bool,
    /// The server has closed.
    closed: bool,
    /// And panics then.
    faulty: bool,
}

impl Client {
    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self) {
        self.lock().asked += 1;
        self.wake();
    }

    fn finish(&self) {
        self.lock().finished = true;
        self.wake();
    }

    fn wake(&self) {
        let waker = self.lock().waker.take();
        waker.into_iter().for_each(Waker::wake);
    }

    /// Answers, and how often it has slept.
    fn seen(&self) -> (usize, usize) {
        let said = self.lock();
        (said.answered, said.slept)
    }

    fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

/// The server's end.
struct Line {
    client: Client,
    leases: Arc<LeasePool>,
    sent: VecDeque<Vec<EntityChunk>>,
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut said = self.client.lock();
        said.closed = true;
        let faulty = said.faulty;
        drop(said);
        assert!(!faulty, "a fault, for a test");
    }
}

/// The same, asleep: how often is counted.
struct Counted(Line);

impl Transport for Line {
    const EAGER: bool = true;
    const ENCRYPTED: bool = false;

    type Folded = Counted;

    fn fold(self) -> Counted {
        self.client.lock().slept += 1;
        Counted(self)
    }

    fn unfold(folded: Counted) -> Self {
        folded.0
    }

    fn poll_receive(&mut self, task: &mut Task<'_>) -> Poll<Came> {
        let mut said = self.client.lock();
        if std::mem::take(&mut said.startles) {
            drop(said);
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        if said.asked > 0 {
            said.asked -= 1;
            let mut buffer = self.leases.take();
            buffer.extend_from_slice(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            return Poll::Ready(Some(Ok(self.leases.lease(buffer).into())));
        }
        if said.finished {
            return Poll::Ready(None);
        }
        said.waker = Some(task.waker().clone());
        Poll::Pending
    }

    fn start_send(&mut self, chunks: Vec<EntityChunk>) {
        self.client.lock().answered += 1;
        self.sent.push_back(chunks);
    }

    fn poll_send(&mut self, _task: &mut Task<'_>) -> Poll<(CompletionStatus, Vec<EntityChunk>)> {
        Poll::Ready((CompletionStatus::SUCCESS, self.sent.pop_front().unwrap_or_default()))
    }

    fn poll_shutdown(&mut self, _task: &mut Task<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn reset(&mut self) {}

    fn poll_quiet(&mut self, _rest: &mut BytesMut, _task: &mut Task<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn into_stream(self) -> io::Result<BoxStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The connections of a thread.
struct Thread {
    serving: Arc<Serving>,
    open: OpenConnections,
}

impl Thread {
    fn new(idle: Duration) -> Self {
        fn hello(cx: &mut Context) -> Result<Flow> {
            cx.response_mut().write("Hello World!")?;
            Ok(Flow::Continue)
        }
        let pipeline = Pipeline::builder().handler(hello).build().expect("it builds");
        let timeouts = Timeouts { idle, ..Timeouts::default() };
        let serving = Arc::new(Serving::new(pipeline, Limits::default(), timeouts));
        Self { serving, open: OpenConnections::new(idle) }
    }

    fn connect(&self) -> Client {
        self.begin(Client::default())
    }

    fn begin(&self, client: Client) -> Client {
        self.begin_with(client.clone(), self.open.enter(()));
        client
    }

    fn begin_with(&self, client: Client, stay: impl Stay) {
        let line = Line { client, leases: LeasePool::new(4096, 4), sent: VecDeque::new() };
        let connection = Arc::new(Connection::builder().build());
        serve(line, connection, Arc::clone(&self.serving), stay);
    }

    /// Takes places among the warm ones; so many are left.
    fn leave_warm(&self, left: usize) -> Vec<Option<Warm<'_>>> {
        (left..WARM).map(|_| self.serving.keep_warm()).collect()
    }
}

/// Lets the others run until this holds.
async fn until(holds: impl Fn() -> bool) {
    let looking = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.expect("it comes to hold");
}

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_connection_that_finds_no_warm_place_sleeps_behind_each_answer_and_serves_on() {
    let thread = Thread::new(LONG);
    let _others = thread.leave_warm(0);
    let client = thread.connect();
    assert_eq!(client.seen(), (0, 1), "it has no task before a request comes");
    for request in 1..=3 {
        client.ask();
        until(|| client.seen() == (request, request + 1)).await;
    }
    client.finish();
    thread.open.all_ended().await;
    assert!(client.is_closed());
}

#[tokio::test]
async fn requests_in_a_row_are_served_before_the_connection_sleeps() {
    let thread = Thread::new(LONG);
    let _others = thread.leave_warm(0);
    let client = thread.connect();
    client.lock().asked = 100;
    client.wake();
    until(|| client.seen().1 == 2).await;
    assert_eq!((client.lock().asked, thread.open.len()), (0, 1));
}

#[tokio::test]
async fn a_warm_place_is_given_to_another_when_its_connection_ends() {
    let thread = Thread::new(LONG);
    let _others = thread.leave_warm(1);
    let [first, second] = [thread.connect(), thread.connect()];
    first.ask();
    until(|| first.seen() == (1, 1)).await;
    second.ask();
    until(|| second.seen() == (1, 2)).await;
    assert_eq!(first.seen(), (1, 1), "it has the place");
    first.finish();
    until(|| first.is_closed()).await;
    second.ask();
    until(|| second.lock().answered == 2).await;
    assert!(thread.serving.keep_warm().is_none(), "the other one has it");
    assert_eq!(second.seen(), (2, 2));
}

#[tokio::test]
async fn a_connection_that_sleeps_is_closed_when_its_time_is_over() {
    let thread = Thread::new(Duration::from_millis(50));
    let _others = thread.leave_warm(0);
    let [silent, asks] = [thread.connect(), thread.connect()];
    asks.ask();
    until(|| silent.is_closed() && asks.is_closed()).await;
    assert_eq!(asks.lock().answered, 1);
    assert!(thread.open.is_empty());
    // Nobody looks any more, and somebody does when there is another one.
    let late = thread.connect();
    until(|| late.is_closed()).await;
}

/// Notes until when a connection would sleep.
struct Notes(Arc<Mutex<Vec<Instant>>>);

impl Stay for Notes {
    fn run<F>(self, serve: impl FnOnce(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(serve(self));
    }

    fn rest(&self, _asleep: Arc<dyn Asleep>, deadline: Instant) {
        self.0.lock().expect("not poisoned").push(deadline);
    }
}

#[tokio::test]
async fn a_request_gives_a_connection_its_time_again_and_nothing_else_does() {
    let thread = Thread::new(LONG);
    let _others = thread.leave_warm(0);
    let (client, noted) = (Client::default(), Arc::default());
    thread.begin_with(client.clone(), Notes(Arc::clone(&noted)));
    client.wake();
    until(|| client.seen() == (0, 2)).await;
    client.ask();
    until(|| client.seen() == (1, 3)).await;
    let noted = noted.lock().expect("not poisoned");
    assert!(noted[0] == noted[1] && noted[1] < noted[2], "{noted:?}");
}

#[tokio::test]
async fn a_server_that_stops_wakes_those_that_sleep_and_they_end() {
    let thread = Thread::new(LONG);
    let _others = thread.leave_warm(0);
    let clients: Vec<_> = (0..200).map(|_| thread.connect()).collect();
    clients[0].ask();
    until(|| clients[0].seen() == (1, 2)).await;
    thread.serving.stop();
    // It has come, and nobody has looked.
    clients[1].lock().asked = 1;
    thread.open.wake_idle().await;
    thread.open.all_ended().await;
    assert!(clients.iter().all(Client::is_closed));
    assert_eq!(clients[1].lock().answered, 1);
}

#[tokio::test]
async fn a_connection_does_not_go_to_sleep_on_a_server_that_has_stopped() {
    let thread = Thread::new(LONG);
    thread.serving.stop();
    let [silent, asks] = [Client::default(), Client::default()];
    asks.lock().asked = 1;
    let [silent, asks] = [silent, asks].map(|client| thread.begin(client));
    assert_eq!((silent.is_closed(), silent.seen()), (true, (0, 0)));
    thread.open.all_ended().await;
    assert_eq!((asks.is_closed(), asks.seen()), (true, (1, 0)));
}

#[tokio::test]
async fn connections_that_sleep_end_with_their_thread() {
    let thread = Thread::new(LONG);
    let clients = [thread.connect(), thread.connect()];
    thread.open.shut_down().await;
    assert!(clients.iter().all(Client::is_closed) && thread.open.is_empty());
    let last = thread.connect();
    let Thread { open, .. } = thread;
    drop(open);
    assert!(last.is_closed());
}

#[tokio::test]
async fn one_whose_end_panics_does_not_keep_the_others_from_theirs() {
    let thread = Thread::new(LONG);
    let clients = [thread.connect(), thread.connect(), thread.connect()];
    clients[0].lock().faulty = true;
    thread.open.shut_down().await;
    assert!(clients.iter().all(Client::is_closed) && thread.open.is_empty());
}

#[tokio::test]
async fn who_is_woken_while_it_goes_to_sleep_looks_again() {
    let thread = Thread::new(LONG);
    let _others = thread.leave_warm(0);
    let client = Client::default();
    *client.lock() = Said { asked: 1, startles: true, ..Said::default() };
    let client = thread.begin(client);
    until(|| client.seen() == (1, 1)).await;
    assert!(!client.is_closed());
}

/// Bytes of a connection that sleeps: all of it but its [`Connection`], its place, and what the driver keeps.
#[test]
fn a_connection_that_sleeps_is_small() {
    // An `Admission` has four words.
    let size = size_of::<Bed<Driven, Entered<[usize; 4]>>>();
    assert!(size <= 160, "{size}");
}
