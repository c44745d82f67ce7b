//! The account: what the provider executed against what the ledger says.
//!
//! Charges are counted where money moves, at the provider, per invoice and whatever their keys; nothing that
//! a worker said about itself is taken into account.

use std::collections::{BTreeMap, HashMap};

use super::ledger::{Accepted, Row, Settlement};
use super::money::{Currency, Money};
use super::provider::store::Executed;

/// The account of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Invoices in the ledger.
    pub invoices: u64,
    /// Charges that the provider executed.
    pub charges: u64,
    /// Charges beyond the first of an invoice.
    pub double: u64,
    /// Invoices that were not charged, or are not paid according to the ledger.
    pub missed: u64,
    /// Per currency, in minor units: what the invoices amount to, and what was charged.
    pub totals: BTreeMap<Currency, (i128, i128)>,
    /// Everything that is not as it must be, one line each. Empty: the account is settled.
    pub findings: Vec<String>,
}

/// Draws the account up. `expected` is the number of invoices that the ledger held at the start.
#[must_use]
pub fn settle(expected: u64, ledger: &[Row], accepted: &[Accepted], charges: &[Executed]) -> Account {
    let mut account =
        Account { invoices: ledger.len() as u64, charges: charges.len() as u64, ..Account::default() };
    if account.invoices != expected {
        account
            .findings
            .push(format!("the ledger has {} invoices, it began with {expected}", account.invoices));
    }
    let mut by_invoice = HashMap::<&str, Vec<&Executed>>::new();
    for charge in charges {
        by_invoice.entry(&charge.invoice).or_default().push(charge);
    }
    for row in ledger {
        let charged = by_invoice.remove(row.id.as_str()).unwrap_or_default();
        account.totals.entry(row.amount.currency).or_default().0 += i128::from(row.amount.minor);
        account.invoice(row, &charged);
    }
    for (invoice, strays) in by_invoice {
        account.findings.push(format!("{invoice}: charged {} times, but not in the ledger", strays.len()));
    }
    for charge in charges {
        if let Ok(currency) = Currency::parse(&charge.currency) {
            account.totals.entry(currency).or_default().1 += i128::from(charge.amount);
        }
    }
    account.writes(accepted);
    account.sums();
    account
}

impl Account {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    fn invoice(&mut self, row: &Row, charged: &[&Executed]) {
        let id = &row.id;
        let again = charged.len().saturating_sub(1) as u64;
        if again > 0 {
            self.double += again;
            self.findings.push(format!("{id}: CHARGED {} TIMES ({})", charged.len(), numbers(charged)));
        }
        for charge in charged {
            let asked: Money = row.amount;
            if charge.amount != asked.minor || charge.currency != asked.currency.code() {
                let (amount, currency) = (charge.amount, &charge.currency);
                self.findings
                    .push(format!("{id}: {asked} was asked for, {amount} {currency} (minor) charged"));
            }
        }
        let fault = match row.settlement {
            None if charged.is_empty() => "neither charged nor paid in the ledger".to_owned(),
            None => format!("charged ({}), but unpaid in the ledger", numbers(charged)),
            Some(Settlement::Declined) if charged.is_empty() => "declined by the provider".to_owned(),
            Some(Settlement::Declined) => {
                format!("charged ({}), but declined in the ledger", numbers(charged))
            }
            Some(Settlement::Paid(_)) if charged.is_empty() => {
                "paid in the ledger, but NEVER CHARGED".to_owned()
            }
            Some(Settlement::Paid(charge)) if charged.iter().all(|executed| executed.id != charge) => {
                self.findings.push(format!("{id}: the ledger names charge {charge}, which was not for it"));
                return;
            }
            Some(Settlement::Paid(_)) => return,
        };
        self.missed += 1;
        self.findings.push(format!("{id}: MISSED: {fault}"));
    }

