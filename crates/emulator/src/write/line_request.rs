//! A line of a document as a request describes it: only what was sent.

use uuid::Uuid;

use super::body::{BadBody, Fields};
use crate::books::Amount;
use crate::money;

/// A tracking option as sent: by ids or by names.
#[derive(Debug, Clone, Default)]
pub(super) struct TrackingRequest {
    pub(super) category_id: Option<Uuid>,
    pub(super) option_id: Option<Uuid>,
    pub(super) category: Option<String>,
    pub(super) option: Option<String>,
}

/// A line as sent.
#[derive(Debug, Clone, Default)]
pub(super) struct LineRequest {
    pub(super) id: Option<Uuid>,
    pub(super) description: Option<String>,
    pub(super) quantity: Option<Amount>,
    /// Rounded to the `unitdp` of the request.
    pub(super) unit_amount: Option<Amount>,
    pub(super) line_amount: Option<Amount>,
    pub(super) tax_amount: Option<Amount>,
    pub(super) discount_rate: Option<Amount>,
    pub(super) discount_amount: Option<Amount>,
    pub(super) account_code: Option<String>,
    pub(super) account_id: Option<Uuid>,
    pub(super) tax_type: Option<String>,
    pub(super) item_code: Option<String>,
    pub(super) tracking: Option<Vec<TrackingRequest>>,
}

impl LineRequest {
    fn decode(fields: &Fields<'_>, unit_dp: u32) -> Result<Self, BadBody> {
        let filled = |key: &str| fields.text(key).map(|text| text.filter(|text| !text.is_empty()));
        Ok(Self {
            id: fields.id("LineItemID")?,
            description: fields.text("Description")?,
            quantity: fields.amount("Quantity", 4)?,
            unit_amount: fields.amount("UnitAmount", 4)?.map(|amount| money::round_to(amount, unit_dp)),
            line_amount: fields.amount("LineAmount", 2)?,
            tax_amount: fields.amount("TaxAmount", 2)?,
            discount_rate: fields.amount("DiscountRate", 4)?,
            discount_amount: fields.amount("DiscountAmount", 2)?,
            account_code: filled("AccountCode")?,
            account_id: fields.id("AccountID")?,
            tax_type: filled("TaxType")?,
            item_code: filled("ItemCode")?,
            tracking: tracking(fields)?,
        })
    }
}

/// The `LineItems` of a document; `None` when they were not sent.
pub(super) fn decode_lines(fields: &Fields<'_>, unit_dp: u32) -> Result<Option<Vec<LineRequest>>, BadBody> {
    let Some(sent) = fields.objects("LineItems")? else { return Ok(None) };
    sent.iter().map(|line| LineRequest::decode(line, unit_dp)).collect::<Result<Vec<_>, _>>().map(Some)
}

fn tracking(fields: &Fields<'_>) -> Result<Option<Vec<TrackingRequest>>, BadBody> {
    let Some(sent) = fields.objects("Tracking")? else { return Ok(None) };
    let of = |part: &Fields<'_>| {
        Ok(TrackingRequest {
            category_id: part.id("TrackingCategoryID")?,
            option_id: part.id("TrackingOptionID")?,
            category: part.text("Name")?,
            option: part.text("Option")?,
        })
    };
    sent.iter().map(of).collect::<Result<Vec<_>, BadBody>>().map(Some)
}
