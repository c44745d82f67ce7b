//! [`Socket`]: an end of a connection, as a process sees it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Net;
use super::conn::Segment;
use crate::moment::Timepiece;

/// So much may be under way: what a socket's buffers hold.
const WINDOW: usize = 256 * 1024;

pub(super) struct Socket {
    pub(super) net: Net,
    pub(super) id: u64,
    pub(super) side: usize,
    pub(super) time: Arc<Timepiece>,
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.net.lock();
        let end = &mut inner.conn(self.id).ends[self.side];
        if let Some(bytes) = end.received.front_mut() {
            let some = bytes.len().min(buf.remaining());
            buf.put_slice(&bytes[..some]);
            bytes.advance(some);
            if bytes.is_empty() {
                end.received.pop_front();
            }
            return Poll::Ready(Ok(()));
        }
        if end.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if end.ended {
            return Poll::Ready(Ok(()));
        }
        end.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.net.lock();
        let end = &mut inner.conn(self.id).ends[self.side];
        if end.reset || end.shut {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = WINDOW - end.under_way;
        if room == 0 {
            end.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let some = buf.len().min(room);
        end.under_way += some;
        let segment = Segment::Data(Bytes::copy_from_slice(&buf[..some]));
        inner.send(self.id, self.side, segment, self.time.now());
        Poll::Ready(Ok(some))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.net.lock();
        let end = &mut inner.conn(self.id).ends[self.side];
        if !std::mem::replace(&mut end.shut, true) {
            inner.send(self.id, self.side, Segment::Fin, self.time.now());
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut inner = self.net.lock();
        // The network may have forgotten it with the machine.
        let Some(conn) = inner.conns.get_mut(&self.id) else { return };
        let end = &mut conn.ends[self.side];
        if end.dropped {
            return;
        }
        end.dropped = true;
        if !std::mem::replace(&mut end.shut, true) {
            inner.send(self.id, self.side, Segment::Fin, self.time.now());
        }
    }
}
