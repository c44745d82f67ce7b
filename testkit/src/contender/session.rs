//! [`Session`]: the coordinator, opened again and again until it is there.

use std::sync::Arc;

use anyhow::Result;
use election_core::{Coordinator, Elector};

use super::args::Args;
use super::retry::{backoff, is_final, pause, reason};
use super::stop::Stop;
use crate::history::{Event, Op, Phase, Recorder};

/// A process's access to its election.
pub(super) struct Session {
    coordinator: Arc<dyn Coordinator>,
    pub(super) elector: Arc<dyn Elector>,
}

impl Session {
    /// Connects, however long the service is away; `None` if the process is to end before.
    pub(super) async fn open(args: &Args, recorder: &Recorder, stop: &mut Stop) -> Result<Option<Self>> {
        let mut backoff = backoff();
        while !stop.is_asked() {
            recorder.record(Event::new(Op::Connect, Phase::Invoke))?;
            let connected = tokio::select! {
                connected = election::connect(&args.url) => connected,
                () = stop.asked() => return Ok(None),
            };
            match connected {
                Ok(coordinator) => {
                    recorder.record(Event::new(Op::Connect, Phase::Ok))?;
                    let elector = coordinator.elector(&args.election)?;
                    return Ok(Some(Self { coordinator, elector }));
                }
                Err(error) => {
                    let (reason, note) = (Some(reason(&error)), Some(error.to_string()));
                    recorder.record(Event { reason, note, ..Event::new(Op::Connect, Phase::Fail) })?;
                    if is_final(&error) {
                        return Err(error.into());
                    }
                    pause(&mut backoff, stop).await?;
                }
            }
        }
        Ok(None)
    }

    /// Ends all claims and removes all records.
    pub(super) async fn close(self, recorder: &Recorder) -> Result<()> {
        recorder.record(Event::new(Op::Close, Phase::Invoke))?;
        match self.coordinator.close().await {
            Ok(()) => recorder.record(Event::new(Op::Close, Phase::Ok)),
            Err(error) => {
                let (reason, note) = (Some(reason(&error)), Some(error.to_string()));
                recorder.record(Event { reason, note, ..Event::new(Op::Close, Phase::Fail) })
            }
        }
    }
}
