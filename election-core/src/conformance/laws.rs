//! The list of the laws, and how one is run.

use std::future::Future;
use std::pin::Pin;

use super::fixture::Fixture;

/// A law, ready to be run: what the functions of the themes are.
type Law = for<'a> fn(&'a dyn Fixture) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Makes a `#[test]` of every law, in a module per theme.
///
/// The argument is an `async fn(`[`Needs`](crate::conformance::Needs)`) -> Option<impl Fixture>`; `None`
/// skips the law. This is the one place where the laws are listed.
#[macro_export]
macro_rules! conformance_tests {
    ($fixture:expr) => {
        $crate::conformance_tests! { @themes ($fixture)
            campaign Shared {
                a_sole_candidate_is_elected
                a_leadership_outlives_many_ttls
                a_second_waits_until_the_first_resigns
                candidates_lead_in_the_order_of_arrival
                one_process_may_stand_many_times
                a_name_out_of_bounds_is_refused
            }
            cancel Shared {
                a_campaign_dropped_anywhere_leaves_nothing
                a_first_campaign_dropped_anywhere_leaves_nothing
                a_waiting_campaign_dropped_anywhere_leaves_nothing
                a_campaign_dropped_while_it_wins_leaves_nothing
                a_waiter_that_leaves_the_queue_harms_nobody
                a_campaign_dropped_behind_a_severed_link_goes_in_time
            }
            lead Shared {
                a_lead_dropped_anywhere_leaves_nothing
                a_lead_dropped_while_it_drains_leaves_nothing
            }
            leftovers Own {
                an_observation_dropped_anywhere_leaves_nothing
            }
            takeover Shared {
                a_successor_leads_in_time_after_a_crash
                a_severed_leader_is_over_before_its_successor_claims
                a_short_outage_costs_nobody_the_seat
                a_handover_is_far_faster_than_a_takeover
                a_crashed_waiter_is_passed_over
            }
            resign Shared {
                a_resigned_leadership_is_over
                a_resign_dropped_anywhere_resigns
                a_dropped_leadership_frees_the_seat
                a_late_resign_harms_nobody
                a_stale_resign_spares_the_next_leadership_of_its_process
                a_resign_behind_a_severed_link_ends_in_time
                a_resign_goes_through_once_the_link_is_mended
            }
            loss Shared {
                an_expired_session_ends_its_leaderships_for_good
                a_severed_leader_is_over_by_its_own_clock
                a_deleted_record_deposes_its_leader
                a_deposed_leader_that_is_cut_off_ends_with_its_deadline
            }
            session Shared {
                an_expired_session_fails_its_waiting_campaign
                a_candidate_whose_session_has_gone_never_wins
                a_severed_waiter_fails_by_its_own_clock
                a_waiter_whose_record_is_deleted_fails
                a_waiter_without_a_record_is_no_phantom
                a_new_session_takes_the_place_of_an_expired_one
                a_storm_of_expiries_leaves_nothing
                a_thousand_elections_share_one_session
            }
            tokens Shared {
                tokens_increase_from_leadership_to_leadership
                tokens_increase_over_a_loss
                tokens_increase_over_the_removal_of_an_election
                an_election_that_is_removed_begins_anew
                tokens_are_unique_under_contention
            }
            observe Shared {
                the_present_state_comes_first
                an_observation_is_never_older_than_a_claim_before_it
                a_vacancy_is_seen
                a_takeover_is_seen
                the_final_state_is_never_lost
                a_hundred_observers_see_a_change
                a_severed_observer_says_so_and_goes_on
                an_observer_outlives_its_process_session
                a_next_dropped_anywhere_loses_nothing
                an_observation_ends_with_its_coordinator
            }
            isolation Shared {
                elections_never_interfere
                observers_see_their_own_election_only
                removals_touch_no_other_election
            }
            values Shared {
                values_round_trip
                ids_round_trip
                one_byte_more_is_refused
            }
            close Shared {
                close_ends_everything
                close_behind_a_severed_link_ends_in_time
                a_close_that_is_dropped_closes
            }
            reach Shared {
                an_unreachable_service_is_a_retryable_error_in_time
                lead_goes_on_when_the_link_is_mended
                a_waiter_keeps_its_place_through_a_short_outage
            }
            outage Own {
                observers_survive_a_restart
                lead_goes_on_when_the_service_comes_back
                claims_end_and_tokens_increase_over_a_restart
                everybody_gets_a_turn_after_a_restart
            }
        }
    };
    (@themes $fixture:tt $($theme:ident $needs:ident { $($law:ident)* })*) => {
        $($crate::conformance_tests! { @theme $fixture $theme $needs $($law)* })*
    };
    (@theme ($fixture:expr) $theme:ident $needs:ident $($law:ident)*) => {
        mod $theme {
            // The fixture's name is resolved where the macro is called.
            use super::*;

            $(#[test]
            fn $law() {
                $crate::conformance::run(
                    $fixture($crate::conformance::Needs::$needs),
                    |fixture| ::std::boxed::Box::pin($crate::conformance::$theme::$law(fixture)),
                );
            })*
        }
    };
}

/// Runs one law on a runtime of its own: what [`conformance_tests!`](crate::conformance_tests) makes of it.
///
/// # Panics
/// When the law is broken.
pub fn run<F: Fixture>(fixture: impl Future<Output = Option<F>>, law: Law) {
    // Two threads, as in production: tasks of a backend run beside the law, not only when it waits.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        if let Some(fixture) = fixture.await {
            law(&fixture).await;
        }
    });
    // A backend's blocking call must not hold up the next test.
    runtime.shutdown_background();
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// A law that is written and not listed would never run.
    #[test]
    fn every_law_is_listed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance");
        let list = fs::read_to_string(folder.join("laws.rs")).unwrap();
        let listed = |law: &str| list.lines().any(|line| line.trim() == law);
        let mut laws = 0;
        for file in fs::read_dir(folder).unwrap() {
            for line in fs::read_to_string(file.unwrap().path()).unwrap().lines() {
                let law = line.strip_prefix("pub async fn ").and_then(|rest| rest.split_once('('));
                if let Some((law, _)) = law {
                    assert!(listed(law), "the law {law} is not listed in laws.rs");
                    laws += 1;
                }
            }
        }
        assert!(laws > 50, "only {laws} laws were found");
    }
}
