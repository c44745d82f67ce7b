//! What a service keeps for those who have gone: nothing. These laws count what is in all of it, and have it alone.

use futures::StreamExt;

use super::fixture::Fixture;
use super::support::{PATIENCE, Stage, drop_at_poll, elector, eventually, lead};

/// No future is polled this often before it is ready or waits for somebody.
const MANY: usize = 10_000;

/// An observation that is dropped, at every await point up to its first item and while it waits for the second,
/// leaves no watch at the service.
pub async fn an_observation_dropped_anywhere_leaves_nothing(fixture: &dyn Fixture) {
    let (process, watching, election) =
        (fixture.process().await, fixture.process().await, fixture.election("e"));
    lead(&*process, &election).await.resign().await.expect("confirmed");
    // With its connections open and its session begun, so that only the observations come and go.
    lead(&*watching, &election).await.resign().await.expect("confirmed");
    let Some(before) = fixture.watches().await else { return };
    let elector = elector(&*watching, &election);
    for polls in 0..MANY {
        let mut events = elector.observe();
        let first = drop_at_poll(events.next(), polls).await;
        if let Stage::Done(item) = first {
            item.expect("an item").expect("no error");
            let second = drop_at_poll(events.next(), MANY).await;
            assert!(matches!(second, Stage::Waiting), "nothing has changed");
            // It was there to be left behind.
            let watched = || async { fixture.watches().await > Some(before) };
            eventually(PATIENCE, "a watch of an observer", watched).await;
            break;
        }
        assert!(polls + 1 < MANY, "the first item never came");
    }
    let gone = || async { fixture.watches().await == Some(before) };
    eventually(PATIENCE, "the end of the watches of dropped observers", gone).await;
}
