//! ZooKeeper's four-letter words: a question per connection, answered in plain text, without a session.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A paused server does not answer; asking again is cheap.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What the server at `address` says to `word`.
pub(super) async fn ask(address: SocketAddr, word: &str) -> Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(word.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    timeout(ANSWER_WITHIN, exchange).await?
}
