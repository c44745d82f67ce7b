//! What the tests with mangled bytes need of the transport.

use std::io;

use serde::Serialize;

use super::frame::{self, FrameReader};
use super::limits::{MAX_CLIENT, SILENCE};

pub(crate) use super::frame::decode;
pub(crate) use super::wire::{Up, VERSION};

/// A message as it is sent.
pub(crate) fn frame(message: &impl Serialize) -> Vec<u8> {
    frame::encode(message).unwrap().to_vec()
}

/// Reads a client's bytes as a node does, to the end.
pub(crate) fn read_frames(bytes: &[u8]) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let read = async {
        let mut reader = FrameReader::new(bytes, MAX_CLIENT);
        while reader.next::<Up>(SILENCE).await?.is_some() {}
        io::Result::Ok(())
    };
    runtime.block_on(read).map_err(|error| error.to_string())
}
