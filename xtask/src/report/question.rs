//! What somebody who has to choose asks, and which figures answer it.

use super::{
    figure::{Cost, Figure, Held},
    load::Measured,
    subject::Backend,
    unit::Unit,
};

/// A question, as a section of the page.
pub(crate) struct Question {
    /// For links.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// What was done, and how to read it.
    pub(crate) text: &'static str,
    pub(crate) bench: &'static str,
    pub(crate) panels: &'static [Panel],
    /// Whether the panels have one axis, because they are to be compared with each other.
    pub(crate) one_axis: bool,
}

/// One chart: the same measure of all backends in one case.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    /// The case, or what stands before a comma in it.
    pub(crate) case: &'static str,
    pub(crate) measure: Measure,
    pub(crate) unit: Unit,
    pub(crate) better: Better,
    /// Of whom there can be such a figure.
    pub(crate) of: &'static [Backend],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Less,
    More,
}

/// What is taken from a figure.
pub(crate) type Measure = fn(&Figure) -> Option<Reading>;

/// A number to draw, and the range of the samples if there are any.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reading {
    pub(crate) value: f64,
    pub(crate) range: Option<(f64, f64)>,
}

impl Reading {
    fn plain(value: f64) -> Self {
        // A counter that another reader has moved, or memory that was given back meanwhile: nothing, not less.
        Self { value: value.max(0.0), range: None }
    }
}

impl Panel {
    const fn time(title: &'static str, case: &'static str) -> Self {
        Self { title, case, measure: time, unit: Unit::Time, better: Better::Less, of: &Backend::CHOICES }
    }

    const fn rate(title: &'static str, case: &'static str) -> Self {
        Self {
            title,
            case,
            measure: rate,
            unit: Unit::PerSecond,
            better: Better::More,
            of: &Backend::CHOICES,
        }
    }

    const fn cost(title: &'static str, case: &'static str, measure: Measure, unit: Unit) -> Self {
        Self { title, case, measure, unit, better: Better::Less, of: &Backend::CHOICES }
    }

    const fn of(self, of: &'static [Backend]) -> Self {
        Self { of, ..self }
    }

    pub(crate) fn is_case(&self, case: &str) -> bool {
        case.strip_prefix(self.case).is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
    }

    /// The figures that it shows, with what it takes from them.
    pub(crate) fn readings<'a>(
        &'a self,
        measured: &'a Measured,
        bench: &'a str,
    ) -> impl Iterator<Item = (&'a Figure, Reading)> {
        let figures = measured.of(bench).filter(|figure| self.is_case(&figure.side.case));
        figures.filter_map(|figure| Some((figure, (self.measure)(figure)?)))
    }
}

fn time(figure: &Figure) -> Option<Reading> {
    Some(Reading { value: figure.median, range: Some((figure.fastest(), figure.slowest())) })
}

fn rate(figure: &Figure) -> Option<Reading> {
    let rate = |time: f64| figure.side.elements * 1e9 / time;
    Some(Reading { value: figure.rate(), range: Some((rate(figure.slowest()), rate(figure.fastest()))) })
}

fn each(figure: &Figure, what: impl Fn(&Cost) -> Option<f64>) -> Option<Reading> {
    let cost = figure.side.cost.as_ref()?;
    Some(Reading::plain(what(cost)? / cost.operations))
}

pub(crate) fn requests(figure: &Figure) -> Option<Reading> {
    each(figure, |cost| cost.requests)
}

pub(crate) fn fsyncs(figure: &Figure) -> Option<Reading> {
    each(figure, |cost| cost.fsyncs)
}

/// Servers and candidates together: an embedded member is both.
pub(crate) fn cpu(figure: &Figure) -> Option<Reading> {
    each(figure, |cost| Some((cost.server_cpu_s.unwrap_or(0.0) + cost.own_cpu_s?) * 1e9))
}

fn held(figure: &Figure, what: impl Fn(&Held) -> Option<f64>) -> Option<Reading> {
    Some(Reading::plain(what(figure.side.cost.as_ref()?.held.as_ref()?)?))
}

pub(crate) fn bytes(figure: &Figure) -> Option<Reading> {
    held(figure, |held| Some(held.bytes_each))
}

pub(crate) fn idle_requests(figure: &Figure) -> Option<Reading> {
    held(figure, |held| Some(held.requests? / held.seconds))
}

pub(crate) fn idle_cpu(figure: &Figure) -> Option<Reading> {
    held(figure, |held| Some((held.server_cpu_s.unwrap_or(0.0) + held.own_cpu_s?) / held.seconds * 1e9))
}

