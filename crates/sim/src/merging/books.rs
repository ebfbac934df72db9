//! Records of the books as the simulation makes and edits them, and Xero as far as a merge meets it.

use jiff::civil::{Date, date};
use model::{
    Address, AddressType, BankTransaction, Customer, CustomerStatus, DocumentStatus, Invoice, Line, LineAmountTypes,
    Payment, PaymentMethod, PaymentStatus, Phone, PhoneType, Record, Ref, Side,
};
use oracle::merge::Shape;
use uuid::Uuid;

use super::case::{BACK, Edit};
use super::lines;

/// A kind of record that takes part.
pub(super) trait Sample: Record + Eq {
    /// What the oracle is told of the kind.
    const SHAPE: &'static Shape;
    /// For stories.
    const NAME: &'static str;

    /// A bare record, as both sides have it.
    fn bare() -> Self;

    /// Edits the record on one side. `was` is the record before any edit; `given` counts ids that Xero gave.
    fn edit(&mut self, edit: Edit, side: Side, was: &Self, given: &mut u128);

    /// Voids, deletes or archives the record.
    fn retire(&mut self);

    /// Xero's own fields follow the others.
    fn work_out(&mut self) {}

    /// Whether Xero would take this in the place of what it has.
    fn accepts(&self, wanted: &Self) -> bool;

    /// Xero stores the fields and groups of these names as it stores things, `self` being what it has.
    fn take(&mut self, wanted: &Self, roots: &[&str], given: &mut u128);

    /// The lines, of kinds that have any.
    fn lines(&self) -> &[Line] {
        &[]
    }

    /// The application writes its lines without their ids.
    fn forget_ids(&mut self) {}
}

pub(super) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// The text of an edit.
pub(super) fn text(edit: Edit) -> Option<String> {
    let spaced = |text: &str| {
        let (before, behind) = (if edit.how & 2 != 0 { " " } else { "" }, if edit.how & 1 != 0 { " " } else { "" });
        format!("{before}{text}{behind}")
    };
    match edit.to {
        0 if edit.how & 3 == 0 => None,
        0 => Some(spaced("")),
        to => Some(spaced(["a", "b", "v2", "v3", "v4"][usize::from(to % 5)])),
    }
}

/// The text of an edit, where it may be the one that was there.
pub(super) fn put_text(of: &mut Option<String>, edit: Edit, was: Option<&Option<String>>) {
    *of = match (edit.to, was) {
        (BACK, Some(was)) if edit.how & 3 != 0 => was.as_ref().map(|text| format!("{} ", text.trim())),
        (BACK, Some(was)) => was.clone(),
        _ => text(edit),
    };
}

fn day(to: u8) -> Option<Date> {
    (to > 0).then(|| date(2026, 3, 1 + i8::try_from(to).unwrap_or(0)))
}

fn reference(to: u8) -> Option<Ref> {
    Some(Ref::Xero(id(70 + u128::from(to))))
}

fn currency(to: u8) -> Option<String> {
    Some(["NZD", "AUD", "USD", "EUR", "GBP"][usize::from(to % 5)].to_owned())
}

fn rate(to: u8) -> Option<model::Rate> {
    ["", "1.5", "0.9", "1.50", "2"][usize::from(to % 5)].parse().ok()
}

/// Xero trims what it is sent.
pub(super) fn trim(text: &mut Option<String>) {
    if let Some(inner) = text {
        let trimmed = inner.trim();
        if trimmed.is_empty() {
            *text = None;
        } else if trimmed.len() < inner.len() {
            *text = Some(trimmed.to_owned());
        }
    }
}

/// Sets a field to one of a few values, or back to the first.
macro_rules! set {
    ($self:ident.$field:ident, $edit:ident, $was:ident, $value:expr) => {
        $self.$field = if $edit.to == BACK { $was.$field.clone() } else { $value }
    };
}

impl Sample for Customer {
    const SHAPE: &'static Shape = &oracle::merge::CUSTOMER;
    const NAME: &'static str = "customer";

