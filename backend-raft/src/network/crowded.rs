//! The transport when there is too much of something: what is bounded, and how the caller is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::caller::{Caller, Origin};
use super::channel::{CallError, Channel};
use super::door::Door;
use super::frame::{self, FrameReader};
use super::greeting::Proof;
use super::key::SessionKey;
use super::limits::{
    ANSWER_BYTES, ANSWER_BYTES_PER_ORIGIN, Connections, LISTS, LISTS_PER_ORIGIN, MAX_MEMBER, REQUEST_BYTES,
    REQUEST_BYTES_PER_ORIGIN, REQUESTS, SILENCE, STALLED, STREAMS,
};
use super::refusal::{Failure, Refused};
use super::server::{Answer, Entrance, Handler, connection, serve};
use super::tls::Security;
use super::wire::{Down, Greeting, Hello, Item, Request, Response, Sender, Up};
use crate::state_machine::{LeaderRecord, View};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers `Read` and `Queue` after a while and counts how many it answers at once. Its streams say nothing, but that of
/// `large` begins with a large value.
#[derive(Default)]
struct Slow {
    now: AtomicUsize,
    most: AtomicUsize,
    bytes: AtomicUsize,
    most_bytes: AtomicUsize,
}

impl Handler for Slow {
    async fn greet(&self, _hello: &Hello, origin: &Result<Origin, String>) -> Result<Origin, Refused> {
        Ok(origin.clone().unwrap())
    }

    fn incarnation(&self) -> crate::store::Incarnation {
        7
    }

