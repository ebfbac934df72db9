//! What a verification counts: records, fingerprints and money, of both sides.

use std::collections::BTreeMap;

use model::{Account, Amount, BankTransaction, Credit, Customer, Invoice, Kind, Payment, TaxRate};
use serde::{Deserialize, Serialize};

/// How one kind stands on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindTally {
    /// The kind.
    pub kind: Kind,
    /// Records in the App.
    pub app: i64,
    /// Records in Xero.
    pub xero: i64,
    /// Records that both have, and have the same.
    pub same: i64,
    /// Records that differ.
    pub different: i64,
    /// Records that differ for a reason that is known.
    pub explained: i64,
    /// Fingerprint of the App's records, in any order: 32 hex digits. Both sides' are equal when all contents are.
    pub app_hash: String,
    /// Fingerprint of Xero's records.
    pub xero_hash: String,
}

/// Documents of one kind, type, status and currency on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SideSum {
    /// How many.
    pub count: i64,
    /// Sum of their totals or amounts.
    pub total: Amount,
    /// Sum of what is due, or of the remaining credit.
    pub open: Amount,
}

/// Documents of one kind, type, status and currency on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoneyGroup {
    /// Kind of the records.
    pub kind: Kind,
    /// Their type in Xero, for example `ACCREC`; empty for payments.
    pub r#type: String,
    /// Their status in Xero.
    pub status: String,
    /// Their currency; empty for payments.
    pub currency: String,
    /// The App's side.
    pub app: SideSum,
    /// Xero's side.
    pub xero: SideSum,
    /// What the two sides differ by, total and open together, signs aside, beyond what has a known reason.
    pub difference: Amount,
}

/// What a document adds to the sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Money {
    of_type: String,
    status: String,
    currency: String,
    total: Amount,
    open: Amount,
}

/// A record that may be worth money.
pub(crate) trait Counted {
    /// What it adds; `None` for what is no document.
    fn money(&self) -> Option<Money> {
        None
    }
}

impl Counted for Account {}
impl Counted for TaxRate {}
impl Counted for Customer {}

impl Counted for Invoice {
    fn money(&self) -> Option<Money> {
        money(&self.r#type, &self.xero_status, self.currency.as_ref(), self.total, self.amount_due)
    }
}

impl Counted for Credit {
    fn money(&self) -> Option<Money> {
        money(&self.r#type, &self.xero_status, self.currency.as_ref(), self.total, self.remaining_credit)
    }
}

impl Counted for Payment {
    fn money(&self) -> Option<Money> {
        money("", &self.xero_status, None, self.amount, self.amount)
    }
}

impl Counted for BankTransaction {
    fn money(&self) -> Option<Money> {
        money(&self.r#type, &self.xero_status, self.currency.as_ref(), self.total, self.total)
    }
}

fn money(of_type: &str, status: &str, currency: Option<&String>, total: Amount, open: Amount) -> Option<Money> {
    let currency = currency.cloned().unwrap_or_default();
    Some(Money { of_type: of_type.to_owned(), status: status.to_owned(), currency, total, open })
}

/// Whether a record that was compared is the same on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Same,
    Different,
    Explained,
}

type Group = (Kind, String, String, String);

/// Counts as they grow.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    kinds: BTreeMap<Kind, Counts>,
    /// All documents: the App's side and Xero's.
    money: BTreeMap<Group, [SideSum; 2]>,
    /// Those of them whose difference, if any, has no known reason.
    settled: BTreeMap<Group, [SideSum; 2]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    sides: [i64; 2],
    hashes: [u128; 2],
    same: i64,
    different: i64,
    explained: i64,
}

/// One side of a record that was compared.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    /// The hash of its content.
    pub(crate) hash: [u8; 16],
    /// What it adds to the sums.
    pub(crate) money: Option<Money>,
}

impl Tally {
    /// Lists a kind, of which there may be nothing.
    pub(crate) fn begin(&mut self, kind: Kind) {
        self.kinds.entry(kind).or_default();
    }

