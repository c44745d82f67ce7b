//! One gRPC stream of watches at one server, with a heartbeat.

use std::time::Duration;

use election_core::{Kind, Operation, Result};
use etcd_client::{Error as EtcdError, WatchOptions, WatchRequestSender, WatchResponse, WatchResponseStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::error;
use crate::requests::MAX_ANSWER;
use crate::servers::Servers;

enum Request {
    Watch(Vec<u8>, WatchOptions),
    Cancel(i64),
    Progress,
}

/// An open stream.
pub(super) struct Stream {
    pub(super) server: usize,
    /// To the task that sends. It may have to wait until the server takes a request, and the server may have to
    /// wait until we take its answers: whoever reads must never wait for whoever writes.
    requests: mpsc::UnboundedSender<Request>,
    answers: WatchResponseStream,
    heard: Instant,
}

impl Stream {
    /// Opens a stream at the server that answered last, with a first watch.
    pub(super) async fn open(
        servers: &Servers,
        bound: Duration,
        key: &[u8],
        options: WatchOptions,
    ) -> Result<Self> {
        let server = servers.preferred();
        let opened = servers
            .call_at(server, Operation::Observe, bound, |client| {
                let mut client = client.watch_client().max_decoding_message_size(MAX_ANSWER);
                let (key, options) = (key.to_vec(), options.clone());
                async move { client.watch(key, Some(options)).await }
            })
            .await;
        match opened {
            Ok(stream) => {
                let (sender, answers) = stream.split();
                let (requests, queue) = mpsc::unbounded_channel();
                tokio::spawn(send(sender, queue));
                Ok(Self { server, requests, answers, heard: Instant::now() })
            }
            Err(error) => {
                servers.avoid(server);
                Err(error)
            }
        }
    }

    pub(super) fn watch(&self, key: Vec<u8>, options: WatchOptions) {
        self.request(Request::Watch(key, options));
    }

    pub(super) fn cancel(&self, id: i64) {
        self.request(Request::Cancel(id));
    }

    /// Asks for a sign of life; fails if the last two questions had no answer.
    pub(super) fn beat(&self, every: Duration) -> Result<()> {
        // Servers from 3.4.25 and 3.5.8 on do not answer while a watcher is catching up: hence two.
        if self.heard.elapsed() > every * 2 + every / 2 {
            return Err(error::new(Kind::Timeout, Operation::Observe));
        }
        self.request(Request::Progress);
        Ok(())
    }

    /// Starts the count anew, after a time in which no question was asked.
    pub(super) fn rested(&mut self) {
        self.heard = Instant::now();
    }

    /// The next answer; cancel safe.
    pub(super) async fn next(&mut self) -> Result<WatchResponse> {
        let answer = self.answers.message().await;
        self.heard = Instant::now();
        let ended = || EtcdError::WatchError("the server ended the stream".to_owned());
        answer
            .and_then(|answer| answer.ok_or_else(ended))
            .map_err(|e| error::from_etcd(e, Operation::Observe))
    }

    fn request(&self, request: Request) {
        // If the stream broke, its answers say so.
        let _ = self.requests.send(request);
    }
}

/// Ends with the stream: a request that cannot be sent any more fails at once.
async fn send(mut sender: WatchRequestSender, mut queue: mpsc::UnboundedReceiver<Request>) {
    while let Some(request) = queue.recv().await {
        let sent = match request {
            Request::Watch(key, options) => sender.watch(key, Some(options)).await,
            Request::Cancel(id) => sender.cancel(id).await,
            Request::Progress => sender.request_progress().await,
        };
        if sent.is_err() {
            return;
        }
    }
}
