//! Invoices, bills, payments, credits and bank transactions whose figures agree with each other.

use std::collections::HashMap;

use uuid::Uuid;

use super::lines::{Body, Palette, body};
use super::{DAY_MS, HISTORY_DAYS, Maker, Size};
use crate::books::*;
use crate::dates::date_of_ms;

/// Fills the books with contacts and documents.
pub(super) fn fill(maker: &mut Maker, books: &mut Books, mut contacts: Vec<Contact>, size: &Size) {
    let palette = Palette::of(books);
    let usable: Vec<usize> = (0..contacts.len()).filter(|at| contacts[*at].merged_to.is_none()).collect();
    let mut ledger = Documents::default();
    if !usable.is_empty() {
        ledger.invoices(maker, &palette, &mut contacts, &usable, size);
        ledger.payments(maker, &palette, size);
        ledger.credit_notes(maker, &palette, size);
        ledger.advances(maker, &palette, &contacts, &usable, size);
        ledger.bank_transactions(maker, &palette, &contacts, &usable, size);
    }
    books.organisation.next_invoice = ledger.next_invoice + 1;
    books.organisation.next_credit_note = ledger.next_credit_note + 1;
    books.contacts = Table::from_rows(contacts);
    books.invoices = Table::from_rows(ledger.invoices);
    books.payments = Table::from_rows(ledger.payments);
    books.credit_notes = Table::from_rows(ledger.credit_notes);
    books.prepayments = Table::from_rows(ledger.prepayments);
    books.overpayments = Table::from_rows(ledger.overpayments);
    books.bank_transactions = Table::from_rows(ledger.bank_transactions);
}

#[derive(Default)]
struct Documents {
    invoices: Vec<Invoice>,
    payments: Vec<Payment>,
    credit_notes: Vec<Credit>,
    prepayments: Vec<Credit>,
    overpayments: Vec<Credit>,
    bank_transactions: Vec<BankTransaction>,
    next_invoice: u64,
    next_credit_note: u64,
}

impl Documents {
    fn invoices(
        &mut self,
        maker: &mut Maker,
        palette: &Palette,
        contacts: &mut [Contact],
        usable: &[usize],
        size: &Size,
    ) {
        let count = i64::from(size.invoices);
        self.invoices.reserve_exact(size.invoices as usize);
        for index in 0..count {
            let day = maker.today - (HISTORY_DAYS - index * HISTORY_DAYS / count) * DAY_MS;
            let contact = &mut contacts[*maker.pick(usable)];
            let is_sale = maker.chance(65);
            if is_sale {
                contact.is_customer = true;
            } else {
                contact.is_supplier = true;
            }
            let contact = contact.id;
            let invoice = self.invoice(maker, palette, contact, is_sale, day, size.lines);
            self.invoices.push(invoice);
        }
    }

