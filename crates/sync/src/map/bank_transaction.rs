//! Bank transactions.

use model::{BankTransaction, Kind, LineAmountTypes, PaymentStatus};

use super::{Pulled, Rejection, amount_or_zero, date, line, line_amount_types, rate, reference, text};

pub(crate) struct BankTransactions;

impl Pulled for BankTransactions {
    type Wire = xero::BankTransaction;
    type Record = BankTransaction;
    const KIND: Kind = Kind::BankTransaction;

    fn map(wire: xero::BankTransaction) -> Result<BankTransaction, Rejection> {
        let status = match wire.status {
            Some(xero::BankTransactionStatus::Authorised) => PaymentStatus::Completed,
            Some(xero::BankTransactionStatus::Deleted | xero::BankTransactionStatus::Voided) => {
                PaymentStatus::Cancelled
            }
            _ => PaymentStatus::Other,
        };
        Ok(BankTransaction {
            r#type: wire.kind.ok_or_else(|| Rejection("the bank transaction has no type".into()))?.as_str().to_owned(),
            customer: wire.contact.and_then(|contact| reference(contact.contact_id)),
            account: wire.bank_account.and_then(|account| reference(account.account_id)),
            date: date(wire.date),
            reference: text(wire.reference),
            status,
            xero_status: wire.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            currency: text(wire.currency_code),
            currency_rate: rate("currency rate", wire.currency_rate)?,
            line_amount_types: line_amount_types(wire.line_amount_types.as_ref(), LineAmountTypes::Inclusive)?,
            lines: line::lines(wire.line_items)?,
            sub_total: amount_or_zero("sub-total", wire.sub_total)?,
            total_tax: amount_or_zero("total tax", wire.total_tax)?,
            total: amount_or_zero("total", wire.total)?,
            is_reconciled: wire.is_reconciled.unwrap_or_default(),
        })
    }

    fn label(record: &BankTransaction) -> String {
        record.reference.clone().unwrap_or_else(|| record.total.to_string())
    }

    fn is_marked(marker: &str, record: &BankTransaction) -> bool {
        crate::outgoing::is_marked::<Self>(marker, record)
    }

    fn prepare(record: &mut BankTransaction, base: &BankTransaction, rates: &crate::amounts::Rates) {
        rates.prepare_bank_transaction(record, base);
    }

    fn set_customer(record: &mut BankTransaction, customer: model::Ref) {
        record.customer = Some(customer);
    }
}
