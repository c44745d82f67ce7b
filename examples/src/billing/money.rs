//! Exact amounts: whole minor units (cents), never floating point.

use std::fmt;

/// A currency: its ISO 4217 code, and how many decimals its amounts have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: &'static str,
    decimals: u32,
}

const fn currency(code: &'static str, decimals: u32) -> Currency {
    Currency { code, decimals }
}

/// What the provider takes, in alphabetical order.
const KNOWN: &[Currency] = &[
    currency("AUD", 2),
    currency("BHD", 3),
    currency("BRL", 2),
    currency("CAD", 2),
    currency("CHF", 2),
    currency("CNY", 2),
    currency("CZK", 2),
    currency("DKK", 2),
    currency("EUR", 2),
    currency("GBP", 2),
    currency("HKD", 2),
    currency("HUF", 2),
    currency("INR", 2),
    currency("ISK", 0),
    currency("JPY", 0),
    currency("KRW", 0),
    currency("KWD", 3),
    currency("MXN", 2),
    currency("NOK", 2),
    currency("NZD", 2),
    currency("PLN", 2),
    currency("RON", 2),
    currency("SEK", 2),
    currency("SGD", 2),
    currency("THB", 2),
    currency("TND", 3),
    currency("TRY", 2),
    currency("USD", 2),
    currency("ZAR", 2),
];

impl Currency {
    /// Finds a currency by its code.
    ///
    /// # Errors
    /// What is wrong with the code, for a person.
    pub fn parse(code: &str) -> Result<Self, String> {
        if let Some(found) = KNOWN.iter().find(|known| known.code == code) {
            return Ok(*found);
        }
        let upper = code.to_ascii_uppercase();
        Err(match KNOWN.iter().find(|known| known.code == upper) {
            Some(known) => format!("unknown currency {code:?}: write {known}"),
            None => format!("unknown currency {code:?}: give an ISO 4217 code such as EUR, USD or JPY"),
        })
    }

    /// The code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.code
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

/// An amount of money, above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// In minor units: cents, or whole yen. Above zero.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// Reads a decimal amount such as `12`, `12.5` or `12.50`, exactly.
    ///
    /// # Errors
    /// What is wrong with it, for a person: not a plain decimal, negative, zero, more decimals than the
    /// currency has, or too large.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, String> {
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if text.is_empty() {
            return Err("the amount is missing".into());
        }
        if text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            return Err(format!("{text} is negative: an invoice is charged, not paid out"));
        }
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(format!("{text:?} ends after the decimal point")),
            None => (text, ""),
        };
        if whole.is_empty() || !plain(whole) || !plain(fraction) {
            return Err(format!("{text:?} is no amount: digits and one decimal point, as in 1234.50"));
        }
        let decimals = currency.decimals as usize;
        if fraction.len() > decimals {
            return Err(format!("{text} has {} decimals, {currency} has {decimals}", fraction.len()));
        }
        let digits = format!("{whole}{fraction:0<decimals$}");
        match digits.parse::<i64>() {
            Ok(0) => Err(format!("{text} is nothing to charge")),
            Ok(minor) => Ok(Self { minor, currency }),
            Err(_) => Err(format!("{text} is too large: at most {} minor units", i64::MAX)),
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_i64.pow(self.currency.decimals);
        write!(f, "{}", self.minor / unit)?;
        if self.currency.decimals > 0 {
            write!(f, ".{:0width$}", self.minor % unit, width = self.currency.decimals as usize)?;
        }
        write!(f, " {}", self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, code: &str) -> Result<i64, String> {
        Money::parse(text, Currency::parse(code)?).map(|money| money.minor)
    }

    #[test]
    fn decimals_are_read_exactly_by_currency() {
        assert_eq!(parse("0.07", "EUR"), Ok(7));
        assert_eq!(parse("12.5", "USD"), Ok(1250));
        assert_eq!(parse("12", "USD"), Ok(1200));
        assert_eq!(parse("500", "JPY"), Ok(500));
        assert_eq!(parse("1.234", "KWD"), Ok(1234));
        assert_eq!(parse("92233720368547758.07", "EUR"), Ok(i64::MAX));
        assert_eq!(
            Money::parse("1234.5", Currency::parse("EUR").unwrap()).unwrap().to_string(),
            "1234.50 EUR"
        );
        assert_eq!(Money::parse("12", Currency::parse("JPY").unwrap()).unwrap().to_string(), "12 JPY");
    }

    #[test]
    fn what_is_no_amount_says_why() {
        for (text, code, says) in [
            ("", "EUR", "missing"),
            ("-3.10", "EUR", "negative"),
            ("0.00", "EUR", "nothing to charge"),
            ("1.005", "EUR", "3 decimals, EUR has 2"),
            ("1.5", "JPY", "1 decimals, JPY has 0"),
            ("1,50", "EUR", "no amount"),
            ("1e3", "EUR", "no amount"),
            (".5", "EUR", "no amount"),
            ("5.", "EUR", "ends after"),
            ("+5", "EUR", "no amount"),
            ("--5", "EUR", "no amount"),
            ("1.2.3", "EUR", "no amount"),
            ("٣", "EUR", "no amount"),
            ("92233720368547758.08", "EUR", "too large"),
            ("5", "eur", "write EUR"),
            ("5", "XXX", "ISO 4217"),
            ("5", "", "ISO 4217"),
        ] {
            let error = parse(text, code).unwrap_err();
            assert!(error.contains(says), "{text:?} {code:?}: {error}");
        }
    }
}
