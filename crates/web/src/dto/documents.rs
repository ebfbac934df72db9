//! Documents with line items as the API shows them: invoices, credits, bank transactions.

use jiff::Timestamp;
use jiff::civil::Date;
use model::Kind;
use serde::Serialize;
use store::Listed;
use utoipa::ToSchema;
use uuid::Uuid;

use super::DecimalText;
use super::books::{Known, Shown, decimal};

/// A line item.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    xero_line_id: Option<Uuid>,
    description: Option<String>,
    quantity: Option<DecimalText>,
    unit_amount: Option<DecimalText>,
    /// In percent.
    discount_rate: Option<DecimalText>,
    discount_amount: Option<DecimalText>,
    account_code: Option<String>,
    tax_type: Option<String>,
    tax_amount: Option<DecimalText>,
    line_amount: Option<DecimalText>,
    item_code: Option<String>,
    tracking: Vec<Tracking>,
}

/// One choice of a tracking category.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tracking {
    category: String,
    option: String,
}

impl From<model::Line> for Line {
    fn from(line: model::Line) -> Self {
        let tracking = |choice: model::Tracking| Tracking { category: choice.category, option: choice.option };
        Self {
            xero_line_id: line.xero_line_id,
            description: line.description,
            quantity: decimal(line.quantity),
            unit_amount: decimal(line.unit_amount),
            discount_rate: decimal(line.discount_rate),
            discount_amount: decimal(line.discount_amount),
            account_code: line.account_code,
            tax_type: line.tax_type,
            tax_amount: decimal(line.tax_amount),
            line_amount: decimal(line.line_amount),
            item_code: line.item_code,
            tracking: line.tracking.into_iter().map(tracking).collect(),
        }
    }
}

fn lines(lines: Vec<model::Line>) -> Vec<Line> {
    lines.into_iter().map(Line::from).collect()
}

/// A sales invoice or a bill.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invoice {
    id: i64,
    xero_id: Option<Uuid>,
    /// `ACCREC` for a sales invoice, `ACCPAY` for a bill.
    r#type: String,
    number: Option<String>,
    reference: Option<String>,
    customer_id: Option<i64>,
    customer_xero_id: Option<Uuid>,
    date: Option<Date>,
    due_date: Option<Date>,
    /// `DRAFT`, `SENT`, `OVERDUE`, `PAID`, `CANCELLED` or `OTHER`.
    #[schema(example = "SENT")]
    status: &'static str,
    /// Xero's own word.
    xero_status: String,
    currency: Option<String>,
    currency_rate: Option<DecimalText>,
    /// `EXCLUSIVE`, `INCLUSIVE` or `NO_TAX`.
    line_amount_types: &'static str,
    sub_total: DecimalText,
    total_tax: DecimalText,
    total: DecimalText,
    amount_due: DecimalText,
    amount_paid: DecimalText,
    amount_credited: DecimalText,
    fully_paid_on: Option<Date>,
    lines: Vec<Line>,
    /// Send it as `If-Match` to change the record.
    #[schema(example = "5f3a90c6e1b24d77a8e05c1f9b3d2e60")]
    version: String,
    /// `SYNCED`, `PENDING` (on its way, or waiting), `CONFLICT` or `FAILED` (refused, and listed with the reason).
    #[schema(example = "SYNCED")]
    sync_state: &'static str,
    updated_at: Timestamp,
}

impl Shown for model::Invoice {
    type Dto = Invoice;

    fn show(listed: Listed<Self>, known: &Known) -> Invoice {
        let row = listed.row;
        let version = sync::record_version(&row.record);
        let record = row.record;
        let (customer_id, customer_xero_id) = known.ids(Kind::Customer, record.customer);
        Invoice {
            id: row.id,
            xero_id: listed.xero_id,
            r#type: record.r#type,
            number: record.number,
            reference: record.reference,
            customer_id,
            customer_xero_id,
            date: record.date,
            due_date: record.due_date,
            status: record.status.as_str(),
            xero_status: record.xero_status,
            currency: record.currency,
            currency_rate: decimal(record.currency_rate),
            line_amount_types: record.line_amount_types.as_str(),
            sub_total: record.sub_total.into(),
            total_tax: record.total_tax.into(),
            total: record.total.into(),
            amount_due: record.amount_due.into(),
            amount_paid: record.amount_paid.into(),
            amount_credited: record.amount_credited.into(),
            fully_paid_on: record.fully_paid_on,
            lines: lines(record.lines),
            version,
            sync_state: known.standing(row.id),
            updated_at: row.updated_at,
        }
    }
}

