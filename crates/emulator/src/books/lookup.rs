//! Questions about the books that more than one place asks, and the figures that follow from them.

use jiff::civil::Date;
use uuid::Uuid;

use super::*;

impl Books {
    /// Rises with every change of any row that lists show or filter by.
    pub fn revision(&self) -> u64 {
        self.contacts.revision()
            + self.invoices.revision()
            + self.credit_notes.revision()
            + self.prepayments.revision()
            + self.overpayments.revision()
            + self.payments.revision()
            + self.bank_transactions.revision()
            + self.accounts.revision()
    }

    /// While set, no change moves an `UpdatedDateUTC`.
    pub fn set_quiet(&mut self, is_quiet: bool) {
        self.contacts.set_quiet(is_quiet);
        self.invoices.set_quiet(is_quiet);
        self.credit_notes.set_quiet(is_quiet);
        self.prepayments.set_quiet(is_quiet);
        self.overpayments.set_quiet(is_quiet);
        self.payments.set_quiet(is_quiet);
        self.bank_transactions.set_quiet(is_quiet);
        self.accounts.set_quiet(is_quiet);
    }

    /// The rows of every table that were inserted (true) or changed since this was asked last.
    pub fn take_touched(&mut self) -> Vec<(Uuid, bool)> {
        let mut touched = self.contacts.take_touched();
        touched.extend(self.invoices.take_touched());
        touched.extend(self.credit_notes.take_touched());
        touched.extend(self.prepayments.take_touched());
        touched.extend(self.overpayments.take_touched());
        touched.extend(self.payments.take_touched());
        touched.extend(self.bank_transactions.take_touched());
        touched.extend(self.accounts.take_touched());
        touched
    }

    /// Gives a row of any table another `UpdatedDateUTC`, older ones included, as an import does; false when there is no
    /// such row.
    pub fn set_updated(&mut self, id: Uuid, at: Millis) -> bool {
        let credits = [&mut self.credit_notes, &mut self.prepayments, &mut self.overpayments];
        let in_credits = credits.into_iter().any(|table| table.change_quietly(id, |row| row.updated = at).is_some());
        in_credits
            || self.contacts.change_quietly(id, |row| row.updated = at).is_some()
            || self.invoices.change_quietly(id, |row| row.updated = at).is_some()
            || self.payments.change_quietly(id, |row| row.updated = at).is_some()
            || self.bank_transactions.change_quietly(id, |row| row.updated = at).is_some()
            || self.accounts.change_quietly(id, |row| row.updated = at).is_some()
    }

    /// The contact with that name, regardless of case: an ACTIVE one if there is one.
    pub fn contact_by_name(&self, name: &str) -> Option<&Contact> {
        let named = || {
            self.contacts
                .find(Key::text("name", name))
                .filter(|contact| contact.name.to_lowercase() == name.to_lowercase())
        };
        named().find(|contact| contact.status == ContactStatus::Active).or_else(|| named().next())
    }

