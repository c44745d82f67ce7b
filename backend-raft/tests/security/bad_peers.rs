//! Whoever must not come in: each is told why, the nodes' logs say so too, and the group goes on leading.

use std::time::Duration;

use crate::common::certificates::{Authority, EXPIRED, Files, VALID};
use crate::common::raw::{self, Greeting, Hello, Refused, Request, Sender, Up};
use crate::common::steady::Steady;
use crate::common::{Cluster, secured, soon};

use backend_raft::RaftCoordinator;
use election_core::Kind;
use election_core::clock::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Long enough for a busy machine, short enough to be lost if renewals failed while a test runs.
const TTL: Duration = Duration::from_secs(4);
/// By when a node has hung up on whoever says nothing, with a good deal to spare.
const SOON: Duration = Duration::from_secs(15);

async fn steady(cluster: &Cluster) -> Steady {
    Steady::lead(cluster, cluster.client(TTL).await).await
}

/// A TLS connection to node 1, as whoever `files` says.
async fn to_node_1(cluster: &Cluster, files: &Files) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(&cluster.members[0]).await.unwrap();
    raw::tls(stream, &cluster.authority().ca, Some(files), "node-1.election").await.unwrap()
}

async fn greeting(cluster: &Cluster, files: &Files, hello: &Hello) -> Greeting {
    raw::greet(&mut to_node_1(cluster, files).await, hello).await.unwrap()
}