    async fn handle(&self, _caller: Arc<Caller>, request: Request) -> Answer {
        let election = match request {
            Request::Read { election } | Request::Queue { election } => election,
            Request::Observe { election } if election == "large" => {
                let first = stream::iter([Item::View(large())]);
                return Answer::Stream(first.chain(stream::pending()).boxed());
            }
            _ => return Answer::Stream(stream::pending().boxed()),
        };
        let size = election.len();
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        self.most_bytes.fetch_max(self.bytes.fetch_add(size, Ordering::SeqCst) + size, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        self.bytes.fetch_sub(size, Ordering::SeqCst);
        Answer::Once(Ok(Response::View(View { at: 1, leader: None })))
    }
}

fn entrance(handler: &Arc<Slow>, limits: Connections) -> Entrance<Slow> {
    Entrance { handler: handler.clone(), security: Security::Plaintext, door: Door::new(limits) }
}

type Served = tokio::task::JoinHandle<std::io::Result<()>>;

/// Serves one end of a pipe and gives the other.
fn pipe(handler: &Arc<Slow>) -> (tokio::io::DuplexStream, Served) {
    pipe_from([127, 0, 0, 1], &Arc::new(entrance(handler, Connections::default())))
}

/// The same, from that address, through an entrance that others may use as well.
fn pipe_from(address: [u8; 4], entrance: &Arc<Entrance<Slow>>) -> (tokio::io::DuplexStream, Served) {
    let (ours, theirs) = tokio::io::duplex(4096);
    let entrance = entrance.clone();
    let served = tokio::spawn(async move {
        let from = address.into();
        let (knock, until) = (entrance.door.knock(from).unwrap(), tokio::time::Instant::now() + SILENCE);
        connection(theirs, Proof::address(from), knock, until, &entrance).await
    });
    (ours, served)
}

fn hello() -> Hello {
    Hello::new("c", Sender::Client, 1)
}

/// As large a view as there is.
fn large() -> View {
    let value = vec![7; election_core::MAX_VALUE_BYTES].into();
    View { at: 1, leader: Some(LeaderRecord { id: "c".into(), value, token: 1 }) }
}

fn observe(election: &str) -> Request {
    Request::Observe { election: election.into() }
}

fn read(bytes: usize) -> Request {
    Request::Read { election: "x".repeat(bytes) }
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_bounds_wait_and_all_are_served() {
    let handler = Arc::new(Slow::default());
    let (ours, _served) = pipe(&handler);
    let channel = Channel::open(ours, &hello()).await.unwrap();
    for (count, bytes) in [(3 * REQUESTS, 1), (150, 60_000)] {
        let mut calls = JoinSet::new();
        for _ in 0..count {
            let channel = channel.clone();
            calls.spawn(async move { channel.call(read(bytes)).await });
        }
        while let Some(answered) = calls.join_next().await {
            answered.unwrap().unwrap();
        }
    }
    assert_eq!(handler.most.load(Ordering::SeqCst), REQUESTS);
    let most_bytes = handler.most_bytes.load(Ordering::SeqCst);
    assert!(most_bytes <= REQUEST_BYTES && most_bytes > REQUEST_BYTES / 2, "{most_bytes}");
}

#[tokio::test(start_paused = true)]
async fn lists_are_made_a_few_at_a_time_and_delay_nothing_else() {
    let handler = Arc::new(Slow::default());
    let (ours, _served) = pipe(&handler);
    let channel = Channel::open(ours, &hello()).await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let channel = channel.clone();
        calls.spawn(async move { channel.call(Request::Queue { election: "e".into() }).await });
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(handler.now.load(Ordering::SeqCst), LISTS);
    channel.call(read(1)).await.unwrap();
    assert_eq!(handler.now.load(Ordering::SeqCst), LISTS, "lists are still being made");
    while let Some(answered) = calls.join_next().await {
        answered.unwrap().unwrap();
    }
    assert_eq!(handler.most.load(Ordering::SeqCst), LISTS + 1);
}

/// So many connections of one origin, and one of another.
async fn crowd(count: usize) -> (Arc<Slow>, Vec<Channel>, Channel) {
    let handler = Arc::new(Slow::default());
    let entrance = Arc::new(entrance(&handler, Connections::default()));
    let open = async |address| Channel::open(pipe_from(address, &entrance).0, &hello()).await.unwrap();
    let mut crowd = Vec::new();
    for _ in 0..count {
        crowd.push(open([10, 0, 0, 1]).await);
    }
    (handler, crowd, open([10, 0, 0, 2]).await)
}

#[tokio::test(start_paused = true)]
async fn lists_of_one_origin_are_a_few_however_many_connections_it_has() {
    let (handler, crowd, other) = crowd(3 * LISTS_PER_ORIGIN).await;
    let mut calls = JoinSet::new();
    for channel in crowd.iter().chain([&other]) {
        let channel = channel.clone();
        calls.spawn(async move { channel.call(Request::Queue { election: "e".into() }).await });
    }
    while let Some(answered) = calls.join_next().await {
        answered.unwrap().unwrap();
    }
    assert_eq!(handler.most.load(Ordering::SeqCst), LISTS_PER_ORIGIN + 1);
}

#[tokio::test(start_paused = true)]
async fn an_origin_with_too_many_bytes_of_requests_is_told_so_and_goes_on_to_renew() {
    let (handler, crowd, other) = crowd(REQUEST_BYTES_PER_ORIGIN / REQUEST_BYTES + 4).await;
    let mut calls = JoinSet::new();
    for channel in crowd.iter().flat_map(|channel| std::iter::repeat_n(channel, REQUEST_BYTES / 100_000)) {
        let channel = channel.clone();
        calls.spawn(async move { channel.call(read(100_000)).await });
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let renew = Request::Renew { session: 1, key: SessionKey::of(1) };
    for channel in &crowd {
        channel.call(renew.clone()).await.unwrap();
    }
    other.call(read(100_000)).await.unwrap();
    let (mut served, mut refused) = (0, 0);
    while let Some(answered) = calls.join_next().await {
        match answered.unwrap() {
            Ok(_) => served += 1,
            Err(CallError::Failure(Failure::Full { what })) => {
                refused += 1;
                assert_eq!(
                    what,
                    "10.0.0.1 has 67108864 bytes of requests under way, the most it may: send fewer at once"
                );
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(served > 0 && refused > 0, "{served} served, {refused} refused");
    let most_bytes = handler.most_bytes.load(Ordering::SeqCst);
    assert!(most_bytes <= REQUEST_BYTES_PER_ORIGIN + 100_000, "{most_bytes}");
}

#[tokio::test(start_paused = true)]
async fn connections_that_read_nothing_take_no_more_together_than_their_origin_may() {
    let handler = Arc::new(Slow::default());
    let entrance = Arc::new(entrance(&handler, Connections::default()));
    let count = 2 * ANSWER_BYTES_PER_ORIGIN / ANSWER_BYTES;
    let (mut crowd, mut served) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (mut ours, ends) = pipe_from([10, 0, 0, 1], &entrance);
        ours.write_all(&frame::encode(&hello()).unwrap()).await.unwrap();
        for id in 0..100 {
            ours.write_all(&frame::encode(&Up::Call { id, request: observe("large") }).unwrap())
                .await
                .unwrap();
        }
        crowd.push(ours);
        served.push(ends);
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let share = |last| {
        let origin = Origin::address([10, 0, 0, last].into());
        entrance.door.admit(Sender::Client, origin).unwrap().1.shares
    };
    let large = frame::length(&Down::Item { id: 0, item: Item::View(large()) }).unwrap();
    assert!(share(1).answers().take(large).now_or_never().is_none(), "all of it is taken");
    assert!(share(2).answers().take(large).now_or_never().is_some());
    // They are given up, and so is what they have taken.
    for ends in served {
        tokio::time::timeout(STALLED * 3, ends).await.unwrap().unwrap().unwrap_err();
    }
    assert!(share(1).answers().take(large).now_or_never().is_some());
}

#[tokio::test]
async fn a_stream_too_many_is_refused_and_leaves_the_others() {
    let handler = Arc::new(Slow::default());
    let (ours, _served) = pipe(&handler);
    let channel = Channel::open(ours, &hello()).await.unwrap();
    let open: Vec<_> = stream::iter(0..STREAMS)
        .map(|_| channel.stream(observe("e")))
        .buffered(100)
        .map(Result::unwrap)
        .collect()
        .await;
    let refused = channel.stream(observe("e")).await.err().unwrap();
    assert!(matches!(&refused, CallError::Failure(Failure::Full { what }) if what.contains("16384 streams")));
    channel.call(read(1)).await.unwrap();
    drop(open);
    let again = async {
        while channel.stream(observe("e")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("those that ended make room");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_takes_no_answers_is_given_up() {
    for (request, count) in [(read(1), u64::MAX), (observe("large"), 1000)] {
        let handler = Arc::new(Slow::default());
        let (mut ours, served) = pipe(&handler);
        ours.write_all(&frame::encode(&hello()).unwrap()).await.unwrap();
        // It goes on to show that it lives, but reads nothing.
        let asking = tokio::spawn(async move {
            for id in 0..count {
                let call = Up::Call { id, request: request.clone() };
                if ours.write_all(&frame::encode(&call).unwrap()).await.is_err() {
                    return;
                }
            }
            while ours.write_all(&frame::encode(&Up::Ping).unwrap()).await.is_ok() {
                tokio::time::sleep(SILENCE / 4).await;
            }
        });
        let ended = tokio::time::timeout(STALLED * 3, served).await.unwrap().unwrap().unwrap_err();
        assert!(ended.to_string().contains("takes nothing of what is sent"), "{ended}");
        asking.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn many_large_answers_to_one_slow_caller_all_arrive() {
    const STREAMS: u64 = 1000;
    let handler = Arc::new(Slow::default());
    let (mut ours, _served) = pipe(&handler);
    ours.write_all(&frame::encode(&hello()).unwrap()).await.unwrap();
    for id in 0..STREAMS {
        ours.write_all(&frame::encode(&Up::Call { id, request: observe("large") }).unwrap()).await.unwrap();
    }
    // It still reads nothing; others are served.
    let (other, _other_served) = pipe(&handler);
    let other = Channel::open(other, &hello()).await.unwrap();
    other.call(read(1)).await.unwrap();
    other.stream(observe("large")).await.unwrap().next().await.unwrap();

    let (read, mut write) = tokio::io::split(ours);
    let pings = tokio::spawn(async move {
        while write.write_all(&frame::encode(&Up::Ping).unwrap()).await.is_ok() {
            tokio::time::sleep(SILENCE / 4).await;
        }
    });
    let mut reader = FrameReader::new(read, MAX_MEMBER);
    reader.next::<Greeting>(PATIENCE).await.unwrap().unwrap().unwrap();
    let mut told = std::collections::BTreeSet::new();
    while (told.len() as u64) < STREAMS {
        if let Down::Item { id, item } = reader.next(PATIENCE).await.unwrap().unwrap() {
            assert_eq!(item, Item::View(large()));
            assert!(told.insert(id));
        }
    }
    pings.abort();
}

#[tokio::test]
async fn a_connection_too_many_is_told_its_limit_and_one_that_ends_makes_room() {
    let limits = Connections { clients: 3, per_origin: 2, ..Connections::default() };
    let handler = Arc::new(Slow::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, Arc::new(entrance(&handler, limits)), stop.clone()));
    let open = async || Channel::open(TcpStream::connect(address).await.unwrap(), &hello()).await;
    let first = open().await.unwrap();
    let _second = open().await.unwrap();
    let refused = open().await.err().unwrap();
    assert_eq!(
        refused.to_string(),
        "the node takes no more connections now: 127.0.0.1 has the most connections it may (2); close some, or \
         try again later"
    );
    first.call(read(1)).await.unwrap();
    first.close("enough".into());
    drop(first);
    let again = async {
        while open().await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
    stop.cancel();
}

#[tokio::test]
async fn a_connection_that_is_closed_unheard_says_what_it_may_be() {
    let limits = Connections { burst: 1, per_second: 0, ..Connections::default() };
    let handler = Arc::new(Slow::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Arc::new(entrance(&handler, limits)), CancellationToken::new()));
    let open = async || Channel::open(TcpStream::connect(address).await.unwrap(), &hello()).await;
    let first = open().await.unwrap();
    let error = open().await.err().unwrap();
    assert!(matches!(error, CallError::Connection(_)), "it may be tried again: {error:?}");
    first.call(read(1)).await.unwrap();
}
