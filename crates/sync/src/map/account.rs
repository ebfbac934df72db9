//! The chart of accounts.

use model::{Account, Kind};

use super::{Pulled, Rejection, short, text};

pub(crate) struct Accounts;

impl Pulled for Accounts {
    type Wire = xero::Account;
    type Record = Account;
    const KIND: Kind = Kind::Account;

    fn map(wire: xero::Account) -> Result<Account, Rejection> {
        Ok(Account {
            code: short("code", wire.code)?,
            name: text(wire.name).ok_or_else(|| Rejection("the account has no name".into()))?,
            r#type: wire.kind.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            class: wire.class.map(|class| class.as_str().to_owned()),
            status: wire.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            tax_type: text(wire.tax_type),
            description: text(wire.description),
            system_account: text(wire.system_account),
            enable_payments: wire.enable_payments_to_account.unwrap_or_default(),
            bank_account_number: text(wire.bank_account_number),
            bank_account_type: text(wire.bank_account_type),
            currency: text(wire.currency_code),
        })
    }

    fn label(record: &Account) -> String {
        record.code.clone().unwrap_or_else(|| record.name.clone())
    }
}
