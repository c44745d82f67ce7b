//! Clocks that are not the host's, and brackets that are wide.

use super::story::{MS, Of, VALID};
use super::*;
use crate::history::{Event, Op};

const A: Of = Of("a", 1, 5);
const B: Of = Of("b", 1, 9);

/// `a` leads from 1 s on, on a clock that runs `rate` times as fast as the host's, and says nothing after 3 s; `b` leads
/// from `begins` on.
fn story(rate: f64, begins: u64) -> Story {
    let mut story = Story::default();
    story.campaigns(A, 900).campaigns(B, 950).leads(A, 1000, 3000);
    for event in story.events.iter_mut().filter(|event| event.op == Op::Check) {
        // A deadline is VALID ahead on the clock it is told on.
        let clock = 77_000.0 * MS as f64 + event.began_ns.unwrap() as f64 * rate;
        event.clock_ns = Some(clock as u64 + 100);
        event.valid_until = Some(clock as u64 + VALID * MS);
    }
    story.leads(B, begins, begins + 500).resigns(B, begins + 501).ends("b", begins + 600);
    story
}

#[test]
fn a_fast_clock_shortens_the_promise_and_a_slow_one_lengthens_it() {
    for (rate, overlaps, does_not) in [(1.5, 3500, 3610), (0.66, 4300, 4370), (1.0, 3870, 3910)] {
        assert!(broken(&story(rate, overlaps)).contains(&Law::S1), "×{rate}, b begins at {overlaps}");
        assert!(!broken(&story(rate, does_not)).contains(&Law::S1), "×{rate}, b begins at {does_not}");
    }
}

#[test]
fn a_clock_that_jumped_long_ago_is_known_by_its_rate() {
    for (begins, law) in [(3800, vec![Law::S1]), (3910, vec![])] {
        let mut story = story(1.0, begins);
        // An hour, after a second.
        for event in
            story.events.iter_mut().filter(|event| event.op == Op::Check && event.mono_ns > 2000 * MS)
        {
            event.clock_ns = event.clock_ns.map(|clock| clock + 3_600_000 * MS);
            event.valid_until = event.valid_until.map(|until| until + 3_600_000 * MS);
        }
        assert_eq!(broken(&story), law, "b begins at {begins}");
    }
}

#[test]
fn a_clock_that_jumped_ends_the_promise_nobody_knows_when() {
    // `a` finds its deadline passed at 3.1 s, 800 ms before it should have.
    let mut jumped = story(1.0, 3200);
    assert!(broken(&jumped).contains(&Law::S1));
    jumped.fails(A, 3100, "Unproven");
    assert_eq!(broken(&jumped), []);
}

#[test]
fn an_interruption_between_the_two_clocks_of_a_stamp_deceives_nobody() {
    for (begins, law) in [(3870, vec![Law::S1]), (3910, vec![])] {
        let mut story = story(1.0, begins);
        for event in story.events.iter_mut().filter(|event| event.op == Op::Check) {
            event.clock_ns = event.began_ns.map(|began| began + 100);
            event.valid_until = event.clock_ns.map(|clock| clock + VALID * MS);
        }
        // The last check of `a`: CLOCK_BOOTTIME was read half a second after CLOCK_MONOTONIC.
        let last =
            story.events.iter_mut().rfind(|event: &&mut Event| event.op == Op::Check && event.id == "a");
        last.unwrap().boot_ns += 500 * MS;
        assert_eq!(broken(&story), law, "b begins at {begins}");
    }
}