    fn invoice(
        &mut self,
        maker: &mut Maker,
        palette: &Palette,
        contact: Uuid,
        is_sale: bool,
        day: Millis,
        lines: Option<u32>,
    ) -> Invoice {
        let line_amount_types = match maker.below(10) {
            0..=6 => LineAmountTypes::Exclusive,
            7 | 8 => LineAmountTypes::Inclusive,
            _ => LineAmountTypes::NoTax,
        };
        let foreign = maker.chance(8).then(|| *maker.pick(&palette.currencies));
        let (currency, currency_rate) = foreign.unwrap_or((CurrencyCode::NZD, Rate::ONE));
        let body = body(maker, palette, is_sale, foreign.is_some(), line_amount_types, lines);
        let status = match maker.below(100) {
            0..=4 => DocumentStatus::Draft,
            5..=6 => DocumentStatus::Submitted,
            7..=8 => DocumentStatus::Voided,
            9 => DocumentStatus::Deleted,
            _ => DocumentStatus::Authorised,
        };
        let number = if is_sale {
            self.next_invoice += 1;
            Some(format!("INV-{:04}", self.next_invoice).into())
        } else {
            // Suppliers' numbers repeat, and some bills have none.
            maker.chance(90).then(|| format!("B{}", 1000 + maker.below(20_000)).into())
        };
        let is_live = status == DocumentStatus::Authorised;
        let mut updated = maker.moment_after(day, 10);
        if maker.chance(1) {
            updated = 1_270_000_000_000 + maker.below(10_000_000_000) as i64;
        }
        let (date, due_date) = (date_of_ms(day), date_of_ms(day + 20 * DAY_MS));
        Invoice {
            id: maker.id(),
            kind: if is_sale { InvoiceType::AccRec } else { InvoiceType::AccPay },
            number,
            reference: (is_sale && maker.chance(40)).then(|| format!("PO {}", maker.below(100_000)).into()),
            contact,
            date,
            due_date: Some(due_date),
            status,
            line_amount_types,
            lines: body.lines,
            sub_total: body.totals.sub_total,
            total_tax: body.totals.total_tax,
            total: body.totals.total,
            total_discount: body.discount,
            amount_due: match status {
                DocumentStatus::Voided | DocumentStatus::Deleted => Amount::ZERO,
                _ => body.totals.total,
            },
            amount_paid: Amount::ZERO,
            amount_credited: Amount::ZERO,
            currency,
            currency_rate,
            fully_paid_on: None,
            sent_to_contact: is_sale && is_live && maker.chance(60),
            branding_theme: palette.theme.filter(|_| is_sale),
            url: None,
            expected_payment_date: None,
            planned_payment_date: None,
            created_by_app: false,
            updated,
        }
    }

    /// Spreads the payments evenly over the invoices that can be paid. Most settle their invoice, a few are deleted.
    fn payments(&mut self, maker: &mut Maker, palette: &Palette, size: &Size) {
        let is_payable = |row: &Invoice| row.status == DocumentStatus::Authorised && row.total.0 > 0;
        let payable = self.invoices.iter().filter(|row| is_payable(row)).count() as u64;
        let wanted = u64::from(size.payments);
        self.payments.reserve_exact(if payable == 0 { 0 } else { size.payments as usize });
        for (place, invoice) in (0..).zip(self.invoices.iter_mut().filter(|row| is_payable(row))) {
            let count = (place + 1) * wanted / payable - place * wanted / payable;
            pay(maker, palette, invoice, count, &mut self.payments);
        }
    }

    fn credit_notes(&mut self, maker: &mut Maker, palette: &Palette, size: &Size) {
        let open: Vec<usize> = (0..self.invoices.len())
            .filter(|at| {
                let row = &self.invoices[*at];
                row.status == DocumentStatus::Authorised && row.amount_due.0 > 0 && row.currency == CurrencyCode::NZD
            })
            .collect();
        for (index, at) in (0..size.credit_notes as usize).zip(open) {
            let invoice = &mut self.invoices[at];
            let is_sale = invoice.kind == InvoiceType::AccRec;
            let types = LineAmountTypes::Exclusive;
            let body = body(maker, palette, is_sale, false, types, Some(1));
            let day = crate::dates::date_ms(invoice.date) + DAY_MS;
            let number: Option<Text> = if is_sale {
                self.next_credit_note += 1;
                Some(format!("CN-{:04}", self.next_credit_note).into())
            } else {
                None
            };
            let kind = if is_sale { CreditType::AccRecCredit } else { CreditType::AccPayCredit };
            let mut note = credit(maker, kind, invoice.contact, day, types, body);
            note.number = number;
            note.branding_theme = palette.theme.filter(|_| is_sale);
            note.due_date = Some(note.date);
            match index % 4 {
                0 => {}
                1 => note.status = DocumentStatus::Draft,
                _ => allocate(maker, &mut note, invoice),
            }
            self.credit_notes.push(note);
        }
    }