    /// The contact with that `ContactNumber`, regardless of case and status.
    pub fn contact_by_number(&self, number: &str) -> Option<&Contact> {
        self.contacts
            .find(Key::text("number", number))
            .find(|contact| contact.number.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(number)))
    }

    /// Every invoice and bill with that number, oldest first: bill numbers are not unique.
    pub fn invoices_by_number<'a>(&'a self, number: &'a str) -> impl Iterator<Item = &'a Invoice> {
        self.invoices
            .find(Key::text("number", number))
            .filter(move |invoice| invoice.number.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(number)))
    }

    /// Every credit note with that number.
    pub fn credit_notes_by_number<'a>(&'a self, number: &'a str) -> impl Iterator<Item = &'a Credit> {
        self.credit_notes
            .find(Key::text("number", number))
            .filter(move |credit| credit.number.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(number)))
    }

    /// The invoices and bills of a contact.
    pub fn invoices_of_contact(&self, contact: Uuid) -> impl Iterator<Item = &Invoice> {
        self.invoices.find(Key::id("contact", contact)).filter(move |invoice| invoice.contact == contact)
    }

    /// The payments of a document (invoice, credit note, prepayment, overpayment), deleted ones included.
    pub fn payments_of(&self, document: Uuid) -> impl Iterator<Item = &Payment> {
        self.payments.find(Key::id("target", document)).filter(move |payment| payment.target.id() == document)
    }

    /// The payments of a document that were not taken back.
    pub fn live_payments_of(&self, document: Uuid) -> impl Iterator<Item = &Payment> {
        self.payments_of(document).filter(|payment| payment.status == PaymentStatus::Authorised)
    }

    /// The credit notes with a part set against an invoice.
    pub fn credit_notes_on(&self, invoice: Uuid) -> impl Iterator<Item = (&Credit, &Allocation)> {
        allocations_on(&self.credit_notes, invoice)
    }

    /// The prepayments with a part set against an invoice.
    pub fn prepayments_on(&self, invoice: Uuid) -> impl Iterator<Item = (&Credit, &Allocation)> {
        allocations_on(&self.prepayments, invoice)
    }

    /// The overpayments with a part set against an invoice.
    pub fn overpayments_on(&self, invoice: Uuid) -> impl Iterator<Item = (&Credit, &Allocation)> {
        allocations_on(&self.overpayments, invoice)
    }

    /// Whether a live payment or allocation stands on the invoice.
    pub fn is_settled_in_part(&self, invoice: Uuid) -> bool {
        self.live_payments_of(invoice).next().is_some()
            || self.credit_notes_on(invoice).next().is_some()
            || self.prepayments_on(invoice).next().is_some()
            || self.overpayments_on(invoice).next().is_some()
    }

    /// The account with that code, whatever its status.
    pub fn account_by_code(&self, code: &str) -> Option<&Account> {
        self.accounts
            .find(Key::text("code", code))
            .find(|account| account.code.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(code)))
    }

    /// The account with that name, regardless of case.
    pub fn account_by_name(&self, name: &str) -> Option<&Account> {
        self.accounts.find(Key::text("name", name)).find(|account| account.name.to_lowercase() == name.to_lowercase())
    }

    /// The tax rate of that type, whatever its status.
    pub fn tax_rate(&self, tax_type: &str) -> Option<&TaxRate> {
        self.tax_rates.iter().find(|rate| rate.tax_type.eq_ignore_ascii_case(tax_type))
    }

    /// Whether the organisation subscribes to the currency.
    pub fn has_currency(&self, code: CurrencyCode) -> bool {
        self.currencies.iter().any(|currency| currency.code == code)
    }

    /// The next free automatic number of a sales invoice, e.g. `INV-0055`; taken numbers are skipped.
    pub fn take_invoice_number(&mut self) -> Text {
        loop {
            let number = format!("{}{:04}", self.organisation.invoice_prefix, self.organisation.next_invoice);
            self.organisation.next_invoice += 1;
            if self.invoices_by_number(&number).next().is_none() {
                return number.into();
            }
        }
    }

    /// The next free automatic number of a customer's credit note, e.g. `CN-0012`; taken numbers are skipped.
    pub fn take_credit_note_number(&mut self) -> Text {
        loop {
            let number = format!("{}{:04}", self.organisation.credit_note_prefix, self.organisation.next_credit_note);
            self.organisation.next_credit_note += 1;
            if self.credit_notes_by_number(&number).next().is_none() {
                return number.into();
            }
        }
    }

    /// Recomputes what is paid, credited and due on an invoice from its live payments and allocations, moves it between
    /// AUTHORISED and PAID, and bumps `UpdatedDateUTC`. `on` is the day of the payment or allocation that just happened.
    pub fn settle_invoice(&mut self, invoice: Uuid, on: Date, now: Millis) {
        let paid: Amount = self.live_payments_of(invoice).map(|payment| payment.amount).sum();
        let credited: Amount = self
            .credit_notes_on(invoice)
            .chain(self.prepayments_on(invoice))
            .chain(self.overpayments_on(invoice))
            .map(|(_, allocation)| allocation.amount)
            .sum();
        self.invoices.change(invoice, now, |row| {
            row.amount_paid = paid;
            row.amount_credited = credited;
            if matches!(row.status, DocumentStatus::Authorised | DocumentStatus::Paid) {
                row.amount_due = row.total - paid - credited;
                let settled = row.amount_due.is_zero() && !(paid + credited).is_zero();
                row.status = if settled { DocumentStatus::Paid } else { DocumentStatus::Authorised };
                row.fully_paid_on = settled.then(|| row.fully_paid_on.unwrap_or(on));
            }
        });
    }

    /// Recomputes what remains of a credit from its allocations and live refunds, moves it between AUTHORISED and PAID,
    /// and bumps `UpdatedDateUTC`.
    pub fn settle_credit(&mut self, credit: Uuid, on: Date, now: Millis) {
        let refunded: Amount = self.live_payments_of(credit).map(|payment| payment.amount).sum();
        for table in [&mut self.credit_notes, &mut self.prepayments, &mut self.overpayments] {
            table.change(credit, now, |row| {
                if !matches!(row.status, DocumentStatus::Authorised | DocumentStatus::Paid) {
                    return;
                }
                let allocated: Amount = row.allocations.iter().map(|allocation| allocation.amount).sum();
                row.remaining = row.total - allocated - refunded;
                let spent = row.remaining.is_zero() && !row.total.is_zero();
                row.status = if spent { DocumentStatus::Paid } else { DocumentStatus::Authorised };
                row.fully_paid_on = spent.then(|| row.fully_paid_on.unwrap_or(on));
            });
        }
    }
}

fn allocations_on(table: &Table<Credit>, invoice: Uuid) -> impl Iterator<Item = (&Credit, &Allocation)> {
    table.find(Key::id("invoice", invoice)).flat_map(move |credit| {
        credit
            .allocations
            .iter()
            .filter(move |allocation| allocation.invoice == invoice)
            .map(move |part| (credit, part))
    })
}
