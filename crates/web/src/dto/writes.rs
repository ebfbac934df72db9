//! What a request may write of a record. Fields that Xero computes are not among them.

use jiff::civil::Date;
use model::{
    AddressType, Amount, BankTransaction, Customer, CustomerStatus, DocumentStatus, Invoice, Line, LineAmountTypes,
    Payment, PaymentMethod, PaymentStatus, PhoneType, Rate, Ref,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::DecimalText;
use super::books::Shown;
use crate::given::{Body, Extent, Given, body};
use crate::problem::Problem;

/// A kind of record that requests may write.
pub(crate) trait Writable: Shown + sync::Editable {
    /// What a request may give.
    type Write: Body + ToSchema + Send;

    /// Puts what a request gives into a record.
    fn apply(&mut self, write: Self::Write, extent: Extent) -> Result<(), Problem>;
}

body! {
    /// A customer or supplier to write.
    CustomerWrite {
        /// At most 255 characters; needed for a new one.
        name: String as String,
        first_name: String as String,
        last_name: String as String,
        email: String as String,
        /// The application's own key of the contact in Xero.
        contact_number: String as String,
        account_number: String as String,
        tax_number: String as String,
        company_number: String as String,
        default_currency: String as String,
        /// `ACTIVE` or `ARCHIVED`.
        #[schema(example = "ACTIVE")]
        status: CustomerStatus as String,
        /// All of them: one for each type.
        phones: Vec<PhoneWrite> as Vec<PhoneWrite>,
        /// All of them: one for each type.
        addresses: Vec<AddressWrite> as Vec<AddressWrite>,
    }
}

body! {
    /// A telephone number to write.
    PhoneWrite {
        /// `DEFAULT`, `DDI`, `MOBILE` or `FAX`.
        r#type: PhoneType as String,
        country_code: String as String,
        area_code: String as String,
        number: String as String,
    }
}

body! {
    /// An address to write.
    AddressWrite {
        /// `POBOX` (the postal address) or `STREET`.
        r#type: AddressType as String,
        attention_to: String as String,
        line1: String as String,
        line2: String as String,
        line3: String as String,
        line4: String as String,
        city: String as String,
        region: String as String,
        postal_code: String as String,
        country: String as String,
    }
}

body! {
    /// A line item to write.
    LineWrite {
        /// Which line of the document it is; left out for a new one.
        xero_line_id: Uuid as Uuid,
        description: String as String,
        quantity: Amount as DecimalText,
        unit_amount: Amount as DecimalText,
        /// In percent; sales invoices only.
        discount_rate: Amount as DecimalText,
        discount_amount: Amount as DecimalText,
        account_code: String as String,
        tax_type: String as String,
        /// Left out, it is worked out.
        tax_amount: Amount as DecimalText,
        /// Left out, it is worked out.
        line_amount: Amount as DecimalText,
        item_code: String as String,
        /// At most two.
        tracking: Vec<TrackingWrite> as Vec<TrackingWrite>,
    }
}

body! {
    /// One choice of a tracking category to write.
    TrackingWrite {
        category: String as String,
        option: String as String,
    }
}

body! {
    /// A sales invoice or a bill to write.
    InvoiceWrite {
        /// `ACCREC` for a sales invoice, `ACCPAY` for a bill; needed for a new one.
        #[schema(example = "ACCREC")]
        r#type: String as String,
        /// Left out for a new sales invoice, Xero gives it one.
        number: String as String,
        reference: String as String,
        /// Local id of the customer; needed for a new one.
        customer_id: i64 as i64,
        date: Date as Date,
        due_date: Date as Date,
        /// `DRAFT`, `SENT`, `OVERDUE` or `CANCELLED`; it becomes `PAID` by payments.
        #[schema(example = "SENT")]
        status: DocumentStatus as String,
        /// The organisation's own where it is left out.
        currency: String as String,
        currency_rate: Rate as DecimalText,
        /// `EXCLUSIVE`, `INCLUSIVE` or `NO_TAX`.
        line_amount_types: LineAmountTypes as String,
        /// All of them, in order.
        lines: Vec<LineWrite> as Vec<LineWrite>,
    }
}

body! {
    /// A payment to write. Once Xero has it, it can only be cancelled or deleted.
    PaymentWrite {
        /// Local id of the invoice or bill that it pays. A payment has exactly one of the four.
        invoice_id: i64 as i64,
        /// Local id of the credit note that it refunds.
        credit_note_id: i64 as i64,
        /// Local id of the prepayment that it refunds.
        prepayment_id: i64 as i64,
        /// Local id of the overpayment that it refunds.
        overpayment_id: i64 as i64,
        /// Local id of the account that the money went through.
        account_id: i64 as i64,
        date: Date as Date,
        /// In the currency of the document.
        amount: Amount as DecimalText,
        currency_rate: Rate as DecimalText,
        reference: String as String,
        /// Follows from what it pays where it is left out.
        method: PaymentMethod as String,
        /// `COMPLETED` or `CANCELLED`.
        #[schema(example = "COMPLETED")]
        status: PaymentStatus as String,
    }
}

body! {
    /// Money spent or received to write.
    BankTransactionWrite {
        /// `SPEND` or `RECEIVE`; needed for a new one.
        #[schema(example = "SPEND")]
        r#type: String as String,
        /// Local id of whom the money went to or came from.
        customer_id: i64 as i64,
        /// Local id of the bank account.
        account_id: i64 as i64,
        date: Date as Date,
        reference: String as String,
        /// `COMPLETED` or `CANCELLED`.
        #[schema(example = "COMPLETED")]
        status: PaymentStatus as String,
        currency: String as String,
        currency_rate: Rate as DecimalText,
        /// `EXCLUSIVE`, `INCLUSIVE` or `NO_TAX`.
        line_amount_types: LineAmountTypes as String,
        /// All of them, in order.
        lines: Vec<LineWrite> as Vec<LineWrite>,
    }
}

/// A reference by local id; one that names what the record refers to already stays.
fn refer(given: Given<i64>, field: &mut Option<Ref>, extent: Extent) {
    let given = match given {
        Given::Absent => Given::Absent,
        Given::Null => Given::Null,
        Given::Value(id) => Given::Value(Ref::Local(id)),
    };
    given.set(field, extent);
}

impl Writable for Customer {
    type Write = CustomerWrite;

    fn apply(&mut self, write: CustomerWrite, extent: Extent) -> Result<(), Problem> {
        write.name.fix(&mut self.name, "name")?;
        write.first_name.set(&mut self.first_name, extent);
        write.last_name.set(&mut self.last_name, extent);
        write.email.set(&mut self.email, extent);
        write.contact_number.set(&mut self.contact_number, extent);
        write.account_number.set(&mut self.account_number, extent);
        write.tax_number.set(&mut self.tax_number, extent);
        write.company_number.set(&mut self.company_number, extent);
        write.default_currency.set(&mut self.default_currency, extent);
        write.status.fix(&mut self.status, "status")?;
        write.phones.list(&mut self.phones, extent, PhoneWrite::phone);
        self.phones.retain(|phone| !phone.is_empty());
        write.addresses.list(&mut self.addresses, extent, AddressWrite::address);
        self.addresses.retain(|address| !address.is_empty());
        Ok(())
    }
}

impl PhoneWrite {
    fn phone(self) -> model::Phone {
        model::Phone {
            kind: self.r#type.value().unwrap_or_default(),
            country_code: self.country_code.value(),
            area_code: self.area_code.value(),
            number: self.number.value(),
        }
    }
}

impl AddressWrite {
    fn address(self) -> model::Address {
        model::Address {
            kind: self.r#type.value().unwrap_or_default(),
            attention_to: self.attention_to.value(),
            line1: self.line1.value(),
            line2: self.line2.value(),
            line3: self.line3.value(),
            line4: self.line4.value(),
            city: self.city.value(),
            region: self.region.value(),
            postal_code: self.postal_code.value(),
            country: self.country.value(),
        }
    }
}

impl LineWrite {
    fn line(self) -> Line {
        Line {
            xero_line_id: self.xero_line_id.value(),
            description: self.description.value(),
            quantity: self.quantity.value(),
            unit_amount: self.unit_amount.value(),
            discount_rate: self.discount_rate.value(),
            discount_amount: self.discount_amount.value(),
            account_code: self.account_code.value(),
            tax_type: self.tax_type.value(),
            tax_amount: self.tax_amount.value(),
            line_amount: self.line_amount.value(),
            item_code: self.item_code.value(),
            tracking: self.tracking.value().unwrap_or_default().into_iter().map(TrackingWrite::tracking).collect(),
        }
    }
}

impl TrackingWrite {
    fn tracking(self) -> model::Tracking {
        model::Tracking {
            category: self.category.value().unwrap_or_default(),
            option: self.option.value().unwrap_or_default(),
        }
    }
}

/// Replaces the lines. A line's id must be one that the document has, and once.
fn set_lines(given: Given<Vec<LineWrite>>, lines: &mut Vec<Line>, extent: Extent) -> Result<(), Problem> {
    let known: Vec<Uuid> = lines.iter().filter_map(|line| line.xero_line_id).collect();
    given.list(lines, extent, LineWrite::line);
    for (at, line) in lines.iter().enumerate() {
        let Some(id) = line.xero_line_id else { continue };
        if !known.contains(&id) {
            return Err(Problem::invalid(format!(
                "lines[{at}].xeroLineId: the document has no such line; leave it out for a new one"
            )));
        }
        if lines[..at].iter().any(|other| other.xero_line_id == Some(id)) {
            return Err(Problem::invalid(format!("lines[{at}].xeroLineId: the line is there twice")));
        }
    }
    Ok(())
}

impl Writable for Invoice {
    type Write = InvoiceWrite;

    fn apply(&mut self, write: InvoiceWrite, extent: Extent) -> Result<(), Problem> {
        write.r#type.fix(&mut self.r#type, "type")?;
        write.number.set(&mut self.number, extent);
        write.reference.set(&mut self.reference, extent);
        refer(write.customer_id, &mut self.customer, extent);
        write.date.set(&mut self.date, extent);
        write.due_date.set(&mut self.due_date, extent);
        write.status.fix(&mut self.status, "status")?;
        write.currency.set(&mut self.currency, extent);
        write.currency_rate.set(&mut self.currency_rate, extent);
        write.line_amount_types.fix(&mut self.line_amount_types, "lineAmountTypes")?;
        set_lines(write.lines, &mut self.lines, extent)
    }
}

impl Writable for Payment {
    type Write = PaymentWrite;

    fn apply(&mut self, write: PaymentWrite, extent: Extent) -> Result<(), Problem> {
        let is_new = *self == Self::default();
        refer(write.invoice_id, &mut self.invoice, extent);
        refer(write.credit_note_id, &mut self.credit_note, extent);
        refer(write.prepayment_id, &mut self.prepayment, extent);
        refer(write.overpayment_id, &mut self.overpayment, extent);
        refer(write.account_id, &mut self.account, extent);
        write.date.set(&mut self.date, extent);
        write.amount.fix(&mut self.amount, "amount")?;
        write.currency_rate.set(&mut self.currency_rate, extent);
        write.reference.set(&mut self.reference, extent);
        if is_new {
            self.method = match (self.credit_note, self.prepayment, self.overpayment) {
                (Some(_), ..) => PaymentMethod::Credit,
                (_, Some(_), _) => PaymentMethod::Prepayment,
                (.., Some(_)) => PaymentMethod::Overpayment,
                _ => PaymentMethod::BankTransfer,
            };
        }
        write.method.fix(&mut self.method, "method")?;
        write.status.fix(&mut self.status, "status")
    }
}

impl Writable for BankTransaction {
    type Write = BankTransactionWrite;

    fn apply(&mut self, write: BankTransactionWrite, extent: Extent) -> Result<(), Problem> {
        write.r#type.fix(&mut self.r#type, "type")?;
        refer(write.customer_id, &mut self.customer, extent);
        refer(write.account_id, &mut self.account, extent);
        write.date.set(&mut self.date, extent);
        write.reference.set(&mut self.reference, extent);
        write.status.fix(&mut self.status, "status")?;
        write.currency.set(&mut self.currency, extent);
        write.currency_rate.set(&mut self.currency_rate, extent);
        write.line_amount_types.fix(&mut self.line_amount_types, "lineAmountTypes")?;
        set_lines(write.lines, &mut self.lines, extent)
    }
}
