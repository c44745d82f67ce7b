//! How a model is run.

use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, HasDiscoveries, Model};

/// Asserts that every property holds in all states that can be reached, of which there must be at least `floor`: a
/// model that was cut short by mistake proves nothing. What should happen sometimes must have happened.
pub(crate) fn holds<M>(name: &str, model: M, floor: usize)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync + 'static,
{
    let checker = model.checker().threads(2).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!("{name}: holds in {states} states, up to {depth} steps deep");
    checker.assert_properties();
    assert!(states >= floor, "{name}: only {states} states were reached, expected {floor} or more");
}

/// Asserts that a naive variant is caught breaking `property`, and prints a shortest way to get there.
pub(crate) fn breaks<M>(name: &str, model: M, property: &'static str)
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync + 'static,
{
    let mut found = None;
    let mut below = usize::MAX;
    // The checker keeps the last counterexample of those that it meets in one go: ask for a shorter one until there
    // is none. One thread, so that it goes by depth.
    loop {
        let wanted = HasDiscoveries::AnyOf([property].into());
        let checker = model.clone().checker().threads(1).target_max_depth(below).finish_when(wanted);
        let checker = checker.spawn_bfs().join();
        let Some(path) = checker.discovery(property) else {
            assert!(
                found.is_some(),
                "{name}: nothing broke {property:?} in {} states, only {:?} was found",
                checker.unique_state_count(),
                checker.discoveries().keys()
            );
            break;
        };
        let end = path.last_state().clone();
        let steps = path.into_actions();
        below = steps.len() + 1;
        found = Some((steps, end));
    }
    let Some((steps, end)) = found else { return };
    println!("{name}: breaks {property:?} in {} steps:", steps.len());
    for (number, step) in steps.iter().enumerate() {
        println!("  {:>2}. {step:?}", number + 1);
    }
    println!("  end: {end:?}");
}
