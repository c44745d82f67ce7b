use std::{io::ErrorKind, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

use super::*;

/// Long enough for a byte to cross a loopback proxy on a busy machine.
const SOON: Duration = Duration::from_secs(5);

/// Long enough to believe that nothing comes.
const SILENCE: Duration = Duration::from_millis(150);

/// A server that sends back what it gets, and the proxy in front of it.
async fn echo() -> (Proxy, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    (Proxy::to(&upstream).await.unwrap(), server)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    timeout(SOON, TcpStream::connect(proxy.address())).await.unwrap().unwrap()
}

async fn read_byte(stream: &mut TcpStream) -> u8 {
    timeout(SOON, stream.read_u8()).await.expect("a byte in time").unwrap()
}

async fn assert_silent(stream: &mut TcpStream) {
    let read = timeout(SILENCE, stream.read_u8()).await;
    assert!(read.is_err(), "{read:?} came through a severed link");
}

#[tokio::test]
async fn bytes_and_the_end_of_the_stream_pass() {
    let (proxy, _server) = echo().await;
    let mut stream = connect(&proxy).await;
    let sent: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
    let (mut read, mut write) = stream.split();
    let write = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let read = async { read.read_to_end(&mut received).await.unwrap() };
    timeout(SOON, async { tokio::join!(write, read) }).await.unwrap();
    assert_eq!(received, sent);
}

#[tokio::test]
async fn a_severed_link_holds_back_and_a_healed_one_delivers() {
    let (proxy, _server) = echo().await;
    let mut stream = connect(&proxy).await;
    stream.write_u8(1).await.unwrap();
    assert_eq!(read_byte(&mut stream).await, 1);

    proxy.sever();
    stream.write_u8(2).await.unwrap();
    assert_silent(&mut stream).await;
    proxy.heal().await.unwrap();
    assert_eq!(read_byte(&mut stream).await, 2);
}

#[tokio::test]
async fn a_new_connection_over_a_severed_link_hangs_until_healed() {
    let (proxy, _server) = echo().await;
    proxy.sever();
    let mut stream = connect(&proxy).await;
    stream.write_u8(3).await.unwrap();
    assert_silent(&mut stream).await;
    proxy.heal().await.unwrap();
    assert_eq!(read_byte(&mut stream).await, 3);
}

#[tokio::test]
async fn one_direction_can_be_severed_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::to(&listener.local_addr().unwrap().to_string()).await.unwrap();
    let mut client = connect(&proxy).await;
    let mut server = timeout(SOON, listener.accept()).await.unwrap().unwrap().0;

    proxy.sever_one_way(Direction::ToClient);
    client.write_u8(1).await.unwrap();
    assert_eq!(read_byte(&mut server).await, 1);
    server.write_u8(2).await.unwrap();
    assert_silent(&mut client).await;

    proxy.heal().await.unwrap();
    assert_eq!(read_byte(&mut client).await, 2);
    proxy.sever_one_way(Direction::ToServer);
    server.write_u8(3).await.unwrap();
    assert_eq!(read_byte(&mut client).await, 3);
    client.write_u8(4).await.unwrap();
    assert_silent(&mut server).await;
}