    /// Adds a record: what the App has of it, and Xero.
    pub(crate) fn add(&mut self, kind: Kind, sides: [Option<Side>; 2], verdict: Verdict) {
        let counts = self.kinds.entry(kind).or_default();
        match verdict {
            Verdict::Same => counts.same += 1,
            Verdict::Different => counts.different += 1,
            Verdict::Explained => counts.explained += 1,
        }
        for (at, side) in sides.into_iter().enumerate() {
            let Some(side) = side else { continue };
            counts.sides[at] += 1;
            // A sum, so that the order in which records come does not matter.
            counts.hashes[at] = counts.hashes[at].wrapping_add(u128::from_be_bytes(side.hash));
            let Some(Money { of_type, status, currency, total, open }) = side.money else { continue };
            let group = (kind, of_type, status, currency);
            let add = |sums: &mut BTreeMap<Group, [SideSum; 2]>| {
                let sum = &mut sums.entry(group.clone()).or_default()[at];
                sum.count += 1;
                // A sum beyond the range of an amount stays as it is: no ledger comes near it.
                sum.total = sum.total.checked_add(total).unwrap_or(sum.total);
                sum.open = sum.open.checked_add(open).unwrap_or(sum.open);
            };
            add(&mut self.money);
            if verdict != Verdict::Explained {
                add(&mut self.settled);
            }
        }
    }

    /// The kinds, parents first.
    pub(crate) fn kinds(&self) -> Vec<KindTally> {
        let tally = |(kind, counts): (&Kind, &Counts)| KindTally {
            kind: *kind,
            app: counts.sides[0],
            xero: counts.sides[1],
            same: counts.same,
            different: counts.different,
            explained: counts.explained,
            app_hash: format!("{:032x}", counts.hashes[0]),
            xero_hash: format!("{:032x}", counts.hashes[1]),
        };
        self.kinds.iter().map(tally).collect()
    }

    /// The sums of both sides.
    pub(crate) fn money(&self) -> Vec<MoneyGroup> {
        let group = |(key, sums): (&Group, &[SideSum; 2])| {
            let settled = self.settled.get(key).copied().unwrap_or_default();
            let (kind, of_type, status, currency) = key.clone();
            let distance = |a: Amount, b: Amount| if a > b { a - b } else { b - a };
            let [app, xero] = settled;
            MoneyGroup {
                kind,
                r#type: of_type,
                status,
                currency,
                app: sums[0],
                xero: sums[1],
                difference: distance(app.total, xero.total) + distance(app.open, xero.open),
            }
        };
        self.money.iter().map(group).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invoice(total: &str) -> Option<Side> {
        let total: Amount = total.parse().unwrap();
        let invoice = Invoice {
            r#type: "ACCREC".into(),
            currency: Some("NZD".into()),
            total,
            amount_due: total,
            ..Invoice::default()
        };
        Some(Side { hash: model::ContentHash::of(&model::canonical(&invoice)).0, money: invoice.money() })
    }

    #[test]
    fn a_cent_is_the_difference_and_what_is_explained_is_not() {
        let mut tally = Tally::default();
        tally.add(Kind::Invoice, [invoice("10.00"), invoice("10.00")], Verdict::Same);
        let kinds = tally.kinds();
        assert_eq!((kinds[0].app, kinds[0].xero, &kinds[0].app_hash), (1, 1, &kinds[0].xero_hash));
        tally.add(Kind::Invoice, [invoice("5.00"), None], Verdict::Explained);
        assert_eq!(tally.money()[0].difference, Amount::ZERO);
        assert_eq!((tally.money()[0].app.count, tally.money()[0].xero.count), (2, 1));
        tally.add(Kind::Invoice, [invoice("7.01"), invoice("7.00")], Verdict::Different);
        assert_eq!(tally.money()[0].difference.to_string(), "0.02", "the total and what is due");
        let kinds = tally.kinds();
        assert_eq!((kinds[0].same, kinds[0].different, kinds[0].explained), (1, 1, 1));
        assert_ne!(kinds[0].app_hash, kinds[0].xero_hash);
    }
}