/// What a node answers to a certificate that it does not accept: it comes after the handshake, in TLS 1.3.
async fn alert(cluster: &Cluster, files: Option<&Files>) -> String {
    let stream = TcpStream::connect(&cluster.members[0]).await.unwrap();
    let opened = raw::tls(stream, &cluster.authority().ca, files, "node-1.election").await;
    match opened {
        Err(error) => error.to_string(),
        Ok(mut stream) => raw::read_frame(&mut stream).await.unwrap_err().to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_are_not_good() {
    let mut cluster = Cluster::start_secure("profile=wan");
    let steady = steady(&cluster).await;
    let authority = cluster.authority();
    let stranger = Authority::new(cluster.dir.path(), "stranger");

    let said = alert(&cluster, Some(&stranger.client("x", "election"))).await;
    assert!(said.contains("UnknownCA"), "{said}");
    let said = alert(&cluster, Some(&authority.issue("old", &["x.client.election"], EXPIRED))).await;
    assert!(said.contains("CertificateExpired"), "{said}");
    let said = alert(&cluster, None).await;
    assert!(said.contains("CertificateRequired"), "{said}");

    // The same through the library, with a process that trusts both authorities and is trusted by neither.
    let both = cluster.dir.path().join("both.pem");
    let pem = |files: &Files| std::fs::read_to_string(&files.ca).unwrap();
    let foreign = stranger.client("y", "election");
    std::fs::write(&both, pem(&foreign) + &pem(&authority.client("z", "election"))).unwrap();
    let config = secured(cluster.client_config(), &Files { ca: both, ..foreign.clone() });
    let error = RaftCoordinator::connect(config).await.unwrap_err();
    assert_eq!(error.kind(), Kind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("does not accept this process's certificate (UnknownCA)"), "{error}");
    // And the other way round: a client that does not accept the node's.
    let error = RaftCoordinator::connect(secured(cluster.client_config(), &foreign)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("the node's certificate is not accepted"), "{error}");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");

    let node = cluster.node(1);
    for line in ["UnknownIssuer", "certificate expired", "peer sent no certificates"] {
        node.logs(line).await;
    }
    steady.held(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_are_somebody_elses() {
    let mut cluster = Cluster::start_secure("profile=wan");
    let steady = steady(&cluster).await;
    let authority = cluster.authority();
    let (two, three) = (authority.node(2, "election"), authority.node(3, "election"));
    let client = authority.client("x", "election");
    let member = |id| Hello::new(Sender::Member { id, incarnation: 1 }, 1);
    let identity =
        |shown: &str, claimed: &str| Err(Refused::Identity { shown: shown.into(), claimed: claimed.into() });

    // A client, an administrator, another member and another group's member, each speaking as member 2.
    for (files, shown) in [
        (client.clone(), "x.client.election"),
        (authority.client("node-2", "election"), "node-2.client.election"),
        (authority.admin("ops", "election"), "ops.admin.election"),
        (three.clone(), "node-3.election"),
        (authority.node(2, "other"), "node-2.other"),
        (authority.issue("all", &["*.election"], VALID), "no DNS name, wildcards apart"),
        (
            authority.issue("both", &["node-2.election", "node-3.election"], VALID),
            "node-2.election, node-3.election",
        ),
    ] {
        assert_eq!(greeting(&cluster, &files, &member(2)).await, identity(shown, "node-2.election"));
    }
    // Nobody's claim has been remembered: the real node 2 goes on, also after a restart.
    assert_eq!(greeting(&cluster, &two, &member(2)).await, Err(Refused::Incarnation { id: 2 }));
    // Whoever has a certificate for an id that node 1 has not heard of may have been let in by the others meanwhile.
    assert!(greeting(&cluster, &authority.node(4, "election"), &member(4)).await.is_ok());
    assert_eq!(
        greeting(&cluster, &authority.client("x", "other"), &Hello::new(Sender::Client, 1)).await,
        identity("x.client.other", "NAME.client.election")
    );
    // Wrong group, wrong node, another version.
    let mut hello = Hello::new(Sender::Client, 1);
    hello.cluster = "other".into();
    let refused = greeting(&cluster, &client, &hello).await;
    assert_eq!(refused, Err(Refused::Cluster { theirs: "election".into(), ours: "other".into() }));
    let refused = greeting(&cluster, &client, &Hello::new(Sender::Client, 2)).await;
    assert_eq!(refused, Err(Refused::Node { theirs: 1, ours: 2 }));
    for version in [raw::VERSION - 1, raw::VERSION + 1] {
        let hello = Hello { version, ..Hello::new(Sender::Client, 1) };
        assert_eq!(greeting(&cluster, &client, &hello).await, Err(Refused::Version { theirs: raw::VERSION }));
    }
    assert!(greeting(&cluster, &client, &Hello::new(Sender::Client, 1)).await.is_ok());

    // Members that are listed in another order show each other's names.
    let mut config = cluster.client_config();
    config.members.rotate_left(1);
    let error = RaftCoordinator::connect(config).await.unwrap_err();
    assert_eq!(error.kind(), Kind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("not valid for name \"node-"), "{error}");

    cluster.node(1).logs("the certificate shown to the node is for ").await;
    steady.held(&cluster).await;
    cluster.terminate(2);
    cluster.start_node(2);
    cluster.node(2).ready();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_message() {
    let mut cluster = Cluster::start_secure("profile=wan");
    let steady = steady(&cluster).await;
    let client = cluster.authority().client("x", "election");
    let hello = Hello::new(Sender::Client, 1);

    // Instead of a handshake.
    for garbage in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &[0; 4096], &[0xff; 64], &[0x16; 4096]] {
        let mut stream = TcpStream::connect(&cluster.members[0]).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        raw::until_it_hangs_up(&mut stream, SOON).await;
    }
    // Instead of a greeting.
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 0, 3, 1, 2, 3], &[0, 0, 0, 0], &[0xff; 64]] {
        let mut stream = to_node_1(&cluster, &client).await;
        stream.write_all(garbage).await.unwrap();
        let said = raw::until_it_hangs_up(&mut stream, SOON).await;
        assert!(said.is_empty(), "{said:?}");
    }
    // Instead of a request: the last word says why.
    for (garbage, why) in [
        (&[0, 0, 0, 2, 0xff, 0xff][..], "bytes that are no message"),
        (&[0, 0x7f, 0xff, 0xff], "a message of more than 131072 bytes"),
        (&[0xff, 0xff, 0xff, 0xff], "a message of more than 131072 bytes"),
    ] {
        let mut stream = to_node_1(&cluster, &client).await;
        raw::greet(&mut stream, &hello).await.unwrap().unwrap();
        stream.write_all(garbage).await.unwrap();
        loop {
            match raw::read(&mut stream).await.unwrap() {
                raw::Down::Pong => {}
                raw::Down::Bye { why: said } => {
                    assert!(said.contains(why), "{said}");
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    // Half a message, and the end.
    let mut stream = to_node_1(&cluster, &client).await;
    raw::greet(&mut stream, &hello).await.unwrap().unwrap();
    stream.write_all(&[0, 0, 1, 0, 1, 2, 3]).await.unwrap();
    stream.shutdown().await.unwrap();
    raw::until_it_hangs_up(&mut stream, SOON).await;
    // A flag of Raft's where a client may not have one: the request itself, not its bytes, is refused.
    let mut stream = to_node_1(&cluster, &client).await;
    raw::greet(&mut stream, &hello).await.unwrap().unwrap();
    let open = Up::Call { id: 1, request: Request::Open { key: 1, ttl_ms: 1 } };
    stream.write_all(&raw::frame(&open)).await.unwrap();
    assert!(!soon("an answer", raw::read_frame(&mut stream)).await.unwrap().is_empty());

    let node = cluster.node(1);
    node.logs("a connection was refused or ended").await;
    steady.held(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_or_next_to_nothing() {
    let mut cluster = Cluster::start_secure("profile=wan");
    let steady = steady(&cluster).await;
    let client = cluster.authority().client("x", "election");

    // Half open: not a byte; and not a byte after the handshake.
    let mut silent = TcpStream::connect(&cluster.members[0]).await.unwrap();
    raw::until_it_hangs_up(&mut silent, SOON).await;
    cluster.node(1).logs("it did not say who it is in time").await;
    let mut silent = to_node_1(&cluster, &client).await;
    raw::until_it_hangs_up(&mut silent, SOON).await;
    // Slow-loris: a byte now and then, of a handshake and of a greeting, keeps no connection.
    let mut hand = TcpStream::connect(&cluster.members[0]).await.unwrap();
    trickle(&mut hand, &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await;
    let mut greeting = to_node_1(&cluster, &client).await;
    trickle(&mut greeting, &raw::frame(&Hello::new(Sender::Client, 1))[..11]).await;
    // Of a request, once it is in: a message that has begun must end.
    let mut stream = to_node_1(&cluster, &client).await;
    raw::greet(&mut stream, &Hello::new(Sender::Client, 1)).await.unwrap().unwrap();
    trickle(&mut stream, &[0, 0, 0, 200, 0, 1, 9, 200, 1, b'x', b'x']).await;
    steady.held(&cluster).await;
}

/// Sends the bytes one by one, over more time than a node is ready to wait, and expects it to hang up.
async fn trickle(stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin), bytes: &[u8]) {
    let pause = Duration::from_millis(300);
    let begun = Instant::now();
    for byte in bytes.iter().cycle() {
        if stream.write_all(&[*byte]).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        // Pongs may come; the end is what counts.
        let mut some = [0; 1024];
        if let Ok(Ok(0) | Err(_)) = tokio::time::timeout(pause, stream.read(&mut some)).await {
            return;
        }
        let took = Instant::now().saturating_duration_since(begun);
        assert!(took < SOON, "the node listens for {took:?}");
    }
}