/// A credit note, prepayment or overpayment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credit {
    id: i64,
    xero_id: Option<Uuid>,
    /// `credit_note`, `prepayment` or `overpayment`.
    kind: &'static str,
    /// Xero's type, for example `ACCRECCREDIT`.
    r#type: String,
    number: Option<String>,
    reference: Option<String>,
    customer_id: Option<i64>,
    customer_xero_id: Option<Uuid>,
    date: Option<Date>,
    status: &'static str,
    xero_status: String,
    currency: Option<String>,
    currency_rate: Option<DecimalText>,
    line_amount_types: &'static str,
    sub_total: DecimalText,
    total_tax: DecimalText,
    total: DecimalText,
    /// What is not yet allocated or refunded.
    remaining_credit: DecimalText,
    lines: Vec<Line>,
    allocations: Vec<Allocation>,
    updated_at: Timestamp,
}

/// A part of a credit that settles a part of an invoice.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Allocation {
    xero_allocation_id: Option<Uuid>,
    invoice_id: Option<i64>,
    invoice_xero_id: Option<Uuid>,
    amount: DecimalText,
    date: Option<Date>,
}

impl Shown for model::Credit {
    type Dto = Credit;

    fn show(listed: Listed<Self>, known: &Known) -> Credit {
        let row = listed.row;
        let record = row.record;
        let (customer_id, customer_xero_id) = known.ids(Kind::Customer, record.customer);
        let allocation = |part: model::Allocation| {
            let (invoice_id, invoice_xero_id) = known.ids(Kind::Invoice, part.invoice);
            Allocation {
                xero_allocation_id: part.xero_allocation_id,
                invoice_id,
                invoice_xero_id,
                amount: part.amount.into(),
                date: part.date,
            }
        };
        Credit {
            id: row.id,
            xero_id: listed.xero_id,
            kind: listed.kind.as_str(),
            r#type: record.r#type,
            number: record.number,
            reference: record.reference,
            customer_id,
            customer_xero_id,
            date: record.date,
            status: record.status.as_str(),
            xero_status: record.xero_status,
            currency: record.currency,
            currency_rate: decimal(record.currency_rate),
            line_amount_types: record.line_amount_types.as_str(),
            sub_total: record.sub_total.into(),
            total_tax: record.total_tax.into(),
            total: record.total.into(),
            remaining_credit: record.remaining_credit.into(),
            lines: lines(record.lines),
            allocations: record.allocations.into_iter().map(allocation).collect(),
            updated_at: row.updated_at,
        }
    }
}

/// Money spent or received directly through a bank account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BankTransaction {
    id: i64,
    xero_id: Option<Uuid>,
    /// `SPEND`, `RECEIVE`, or one of Xero's read-only types.
    r#type: String,
    customer_id: Option<i64>,
    customer_xero_id: Option<Uuid>,
    account_id: Option<i64>,
    account_xero_id: Option<Uuid>,
    date: Option<Date>,
    reference: Option<String>,
    status: &'static str,
    xero_status: String,
    currency: Option<String>,
    currency_rate: Option<DecimalText>,
    line_amount_types: &'static str,
    sub_total: DecimalText,
    total_tax: DecimalText,
    total: DecimalText,
    is_reconciled: bool,
    lines: Vec<Line>,
    /// Send it as `If-Match` to change the record.
    #[schema(example = "5f3a90c6e1b24d77a8e05c1f9b3d2e60")]
    version: String,
    /// `SYNCED`, `PENDING` (on its way, or waiting), `CONFLICT` or `FAILED` (refused, and listed with the reason).
    #[schema(example = "SYNCED")]
    sync_state: &'static str,
    updated_at: Timestamp,
}

impl Shown for model::BankTransaction {
    type Dto = BankTransaction;

    fn show(listed: Listed<Self>, known: &Known) -> BankTransaction {
        let row = listed.row;
        let version = sync::record_version(&row.record);
        let record = row.record;
        let (customer_id, customer_xero_id) = known.ids(Kind::Customer, record.customer);
        let (account_id, account_xero_id) = known.ids(Kind::Account, record.account);
        BankTransaction {
            id: row.id,
            xero_id: listed.xero_id,
            r#type: record.r#type,
            customer_id,
            customer_xero_id,
            account_id,
            account_xero_id,
            date: record.date,
            reference: record.reference,
            status: record.status.as_str(),
            xero_status: record.xero_status,
            currency: record.currency,
            currency_rate: decimal(record.currency_rate),
            line_amount_types: record.line_amount_types.as_str(),
            sub_total: record.sub_total.into(),
            total_tax: record.total_tax.into(),
            total: record.total.into(),
            is_reconciled: record.is_reconciled,
            lines: lines(record.lines),
            version,
            sync_state: known.standing(row.id),
            updated_at: row.updated_at,
        }
    }
}
