//! Numbers as a person reads them.

/// Between a number and its unit: a line must not break there.
pub(crate) const GAP: char = '\u{a0}';

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Nanoseconds; shown in what fits.
    Time,
    PerSecond,
    /// A pure number, e.g. requests.
    Count,
    Bytes,
}

impl Unit {
    /// With its unit, in three digits.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Time => {
                let (value, unit) = match value {
                    n if n < 1e3 => (n, "ns"),
                    n if n < 1e6 => (n / 1e3, "µs"),
                    n if n < 1e9 => (n / 1e6, "ms"),
                    n => (n / 1e9, "s"),
                };
                format!("{}{GAP}{unit}", three_digits(value))
            }
            Self::PerSecond => format!("{}/s", three_digits(value)),
            Self::Count => three_digits(value),
            Self::Bytes if value.abs() < 1024.0 => format!("{value:.0}{GAP}B"),
            Self::Bytes => format!("{}{GAP}KiB", three_digits(value / 1024.0)),
        }
    }
}

/// 0.123, 1.23, 12.3, 123, 1,234.
pub(crate) fn three_digits(value: f64) -> String {
    match value.abs() {
        v if v == 0.0 || v >= 99.95 => grouped(value),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v >= 0.0995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

/// The end of an axis that begins at 0, and its ticks: round numbers, the last one at or above `largest`.
pub(crate) fn ticks(largest: f64) -> Vec<f64> {
    if largest.is_nan() || largest <= 0.0 {
        return vec![0.0, 1.0];
    }
    let magnitude = 10_f64.powf((largest / 4.0).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * magnitude);
    let step = steps.into_iter().find(|step| step * 4.0 >= largest * 0.999).unwrap_or(magnitude * 10.0);
    let count = (largest * 0.999 / step).ceil();
    (0..=4).map(f64::from).filter(|i| *i <= count).map(|i| i * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (nanos, shown) in
            [(12.34, "12.3 ns"), (4_560.0, "4.56 µs"), (123.4e6, "123 ms"), (2.5e9, "2.50 s")]
        {
            assert_eq!(Unit::Time.show(nanos).replace(GAP, " "), shown);
        }
        assert_eq!(Unit::PerSecond.show(21257.3), "21,257/s");
        assert_eq!(Unit::Count.show(0.0), "0");
        assert_eq!(Unit::Count.show(0.0312), "0.031");
        assert_eq!(Unit::Bytes.show(1500.0), "1.46\u{a0}KiB");
        assert_eq!(Unit::Bytes.show(-200.0), "-200\u{a0}B");
    }

    #[test]
    fn axes_begin_at_zero_and_end_round() {
        assert_eq!(ticks(3.7), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(ticks(21_257.0), [0.0, 10_000.0, 20_000.0, 30_000.0]);
        assert_eq!(ticks(0.0), [0.0, 1.0]);
        for largest in [1e-9, 0.3, 1.0, 1.0001, 7.0, 99.0, 12345.0, 8.1e10] {
            let last = *ticks(largest).last().unwrap();
            assert!(last >= largest * 0.99 && last <= largest * 2.6, "{largest}: {last}");
        }
    }
}