#[tokio::test]
async fn a_cut_link_resets_and_refuses_until_healed() {
    let (proxy, _server) = echo().await;
    let mut stream = connect(&proxy).await;
    stream.write_u8(1).await.unwrap();
    assert_eq!(read_byte(&mut stream).await, 1);

    proxy.cut().await.unwrap();
    let error = timeout(SOON, stream.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let error = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

    proxy.heal().await.unwrap();
    let mut stream = connect(&proxy).await;
    stream.write_u8(2).await.unwrap();
    assert_eq!(read_byte(&mut stream).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_ends_also_when_clients_reconnect_at_once() {
    let (proxy, _server) = echo().await;
    let address = proxy.address();
    let hasty = move || async move {
        loop {
            // Ended by the cut, it tries again in the same moment, as ZooKeeper's client does.
            if let Ok(mut stream) = TcpStream::connect(address).await {
                let _ = stream.read_u8().await;
            }
        }
    };
    let clients: Vec<_> = (0..16).map(|_| tokio::spawn(hasty())).collect();
    for _ in 0..100 {
        timeout(SOON, proxy.cut()).await.expect("no connection outlives the cut").unwrap();
        proxy.heal().await.unwrap();
        let mut stream = connect(&proxy).await;
        stream.write_u8(4).await.unwrap();
        assert_eq!(read_byte(&mut stream).await, 4);
    }
    clients.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_severed_link_can_be_cut() {
    let (proxy, _server) = echo().await;
    let mut old = connect(&proxy).await;
    old.write_u8(1).await.unwrap();
    assert_eq!(read_byte(&mut old).await, 1);
    proxy.sever();
    let mut new = connect(&proxy).await;
    timeout(SOON, proxy.cut()).await.unwrap().unwrap();
    assert!(timeout(SOON, old.read_u8()).await.unwrap().is_err());
    assert!(timeout(SOON, new.read_u8()).await.unwrap().is_err());
}

#[tokio::test]
async fn a_delay_shifts_every_byte_and_keeps_the_order() {
    let (proxy, _server) = echo().await;
    let mut stream = connect(&proxy).await;
    let delay = Duration::from_millis(100);
    proxy.delay(Direction::ToServer, delay);
    proxy.delay(Direction::ToClient, delay);
    let start = Instant::now();
    stream.write_u8(1).await.unwrap();
    stream.write_u8(2).await.unwrap();
    assert_eq!(read_byte(&mut stream).await, 1);
    assert!(start.elapsed() >= delay * 2);
    assert_eq!(read_byte(&mut stream).await, 2);
}

#[tokio::test]
async fn a_server_that_is_down_looks_like_a_reset() {
    let upstream = Port::lease().unwrap();
    let proxy = Proxy::to(&upstream.address().to_string()).await.unwrap();
    // The reset may come so soon that the connect sees it.
    if let Ok(mut stream) = TcpStream::connect(proxy.address()).await {
        assert!(timeout(SOON, stream.read_u8()).await.unwrap().is_err());
    }
}

#[tokio::test]
async fn a_dropped_proxy_stops_listening() {
    let (proxy, _server) = echo().await;
    let address = proxy.address();
    let mut stream = connect(&proxy).await;
    stream.write_u8(1).await.unwrap();
    assert_eq!(read_byte(&mut stream).await, 1);
    drop(proxy);
    assert!(timeout(SOON, stream.read_u8()).await.unwrap().is_err());
    crate::poll::until("the port to be closed", SOON, || async {
        Ok(TcpStream::connect(address).await.is_err().then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_forgotten_connection_is_silent_and_a_new_one_is_not() {
    let (proxy, _server) = echo().await;
    let mut stream = connect(&proxy).await;
    stream.write_u8(1).await.unwrap();
    assert_eq!(read_byte(&mut stream).await, 1);

    proxy.forget(Told::Server);
    stream.write_u8(2).await.unwrap();
    assert_silent(&mut stream).await;
    assert!(proxy.disturbed() > 0);
    let mut fresh = connect(&proxy).await;
    fresh.write_u8(3).await.unwrap();
    assert_eq!(read_byte(&mut fresh).await, 3);

    proxy.heal().await.unwrap();
    let end = timeout(SOON, stream.read_u8()).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    fresh.write_u8(4).await.unwrap();
    assert_eq!(read_byte(&mut fresh).await, 4);
}

#[tokio::test]
async fn who_is_told_of_a_forgotten_connection_has_lost_it_at_once() {
    let (proxy, _server) = echo().await;
    let mut stream = connect(&proxy).await;
    stream.write_u8(1).await.unwrap();
    assert_eq!(read_byte(&mut stream).await, 1);
    proxy.forget(Told::Client);
    let end = timeout(SOON, stream.read_u8()).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn jitter_lets_connections_overtake_each_other_and_keeps_each_in_order() {
    const CONNECTIONS: usize = 8;
    let (proxy, _server) = echo().await;
    proxy.jitter(Direction::ToServer, Duration::from_millis(200));
    let mut overtaken = false;
    for _ in 0..20 {
        let mut streams = Vec::new();
        for _ in 0..CONNECTIONS {
            streams.push(connect(&proxy).await);
        }
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for (i, mut stream) in streams.into_iter().enumerate() {
            // One after the other, in this order.
            stream.write_u8(1).await.unwrap();
            stream.write_u8(2).await.unwrap();
            let tell = tell.clone();
            tokio::spawn(async move {
                let bytes = (read_byte(&mut stream).await, read_byte(&mut stream).await);
                let _ = tell.send((i, bytes));
            });
        }
        drop(tell);
        let mut order = Vec::new();
        while let Some((i, bytes)) = told.recv().await {
            assert_eq!(bytes, (1, 2));
            order.push(i);
        }
        assert_eq!(order.len(), CONNECTIONS);
        overtaken |= !order.is_sorted();
        if overtaken {
            break;
        }
    }
    assert!(overtaken && proxy.disturbed() > 0, "nothing overtook anything");
}
