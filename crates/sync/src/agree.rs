//! Do both sides agree? Counts and money of the books against Xero's own lists, read afresh.

use std::collections::BTreeMap;

use model::{Amount, ConnectionId, Kind};
use rust_decimal::Decimal;
use store::MoneyTotal;
use xero::{Books, Entity, Lane, ListQuery, Order, Param};

use crate::{Engine, Error};

/// One group of documents on which the two sides differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Kind, type, status and currency of the group, in words.
    pub group: String,
    /// How many documents the App has, and Xero.
    pub counts: (i64, i64),
    /// Sum of totals in the App, and in Xero.
    pub totals: (Amount, Amount),
    /// Sum of what is open (due, or remaining) in the App, and in Xero.
    pub open: (Amount, Amount),
}

/// What comparing both sides gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Documents compared, as Xero lists them.
    pub documents: i64,
    /// The sum of all differences, signs aside, over all currencies: zero is what is wanted.
    pub difference: Amount,
    /// The groups that differ.
    pub differences: Vec<Difference>,
}

/// Groups by kind, type, status and currency; the value is count, total, open.
type Groups = BTreeMap<(Kind, String, String, String), (i64, Amount, Amount)>;

/// What is compared of one document.
struct Facts {
    of_type: String,
    status: String,
    currency: String,
    total: Option<Decimal>,
    open: Option<Decimal>,
}

impl Engine {
    /// Compares the money of every document kind on both sides, by type, status and currency. Costs one list of each.
    ///
    /// # Errors
    /// Those of Xero and of the database.
    pub async fn agreement(&self, id: ConnectionId) -> Result<Agreement, Error> {
        let connection = self.connection(id).await?;
        let books = self.books(&connection, Lane::Background).await?;
        let local = self.store().read().await?.money_totals(connection.org, id).await?;
        let mut remote = Groups::new();
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        read::<xero::Invoice>(&books, Kind::Invoice, &mut remote, |wire| Facts {
            of_type: text(wire.kind.as_ref().map(xero::InvoiceType::as_str)),
            status: text(wire.status.as_ref().map(xero::DocumentStatus::as_str)),
            currency: text(wire.currency_code.as_deref()),
            total: wire.total,
            open: wire.amount_due,
        })
        .await?;
        read::<xero::CreditNote>(&books, Kind::CreditNote, &mut remote, |wire| Facts {
            of_type: text(wire.kind.as_ref().map(xero::InvoiceType::as_str)),
            status: text(wire.status.as_ref().map(xero::DocumentStatus::as_str)),
            currency: text(wire.currency_code.as_deref()),
            total: wire.total,
            open: wire.remaining_credit,
        })
        .await?;
        read::<xero::Prepayment>(&books, Kind::Prepayment, &mut remote, |wire| Facts {
            of_type: text(wire.kind.as_ref().map(xero::PrepaymentType::as_str)),
            status: text(wire.status.as_ref().map(xero::DocumentStatus::as_str)),
            currency: text(wire.currency_code.as_deref()),
            total: wire.total,
            open: wire.remaining_credit,
        })
        .await?;
        read::<xero::Overpayment>(&books, Kind::Overpayment, &mut remote, |wire| Facts {
            of_type: text(wire.kind.as_ref().map(xero::OverpaymentType::as_str)),
            status: text(wire.status.as_ref().map(xero::DocumentStatus::as_str)),
            currency: text(wire.currency_code.as_deref()),
            total: wire.total,
            open: wire.remaining_credit,
        })
        .await?;
        read::<xero::Payment>(&books, Kind::Payment, &mut remote, |wire| Facts {
            of_type: String::new(),
            status: text(wire.status.as_ref().map(xero::PaymentStatus::as_str)),
            currency: String::new(),
            total: wire.amount,
            open: wire.amount,
        })
        .await?;
        read::<xero::BankTransaction>(&books, Kind::BankTransaction, &mut remote, |wire| Facts {
            of_type: text(wire.kind.as_ref().map(xero::BankTransactionType::as_str)),
            status: text(wire.status.as_ref().map(xero::BankTransactionStatus::as_str)),
            currency: text(wire.currency_code.as_deref()),
            total: wire.total,
            open: wire.total,
        })
        .await?;
        Ok(compare(local, remote))
    }
}

async fn read<T: Entity>(
    books: &Books,
    kind: Kind,
    groups: &mut Groups,
    facts: impl Fn(&T) -> Facts,
) -> Result<(), Error> {
    let query = ListQuery {
        order: Some(Order::by_id::<T>()),
        summary_only: T::PARAMS.contains(&Param::SummaryOnly),
        include_archived: T::PARAMS.contains(&Param::IncludeArchived),
        ..ListQuery::default()
    };
    let mut pages = books.pages::<T>(query);
    while let Some(page) = pages.next().await? {
        for item in &page.items {
            let Ok(wire) = item else {
                // The books cannot have it either, so it must show as a difference.
                groups.entry((kind, "unreadable".into(), String::new(), String::new())).or_default().0 += 1;
                continue;
            };
            let Facts { of_type, status, currency, total, open } = facts(wire);
            let group = groups.entry((kind, of_type, status, currency)).or_default();
            // An amount that the books cannot hold shows as a difference, not as an error.
            let amount =
                |value: Option<Decimal>| value.and_then(|value| Amount::try_from(value).ok()).unwrap_or_default();
            group.0 += 1;
            group.1 = group.1 + amount(total);
            group.2 = group.2 + amount(open);
        }
    }
    Ok(())
}

fn compare(local: Vec<MoneyTotal>, remote: Groups) -> Agreement {
    let documents = remote.values().map(|(count, ..)| count).sum();
    let mut both: BTreeMap<_, [(i64, Amount, Amount); 2]> = BTreeMap::new();
    for (key, values) in remote {
        both.entry(key).or_default()[1] = values;
    }
    for total in local {
        let key = (total.kind, total.r#type, total.status, total.currency);
        both.entry(key).or_default()[0] = (total.count, total.total, total.open);
    }
    let mut agreement = Agreement { documents, difference: Amount::ZERO, differences: Vec::new() };
    for ((kind, of_type, status, currency), [app, xero]) in both {
        if app == xero {
            continue;
        }
        let distance = |a: Amount, b: Amount| if a > b { a - b } else { b - a };
        agreement.difference = agreement.difference + distance(app.1, xero.1) + distance(app.2, xero.2);
        let words = [kind.plural(), &of_type, &status, &currency];
        agreement.differences.push(Difference {
            group: words.iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>().join(" "),
            counts: (app.0, xero.0),
            totals: (app.1, xero.1),
            open: (app.2, xero.2),
        });
    }
    agreement
}
