//! The transport alone, over pipes in memory: what it does with good peers, bad ones and silent ones.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::caller::{Caller, Origin};
use super::channel::{CallError, Channel};
use super::door::Door;
use super::frame;
use super::greeting::Proof;
use super::key::SessionKey;
use super::limits::{Connections, MAX_CLIENT, SILENCE};
use super::refusal::{Failure, Refused};
use super::server::{Answer, Entrance, Handler, connection};
use super::tls::Security;
use super::wire::{Down, Greeting, Hello, Item, Request, Response, Sender, Status, Up};
use crate::state_machine::View;

/// Answers `Read` with its name's length as a view, later the longer the name is; streams five views.
struct Fake;

fn view(at: u64) -> View {
    View { at, leader: None }
}

impl Handler for Fake {
    async fn greet(&self, hello: &Hello, origin: &Result<Origin, String>) -> Result<Origin, Refused> {
        if hello.cluster == "right" {
            Ok(origin.clone().unwrap())
        } else {
            Err(Refused::Cluster { theirs: "right".into(), ours: hello.cluster.clone() })
        }
    }

    fn incarnation(&self) -> crate::store::Incarnation {
        7
    }

    async fn handle(&self, _caller: Arc<Caller>, request: Request) -> Answer {
        match request {
            Request::Read { election } => {
                tokio::time::sleep(Duration::from_millis(election.len() as u64)).await;
                Answer::Once(Ok(Response::View(view(election.len() as u64))))
            }
            Request::Observe { election } if election == "endless" => {
                Answer::Stream(stream::iter(0..).map(|at| Item::View(view(at))).boxed())
            }
            Request::Observe { .. } => {
                Answer::Stream(stream::iter(0..5).map(|at| Item::View(view(at))).boxed())
            }
            Request::Status => std::future::pending().await,
            _ => Answer::Once(Err(Failure::NotLeader { leader: Some(2) })),
        }
    }
}

fn hello(cluster: &str) -> Hello {
    Hello::new(cluster, Sender::Client, 1)
}

/// Serves [`Fake`] at one end of a pipe.
async fn serve(theirs: DuplexStream) -> std::io::Result<()> {
    let (handler, door) = (Arc::new(Fake), Door::new(Connections::default()));
    let entrance = Entrance { handler, security: Security::Plaintext, door: door.clone() };
    let from = [127, 0, 0, 1].into();
    let until = tokio::time::Instant::now() + SILENCE;
    connection(theirs, Proof::address(from), door.knock(from).unwrap(), until, &entrance).await
}

/// A connection to [`Fake`]: our end of the pipe.
fn pipe() -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(serve(theirs));
    ours
}

async fn channel() -> Channel {
    Channel::open(pipe(), &hello("right")).await.unwrap()
}

fn read(letters: usize) -> Request {
    Request::Read { election: "x".repeat(letters) }
}

#[tokio::test(start_paused = true)]
async fn many_calls_share_a_connection_and_a_slow_one_delays_no_other() {
    let channel = channel().await;
    let calls = (1..100).rev().map(|letters| {
        let channel = channel.clone();
        async move {
            match channel.call(read(letters)).await.unwrap() {
                Response::View(view) => assert_eq!(view.at, letters as u64),
                other => panic!("{other:?}"),
            }
            letters
        }
    });
    let order: Vec<usize> = calls.collect::<stream::FuturesUnordered<_>>().collect::<Vec<_>>().await;
    assert!(order.is_sorted(), "the quick ones come first: {order:?}");
}

#[tokio::test]
async fn a_failure_is_told_as_one_and_leaves_the_connection() {
    let channel = channel().await;
    let refused = channel.call(Request::Renew { session: 1, key: SessionKey::of(1) }).await.unwrap_err();
    assert!(matches!(refused, CallError::Failure(Failure::NotLeader { leader: Some(2) })));
    let refused =
        channel.stream(Request::WatchSession { session: 1, key: SessionKey::of(1) }).await.err().unwrap();
    assert!(matches!(refused, CallError::Failure(Failure::NotLeader { .. })));
    channel.call(read(1)).await.unwrap();
}

