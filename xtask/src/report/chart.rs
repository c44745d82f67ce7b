//! The charts: bars from zero, one per subject, each with its name and its number beside it.
//!
//! They are told apart by words and hatching; colour only helps. A row is HTML around an SVG whose lengths are parts of
//! its width, so that text keeps its size on a phone.

use maud::{Markup, html};

use super::{
    figure::{Figure, Goal},
    load::Measured,
    question::{Panel, Question, Reading},
    subject::{Backend, Subject},
    unit::{GAP, Unit, ticks},
};

/// A row to draw.
struct Bar {
    subject: Subject,
    /// What else distinguishes it: `TTL 2 s`.
    note: String,
    reading: Reading,
    raw: Option<f64>,
    goal: Option<f64>,
}

/// The fills of the bars. Once per page.
pub(crate) fn fills() -> Markup {
    html! {
        svg width="0" height="0" aria-hidden="true" style="position:absolute" {
            defs {
                pattern id="fill-zk" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect width="7" height="7" class="soft zk" {}
                    rect width="3" height="7" class="ink zk" {}
                }
                pattern id="fill-raft" width="6" height="6" patternUnits="userSpaceOnUse" {
                    rect width="6" height="6" class="soft raft" {}
                    circle cx="3" cy="3" r="1.7" class="ink raft" {}
                }
            }
        }
    }
}

/// The charts of a question.
pub(crate) fn panels(question: &Question, measured: &Measured) -> Markup {
    let charts = question.panels.iter().map(|panel| (panel, bars(panel, question, measured)));
    let charts: Vec<_> = charts.filter(|(_, bars)| !bars.is_empty()).collect();
    let all = charts.iter().map(|(_, bars)| largest(bars)).fold(0.0, f64::max);
    html! {
        div.panels.one[charts.len() == 1] {
            @for (panel, bars) in &charts {
                (chart(panel, bars, if question.one_axis { all } else { largest(bars) }))
            }
        }
    }
}

fn bars(panel: &Panel, question: &Question, measured: &Measured) -> Vec<Bar> {
    let bar = |(figure, reading): (&Figure, Reading)| {
        let raw = measured.raw_of(figure).and_then(|raw| Some((panel.measure)(raw)?.value));
        // A raw limit makes sense for what is compared with it only.
        let is_main = matches!(panel.unit, Unit::Time | Unit::PerSecond) && reading.range.is_some();
        let goal = match figure.side.goal {
            Goal::WithinMs(goal) if is_main => Some(goal * 1e6),
            _ => None,
        };
        let note = figure.side.case.strip_prefix(panel.case).unwrap_or_default();
        let note = ttl(note.trim_start_matches([',', ' ']));
        Bar { subject: figure.subject.clone(), note, reading, raw: raw.filter(|_| is_main), goal }
    };
    // The zero line would dwarf all others; it is in the table.
    panel
        .readings(measured, question.bench)
        .filter(|(f, _)| f.subject.backend != Backend::Memory)
        .map(bar)
        .collect()
}

/// `ttl 2000 ms` as `TTL 2 s`.
pub(crate) fn ttl(note: &str) -> String {
    let millis = note.strip_prefix("ttl ").and_then(|rest| rest.strip_suffix(" ms")?.parse::<u64>().ok());
    match millis {
        Some(ms) if ms % 1000 == 0 => format!("TTL{GAP}{}{GAP}s", ms / 1000),
        Some(ms) => format!("TTL{GAP}{ms}{GAP}ms"),
        None => note.to_owned(),
    }
}

/// The furthest that is drawn of these bars. A sample far out, or a raw limit far away, must not squeeze all the bars:
/// the line leaves the chart then, the limit becomes an arrow at its edge.
fn largest(bars: &[Bar]) -> f64 {
    let values = bars.iter().map(|bar| bar.reading.value).fold(0.0, f64::max);
    let samples = bars.iter().filter_map(|bar| Some(bar.reading.range?.1));
    let limits = bars.iter().filter_map(|bar| bar.raw);
    samples.chain(limits).filter(|far| *far <= values * 1.4).fold(values, f64::max)
}

