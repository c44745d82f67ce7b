//! The inhabitants of the zoo, and which test catches each.

/// A defect.
#[derive(Debug)]
pub(crate) struct Defect {
    /// Its name: the value of `ELECTION_ZOO` that brings it to life.
    pub(crate) name: &'static str,
    /// What is wrong with it.
    pub(crate) what: &'static str,
    /// The package of the test that catches it.
    pub(crate) package: &'static str,
    /// The target of that test: `lib`, or the name of an integration test.
    pub(crate) target: &'static str,
    /// The test.
    pub(crate) test: &'static str,
    /// Who plants it.
    pub(crate) planted: Planted,
}

/// Who plants a defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// The zoo, by its name: the test must pass without it and fail with it.
    ByName,
    /// The test itself, which passes if the defect is found.
    ByTest,
}

macro_rules! zoo {
    ($($how:ident $name:literal: $what:literal, $package:literal $target:literal $test:literal;)*) => {
        &[$(Defect {
            name: $name, what: $what, package: $package, target: $target, test: $test, planted: Planted::$how,
        }),*]
    };
}

/// All of them.
pub(crate) const ZOO: &[Defect] = zoo! {
    ByName "flag-set-by-a-timer": "validity is a flag that a timer clears, not a comparison with the clock",
        "election-core" "lib"
        "leadership::tests::the_first_check_after_a_pause_past_the_deadline_fails_and_so_does_every_later_one";
    ByName "deadline-from-receipt": "the deadline counts from when the answer came, not from before it was asked for",
        "election-core" "lib" "session::tests::a_proof_counts_from_before_it_was_asked_for_however_late_it_comes";
    ByName "monotonic-clock": "the clock stands still in suspend",
        "election-core" "lib" "clock::tests::a_clock_that_stood_still_in_suspend_would_be_noticed";
    ByName "wall-clock": "the clock can be set",
        "election-core" "lib" "clock::tests::the_boot_clock_advances_and_agrees_with_the_kernel";
    ByName "claim-outlives-resign": "the claim ends only when the service has confirmed the resignation",
        "election-core" "lib" "leadership::tests::a_resign_ends_the_claim_before_the_record_is_touched";
    ByName "late-watch-event-applied": "an observer is shown a leader older than the one it has seen",
        "election-core" "lib" "backend::tests::tokens_never_decrease_and_nothing_is_said_twice";
    ByName "fence-compares-for-equality": "the fence refuses every token but the first, instead of lower ones",
        "election-core" "lib" "gate::tests::the_gate_in_memory_keeps_the_laws";

    ByName "etcd-keep-alive-trusted": "an answered keep-alive counts as proof",
        "testkit" "hard_cases" "frozen_etcd::a_leader_of_etcd_that_was_frozen_and_cut_off_proves_nothing";
    ByName "etcd-no-ownership-check": "a waiter leads when its predecessor goes, whether or not its record exists",
        "backend-etcd" "etcd" "deposed::waiters_whose_lease_is_revoked_fail_and_never_win";
    ByName "etcd-unguarded-renewal": "a renewal writes the record again without comparing it",
        "backend-etcd" "lib" "proof::tests::a_record_that_vanished_is_deposed_and_the_others_are_moved";
    ByName "etcd-resign-by-key": "a resignation deletes whatever has the key, also a later candidacy",
        "testkit" "conformance_etcd" "resign::a_stale_resign_spares_the_next_leadership_of_its_process";
    ByName "etcd-cancelled-candidate-stays": "a cancelled campaign leaves its record",
        "backend-etcd" "etcd" "cancel::a_campaign_dropped_while_its_request_is_under_way";
    ByName "etcd-no-list-after-compaction": "what was compacted away during an outage is not read anew",
        "backend-etcd" "etcd" "observers::what_was_compacted_away_while_the_link_was_down_is_read_anew";

    ByName "zk-queue-read-before-the-second-create":
        "a create that is made again after a lost connection is sent behind the list that it is looked for in",
        "backend-zk" "cancel" "a_create_that_never_arrived_is_made_again_and_leads";
    ByName "zk-pings-trusted": "what a server answers by itself counts as proof",
        "backend-zk" "ensemble" "a_leader_whose_server_is_cut_off_stops_before_its_successor_starts";
    ByName "zk-waits-for-expired": "the leadership lasts until the client says Expired",
        "backend-zk" "loss" "a_leader_whose_session_expires_loses_before_the_next_one_leads";
    ByName "zk-no-ownership-check": "a waiter leads when its predecessor goes, whether or not its record exists",
        "backend-zk" "loss" "a_waiter_whose_record_or_session_vanishes_is_told_and_never_leads";
    ByName "zk-sequence-as-token": "the token is the sequence, which starts anew with its parent",
        "backend-zk" "loss" "tokens_grow_when_the_election_is_removed_and_created_again";
    ByName "zk-second-record-after-a-lost-reply": "a create whose reply was lost is sent again unseen",
        "backend-zk" "cancel" "a_create_whose_reply_was_lost_is_found_again";
    ByName "zk-cancelled-candidate-stays": "a cancelled campaign leaves its record",
        "testkit" "conformance_zk" "cancel::a_campaign_dropped_anywhere_leaves_nothing";

    ByName "raft-term-as-token": "the token is a term, which outlives a grant",
        "backend-raft" "lib" "state_machine::tests::no_sequence_of_commands_breaks_an_election";
    ByName "raft-renewal-without-quorum": "a Raft leader renews sessions without asking anybody",
        "backend-raft" "processes" "a_raft_leader_without_a_quorum_renews_nobody";
    ByName "raft-votes-right-after-a-restart": "a member votes before it can know whether a leader counts on it",
        "backend-raft" "lib" "node::tests::a_member_that_has_just_restarted_votes_for_nobody";
    ByName "raft-vote-without-fsync": "vote and log are acknowledged before they are on disk",
        "backend-raft" "lib" "store::torture::a_power_loss_at_any_step_loses_nothing_acknowledged";
    ByName "raft-snapshot-name-not-synced": "a new snapshot's name is not on disk when the log before it is purged",
        "backend-raft" "lib" "store::torture::a_power_loss_at_any_step_loses_nothing_acknowledged";
    ByName "raft-row-without-checksum": "records on disk are not compared with their checksum",
        "backend-raft" "lib" "store::torture::no_byte_rots_unseen";
    ByName "raft-lost-commit-unnoticed": "a database that went back to an older commit is taken for whole",
        "backend-raft" "lib" "store::torture::no_byte_rots_unseen";
    ByName "raft-snapshot-forgets-used-ids": "a snapshot does not say which members' ids were used before",
        "backend-raft" "ids" "a_lost_disk_comes_back_under_a_new_id_only_and_no_id_is_used_twice";
    ByName "raft-any-disk-will-do": "a member that lost its disk goes on under its old id",
        "backend-raft" "ids" "a_lost_disk_comes_back_under_a_new_id_only_and_no_id_is_used_twice";
    ByName "raft-change-left-half-done": "a leader does not finish the change of members that the one before it began",
        "backend-raft" "lib" "node::changing::a_change_that_was_left_half_done_is_finished";
    ByName "raft-removed-member-not-told": "a member that was removed is still listened to, and not told",
        "backend-raft" "members" "a_member_is_added_replaced_and_removed_and_no_leadership_is_lost";

    ByTest "simulated-raft-term-as-token": "the same as without the first word, found by simulation",
        "sim" "zoo" "term_as_token";
    ByTest "simulated-raft-votes-right-after-a-restart": "the same as without the first word, found by simulation",
        "sim" "zoo" "votes_right_after_a_restart";
    ByTest "simulated-raft-vote-without-fsync": "the same as without the first word, found by simulation",
        "sim" "zoo" "vote_without_fsync";
    ByTest "simulated-raft-renewal-without-quorum": "the same as without the first word, found by simulation",
        "sim" "zoo" "renewal_without_quorum";
    ByTest "simulated-flag-set-by-a-timer": "the same as without the first word, found by simulation",
        "sim" "zoo" "flag_set_by_a_timer";
    ByTest "simulated-claim-outlives-resign": "the same as without the first word, found by simulation",
        "sim" "zoo" "claim_outlives_resign";
    ByTest "simulated-deadline-from-receipt": "the same as without the first word, found by simulation",
        "sim" "zoo" "deadline_from_receipt";
    ByTest "simulated-fence-compares-for-equality": "the same as without the first word, found by simulation",
        "sim" "zoo" "fence_compares_for_equality";
    ByTest "simulated-raft-snapshot-name-not-synced": "the same as without the first word, found by simulation",
        "sim" "zoo" "snapshot_name_not_synced";

    ByTest "idempotency-key-with-token": "the key of a charge contains the token, so that a successor charges again",
        "examples" "billing" "audit::a_key_that_contains_the_token_charges_twice";
    ByTest "unknown-outcome-is-failure": "a charge whose answer was lost is booked as declined",
        "examples" "billing" "audit::no_answer_taken_for_a_failure_misses_invoices";
    ByTest "no-fence": "results are written without comparing the token",
        "examples" "billing" "audit::without_the_fence_a_leader_of_the_past_writes";
};