    /// The sink's law: no token below an earlier one, and no invoice settled twice.
    fn writes(&mut self, accepted: &[Accepted]) {
        let mut highest = 0;
        let mut settled = HashMap::<&str, u64>::new();
        for Accepted { invoice, token } in accepted {
            if *token < highest {
                self.findings
                    .push(format!("{invoice}: written under token {token} after {highest} had written"));
            }
            highest = highest.max(*token);
            if let Some(earlier) = settled.insert(invoice, *token) {
                self.findings
                    .push(format!("{invoice}: settled twice, under the tokens {earlier} and {token}"));
            }
        }
    }

    fn sums(&mut self) {
        for (currency, (asked, charged)) in &self.totals {
            if asked != charged {
                let difference = charged - asked;
                self.findings
                    .push(format!("{currency}: charges and invoices differ by {difference:+} minor units"));
            }
        }
    }
}

fn numbers(charged: &[&Executed]) -> String {
    let numbers: Vec<_> = charged.iter().map(|charge| format!("charge {}", charge.id)).collect();
    numbers.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, settlement: Option<Settlement>) -> Row {
        let amount = Money { minor: 500, currency: Currency::parse("EUR").unwrap() };
        Row { id: id.into(), amount, settlement }
    }

    fn charge(id: i64, invoice: &str, amount: i64) -> Executed {
        Executed { id, invoice: invoice.into(), amount, currency: "EUR".into() }
    }

    fn accepted(invoice: &str, token: u64) -> Accepted {
        Accepted { invoice: invoice.into(), token }
    }

    /// What the account must say, and the books that it is to be drawn up from.
    type Case<'a> = (&'a str, &'a [Row], &'a [Accepted], &'a [Executed]);

    const PAID: Option<Settlement> = Some(Settlement::Paid(1));

    #[test]
    fn one_charge_per_invoice_settles() {
        let account = settle(1, &[row("A", PAID)], &[accepted("A", 3)], &[charge(1, "A", 500)]);
        assert!(account.is_clean(), "{account:?}");
        assert_eq!((account.double, account.missed, account.charges), (0, 0, 1));
    }

    #[test]
    fn every_kind_of_wrong_is_found() {
        let cases: &[Case<'_>] = &[
            ("CHARGED 2 TIMES", &[row("A", PAID)], &[], &[charge(1, "A", 500), charge(2, "A", 500)]),
            ("differ by +500", &[row("A", PAID)], &[], &[charge(1, "A", 500), charge(2, "A", 500)]),
            ("neither charged nor paid", &[row("A", None)], &[], &[]),
            ("unpaid in the ledger", &[row("A", None)], &[], &[charge(1, "A", 500)]),
            ("declined by", &[row("A", Some(Settlement::Declined))], &[], &[]),
            ("declined in the ledger", &[row("A", Some(Settlement::Declined))], &[], &[charge(1, "A", 500)]),
            ("NEVER CHARGED", &[row("A", PAID)], &[], &[]),
            ("names charge 1", &[row("A", PAID)], &[], &[charge(7, "A", 500)]),
            ("was asked for", &[row("A", PAID)], &[], &[charge(1, "A", 501)]),
            ("not in the ledger", &[row("A", PAID)], &[], &[charge(1, "A", 500), charge(2, "B", 500)]),
            ("it began with 1", &[], &[], &[]),
            (
                "after 4 had written",
                &[row("A", PAID)],
                &[accepted("B", 4), accepted("A", 3)],
                &[charge(1, "A", 500)],
            ),
            (
                "settled twice",
                &[row("A", PAID)],
                &[accepted("A", 3), accepted("A", 4)],
                &[charge(1, "A", 500)],
            ),
        ];
        for (says, ledger, accepted, charges) in cases {
            let account = settle(1, ledger, accepted, charges);
            assert!(account.findings.iter().any(|finding| finding.contains(says)), "{says}: {account:?}");
        }
    }
}