    fn bare() -> Self {
        Self { name: "name".into(), ..Self::default() }
    }

    fn edit(&mut self, edit: Edit, side: Side, was: &Self, _given: &mut u128) {
        match edit.what {
            0 => {
                let mut name = Some(std::mem::take(&mut self.name));
                put_text(&mut name, edit, Some(&Some(was.name.clone())));
                self.name = name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "name".into());
            }
            1 => put_text(&mut self.first_name, edit, Some(&was.first_name)),
            2 => put_text(&mut self.last_name, edit, Some(&was.last_name)),
            3 => put_text(&mut self.email, edit, Some(&was.email)),
            4 => put_text(&mut self.contact_number, edit, Some(&was.contact_number)),
            5 => put_text(&mut self.account_number, edit, Some(&was.account_number)),
            6 => put_text(&mut self.tax_number, edit, Some(&was.tax_number)),
            7 => put_text(&mut self.company_number, edit, Some(&was.company_number)),
            8 => set!(self.default_currency, edit, was, currency(edit.to)),
            9..=12 => {
                let kinds = [PhoneType::Default, PhoneType::Ddi, PhoneType::Mobile, PhoneType::Fax];
                let kind = kinds[usize::from(edit.what - 9)];
                let mut phone = self.phones.iter().find(|phone| phone.kind == kind).cloned().unwrap_or_default();
                phone.kind = kind;
                let before = was.phones.iter().find(|phone| phone.kind == kind).cloned().unwrap_or_default();
                if edit.place > 2 {
                    put_text(&mut phone.area_code, edit, Some(&before.area_code));
                } else {
                    put_text(&mut phone.number, edit, Some(&before.number));
                }
                self.phones.retain(|phone| phone.kind != kind);
                let at = usize::from(edit.place).min(self.phones.len());
                self.phones.insert(at, phone);
            }
            13 | 14 => {
                let kind = if edit.what == 13 { AddressType::Pobox } else { AddressType::Street };
                let mut address = self.addresses.iter().find(|a| a.kind == kind).cloned().unwrap_or_default();
                address.kind = kind;
                let before = was.addresses.iter().find(|a| a.kind == kind).cloned().unwrap_or_default();
                put_text(&mut address.city, edit, Some(&before.city));
                self.addresses.retain(|address| address.kind != kind);
                self.addresses.push(address);
            }
            _ if side == Side::Xero => self.is_customer = edit.to % 2 == 1,
            _ => {}
        }
        if side == Side::Xero {
            self.canonicalise();
        }
    }

    fn retire(&mut self) {
        self.status = CustomerStatus::Archived;
    }

    fn accepts(&self, _wanted: &Self) -> bool {
        self.is_live()
    }

    fn take(&mut self, wanted: &Self, _roots: &[&str], _given: &mut u128) {
        *self = Self { is_customer: self.is_customer, is_supplier: self.is_supplier, ..wanted.clone() };
        self.canonicalise();
    }
}

trait Canonical {
    fn canonicalise(&mut self);
}

impl Canonical for Customer {
    fn canonicalise(&mut self) {
        self.name = self.name.trim().to_owned();
        for text in [
            &mut self.first_name,
            &mut self.last_name,
            &mut self.email,
            &mut self.contact_number,
            &mut self.account_number,
            &mut self.tax_number,
            &mut self.company_number,
        ] {
            trim(text);
        }
        for phone in &mut self.phones {
            [&mut phone.country_code, &mut phone.area_code, &mut phone.number].into_iter().for_each(trim);
        }
        self.addresses.iter_mut().for_each(|address| trim(&mut address.city));
        self.phones.retain(|phone: &Phone| !phone.is_empty());
        self.addresses.retain(|address: &Address| !address.is_empty());
    }
}

impl Sample for Invoice {
    const SHAPE: &'static Shape = &oracle::merge::INVOICE;
    const NAME: &'static str = "invoice";