#[tokio::test]
async fn a_stream_delivers_its_items_and_ends() {
    let channel = channel().await;
    let mut items = channel.stream(Request::Observe { election: "e".into() }).await.unwrap();
    for at in 0..5 {
        assert_eq!(items.next().await, Some(Item::View(view(at))));
    }
    assert_eq!(items.next().await, None);
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_given_up_and_blocks_nobody() {
    let channel = channel().await;
    let mut items = channel.stream(Request::Observe { election: "endless".into() }).await.unwrap();
    for _ in 0..100 {
        channel.call(read(1)).await.unwrap();
    }
    let mut count = 0;
    while items.next().await.is_some() {
        count += 1;
    }
    assert!(count > 0);
    channel.call(read(1)).await.unwrap();
}

#[tokio::test]
async fn whoever_is_refused_is_told_why() {
    let error = Channel::open(pipe(), &hello("wrong")).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "the node belongs to cluster \"right\", not \"wrong\": correct the address or the cluster name"
    );
    let mut newer = hello("right");
    newer.version += 1;
    let error = Channel::open(pipe(), &newer).await.err().unwrap();
    assert!(error.to_string().contains("version"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_end_is_given_up_in_bounded_time() {
    // A listener that accepts and says nothing.
    let (ours, _theirs) = tokio::io::duplex(64);
    let error = Channel::open(ours, &hello("right")).await.err().unwrap();
    assert!(error.to_string().contains("silent"), "{error}");
    // A caller that connects and says nothing, or that greets one byte at a time.
    for bytes in [0, 5] {
        let mut ours = pipe();
        ours.write_all(&frame::encode(&hello("right")).unwrap()[..bytes]).await.unwrap();
        let mut rest = Vec::new();
        tokio::time::timeout(SILENCE * 2, ours.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert!(rest.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_connection_lives_and_a_dead_one_fails_its_calls() {
    let channel = channel().await;
    tokio::time::sleep(SILENCE * 10).await;
    channel.call(read(1)).await.unwrap();
    // The other end dies in the middle of a call.
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let served = tokio::spawn(serve(theirs));
    let channel = Channel::open(ours, &hello("right")).await.unwrap();
    let call = tokio::spawn({
        let channel = channel.clone();
        async move { channel.call(Request::Status).await }
    });
    tokio::task::yield_now().await;
    served.abort();
    assert!(matches!(call.await.unwrap(), Err(CallError::Connection(_))));
    assert!(channel.is_closed());
}

#[tokio::test]
async fn a_message_beyond_the_bound_ends_the_connection_unread() {
    let channel = channel().await;
    let error = channel.call(read(MAX_CLIENT + 1)).await.unwrap_err();
    assert!(matches!(error, CallError::Connection(_)), "{error}");
    assert!(error.to_string().contains("a message of more than 131072 bytes"), "{error}");
}

#[tokio::test]
async fn garbage_ends_the_connection() {
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 64], &[0, 0, 0, 3, 1, 2, 3], &[0, 0, 0, 0]] {
        let mut ours = pipe();
        ours.write_all(garbage).await.unwrap();
        let mut rest = Vec::new();
        // The pipe may break before all is written or end cleanly; it does not hang.
        tokio::time::timeout(SILENCE * 2, ours.read_to_end(&mut rest)).await.unwrap().ok();
        assert!(rest.len() < 64, "something was answered to garbage");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        postcard::from_bytes::<Hello>(&bytes).ok();
        postcard::from_bytes::<Greeting>(&bytes).ok();
        postcard::from_bytes::<Up>(&bytes).ok();
        postcard::from_bytes::<Down>(&bytes).ok();
    }

    #[test]
    fn what_is_encoded_is_decoded(id in any::<u64>(), applied in any::<u64>(), formed in any::<bool>()) {
        let status = Status { formed, leader: Some(id), applied, ..Status::default() };
        let frame = frame::encode(&Down::Reply { id, result: Ok(Response::Status(status.clone())) }).unwrap();
        prop_assert_eq!(frame[..4].to_vec(), ((frame.len() - 4) as u32).to_be_bytes().to_vec());
        match postcard::from_bytes(&frame[4..]).unwrap() {
            Down::Reply { id: found, result: Ok(Response::Status(read)) } => {
                prop_assert_eq!(found, id);
                prop_assert_eq!(read, status);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