fn chart(panel: &Panel, bars: &[Bar], largest: f64) -> Markup {
    let ticks = ticks(largest);
    let end = ticks.last().copied().unwrap_or(1.0);
    let percent = |value: f64| (value / end * 100.0).min(100.0);
    html! {
        figure.panel {
            figcaption { (panel.title) }
            @for bar in bars {
                div.row {
                    div.name { b { (bar.subject.backend.name()) } " " span { (detail(bar)) } }
                    (plot(bar, panel.unit, &ticks, percent))
                    div.value { (panel.unit.show(bar.reading.value)) }
                }
            }
            div.row.axis aria-hidden="true" {
                div.name {}
                div.ticks {
                    @for (i, tick) in ticks.iter().enumerate() {
                        span.first[i == 0].last[i + 1 == ticks.len()] style=(format!("left:{:.2}%", percent(*tick))) {
                            // Five are too many for a narrow chart.
                            @if ticks.len() < 5 || i % 2 == 0 { (short(panel.unit, *tick)) }
                        }
                    }
                }
                div.value {}
            }
        }
    }
}

fn detail(bar: &Bar) -> String {
    let parts = [bar.subject.detail(), bar.note.clone()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn plot(bar: &Bar, unit: Unit, ticks: &[f64], percent: impl Fn(f64) -> f64) -> Markup {
    let at = |value: f64| format!("{:.2}%", percent(value));
    let label = describe(bar, unit);
    html! {
        svg.plot role="img" aria-label=(label) {
            title { (label) }
            @for tick in ticks { line.grid x1=(at(*tick)) x2=(at(*tick)) y1="0" y2="100%" {} }
            rect.bar.(bar.subject.backend.class()) x="0" y="20%" width=(at(bar.reading.value)) height="60%" {}
            @if let Some((low, high)) = bar.reading.range {
                line.range x1=(at(low)) x2=(at(high)) y1="50%" y2="50%" {}
                line.range x1=(at(low)) x2=(at(low)) y1="35%" y2="65%" {}
                @if percent(high) < 100.0 { line.range x1=(at(high)) x2=(at(high)) y1="35%" y2="65%" {} }
            }
            @if let Some(raw) = bar.raw {
                @if raw > ticks.last().copied().unwrap_or(raw) {
                    svg x="100%" y="50%" overflow="visible" { path.beyond d="M-8 -6 L2 0 L-8 6 Z" {} }
                } @else {
                    line.raw x1=(at(raw)) x2=(at(raw)) y1="4%" y2="96%" {}
                }
            }
            @if let Some(goal) = bar.goal.filter(|goal| percent(*goal) < 100.0) {
                line.goal x1=(at(goal)) x2=(at(goal)) y1="4%" y2="96%" {}
            }
        }
    }
}

/// For those who do not see the bar.
fn describe(bar: &Bar, unit: Unit) -> String {
    let mut text = format!("{}: {}", bar.subject.title(), unit.show(bar.reading.value));
    if let Some((low, high)) = bar.reading.range {
        text += &format!(", samples from {} to {}", unit.show(low), unit.show(high));
    }
    if let Some(raw) = bar.raw {
        text += &format!(", raw limit {}", unit.show(raw));
    }
    if let Some(goal) = bar.goal {
        text += &format!(", goal {}", unit.show(goal));
    }
    text
}

/// A tick, without digits that say nothing.
fn short(unit: Unit, value: f64) -> String {
    let text = if value == 0.0 { "0".to_owned() } else { unit.show(value) };
    let (number, rest) = match text.find([GAP, '/']) {
        Some(at) => text.split_at(at),
        None => (text.as_str(), ""),
    };
    let number =
        if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    match (unit, number.strip_suffix(",000")) {
        (Unit::PerSecond, Some(thousands)) if thousands.len() > 1 => format!("{thousands}k"),
        (Unit::PerSecond, _) => number.to_owned(),
        _ => format!("{number}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_short() {
        assert_eq!(short(Unit::Time, 2e9), "2\u{a0}s");
        assert_eq!(short(Unit::Time, 2.5e6), "2.5\u{a0}ms");
        assert_eq!(short(Unit::Time, 0.0), "0");
        assert_eq!(short(Unit::PerSecond, 10_000.0), "10k");
        assert_eq!(short(Unit::PerSecond, 2_000.0), "2,000");
        assert_eq!(short(Unit::Count, 1.0), "1");
    }

    #[test]
    fn a_ttl_is_in_the_unit_that_fits() {
        assert_eq!(ttl("ttl 2000 ms"), "TTL\u{a0}2\u{a0}s");
        assert_eq!(ttl("ttl 350 ms"), "TTL\u{a0}350\u{a0}ms");
        assert_eq!(ttl(""), "");
    }
}