    /// Prepayments and overpayments, each with the bank transaction that made it.
    fn advances(&mut self, maker: &mut Maker, palette: &Palette, contacts: &[Contact], usable: &[usize], size: &Size) {
        // Open invoices by contact, so that an advance finds one of its own contact without looking through all.
        let mut open: HashMap<(Uuid, InvoiceType), Vec<usize>> = HashMap::new();
        for (at, row) in self.invoices.iter().enumerate().rev() {
            let is_open = row.status == DocumentStatus::Authorised && row.amount_due.0 > 0;
            if is_open && row.currency == CurrencyCode::NZD {
                open.entry((row.contact, row.kind)).or_default().push(at);
            }
        }
        for index in 0..size.prepayments + size.overpayments {
            let is_prepayment = index < size.prepayments;
            let is_receive = maker.chance(70);
            let types = if is_prepayment { LineAmountTypes::Inclusive } else { LineAmountTypes::NoTax };
            let mut body = body(maker, palette, is_receive, false, types, Some(1));
            let kind = match (is_prepayment, is_receive) {
                (true, true) => CreditType::ReceivePrepayment,
                (true, false) => CreditType::SpendPrepayment,
                (false, true) => CreditType::ReceiveOverpayment,
                (false, false) => CreditType::SpendOverpayment,
            };
            if !is_prepayment {
                // An overpayment has a single line on the control account.
                let control = if is_receive { palette.receivable } else { palette.payable };
                body.lines[0].account = Some(control);
                body.lines[0].discount = Discount::None;
                body.lines[0].quantity = Some(Amount(Amount::UNIT));
                body.lines[0].unit_amount = Some(body.lines[0].line_amount);
            }
            let contact = contacts[*maker.pick(usable)].id;
            let day = maker.today - (1 + maker.below(HISTORY_DAYS as usize - 1) as i64) * DAY_MS;
            let bank = *maker.pick(&palette.banks);
            let mut made = credit(maker, kind, contact, day, types, body);
            made.reference = Some(format!("Advance {}", index + 1).into());
            let transaction = bank_transaction_of(maker, &made, bank, is_prepayment);
            let wanted = if is_receive { InvoiceType::AccRec } else { InvoiceType::AccPay };
            let candidate = open.get_mut(&(contact, wanted)).filter(|_| index % 2 == 0).and_then(Vec::pop);
            if let Some(at) = candidate {
                allocate(maker, &mut made, &mut self.invoices[at]);
            }
            self.bank_transactions.push(transaction);
            if is_prepayment { &mut self.prepayments } else { &mut self.overpayments }.push(made);
        }
    }

    fn bank_transactions(
        &mut self,
        maker: &mut Maker,
        palette: &Palette,
        contacts: &[Contact],
        usable: &[usize],
        size: &Size,
    ) {
        for _ in 0..size.bank_transactions {
            let is_receive = maker.chance(35);
            let types = LineAmountTypes::Inclusive;
            let body = body(maker, palette, is_receive, false, types, size.lines);
            let day = maker.today - (1 + maker.below(HISTORY_DAYS as usize - 1) as i64) * DAY_MS;
            self.bank_transactions.push(BankTransaction {
                id: maker.id(),
                kind: if is_receive { BankTransactionType::Receive } else { BankTransactionType::Spend },
                contact: Some(contacts[*maker.pick(usable)].id),
                bank_account: *maker.pick(&palette.banks),
                date: date_of_ms(day),
                reference: maker.chance(50).then(|| format!("Ref {}", maker.below(100_000)).into()),
                status: if maker.chance(4) {
                    BankTransactionStatus::Deleted
                } else {
                    BankTransactionStatus::Authorised
                },
                is_reconciled: maker.chance(70),
                line_amount_types: types,
                lines: body.lines,
                sub_total: body.totals.sub_total,
                total_tax: body.totals.total_tax,
                total: body.totals.total,
                currency: CurrencyCode::NZD,
                currency_rate: Rate::ONE,
                url: None,
                prepayment: None,
                overpayment: None,
                updated: maker.moment_after(day, 10),
            });
        }
    }
}

