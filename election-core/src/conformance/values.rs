//! Ids and values reach the observers byte for byte.

use super::fixture::Fixture;
use super::observe::Observer;
use super::support::{PATIENCE, elector, records, within};
use crate::{Candidate, Kind, MAX_NAME_BYTES, MAX_VALUE_BYTES};

/// Empty, text, every byte, what looks like a separator, the largest: each comes back as it was.
pub async fn values_round_trip(fixture: &dyn Fixture) {
    let (process, watching, election) =
        (fixture.process().await, fixture.process().await, fixture.election("e"));
    let every_byte: Vec<u8> = (0..=255).collect();
    let largest: Vec<u8> = (0..MAX_VALUE_BYTES).map(|i| (i % 251) as u8).collect();
    let values =
        [vec![], b"10.0.0.7:8080".to_vec(), every_byte, b"\0".to_vec(), b"\n/{}\"".to_vec(), largest];
    let mut observer = Observer::new(&*watching, &election);
    for value in values {
        let candidate = Candidate::new("c").unwrap().with_value(value.clone()).expect("within the limit");
        let campaign = elector(&*process, &election);
        let leader = within(PATIENCE, "a campaign with a value", campaign.campaign(candidate)).await;
        let leader = leader.expect("elected");
        let seen = observer.sees(leader.token()).await;
        assert!(seen.value == value, "{} bytes came back as {}", value.len(), seen.value.len());
        assert_eq!(seen.id, "c");
        leader.resign().await.expect("confirmed");
    }
}

/// The longest id, and ids made of all that is allowed, reach the observers.
pub async fn ids_round_trip(fixture: &dyn Fixture) {
    let (process, watching, election) =
        (fixture.process().await, fixture.process().await, fixture.election("e"));
    let mut observer = Observer::new(&*watching, &election);
    for id in ["a", "A.b_c-9", "-", "_c_latch-0000000001", &"x".repeat(MAX_NAME_BYTES)] {
        let campaign = elector(&*process, &election);
        let campaign = campaign.campaign(Candidate::new(id).expect("within the limit"));
        let leader = within(PATIENCE, "a campaign with an id", campaign).await.expect("elected");
        assert_eq!(observer.sees(leader.token()).await.id, id);
        leader.resign().await.expect("confirmed");
    }
}

/// One byte more than the largest value is refused before anything is sent.
pub async fn one_byte_more_is_refused(fixture: &dyn Fixture) {
    let largest = Candidate::new("c").unwrap().with_value(vec![7; MAX_VALUE_BYTES]);
    let error = Candidate::new("c").unwrap().with_value(vec![7; MAX_VALUE_BYTES + 1]).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidConfig);
    assert!(error.to_string().contains(&MAX_VALUE_BYTES.to_string()), "{error}");
    assert_eq!(Candidate::new("x".repeat(MAX_NAME_BYTES + 1)).unwrap_err().kind(), Kind::InvalidConfig);
    // Two with the largest value fit into one election.
    let (first, second, election) = (fixture.process().await, fixture.process().await, fixture.election("e"));
    let (one, two) = (elector(&*first, &election), elector(&*second, &election));
    let candidate = largest.expect("within the limit");
    let leader =
        within(PATIENCE, "a large candidate", one.campaign(candidate.clone())).await.expect("elected");
    let waiting = tokio::spawn(async move { two.campaign(candidate).await });
    records(fixture, &election, 2, PATIENCE).await;
    leader.resign().await.expect("confirmed");
    assert!(
        within(PATIENCE, "the second", waiting).await.expect("no panic").expect("elected").check().is_ok()
    );
}
