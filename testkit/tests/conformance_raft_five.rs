//! The laws about faults on an embedded Raft group of five processes: two of them may fail. The other laws ask nothing
//! of the group that three members do not show: see `conformance_raft.rs`.
#![forbid(unsafe_code)]
#![cfg(feature = "raft")]

use election_core::conformance::{Fixture, Needs, conformance_tests};
use testkit::fixture::RaftService;

async fn group(needs: Needs) -> Option<impl Fixture> {
    RaftService::group_of(5, needs, env!("CARGO_BIN_EXE_testkit-raft-node")).await
}

conformance_tests! { @themes (group)
    campaign Shared {
        candidates_lead_in_the_order_of_arrival
    }
    takeover Shared {
        a_successor_leads_in_time_after_a_crash
        a_severed_leader_is_over_before_its_successor_claims
        a_handover_is_far_faster_than_a_takeover
    }
    loss Shared {
        an_expired_session_ends_its_leaderships_for_good
        a_deleted_record_deposes_its_leader
    }
    tokens Shared {
        tokens_increase_from_leadership_to_leadership
        tokens_increase_over_a_loss
    }
}
