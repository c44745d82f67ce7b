//! The two pages of etcd's metrics port. It speaks plain HTTP also when the clients' port wants TLS and passwords.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A server that is paused or has no quorum does not answer; asking again is cheap.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The body of `http://<address><page>`, whatever the status.
pub(super) async fn get(address: SocketAddr, page: &str) -> Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        // HTTP/1.0, so that the server closes the connection at the end of the body.
        let request = format!("GET {page} HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = timeout(ANSWER_WITHIN, exchange).await??;
    let (_, body) = answer.split_once("\r\n\r\n").context("not an HTTP answer")?;
    Ok(body.to_owned())
}
