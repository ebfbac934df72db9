//! Amounts that follow from others, brought up to date where the App changed what they follow from.
//!
//! An application that sets a quantity by SQL rarely sets the line's amount beside it. Xero computes both anew. A merge sees
//! the App's row with what Xero will make of it (xero-facts §6.2), or it would take the old amount for a wish of the App's;
//! the row itself gets its amounts with Xero's answer, so that it is written once.

use std::collections::HashMap;

use model::accounting::{Totals, refresh_amounts, refresh_changed_types, totals};
use model::{Amount, BankTransaction, Invoice, Line, LineAmountTypes};

/// Percentages of the organisation's tax rates, by their code.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rates(HashMap<String, Amount>);

impl Rates {
    pub(crate) fn of(rates: Vec<(String, Option<Amount>)>) -> Self {
        Self(rates.into_iter().filter_map(|(code, percent)| Some((code, percent?))).collect())
    }

    fn percent(&self, code: &str) -> Option<Amount> {
        self.0.get(code).copied()
    }

    fn refresh(&self, lines: &mut [Line], base: &[Line], types: LineAmountTypes, base_types: LineAmountTypes) {
        let percent = |code: &str| self.percent(code);
        if types == base_types {
            refresh_amounts(lines, base, types, &percent);
        } else {
            refresh_changed_types(lines, base, types, &percent);
        }
    }

    fn totals(&self, lines: &[Line], types: LineAmountTypes) -> Option<Totals> {
        totals(lines, types, &|code| self.percent(code))
    }

    pub(crate) fn prepare_invoice(&self, invoice: &mut Invoice, base: &Invoice) {
        self.refresh(&mut invoice.lines, &base.lines, invoice.line_amount_types, base.line_amount_types);
        // Xero's own totals are never guessed at.
        if invoice.xero_status.is_empty()
            && let Some(totals) = self.totals(&invoice.lines, invoice.line_amount_types)
        {
            (invoice.sub_total, invoice.total_tax) = (totals.sub_total, totals.total_tax);
            (invoice.total, invoice.amount_due) = (totals.total, totals.total);
        }
    }

    pub(crate) fn prepare_bank_transaction(&self, transaction: &mut BankTransaction, base: &BankTransaction) {
        let (types, base_types) = (transaction.line_amount_types, base.line_amount_types);
        self.refresh(&mut transaction.lines, &base.lines, types, base_types);
        if transaction.xero_status.is_empty()
            && let Some(totals) = self.totals(&transaction.lines, types)
        {
            (transaction.sub_total, transaction.total_tax) = (totals.sub_total, totals.total_tax);
            transaction.total = totals.total;
        }
    }
}
