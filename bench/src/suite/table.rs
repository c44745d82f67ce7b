//! The closing table: every figure, and what part of the raw limit it is.

use std::fmt::Write;

use super::{Estimate, Figure};

/// What a figure should be, compared with the raw limit of the same run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// A rate: at least this part of the raw rate.
    AtLeast(f64),
    /// A rate: at least so many times the rate of another implementation in the same run.
    AtLeastOfRival(f64),
    /// A time: at most so many times the raw time.
    AtMost(f64),
    /// A time: at most so many milliseconds.
    WithinMillis(f64),
    /// Nothing: it is there to be compared.
    Free,
    /// Nothing: it is a raw limit itself.
    Limit,
}

/// A measured figure.
#[derive(Clone, Debug)]
pub struct Row {
    /// The bench.
    pub bench: &'static str,
    /// The figure.
    pub figure: Figure,
    /// What was measured.
    pub measured: Estimate,
    /// The raw limit of the same run.
    pub limit: Option<Estimate>,
    /// The other implementation's figure of the same run.
    pub rival: Option<Estimate>,
}

impl Row {
    /// The figure compared with the raw limit: a part of its rate if the goal is one, else a multiple of its time.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        let times = self.measured.median / self.limit?.median;
        let of_rate = matches!(self.figure.goal, Goal::AtLeast(_) | Goal::AtLeastOfRival(_));
        Some(if of_rate { 1.0 / times } else { times })
    }

    /// Its rate compared with the other implementation's.
    #[must_use]
    pub fn times_rival(&self) -> Option<f64> {
        Some(self.rival?.median / self.measured.median)
    }

    /// Whether the goal is reached; `None` if there is none.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        match self.figure.goal {
            Goal::AtLeast(goal) => self.ratio().map(|ratio| ratio >= goal),
            Goal::AtLeastOfRival(goal) => self.times_rival().map(|times| times >= goal),
            Goal::AtMost(goal) => self.ratio().map(|ratio| ratio <= goal),
            Goal::WithinMillis(goal) => Some(self.measured.median <= goal * 1e6),
            Goal::Free | Goal::Limit => None,
        }
    }
}

/// The rows as a Markdown table.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| bench | subject | case | median | 95 % | per second | against raw | goal |\n\
         | --- | --- | --- | --: | --: | --: | --: | --- |\n",
    );
    for row in rows {
        let Estimate { median, low, high } = row.measured;
        let spread = format!("{} – {}", time(low), time(high));
        let rate = row.figure.elements as f64 * 1e9 / median;
        let ratio = row.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let verdict = match row.is_met() {
            Some(true) => " ✓",
            Some(false) => " **missed**",
            None => "",
        };
        let goal = match row.figure.goal {
            Goal::AtLeast(goal) => format!("≥ {goal}{verdict}"),
            Goal::AtLeastOfRival(goal) => match row.times_rival() {
                Some(times) => format!("≥ {goal} of the other's: {times:.2}{verdict}"),
                None => format!("≥ {goal} of the other's, which was not measured"),
            },
            Goal::AtMost(goal) => format!("≤ {goal}{verdict}"),
            Goal::WithinMillis(goal) => format!("≤ {}{verdict}", time(goal * 1e6)),
            Goal::Free => String::new(),
            Goal::Limit => "raw".into(),
        };
        let Figure { subject, case, .. } = &row.figure;
        let (bench, median) = (row.bench, time(median));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {bench} | {subject} | {case} | {median} | {spread} | {rate:.0} | {ratio} | {goal} |"
        );
    }
    text
}

/// A time with three digits and its unit.
fn time(nanos: f64) -> String {
    let (value, unit) = match nanos {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(median: f64) -> Estimate {
        Estimate { median, low: median, high: median }
    }

    #[test]
    fn rates_and_times_are_compared_the_right_way_round() {
        let figure = |goal| Figure::new("etcd-1", "8", goal);
        let row =
            |goal, measured, limit| Row { bench: "b", figure: figure(goal), measured, limit, rival: None };
        let rate = row(Goal::AtLeast(0.9), estimate(2e6), Some(estimate(1e6)));
        assert_eq!((rate.ratio(), rate.is_met()), (Some(0.5), Some(false)));
        let latency = row(Goal::AtMost(1.5), estimate(1.2e6), Some(estimate(1e6)));
        assert_eq!((latency.ratio(), latency.is_met()), (Some(1.2), Some(true)));
        let absolute = row(Goal::WithinMillis(50.0), estimate(60e6), None);
        assert_eq!((absolute.ratio(), absolute.is_met()), (None, Some(false)));
        let text = table(&[rate, latency, absolute]);
        assert!(
            text.contains("| b | etcd-1 | 8 | 2.00 ms | 2.00 ms – 2.00 ms | 500 | 0.50 | ≥ 0.9 **missed** |"),
            "{text}"
        );
        assert!(text.contains("| 1.20 | ≤ 1.5 ✓ |"), "{text}");
    }

    #[test]
    fn times_are_short() {
        for (nanos, shown) in
            [(12.34, "12.3 ns"), (4_560.0, "4.56 µs"), (123.4e6, "123 ms"), (2.5e9, "2.50 s")]
        {
            assert_eq!(time(nanos), shown);
        }
    }
}