    fn bare() -> Self {
        let (r#type, status, currency) = ("ACCREC".into(), DocumentStatus::Sent, currency(0));
        Self { r#type, status, currency, customer: reference(0), date: day(1), ..Self::default() }
    }

    fn edit(&mut self, edit: Edit, side: Side, was: &Self, given: &mut u128) {
        match edit.what {
            0 => put_text(&mut self.number, edit, Some(&was.number)),
            1 => put_text(&mut self.reference, edit, Some(&was.reference)),
            2 => set!(self.customer, edit, was, reference(edit.to)),
            3 => set!(self.date, edit, was, day(edit.to)),
            4 => set!(self.due_date, edit, was, day(edit.to)),
            5 => {
                use DocumentStatus::{Draft, Overdue, Paid, Sent};
                let status = match side {
                    Side::App => [Sent, Draft, Overdue, Overdue, Sent],
                    Side::Xero => [Sent, Draft, Paid, Sent, Sent],
                };
                set!(self.status, edit, was, status[usize::from(edit.to % 5)]);
            }
            6 => set!(self.currency, edit, was, currency(edit.to)),
            7 => set!(self.currency_rate, edit, was, rate(edit.to)),
            8 if side == Side::Xero => self.amount_paid = super::lines::amount(edit.to),
            8 => {}
            what => {
                let edit = Edit { what: what - 9, ..edit };
                lines::edit(
                    &mut self.lines,
                    &mut self.line_amount_types,
                    edit,
                    side,
                    (&was.lines, was.line_amount_types),
                    given,
                );
            }
        }
        if side == Side::Xero {
            [&mut self.number, &mut self.reference].into_iter().for_each(trim);
            self.work_out();
        }
    }

    fn retire(&mut self) {
        self.status = DocumentStatus::Cancelled;
    }

    fn work_out(&mut self) {
        if self.status == DocumentStatus::Overdue {
            self.status = DocumentStatus::Sent;
        }
        (self.sub_total, self.total_tax, self.total) = lines::totals(&self.lines, self.line_amount_types);
        self.amount_due = self.total - self.amount_paid;
        self.xero_status = self.status.as_str().to_owned();
    }

    /// What is settled or gone stays as it is; what was sent is no draft again; paid is what payments make.
    fn accepts(&self, wanted: &Self) -> bool {
        use DocumentStatus::{Cancelled, Draft, Overdue, Sent};
        match (self.status, wanted.status) {
            (now, then) if now == then => now == Draft || now == Sent,
            (Draft, Sent | Overdue | Cancelled) | (Sent, Overdue | Cancelled) => true,
            _ => false,
        }
    }

    fn take(&mut self, wanted: &Self, roots: &[&str], given: &mut u128) {
        let before = std::mem::replace(self, wanted.clone());
        self.amount_paid = before.amount_paid;
        if roots.contains(&"lines") {
            lines::take(&mut self.lines, self.line_amount_types, &before.lines, before.line_amount_types, given);
        }
        [&mut self.number, &mut self.reference].into_iter().for_each(trim);
        self.work_out();
    }

    fn lines(&self) -> &[Line] {
        &self.lines
    }

    fn forget_ids(&mut self) {
        self.lines.iter_mut().for_each(|line| line.xero_line_id = None);
    }
}

impl Sample for Payment {
    const SHAPE: &'static Shape = &oracle::merge::PAYMENT;
    const NAME: &'static str = "payment";

    fn bare() -> Self {
        Self { invoice: reference(0), account: reference(1), date: day(1), amount: lines::amount(4), ..Self::default() }
    }

    fn edit(&mut self, edit: Edit, side: Side, was: &Self, _given: &mut u128) {
        match edit.what {
            0 => {
                (self.invoice, self.credit_note) = match edit.to {
                    BACK => (was.invoice, was.credit_note),
                    to if to % 2 == 0 => (reference(to), None),
                    to => (None, reference(to)),
                };
            }
            1 => set!(self.account, edit, was, reference(edit.to)),
            2 => set!(self.date, edit, was, day(edit.to)),
            3 => set!(self.amount, edit, was, lines::amount(edit.to)),
            4 => set!(self.currency_rate, edit, was, rate(edit.to)),
            5 => put_text(&mut self.reference, edit, Some(&was.reference)),
            6 => {
                use PaymentMethod::{BankTransfer, Credit, Other, Overpayment, Prepayment};
                let methods = [BankTransfer, Credit, Overpayment, Prepayment, Other];
                set!(self.method, edit, was, methods[usize::from(edit.to % 5)]);
            }
            _ if side == Side::Xero => self.is_reconciled = edit.to % 2 == 1,
            _ => {}
        }
        if side == Side::Xero {
            trim(&mut self.reference);
        }
    }

    fn retire(&mut self) {
        self.status = PaymentStatus::Cancelled;
    }

    /// A payment is made and taken back, never edited.
    fn accepts(&self, wanted: &Self) -> bool {
        self.is_live() && *wanted == Self { status: PaymentStatus::Cancelled, ..self.clone() }
    }

    fn take(&mut self, wanted: &Self, _roots: &[&str], _given: &mut u128) {
        *self = wanted.clone();
        trim(&mut self.reference);
    }
}

impl Sample for BankTransaction {
    const SHAPE: &'static Shape = &oracle::merge::BANK_TRANSACTION;
    const NAME: &'static str = "bank transaction";

    fn bare() -> Self {
        let (r#type, currency) = ("SPEND".into(), currency(0));
        Self { r#type, currency, customer: reference(0), account: reference(1), date: day(1), ..Self::default() }
    }

    fn edit(&mut self, edit: Edit, side: Side, was: &Self, given: &mut u128) {
        match edit.what {
            0 => set!(self.customer, edit, was, reference(edit.to)),
            1 => set!(self.account, edit, was, reference(edit.to)),
            2 => set!(self.date, edit, was, day(edit.to)),
            3 => put_text(&mut self.reference, edit, Some(&was.reference)),
            4 => set!(self.currency, edit, was, currency(edit.to)),
            5 => set!(self.currency_rate, edit, was, rate(edit.to)),
            6 if side == Side::Xero => self.is_reconciled = edit.to % 2 == 1,
            6 => {}
            what => {
                let edit = Edit { what: what - 7, ..edit };
                lines::edit(
                    &mut self.lines,
                    &mut self.line_amount_types,
                    edit,
                    side,
                    (&was.lines, was.line_amount_types),
                    given,
                );
            }
        }
        if side == Side::Xero {
            trim(&mut self.reference);
            self.work_out();
        }
    }

    fn retire(&mut self) {
        self.status = PaymentStatus::Cancelled;
    }

    fn work_out(&mut self) {
        (self.sub_total, self.total_tax, self.total) = lines::totals(&self.lines, self.line_amount_types);
        self.xero_status = self.status.as_str().to_owned();
    }

    fn accepts(&self, _wanted: &Self) -> bool {
        self.is_live()
    }

    fn take(&mut self, wanted: &Self, roots: &[&str], given: &mut u128) {
        let before = std::mem::replace(self, wanted.clone());
        if roots.contains(&"lines") {
            lines::take(&mut self.lines, self.line_amount_types, &before.lines, before.line_amount_types, given);
        }
        trim(&mut self.reference);
        self.work_out();
    }

    fn lines(&self) -> &[Line] {
        &self.lines
    }

    fn forget_ids(&mut self) {
        self.lines.iter_mut().for_each(|line| line.xero_line_id = None);
    }
}

/// Whether every line of the one list that has an id is in the other: Xero knows no others.
pub(super) fn knows_all(has: &[Line], wanted: &[Line]) -> bool {
    let mut ids: Vec<Uuid> = wanted.iter().filter_map(|line| line.xero_line_id).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    ids.len() == count && ids.iter().all(|id| has.iter().any(|line| line.xero_line_id == Some(*id)))
}

/// The other way amounts may be meant.
pub(super) fn types_of(to: u8) -> LineAmountTypes {
    use LineAmountTypes::{Exclusive, Inclusive, NoTax};
    [Exclusive, Inclusive, NoTax, Inclusive, Exclusive][usize::from(to % 5)]
}
