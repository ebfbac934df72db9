//! Tax rates. Xero gives them no id: their code is the key.

use model::{ContentHash, Kind, TaxRate};
use uuid::Uuid;

use super::{Pulled, Rejection, amount, short, text};

pub(crate) struct TaxRates;

impl Pulled for TaxRates {
    type Wire = xero::TaxRate;
    type Record = TaxRate;
    const KIND: Kind = Kind::TaxRate;

    /// An id of our own, the same for the same code.
    fn id(wire: &xero::TaxRate) -> Uuid {
        let code = wire.tax_type.as_deref().or(wire.name.as_deref()).unwrap_or_default();
        Uuid::from_bytes(ContentHash::of(format!("tax rate {code}").as_bytes()).0)
    }

    fn map(wire: xero::TaxRate) -> Result<TaxRate, Rejection> {
        Ok(TaxRate {
            tax_type: short("code", wire.tax_type)?.ok_or_else(|| Rejection("the tax rate has no code".into()))?,
            name: text(wire.name).unwrap_or_default(),
            status: wire.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            effective_rate: amount("effective rate", wire.effective_rate)?,
            display_rate: amount("display rate", wire.display_tax_rate)?,
            applies_to_assets: wire.can_apply_to_assets.unwrap_or_default(),
            applies_to_equity: wire.can_apply_to_equity.unwrap_or_default(),
            applies_to_expenses: wire.can_apply_to_expenses.unwrap_or_default(),
            applies_to_liabilities: wire.can_apply_to_liabilities.unwrap_or_default(),
            applies_to_revenue: wire.can_apply_to_revenue.unwrap_or_default(),
        })
    }

    fn label(record: &TaxRate) -> String {
        record.name.clone()
    }
}