/// Pays an invoice in so many parts.
fn pay(maker: &mut Maker, palette: &Palette, invoice: &mut Invoice, count: u64, payments: &mut Vec<Payment>) {
    let first_day = crate::dates::date_ms(invoice.date);
    for part in 0..count {
        let left = (count - part) as i64;
        let due_cents = invoice.amount_due.0 / 100;
        if due_cents < left {
            return;
        }
        let is_last = left == 1;
        let settles = is_last && maker.chance(85);
        let cents = if settles { due_cents } else { (due_cents / (left + 1)).max(1) };
        let amount = Amount::from_cents(cents);
        let moment = maker.moment_after(first_day, 40);
        let date = date_of_ms(moment);
        let status = if maker.chance(2) { PaymentStatus::Deleted } else { PaymentStatus::Authorised };
        let base = amount.decimal() / invoice.currency_rate.decimal();
        let bank_amount = Amount::from_decimal(base.round_dp(2)).unwrap_or(amount);
        payments.push(Payment {
            id: maker.id(),
            target: PaymentTarget::Invoice(invoice.id),
            kind: match invoice.kind {
                InvoiceType::AccRec => PaymentType::AccRec,
                InvoiceType::AccPay => PaymentType::AccPay,
            },
            date,
            amount,
            bank_amount,
            currency_rate: invoice.currency_rate,
            reference: maker.chance(30).then(|| format!("Pay {}", maker.below(100_000)).into()),
            status,
            account: Some(*maker.pick(&palette.banks)),
            is_reconciled: maker.chance(40),
            batch: None,
            updated: moment,
        });
        if status == PaymentStatus::Authorised {
            invoice.amount_paid += amount;
            invoice.amount_due -= amount;
        }
        invoice.updated = invoice.updated.max(moment + 3);
        if invoice.amount_due.is_zero() {
            invoice.status = DocumentStatus::Paid;
            invoice.fully_paid_on = Some(date);
        }
    }
}

fn credit(
    maker: &mut Maker,
    kind: CreditType,
    contact: Uuid,
    day: Millis,
    line_amount_types: LineAmountTypes,
    body: Body,
) -> Credit {
    Credit {
        id: maker.id(),
        kind,
        number: None,
        reference: None,
        contact,
        date: date_of_ms(day),
        due_date: None,
        status: DocumentStatus::Authorised,
        line_amount_types,
        lines: body.lines,
        sub_total: body.totals.sub_total,
        total_tax: body.totals.total_tax,
        total: body.totals.total,
        remaining: body.totals.total,
        allocations: Vec::new(),
        currency: CurrencyCode::NZD,
        currency_rate: Rate::ONE,
        fully_paid_on: None,
        sent_to_contact: false,
        branding_theme: None,
        created_by_app: false,
        updated: maker.moment_after(day, 10),
    }
}

/// Sets as much of the credit against the invoice as both allow.
fn allocate(maker: &mut Maker, note: &mut Credit, invoice: &mut Invoice) {
    let amount = note.remaining.min(invoice.amount_due);
    let date = note.date.max(invoice.date);
    note.allocations.push(Allocation { id: maker.id(), invoice: invoice.id, amount, date });
    note.remaining -= amount;
    invoice.amount_credited += amount;
    invoice.amount_due -= amount;
    if note.remaining.is_zero() {
        note.status = DocumentStatus::Paid;
        note.fully_paid_on = Some(date);
    }
    if invoice.amount_due.is_zero() {
        invoice.status = DocumentStatus::Paid;
        invoice.fully_paid_on = Some(date);
    }
    invoice.updated = invoice.updated.max(note.updated + 2);
}

fn bank_transaction_of(maker: &mut Maker, made: &Credit, bank: Uuid, is_prepayment: bool) -> BankTransaction {
    let kind = BankTransactionType::parse(made.kind.as_str()).unwrap_or(BankTransactionType::ReceivePrepayment);
    let mut lines = made.lines.clone();
    for line in &mut lines {
        line.id = maker.id();
    }
    BankTransaction {
        id: maker.id(),
        kind,
        contact: Some(made.contact),
        bank_account: bank,
        date: made.date,
        reference: made.reference.clone(),
        status: BankTransactionStatus::Authorised,
        is_reconciled: false,
        line_amount_types: made.line_amount_types,
        lines,
        sub_total: made.sub_total,
        total_tax: made.total_tax,
        total: made.total,
        currency: made.currency,
        currency_rate: made.currency_rate,
        url: None,
        prepayment: is_prepayment.then_some(made.id),
        overpayment: (!is_prepayment).then_some(made.id),
        updated: made.updated,
    }
}