/// All of them, in the order of the page.
pub(crate) const QUESTIONS: &[Question] = &[
    Question {
        id: "failover",
        title: "How long without a leader when it fails?",
        text: "Each candidate is a process of its own. The leader's is killed (SIGKILL), stopped (SIGSTOP), cut off from \
               every server, or told to end; the clock runs from that moment until another process leads. The session's \
               TTL is the smallest that such servers grant; tuned servers grant shorter ones. (A Raft member has no servers to \
               be cut off from; `cargo xtask chaos` cuts members off.)",
        bench: "failover",
        panels: &[
            Panel::time("The process crashes", "crash"),
            Panel::time("The process is paused", "pause"),
            Panel::time("Its links are cut", "cut link").of(&Backend::SERVERS),
            Panel::time("It ends cleanly", "clean exit"),
        ],
        one_axis: false,
    },
    Question {
        id: "handover",
        title: "How fast is a handover?",
        text: "The leader resigns while another process waits: from the call to the moment the other one leads. The raw \
               limit is one committed delete and one event pushed to another client of the same servers (Raft: one \
               entry on the disks of a majority).",
        bench: "handover",
        panels: &[
            Panel::time("The other has waited for 150 ms", "queued 150 ms ago"),
            Panel::time("The other has only just queued", "queued 30 ms ago"),
        ],
        one_axis: false,
    },
    Question {
        id: "rate",
        title: "How many elections per second?",
        text: "Campaign, win, resign, again and again: so many candidates side by side on one session, each in an election \
               of its own. The raw limit is the same records created and deleted through the same client library (Raft: \
               one entry appended and flushed by a majority). hashicorp-raft is that library of Go with BoltDB, where it \
               could be built: as many processes, without TLS, an entry to acquire and one to release. Without a disk, its log is \
               in its own store in memory, and ours in a file system in memory.",
        bench: "cycle",
        panels: &[
            Panel::rate("1 candidate", "1"),
            Panel::rate("8 candidates", "8"),
            Panel::rate("64 candidates", "64"),
            Panel::rate("512 candidates", "512"),
            Panel::rate("1 candidate, without a disk", "1 without a disk").of(&[Backend::Raft]),
            Panel::rate("64 candidates, without a disk", "64 without a disk").of(&[Backend::Raft]),
        ],
        one_axis: false,
    },
    Question {
        id: "cost",
        title: "What does an election cost the servers?",
        text: "Counted while the elections above were held: messages that reached the servers, flushes of their logs over \
               all servers, processor time of servers and candidates together (of an embedded Raft, of all members). \
               Embedded Raft counts the entries of its log instead of requests, and no flushes.",
        bench: "cycle",
        panels: &[
            Panel::cost("Requests for a campaign and a resignation", "1", requests, Unit::Count)
                .of(&Backend::SERVERS),
            Panel::cost("Flushes to disk, 1 candidate", "1", fsyncs, Unit::Count).of(&Backend::SERVERS),
            Panel::cost("Flushes to disk, 64 candidates", "64", fsyncs, Unit::Count).of(&Backend::SERVERS),
            Panel::cost("Processor time, 64 candidates", "64", cpu, Unit::Time),
        ],
        one_axis: false,
    },
    Question {
        id: "herd",
        title: "Does a long queue slow the handover?",
        text: "So many candidates wait in one election; the leader resigns, the next one leads, and the first queues again. \
               Only the next may be woken, so the length must not matter. The three charts have one axis.",
        bench: "herd",
        panels: &[
            Panel::time("10 wait", "10"),
            Panel::time("100 wait", "100"),
            Panel::time("1,000 wait", "1000"),
        ],
        one_axis: true,
    },
    Question {
        id: "observe",
        title: "How soon does everybody know the new leader?",
        text: "From the old leader's resignation to the moment at which the last of so many observers in a third process \
               has been told of the new one. The raw limit is one deletion, pushed to one client.",
        bench: "observe",
        panels: &[
            Panel::time("1 observer", "1"),
            Panel::time("100 observers", "100"),
            Panel::time("1,000 observers", "1000"),
        ],
        one_axis: false,
    },
    Question {
        id: "many",
        title: "How many elections can one process hold?",
        text: "One process wins so many elections on one session, then gives them all back; between the two it holds them \
               for a few renewals while nothing happens, and what that costs is counted. Memory is what the process has \
               allocated and not given back, per election (a Raft member holds the group's records too). The goal is \
               2 KiB.",
        bench: "many",
        panels: &[
            Panel::rate("Won and given back, 1,000 at a time", "1000"),
            Panel::rate("Won and given back, 10,000 at a time", "10000"),
            Panel::cost("Memory for each of 10,000 held", "10000", bytes, Unit::Bytes),
            Panel::cost("Requests per second while 10,000 are held", "10000", idle_requests, Unit::Count)
                .of(&Backend::SERVERS),
            Panel::cost("Processor time per second meanwhile", "10000", idle_cpu, Unit::Time),
            Panel::cost("The same with a single election", "1", idle_cpu, Unit::Time),
        ],
        one_axis: false,
    },
    Question {
        id: "start",
        title: "How soon does a new process lead?",
        text: "From the start of a process to its leadership, its connection and session included. A Raft group is formed \
               anew each time, from empty folders.",
        bench: "start",
        panels: &[Panel::time("Process to leader", "process to leader")],
        one_axis: false,
    },
    Question {
        id: "check",
        title: "What does it cost to ask “do I still lead?”",
        text: "Leadership::check(), called before every act. The raw limit is one reading of the clock.",
        bench: "check",
        panels: &[Panel::time("One check", "check")],
        one_axis: false,
    },
    Question {
        id: "machine",
        title: "What does the machine do at best?",
        text: "A durable append, the same on two of three disks (here: one disk), and a round trip over loopback: what no \
               backend can undercut on this machine.",
        bench: "raw",
        panels: &[
            Panel::time("Append and fdatasync", "append and fdatasync"),
            Panel::time("Committed by two of three", "committed by two of three"),
            Panel::time("Round trip over loopback", "round trip"),
        ],
        one_axis: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_takes_its_case_and_no_longer_one() {
        let panel = Panel::time("", "1");
        assert!(panel.is_case("1") && panel.is_case("1, ttl 2 s"));
        assert!(!panel.is_case("10") && !panel.is_case(""));
    }

    #[test]
    fn every_question_can_be_linked_to() {
        let mut ids: Vec<_> = QUESTIONS.iter().map(|question| question.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), QUESTIONS.len());
    }
}
