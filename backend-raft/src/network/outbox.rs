//! What a connection has to send: bounded in number and in bytes.

use std::io;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::budget::{Budget, Taken};
use super::frame;
use super::limits::{BACKLOG, SHORT};
use super::wire::Down;

/// A frame that waits to be written, and the room that it takes until then.
pub(super) struct Outgoing {
    frame: Bytes,
    _room: Option<Taken>,
}

impl AsRef<[u8]> for Outgoing {
    fn as_ref(&self) -> &[u8] {
        &self.frame
    }
}

/// Where the answers of a connection go. Clones share it.
#[derive(Clone)]
pub(super) struct Outbox {
    frames: mpsc::Sender<Outgoing>,
    room: Budget,
}

impl Outbox {
    /// An outbox with so much room for long frames, and where its frames come out.
    pub(super) fn new(room: Budget) -> (Self, mpsc::Receiver<Outgoing>) {
        let (frames, outgoing) = mpsc::channel(BACKLOG);
        (Self { frames, room }, outgoing)
    }

    /// Sends a message once there is room for it; an error if the connection is gone.
    pub(super) async fn send(&self, message: Down) -> io::Result<()> {
        // Before it is encoded: a message that waits shares its value with the state, a frame is a copy.
        let length = frame::length(&message)?;
        let room = if length > SHORT { Some(self.room.take(length).await) } else { None };
        let frame = frame::encode(&message)?;
        let sent = self.frames.send(Outgoing { frame, _room: room }).await;
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Sends a short message if there is a place for it.
    pub(super) fn try_send(&self, message: &Down) -> io::Result<()> {
        self.frames.try_send(Outgoing { frame: frame::encode(message)?, _room: None }).ok();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::task::JoinSet;

    use super::*;
    use crate::network::limits::ANSWER_BYTES;
    use crate::network::wire::Item;

    fn message(bytes: usize) -> Down {
        Down::Item { id: 1, item: Item::Backup { length: 1, part: vec![0; bytes].into() } }
    }

    #[tokio::test(start_paused = true)]
    async fn long_frames_wait_for_room_before_they_are_encoded_and_short_ones_pass_them() {
        const COUNT: usize = 1000;
        let (outbox, mut outgoing) = Outbox::new(Budget::new(ANSWER_BYTES, None));
        let mut sending = JoinSet::new();
        for _ in 0..COUNT {
            let outbox = outbox.clone();
            sending.spawn(async move { outbox.send(message(64 * 1024)).await });
        }
        // Until nothing happens any more.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        while sending.try_join_next().is_some() {}
        let length = frame::length(&message(64 * 1024)).unwrap();
        assert_eq!(outgoing.len(), ANSWER_BYTES / length);
        assert_eq!(sending.len(), COUNT - outgoing.len(), "the others wait, unencoded");

        outbox.send(Down::Pong).now_or_never().unwrap().unwrap();
        let (mut long, mut short) = (0, 0);
        while long + short < COUNT + 1 {
            let frame = outgoing.recv().await.unwrap();
            if frame.as_ref().len() == length { long += 1 } else { short += 1 }
        }
        assert_eq!((long, short), (COUNT, 1));
    }

    #[tokio::test]
    async fn a_frame_that_is_longer_than_all_the_room_is_sent_alone() {
        let (outbox, mut outgoing) = Outbox::new(Budget::new(ANSWER_BYTES, None));
        outbox.send(message(2 * SHORT)).await.unwrap();
        let mut longest = std::pin::pin!(outbox.send(message(2 * ANSWER_BYTES)));
        assert!(longest.as_mut().now_or_never().is_none());
        drop(outgoing.recv().await);
        longest.await.unwrap();
        assert!(outbox.send(message(2 * SHORT)).now_or_never().is_none());
        assert!(outgoing.recv().await.unwrap().as_ref().len() > 2 * ANSWER_BYTES);
        outbox.send(message(2 * SHORT)).await.unwrap();
    }
}
