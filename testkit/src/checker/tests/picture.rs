//! What is drawn is XML, and says what happened.

use super::story::Of;
use super::*;
use crate::history::{Effect, View};

const A: Of = Of("a", 1, 5);
const B: Of = Of("b", 1, 9);

fn story() -> Story {
    let mut story = Story::default();
    story.campaigns(A, 900).campaigns(B, 950).leads(A, 1000, 2000).fault(
        "pause \"<&>",
        Effect::Pauses,
        "a",
        1500,
        1600,
    );
    story.leads(B, 1990, 3000).resigns(B, 3001).resigns(A, 3100).ends("a", 3500).ends("b", 3500);
    story
        .observes("o", 1, 800)
        .views("o", 1, 801, View::Vacant)
        .sees("o", 1, 1001, A)
        .looks_away("o", 1, 1900);
    story
}

/// The titles of all shapes of a class.
fn titles(picture: &str, class: &str) -> Vec<String> {
    let picture = roxmltree::Document::parse(picture).unwrap();
    let shapes = picture.descendants().filter(|node| node.attribute("class") == Some(class));
    shapes
        .map(|node| {
            node.children().find_map(|child| child.first_child()?.text()).unwrap_or_default().to_owned()
        })
        .collect()
}

#[test]
fn a_violation_is_drawn_with_the_claims_the_fault_and_the_views() {
    let report = check(&story().history(), &story().facts());
    let violation = report.violations.iter().find(|violation| violation.law == Law::S1).unwrap();
    let picture = render(&story().history(), "e", violation);
    let claims = titles(&picture, "claim");
    assert!(claims.iter().any(|title| title.contains("token 5")), "{claims:?}");
    assert!(claims.iter().any(|title| title.contains("token 9")), "{claims:?}");
    assert!(titles(&picture, "fault")[0].starts_with("pause \"<&>"));
    assert_eq!(titles(&picture, "violation"), [violation.to_string()]);
    assert!(picture.contains("led at the same time"), "the words are below the picture");
}

#[test]
fn a_whole_run_is_drawn_and_what_is_outside_of_a_window_is_not() {
    let whole = render_all(&story().history(), "e");
    assert_eq!(titles(&whole, "claim").len(), 2);
    assert_eq!(titles(&whole, "view").len(), 2);
    assert!(titles(&whole, "violation").is_empty());
    let origin = story().history().events[0].mono_ns;
    let early = Violation { law: Law::S5, says: "x".into(), from_ns: origin, until_ns: origin + 1 };
    let begin = render(&story().history(), "e", &early);
    assert_eq!(titles(&begin, "claim").len(), 1, "b did not lead then");
}

#[test]
fn an_empty_history_is_drawn_too() {
    let empty = Story::default();
    assert!(roxmltree::Document::parse(&render_all(&empty.history(), "e")).is_ok());
}
